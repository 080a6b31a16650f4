"""The flavor of Keras: the contract, what is asked for trust, and MLflow's arguments."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("keras")

import keras
import numpy as np
import pandas as pd

from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import keras as flavor
from tracklet_flavors.keras import KerasFlavor

# TensorFlow's tensors as arrays of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.cos(np.arange(24.0, dtype="float32")).reshape(8, 3)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


def network() -> Any:
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.set_weights([np.sin(np.arange(6.0)).reshape(3, 2), np.zeros(2)])
    return made


def two_inputs() -> Any:
    one, other = keras.Input((3,), name="one"), keras.Input((1,), name="other")
    joined = keras.layers.Concatenate()([one, other])
    first, second = keras.layers.Dense(2, name="first")(joined), keras.layers.Dense(1)(joined)
    return keras.Model({"one": one, "other": other}, {"first": first, "second": second})


class TestNetwork(FlavorContract):
    flavor = KerasFlavor

    def make_model(self) -> Any:
        return network()

    def make_input(self) -> Any:
        return FRAME.iloc[:5]

    def answer(self, model: Any) -> Any:
        answered = model.predict(self.make_input().to_numpy(), verbose=0)
        return pd.DataFrame(answered, index=self.make_input().index)

    def trainings(self) -> dict[str, Training]:
        model, both = network(), two_inputs()
        given = {"one": X, "other": X[:, :1]}
        return {
            "array": Training(model, X, model.predict(X, verbose=0)),
            "double": Training(model, X.astype("float64"), model.predict(X, verbose=0)),
            "dictionary": Training(both, given, both.predict(given, verbose=0)),
        }


def as_list() -> Any:
    one, other = keras.Input((3,), name="one"), keras.Input((1,), name="other")
    return keras.Model(
        [one, other], keras.layers.Dense(2)(keras.layers.Concatenate()([one, other]))
    )


@pytest.mark.parametrize("make", [two_inputs, as_list])
def test_an_exported_model_is_asked_by_its_own_signature(tmp_path: Path, make: Any) -> None:
    """Arrays by name, of whichever width of numbers, find the inputs that the model has."""
    model = make()
    given = {"other": X[:, :1].astype("float64"), "one": X}
    wanted = model.predict({"one": X, "other": X[:, :1]}, verbose=0)
    flavor.save_model(model, tmp_path / "m", save_exported_model=True)
    loaded = pyfunc.load_model(tmp_path / "m")
    for asked in (given, {**given, "other": X[:, 0]}, {"input_0": X, "input_1": X[:, :1]}):
        answer = loaded.predict(asked)
        for one, other in zip(*map(keras.tree.flatten, (answer, wanted)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(InvalidParameterValue, match="'other'"):
        loaded.predict({"one": X})


def test_the_folder_is_mlflows(tmp_path: Path) -> None:
    """Its files, and the keys of its ``MLmodel``, are those that MLflow looks for."""
    flavor.save_model(network(), tmp_path / "m")
    about = Model.load(tmp_path / "m").flavors
    assert about["keras"] == {
        "data": "data",
        "keras_version": keras.__version__,
        "keras_backend": keras.backend.backend(),
        "save_exported_model": False,
        "code": None,
    }
    assert about["python_function"]["loader_module"] == "mlflow.keras"
    assert {each.name for each in (tmp_path / "m" / "data").iterdir()} == {
        "model.keras",
        "keras_module.txt",
    }
    lines = (tmp_path / "m" / "requirements.txt").read_text().splitlines()
    assert "keras" in {line.partition("==")[0] for line in lines}


def test_code_of_someone_elses_is_not_run_without_trust(tmp_path: Path) -> None:
    """A Lambda layer's function and a module that the file names are for trusted authors."""
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2)])
    flavor.save_model(inner, tmp_path / "m")
    np.testing.assert_array_equal(flavor.load_model(tmp_path / "m").predict(X, verbose=0), X * 2)
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    said = (tmp_path / "m" / "MLmodel").read_text()
    for data in ("data", "data/model.keras"):
        (tmp_path / "m" / "MLmodel").write_text(said.replace("data: data", f"data: {data}"))
        for load in (flavor.load_model, pyfunc.load_model):
            with pytest.raises(models.UntrustedModel, match="a function that is in the file"):
                load(tmp_path / "m")
    np.testing.assert_array_equal(
        flavor.load_model(tmp_path / "m", trust=True).predict(X, verbose=0), X * 2
    )
    flavor.save_model(network(), tmp_path / "plain")
    (tmp_path / "plain" / "tracklet.manifest.json").unlink()
    assert isinstance(flavor.load_model(tmp_path / "plain"), keras.Sequential)


@pytest.mark.parametrize("name", ["model.hdf5", "model.h5", "model.KERAS", "model"])
def test_only_the_zip_files_of_keras_are_read_without_trust(tmp_path: Path, name: str) -> None:
    """Keras takes a file for HDF5, which may hold functions, by its name."""
    flavor.save_model(network(), tmp_path / "m")
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    (tmp_path / "m" / "data" / "model.keras").rename(tmp_path / "m" / "data" / name)
    said = (tmp_path / "m" / "MLmodel").read_text()
    (tmp_path / "m" / "MLmodel").write_text(said.replace("data: data", f"data: data/{name}"))
    for load in (flavor.load_model, pyfunc.load_model):
        with pytest.raises(models.UntrustedModel, match="run the program"):
            load(tmp_path / "m")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("TFSMLayer", "the program of a TFSMLayer"),
        ("TorchModuleWrapper", "the program of a TorchModuleWrapper"),
        ("__lambda__", "a function that is in the file"),
    ],
)
def test_programs_in_the_file_ask_for_trust(tmp_path: Path, kind: str, told: str) -> None:
    """Layers that run a graph or unpickle a module, and functions; also in a checkpoint."""
    inner = {"class_name": kind, "module": "keras.layers", "registered_name": None, "config": {}}
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [inner]}}))
    for own in (True, False):
        with pytest.raises(models.UntrustedModel, match=told):
            KerasFlavor().load(tmp_path, {"data": "model.keras", "own": own})


def test_a_keras_whose_safe_mode_has_holes_asks_for_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flavor.save_model(network(), tmp_path / "m")
    monkeypatch.setattr(keras, "__version__", "3.11.2")
    assert isinstance(flavor.load_model(tmp_path / "m"), keras.Sequential)
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    with pytest.raises(models.UntrustedModel, match=r"Keras 3\.11\.2"):
        flavor.load_model(tmp_path / "m")


@pytest.mark.parametrize("config", ['{"class_name": []}', "[" * 100_000])
def test_odd_configurations_are_said_to_be_corrupt(tmp_path: Path, config: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", config)
    with pytest.raises(TrackletException, match="no model of Keras'"):
        KerasFlavor().load(tmp_path, {"data": "model.keras"})


class Scaled(keras.layers.Layer):
    """A layer of the user's own, which no registry knows."""

    def call(self, x: Any) -> Any:
        return x * 3


def test_classes_of_the_users_come_back(tmp_path: Path) -> None:
    """Where they can be imported; of a foreign model if they are given, or with trust."""
    model = keras.Sequential([keras.Input((3,)), Scaled()])
    flavor.save_model(model, tmp_path / "m")
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    given = {"custom_objects": {"Scaled": Scaled}}
    assert flavor.load_model(tmp_path / "m", **given).predict(X, verbose=0)[0, 0] == 3 * X[0, 0]
    with pytest.raises(models.UntrustedModel, match="import"):
        flavor.load_model(tmp_path / "m")


def test_wrong_arguments_and_corrupt_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterValue, match=r"keras\.Model"):
        flavor.save_model(keras.layers.Dense(2), tmp_path / "m")
    assert not (tmp_path / "m").exists()
    flavor.save_model(network(), tmp_path / "m")
    (tmp_path / "m" / "data" / "model.keras").write_bytes(b"nothing")
    with pytest.raises(TrackletException):
        flavor.load_model(tmp_path / "m", trust=True)
