"""The flavor of Python code: classes, functions, artifacts, models from code."""

from __future__ import annotations

import functools
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, TrackletException
from tracklet.models.pyfunc.python_model import FunctionModel
from tracklet.testing import FlavorContract, Training
from tracklet_flavors.pyfunc import PyfuncFlavor


def adder(amount: float) -> Any:
    """An instance of a class that only this call knows, so that it is pickled by value."""

    class Adder(pyfunc.PythonModel):
        def __init__(self, amount: float) -> None:
            self.amount = amount

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["x"] + self.amount

    return Adder(amount)


class TestPyfuncFlavor(FlavorContract):
    flavor = PyfuncFlavor

    def make_model(self) -> Any:
        return adder(2.0)

    def make_input(self) -> Any:
        return pd.DataFrame({"x": [1.0, 2.0]})

    def answer(self, model: Any) -> Any:
        return model.predict(None, self.make_input())

    def trainings(self) -> dict[str, Training]:
        def lengths(model_input: list[str]) -> list[int]:
            return [len(text) for text in model_input]

        def totals(model_input: list[dict[str, int]]) -> list[int]:
            return [sum(counts.values()) for counts in model_input]

        texts, counts = ["a", "bc", ""], [{"x": 1}, {"x": 2, "y": 3}]
        frame, array = self.make_input(), np.array([[1.0, 2.0], [3.0, 4.0]])
        return {
            "frame": Training(adder(2.0), frame, frame["x"] + 2.0),
            "array": Training(lambda data: data * 2, array, array * 2),
            "texts": Training(lengths, texts, lengths(texts)),
            "records": Training(totals, counts, totals(counts)),
        }

    def wrong_models(self) -> list[Any]:
        return [object(), 3, None, pyfunc.PythonModel, "text"]


class TestFunctions(TestPyfuncFlavor):
    def make_model(self) -> Any:
        return lambda model_input: model_input["x"] * 2

    def answer(self, model: Any) -> Any:
        return model(self.make_input())

    def trainings(self) -> dict[str, Training]:
        return FlavorContract.trainings(self)

    def test_the_native_model_comes_back_as_its_own_type(self, tmp_path: Path) -> None:
        assert isinstance(models.load_model(self.save(tmp_path / "model")), FunctionModel)


CODE = """
import {module}
from {module}.models import ModelConfig, set_model

class Greeter({module}.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [ModelConfig(development_config={{"greeting": "hi"}}).get("greeting"), *model_input]

set_model(Greeter())
"""


@pytest.fixture
def code_file(tmp_path: Path) -> Path:
    path = tmp_path / "model_code.py"
    path.write_text(CODE.format(module="tracklet"))
    return path


def test_artifacts_and_configuration_reach_the_model(tmp_path: Path) -> None:
    """``load_context`` finds files by name and the configuration, which loading may override."""
    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "words.txt").write_text("world")

    class Model(pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            self.words = [
                Path(context.artifacts["file"]).read_text(),
                Path(context.artifacts["folder"], "words.txt").read_text(),
            ]

        def predict(self, context: Any, model_input: Any) -> Any:
            return [*self.words, context.model_config]

    model = Model()
    artifacts = {"file": str(tmp_path / "words.txt"), "folder": str(tmp_path / "folder")}
    pyfunc.save_model(
        tmp_path / "m", python_model=model, artifacts=artifacts, model_config={"a": 1, "b": 2}
    )
    (tmp_path / "words.txt").unlink()
    assert not hasattr(model, "words")
    loaded = pyfunc.load_model(tmp_path / "m", model_config={"b": 3, "unknown": 4})
    assert loaded.predict([1]) == ["hello", "world", {"a": 1, "b": 3}]
    assert loaded.unwrap_python_model().words == ["hello", "world"]


def test_links_in_a_folder_of_the_record_are_not_followed(tmp_path: Path) -> None:
    """Of a run's artifact only what lies in it goes with the model."""
    (tmp_path / "secret").write_text("mine")
    with tracklet.start_run() as run:
        tracklet.log_text("hello", "folder/words.txt")
        folder = Path(tracklet.get_artifact_uri("folder"))
        (folder / "link.txt").symlink_to(tmp_path / "secret")
        (folder / "up").symlink_to(tmp_path)
        artifacts = {"x": f"runs:/{run.info.run_id}/folder"}
        pyfunc.save_model(tmp_path / "m", python_model=adder(1), artifacts=artifacts)
    saved = tmp_path / "m" / "artifacts"
    assert [path.name for path in saved.rglob("*")] == ["folder", "words.txt"]


def test_predict_may_leave_out_context_and_params(tmp_path: Path) -> None:
    """All four shapes of ``predict`` are called with what they take."""

    class Both(pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return ["both", context is not None, model_input, params]

    class NoParams(pyfunc.PythonModel):
        def predict(self, context, model_input):  # type: ignore[no-untyped-def]
            return ["no params", context is not None, model_input]

    class NoContext(pyfunc.PythonModel):
        def predict(self, model_input, params=None):  # type: ignore[no-untyped-def]
            return ["no context", model_input, params]

    class Neither(pyfunc.PythonModel):
        def predict(self, model_input):  # type: ignore[no-untyped-def]
            return ["neither", model_input]

    signature = models.infer_signature(params={"t": 1.0})
    answers = []
    for number, kind in enumerate((Both, NoParams, NoContext, Neither)):
        path = tmp_path / str(number)
        pyfunc.save_model(path, python_model=kind(), signature=signature)
        answers.append(pyfunc.load_model(path).predict("x", params={"t": 2}))
    assert answers == [
        ["both", True, "x", {"t": 2.0}],
        ["no params", True, "x"],
        ["no context", "x", {"t": 2.0}],
        ["neither", "x"],
    ]


def test_an_instance_of_python_model_itself_keeps_artifacts(tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text("0.5")
    artifacts = {"weights": str(tmp_path / "weights.txt")}
    pyfunc.save_model(tmp_path / "m", python_model=pyfunc.PythonModel(), artifacts=artifacts)
    loaded = pyfunc.load_model(tmp_path / "m").unwrap_python_model()
    assert type(loaded) is pyfunc.PythonModel
    assert (tmp_path / "m" / "artifacts" / "weights.txt").read_text() == "0.5"


def test_streaming_models_stream(tmp_path: Path) -> None:
    """``predict_stream`` yields piece by piece; other models refuse."""

    class Streamer(pyfunc.PythonModel):
        def predict(self, model_input: Any) -> Any:
            return list(model_input)

        def predict_stream(self, model_input: Any) -> Iterator[Any]:  # type: ignore[override]
            yield from model_input

    pyfunc.save_model(tmp_path / "s", python_model=Streamer())
    assert list(pyfunc.load_model(tmp_path / "s").predict_stream("ab")) == ["a", "b"]
    pyfunc.save_model(tmp_path / "n", python_model=adder(1))
    with pytest.raises(TrackletException, match="does not stream"):
        pyfunc.load_model(tmp_path / "n").predict_stream("ab")


def test_a_model_from_code_is_run_at_load(tracklet_home: Path, code_file: Path) -> None:
    """The two-file workflow: a file that sets the model is logged, copied and run when loaded."""
    info = pyfunc.log_model(python_model=str(code_file), artifact_path="test_code_logging")
    code_file.unlink()
    assert pyfunc.load_model(info.model_uri).predict(["you"]) == ["hi", "you"]


def test_a_model_from_code_gets_its_configuration(tmp_path: Path, code_file: Path) -> None:
    """``ModelConfig`` answers what was logged, and what loading overrides, while the file runs."""
    source = code_file.read_text().replace(
        "class Greeter",
        'config = ModelConfig(development_config={"greeting": "hi"})\nclass Greeter',
    )
    code_file.write_text(
        source.replace(
            'ModelConfig(development_config={"greeting": "hi"}).get("greeting"), *',
            'config.get("greeting"), *',
        )
    )
    pyfunc.save_model(tmp_path / "m", python_model=code_file, model_config={"greeting": "hello"})
    assert pyfunc.load_model(tmp_path / "m").predict(["you"]) == ["hello", "you"]
    loaded = pyfunc.load_model(tmp_path / "m", model_config={"greeting": "bye"})
    assert loaded.predict(["you"]) == ["bye", "you"]


def test_a_file_that_says_mlflow_runs_without_mlflow(tmp_path: Path) -> None:
    """``import mlflow`` in the file gives tracklet, and is gone afterwards."""
    path = tmp_path / "code.py"
    path.write_text(CODE.format(module="mlflow"))
    pyfunc.save_model(tmp_path / "m", python_model=path)
    assert pyfunc.load_model(tmp_path / "m").predict(["you"]) == ["hi", "you"]
    assert "mlflow" not in sys.modules


def test_a_file_without_a_model_is_refused(tmp_path: Path, code_file: Path) -> None:
    """Nothing stale: the model of an earlier file is not taken for this one's."""
    pyfunc.save_model(tmp_path / "m", python_model=code_file)
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(TrackletException, match="set_model"):
        pyfunc.save_model(tmp_path / "n", python_model=empty)
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(TrackletException, match="ZeroDivisionError"):
        pyfunc.save_model(tmp_path / "n", python_model=broken)
    with pytest.raises(InvalidParameterValue, match="no file"):
        pyfunc.save_model(tmp_path / "n", python_model=str(tmp_path / "absent.py"))
    with pytest.raises(InvalidParameterValue, match="PythonModel or a function"):
        models.set_model("model")
    assert not (tmp_path / "n").exists()


def test_code_of_the_file_becomes_requirements(tmp_path: Path) -> None:
    """What the file imports is listed, at the version that is installed."""
    path = tmp_path / "code.py"
    path.write_text("import numpy as np\nimport json\n" + CODE.format(module="tracklet"))
    pyfunc.save_model(tmp_path / "m", python_model=path)
    names = [
        line.partition("==")[0]
        for line in (tmp_path / "m" / "requirements.txt").read_text().splitlines()
    ]
    assert names == ["tracklet", "cloudpickle", "numpy"]


def test_the_pickle_names_mlflow_and_not_tracklet(tmp_path: Path) -> None:
    """So the model loads where MLflow is and tracklet is not."""

    class Model(pyfunc.PythonModel):
        def predict(self, model_input: Any) -> Any:
            return [tracklet.pyfunc.__name__, model_input]

    pyfunc.save_model(tmp_path / "m", python_model=Model())
    data = (tmp_path / "m" / "python_model.pkl").read_bytes()
    assert b"mlflow.pyfunc.model" in data
    assert b"tracklet.models" not in data
    loaded = pyfunc.load_model(tmp_path / "m")
    assert isinstance(loaded.unwrap_python_model(), pyfunc.PythonModel)
    assert loaded.predict(1) == ["tracklet.pyfunc", 1]


def test_a_model_that_cannot_be_pickled_says_why(tmp_path: Path) -> None:
    """The error names the class and the way out; nothing is left."""

    class Model(pyfunc.PythonModel):
        def __init__(self) -> None:
            self.frame = (number for number in range(3))

        def predict(self, model_input: Any) -> Any:
            return model_input

    with pytest.raises(TrackletException, match="load_context"):
        pyfunc.save_model(tmp_path / "m", python_model=Model())
    assert list(tmp_path.iterdir()) == []


def test_a_class_without_predict_or_instance_is_refused(tmp_path: Path) -> None:
    """Forgotten parentheses and forgotten methods are found when saving."""

    class NoPredict(pyfunc.PythonModel):
        pass

    with pytest.raises(InvalidParameterValue, match="give an instance"):
        pyfunc.save_model(tmp_path / "m", python_model=NoPredict)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterValue, match="no method predict"):
        pyfunc.save_model(tmp_path / "m", python_model=NoPredict())
    with pytest.raises(InvalidParameterValue, match="say what the model is"):
        pyfunc.save_model(tmp_path / "m")


class Scaling:
    """No model of ours; an object that is called."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, numbers: list[int]) -> list[int]:
        return [self.factor * number for number in numbers]


def _product(factor: int, numbers: list[int]) -> list[int]:
    return [factor * number for number in numbers]


@pytest.mark.parametrize("model", [Scaling(2), functools.partial(_product, 2), Scaling(2).__call__])
def test_what_can_be_called_is_a_model(tmp_path: Path, model: Any) -> None:
    """Objects, partial functions and bound methods; the hints of ``__call__`` count."""
    pyfunc.save_model(tmp_path / "m", python_model=model)
    loaded = pyfunc.load_model(tmp_path / "m")
    assert loaded.predict([1, 2]) == [2, 4]
    assert (loaded.signature is None) == isinstance(model, functools.partial)


def test_a_model_that_could_never_be_asked_is_not_saved(tmp_path: Path) -> None:
    """The error shows what it takes; functions with defaults, and with params, can be asked."""

    class Deaf(pyfunc.PythonModel):
        def predict(self) -> Any:  # type: ignore[override]
            return 1

    (tmp_path / "code.py").write_text(
        "import tracklet\ntracklet.models.set_model(lambda one, other: 1)\n"
    )
    wrong: list[Any] = [lambda: 1, lambda one, other: 1, lambda *, data: 1, Deaf()]
    for model in [*wrong, str(tmp_path / "code.py")]:
        with pytest.raises(InvalidParameterValue, match="cannot be asked"):
            pyfunc.save_model(tmp_path / "m", python_model=model)
        with pytest.raises(InvalidParameterValue, match="cannot be asked"):
            pyfunc.log_model(name="m", python_model=model)
    assert not (tmp_path / "m").exists()
    right = [lambda data, power=2: [power], lambda data, params=None: [2], lambda *data: [2]]
    for number, model in enumerate(right):
        pyfunc.save_model(tmp_path / str(number), python_model=model)
        assert pyfunc.load_model(tmp_path / str(number)).predict([1]) == [2]


def test_every_kind_of_model_streams_if_it_can(tmp_path: Path) -> None:
    """From code it is noticed; a loader module's model does if ``streamable`` says so."""
    source = (
        "class Counter({base}):\n"
        "    def predict(self, model_input): return [model_input]\n"
        "    def predict_stream(self, model_input, params=None): yield from range(model_input)\n"
    )
    (tmp_path / "counting_4718.py").write_text(
        "from tracklet import models, pyfunc\n"
        + source.format(base="pyfunc.PythonModel")
        + "models.set_model(Counter())\n"
    )
    (tmp_path / "loading_4718.py").write_text(
        source.format(base="") + "def _load_pyfunc(path): return Counter()\n"
    )
    pyfunc.save_model(tmp_path / "code", python_model=tmp_path / "counting_4718.py")
    pyfunc.save_model(
        tmp_path / "loader",
        loader_module="loading_4718",
        code_paths=[tmp_path / "loading_4718.py"],
        streamable=True,
    )
    before = [*sys.path]
    for name in ("code", "loader"):
        assert [*pyfunc.load_model(tmp_path / name).predict_stream(3)] == [0, 1, 2]
    sys.path[:] = before


def test_nothing_remains_of_a_save_that_fails(tmp_path: Path) -> None:
    """A missing artifact is found after the pickle was written; the folder vanishes."""
    with pytest.raises(TrackletException, match="absent"):
        pyfunc.save_model(tmp_path / "m", python_model=adder(1), artifacts={"a": "/absent.bin"})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m").mkdir()
    pyfunc.save_model(tmp_path / "m", python_model=adder(1))
    with pytest.raises(ResourceAlreadyExists):
        pyfunc.save_model(tmp_path / "m", python_model=adder(1))


def test_a_foreign_loader_is_called_by_mlflows_protocol(tmp_path: Path) -> None:
    """A ``loader_module`` that no flavor knows is imported and asked for ``_load_pyfunc``."""

    class Native:
        def predict(self, data: Any) -> Any:
            return ["native", data]

    loader = types.ModuleType("foreign_loader_4711")
    loader._load_pyfunc = lambda path: Native() if path.endswith("data") else None  # type: ignore[attr-defined]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "MLmodel").write_text(
        "flavors:\n  python_function:\n    data: data\n    loader_module: foreign_loader_4711\n"
    )
    sys.modules[loader.__name__] = loader
    try:
        with pytest.raises(models.UntrustedModel, match="import the loader foreign_loader_4711"):
            pyfunc.load_model(tmp_path / "m")
        loaded = pyfunc.load_model(tmp_path / "m", trust=True)
        assert loaded.predict(1, params=None) == ["native", 1]
    finally:
        del sys.modules[loader.__name__]
    with pytest.raises(TrackletException, match="foreign_loader_4711"):
        pyfunc.load_model(tmp_path / "m", trust=True)


def test_a_function_of_a_script_loads_in_another_process(tmp_path: Path) -> None:
    """What ``__main__`` defined is pickled by value, with the modules that it uses."""
    script = f"""
import numpy as np
from tracklet import pyfunc
def root(model_input):
    return np.sqrt(model_input).tolist()
pyfunc.save_model({str(tmp_path / "m")!r}, python_model=root)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert pyfunc.load_model(tmp_path / "m").predict([4.0]) == [2.0]
    assert "numpy==" in (tmp_path / "m" / "requirements.txt").read_text()
