"""The flavor of PyTorch: the contract, devices, exported programs and MLflow's arguments."""

from __future__ import annotations

import functools
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import pytorch as flavor
from tracklet_flavors.pytorch import PytorchFlavor

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")  # TorchScript is deprecated

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 2))


def answer(model: Any, data: Any) -> Any:
    """What the module itself says, in the form that the data have."""
    matrix = np.array(data.to_numpy() if hasattr(data, "columns") else data)
    given = torch.from_numpy(matrix.astype(np.float32))
    model.eval()
    with torch.no_grad():
        found = model(given).numpy()
    framed = hasattr(data, "columns")
    return pd.DataFrame(found, index=getattr(data, "index", None)) if framed else found


class Named(nn.Module):
    """Two inputs by name, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, ids: Any, scale: Any = None) -> Any:
        found = self.norm(self.embedding(ids).mean(1))
        return {"found": found if scale is None else found * scale[:, None], "nothing": None}


class TestModule(FlavorContract):
    flavor = PytorchFlavor

    def make_model(self) -> Any:
        return network()

    def make_input(self) -> Any:
        return FRAME.iloc[:5]

    def answer(self, model: Any) -> Any:
        return answer(model, self.make_input())

    def trainings(self) -> dict[str, Training]:
        model = network()
        double = network().double().eval()
        with torch.no_grad():
            doubled = double(torch.from_numpy(X.astype(np.float64))).numpy()
        named = Named().eval()
        ids, scale = RNG.integers(0, 5, size=(4, 3)), np.full(4, 2.0, np.float32)
        with torch.no_grad():
            looked_up = named(torch.from_numpy(ids), torch.from_numpy(scale))["found"].numpy()
        shifted = FRAME.set_axis(range(100, 120))
        script = torch.jit.script(network())
        return {
            "frame": Training(model, shifted, answer(model, shifted)),
            "array": Training(model, X, answer(model, X)),
            "double": Training(double, X.astype(np.float64), doubled),
            "named": Training(named, {"ids": ids, "scale": scale}, {"found": looked_up}),
            "script": Training(script, X, answer(script, X)),
        }


class TestScript(FlavorContract):
    flavor = PytorchFlavor

    def make_model(self) -> Any:
        return torch.jit.script(network())

    def make_input(self) -> Any:
        return X[:5]

    def answer(self, model: Any) -> Any:
        return answer(model, self.make_input())


@functools.cache
def program() -> Any:
    given = torch.from_numpy(X[:5])
    batch = torch.export.Dim("batch", min=2)
    return torch.export.export(network().eval(), (given,), dynamic_shapes=({0: batch},))


class TestProgram(FlavorContract):
    """A program of ``torch.export``, which is no module any more."""

    flavor = PytorchFlavor

    def make_model(self) -> Any:
        return program()

    def test_the_native_model_comes_back_as_its_own_type(self, tmp_path: Path) -> None:
        """As the program's module, which can be called; MLflow gives it too."""
        again = models.load_model(self.save(tmp_path / "model"))
        assert type(again).__name__ == type(program().module()).__name__

    def make_input(self) -> Any:
        return X[:5]

    def answer(self, model: Any) -> Any:
        with torch.no_grad():
            return model.module()(torch.from_numpy(self.make_input())).numpy()


def test_saving_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    """It goes on training, with its counts, its hooks uncalled and the random states untouched."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    flavor.save_model(model, tmp_path / "m", input_example=X[:5])
    assert Model.load(tmp_path / "m").signature is not None
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert calls == []
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]


def test_the_folder_is_mlflows(tmp_path: Path) -> None:
    """Its files, and the keys of its ``MLmodel``, are those that MLflow looks for."""
    (tmp_path / "notes.txt").write_text("beside")
    flavor.save_model(network(), tmp_path / "m", extra_files=[tmp_path / "notes.txt"])
    about = Model.load(tmp_path / "m").flavors
    assert about["pytorch"] == {
        "model_data": "data",
        "pytorch_version": str(torch.__version__),
        "code": None,
        "extra_files": [{"path": "extra_files/notes.txt"}],
    }
    view = about["python_function"]
    assert view["data"] == "data"
    assert view["pickle_module_name"] == "mlflow.pytorch.pickle_module"
    assert view["config"] == {"device": None}
    module = (tmp_path / "m" / "data" / "pickle_module_info.txt").read_text()
    assert module == "mlflow.pytorch.pickle_module"
    names = {line.partition("==")[0] for line in flavor.get_default_pip_requirements()}
    assert names == {"torch", "cloudpickle"}
    lines = (tmp_path / "m" / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in lines] == ["tracklet", "torch"]


@pytest.mark.framework  # it imports torch's compiler
def test_classes_of_a_script_and_wrapped_modules_come_back(tmp_path: Path) -> None:
    """A class that cannot be imported is in the file; torch.compile's wrapper is not."""

    class Local(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return np.pi * self.inner(x)

    model = Local()
    flavor.save_model(model, tmp_path / "local")
    again = flavor.load_model(tmp_path / "local", map_location="cpu")
    assert type(again).__name__ == "Local"
    assert not again.training
    np.testing.assert_array_equal(answer(again, X), answer(model, X))
    flavor.save_model(torch.compile(network()), tmp_path / "compiled", pickle_protocol=4)
    assert type(flavor.load_model(tmp_path / "compiled")) is nn.Sequential
    flavor.save_model(nn.DataParallel(network()), tmp_path / "parallel")
    assert type(flavor.load_model(tmp_path / "parallel")) is nn.Sequential


def test_the_device_is_chosen_when_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its configuration, else by the option; as a parameter it is refused."""
    signature = models.infer_signature(X, X, {"device": "cpu"})
    flavor.save_model(network(), tmp_path / "m", signature=signature)
    view = pyfunc.load_model(tmp_path / "m", model_config={"device": "meta"})
    assert next(view.get_raw_model().parameters()).device.type == "meta"
    monkeypatch.setenv("MLFLOW_DEFAULT_PREDICTION_DEVICE", "meta")
    view = pyfunc.load_model(tmp_path / "m")
    assert next(view.get_raw_model().parameters()).device.type == "meta"
    with pytest.raises(InvalidParameterValue, match="when the model is loaded"):
        view.predict(X, {"device": "cpu"})


def test_answers_of_several_tensors_and_of_types_that_numpy_lacks(tmp_path: Path) -> None:
    """Lists stay lists, brain floats become single ones, and what is no tensor is an error."""

    class Several(nn.Module):
        def forward(self, x: Any, kind: str = "list") -> Any:
            return {"list": [x, x.bfloat16()], "none": None}[kind]

    signature = models.infer_signature(X, X, {"kind": "list"})
    flavor.save_model(Several(), tmp_path / "m", signature=signature)
    view = pyfunc.load_model(tmp_path / "m")
    first, second = view.predict(X)
    np.testing.assert_array_equal(first, X)
    assert second.dtype == np.float32
    with pytest.raises(InvalidParameterValue, match="NoneType"):
        view.predict(X, {"kind": "none"})
    with pytest.raises(TrackletException):
        pyfunc.load_model(tmp_path / "m").predict(np.array([["a"]]))


@pytest.mark.framework
def test_a_modules_program_is_saved_with_an_example(tmp_path: Path) -> None:
    """``pt2`` files hold no pickle; they answer batches of any length, as the trained module."""
    model = network()
    example = X[:4]
    flavor.save_model(model, tmp_path / "m", input_example=example, serialization_format="pt2")
    assert [each.name for each in (tmp_path / "m" / "data").iterdir()] == ["model.pt2"]
    assert model.training
    np.testing.assert_array_equal(pyfunc.load_model(tmp_path / "m").predict(X), answer(model, X))
    with pytest.raises(TrackletException, match="was exported on cpu"):
        pyfunc.load_model(tmp_path / "m", model_config={"device": "meta"})
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    with pytest.raises(models.UntrustedModel, match=r"run the program data/model\.pt2"):
        flavor.load_model(tmp_path / "m")
    with pytest.raises(InvalidParameterValue, match="input_example"):
        flavor.save_model(model, tmp_path / "n", export_model=True)
    with pytest.raises(InvalidParameterValue, match="pickle, pt2"):
        flavor.save_model(model, tmp_path / "n", serialization_format="onnx")
    assert not (tmp_path / "n").exists()


def test_a_foreign_pickle_module_is_asked_for(tmp_path: Path) -> None:
    """What ``pickle_module_info.txt`` names is imported only if the model's author is trusted."""
    flavor.save_model(network(), tmp_path / "m", pickle_module=pickle)
    assert isinstance(flavor.load_model(tmp_path / "m"), nn.Sequential)
    (tmp_path / "m" / "data" / "pickle_module_info.txt").write_text("antigravity")
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    with pytest.raises(models.UntrustedModel):
        flavor.load_model(tmp_path / "m")
    assert "antigravity" not in sys.modules


def test_state_dictionaries_are_artifacts(tracklet_home: Path) -> None:
    """What learned is saved and logged, without a model; a module given for one is an error."""
    model = network()
    state = {"model": model.state_dict(), "epoch": 3}
    with tracklet.start_run() as run:
        flavor.log_state_dict(state, "checkpoint")
    again = flavor.load_state_dict(f"runs:/{run.info.run_id}/checkpoint")
    assert again["epoch"] == 3
    assert all(torch.equal(again["model"][name], state["model"][name]) for name in state["model"])
    with pytest.raises(TypeError, match="Sequential"):
        flavor.save_state_dict(model, tracklet_home / "wrong")  # type: ignore[arg-type]
    assert not (tracklet_home / "wrong").exists()


def test_what_a_module_learned_is_read_without_running_anything(tmp_path: Path) -> None:
    """Beside the pickle, as safetensors; shared tensors under all their names, others as ever."""
    safetensors = pytest.importorskip("safetensors.torch")

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
            self.two.weight = self.one.weight

    model = Tied()
    state = model.state_dict()
    flavor.save_model(model, tmp_path / "tied")
    found = flavor.load_state_dict(tmp_path / "tied")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert set(safetensors.load_file(tmp_path / "tied" / "data" / "model.safetensors")) < set(state)

    class Extra(nn.Linear):
        def get_extra_state(self) -> Any:
            return {"seen": 3}

        def set_extra_state(self, state: Any) -> None:
            pass

    flavor.save_model(Extra(2, 1), tmp_path / "extra")
    assert not (tmp_path / "extra" / "data" / "model.safetensors").exists()
    assert isinstance(flavor.load_model(tmp_path / "extra"), nn.Module)


def test_a_state_dictionary_with_code_needs_trust(tmp_path: Path) -> None:
    """Tensors and numbers load for everyone; anything else runs code, and is asked for."""
    flavor.save_state_dict({"w": torch.ones(2), "more": Named()}, tmp_path)
    with pytest.raises(TrackletException, match="cannot be unpickled"):
        flavor.load_state_dict(tmp_path)
    with pytest.raises(models.UntrustedModel):
        flavor.load_state_dict(tmp_path, weights_only=False)
    assert isinstance(
        flavor.load_state_dict(tmp_path, weights_only=False, trust=True)["more"], Named
    )
