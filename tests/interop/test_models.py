"""Models, signatures, checks and fingerprints: ours in MLflow, MLflow's in ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet import data, models, pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.models import ColSpec, Schema, examples, manifest
from tracklet.models.pyfunc.enforcement import SchemaMismatch, enforce
from tracklet.types import DataType, infer_param_schema, infer_schema
from tracklet_flavors import sklearn as flavor

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

CASES = Path(__file__).parent / "cases"

InMlflow = Callable[..., Any]


def cases(name: str) -> dict[str, Any]:
    """The names that a file of cases defines."""
    space: dict[str, Any] = {}
    exec((CASES / f"{name}.py").read_text(), space)
    return space


def fitted() -> tuple[Any, pd.DataFrame]:
    frame, target = load_iris(return_X_y=True, as_frame=True)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, target), frame


@pytest.mark.parametrize("kind", ["cloudpickle", "pickle", "skops"])
def test_mlflow_loads_our_estimators(tracklet_home: Path, in_mlflow: InMlflow, kind: str) -> None:
    """Saved by tracklet in each format, an estimator predicts the same under MLflow."""
    model, frame = fitted()
    path = tracklet_home / "m"
    flavor.save_model(model, path, serialization_format=kind, input_example=frame[:3])
    found = in_mlflow(
        """
        model = mlflow.pyfunc.load_model(arguments[0])
        example = model.metadata.load_input_example(arguments[0])
        native = mlflow.sklearn.load_model(arguments[0])
        answer({"view": model.predict(example).tolist(),
                "native": native.predict_proba(example).tolist(),
                "signature": model.metadata.signature.to_dict(),
                "columns": list(example.columns)})
        """,
        str(path),
    )
    assert found["view"] == model.predict(frame[:3]).tolist()
    np.testing.assert_array_equal(found["native"], model.predict_proba(frame[:3]))
    assert found["columns"] == list(frame.columns)
    signature = models.Model.load(path).signature
    assert signature is not None
    assert found["signature"] == signature.to_dict()


def test_mlflow_loads_our_logged_model_by_run_and_id(in_mlflow: InMlflow) -> None:
    """The run's name for the model and the model's id both work in MLflow."""
    model, frame = fitted()
    with tracklet.start_run() as run:
        info = flavor.log_model(model, name="model", input_example=frame[:3])
    answers = in_mlflow(
        """
        import pandas as pd
        answer([mlflow.pyfunc.load_model(uri).predict(
            mlflow.pyfunc.load_model(uri).metadata.load_input_example()).tolist()
            for uri in arguments])
        """,
        f"runs:/{run.info.run_id}/model",
        info.model_uri,
    )
    expected = model.predict(frame[:3]).tolist()
    assert answers == [expected, expected]


@pytest.mark.parametrize("kind", ["cloudpickle", "pickle", "skops"])
def test_we_load_mlflows_estimators(tracklet_home: Path, in_mlflow: InMlflow, kind: str) -> None:
    """Saved by MLflow in each format, an estimator predicts the same here."""
    path = tracklet_home / "theirs"
    found = in_mlflow(
        """
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        frame, target = load_iris(return_X_y=True, as_frame=True)
        model = LogisticRegression(max_iter=500).fit(frame, target)
        mlflow.sklearn.save_model(model, arguments[0], serialization_format=arguments[1],
                                  input_example=frame[:3])
        answer(model.predict_proba(frame[:3]).tolist())
        """,
        str(path),
        kind,
    )
    # A skops file needs no trust; MLflow's pickles are a stranger's to us.
    trust = None if kind == "skops" else True
    loaded = pyfunc.load_model(path, trust=trust)
    example = loaded.metadata.load_input_example(path)
    native = flavor.load_model(path, trust=trust)
    np.testing.assert_array_equal(native.predict_proba(example), found)
    np.testing.assert_array_equal(loaded.predict(example), native.predict(example))


def test_mlflow_loads_our_python_models_without_tracklet(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """Classes, functions and models from code; the pickles name nothing of tracklet's."""
    (tracklet_home / "words.txt").write_text("hello")
    code = tracklet_home / "model_code.py"
    code.write_text(
        "import mlflow\n"
        "class Echo(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return ['code', *model_input]\n"
        "mlflow.models.set_model(Echo())\n"
    )

    class Model(pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            self.word = Path(context.artifacts["words"]).read_text()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [self.word, context.model_config["n"], *model_input]

    artifacts = {"words": str(tracklet_home / "words.txt")}
    pyfunc.save_model(
        tracklet_home / "class", python_model=Model(), artifacts=artifacts, model_config={"n": 1}
    )
    pyfunc.save_model(tracklet_home / "function", python_model=lambda x: ["function", *x])
    pyfunc.save_model(tracklet_home / "code", python_model=code)
    answers = in_mlflow(
        """
        import importlib.util
        assert importlib.util.find_spec("tracklet") is None
        answer([mlflow.pyfunc.load_model(path).predict(["x"]) for path in arguments])
        """,
        *(str(tracklet_home / name) for name in ("class", "function", "code")),
    )
    assert answers == [["hello", 1, "x"], ["function", "x"], ["code", "x"]]


def test_we_load_mlflows_python_models_without_mlflow(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """Classes, functions and models from code that MLflow wrote."""
    in_mlflow(
        """
        from pathlib import Path
        home = Path(arguments[0])
        (home / "words.txt").write_text("hello")
        (home / "model_code.py").write_text(
            "import mlflow\\n"
            "class Echo(mlflow.pyfunc.PythonModel):\\n"
            "    def predict(self, context, model_input, params=None):\\n"
            "        return ['code', *model_input]\\n"
            "mlflow.models.set_model(Echo())\\n")
        class Model(mlflow.pyfunc.PythonModel):
            def load_context(self, context):
                self.word = Path(context.artifacts["words"]).read_text()
            def predict(self, context, model_input, params=None):
                return [self.word, context.model_config["n"], *model_input]
        mlflow.pyfunc.save_model(str(home / "class"), python_model=Model(),
            artifacts={"words": str(home / "words.txt")}, model_config={"n": 1})
        mlflow.pyfunc.save_model(str(home / "function"),
            python_model=lambda model_input: ["function", *model_input],
            pip_requirements=[])
        mlflow.pyfunc.save_model(str(home / "code"), python_model=str(home / "model_code.py"))
        """,
        str(tracklet_home),
    )
    answers = [
        pyfunc.load_model(tracklet_home / name, trust=True).predict(["x"])
        for name in ("class", "function", "code")
    ]
    assert answers == [["hello", 1, "x"], ["function", "x"], ["code", "x"]]


# Where we say more than MLflow does, on purpose.
WIDER = {
    "csra": "SciPy's sparse arrays are matrices as much as its sparse matrices",
    "dictscal": "NumPy's scalars among Python's in a dictionary have a type like any other",
    "obj": "an arbitrary object is no text",
    **dict.fromkeys(
        ("uint64", "complex", "td", "dec", "mixed", "listmixed", "dicts2"),
        "a column that no type holds does not cost the others their types and names",
    ),
    "ts": "a pandas timestamp is a date like any other",
    "P empty": "an empty list of parameters is a list of texts, not of dates",
}


def test_schemas_are_inferred_as_mlflow_infers_them(in_mlflow: InMlflow) -> None:
    """Cell by cell over all kinds of data and parameters; each exception has its reason."""
    theirs = in_mlflow(
        """
        import logging; logging.disable(logging.WARNING)
        from mlflow.models import infer_signature
        exec(open(arguments[0]).read())
        found = {}
        for name, make in CASES.items():
            if name != "none":
                found[name] = infer_signature(make()).to_dict()["inputs"]
        for name, make in OUT.items():
            found["OUT " + name] = infer_signature(*make()).to_dict()["outputs"]
        for name, value in PARAMS.items():
            try:
                found["P " + name] = infer_signature(params={"p": value}).to_dict()["params"]
            except mlflow.MlflowException as error:
                found["P " + name] = error.error_code
        answer(found)
        """,
        str(CASES / "signatures.py"),
    )
    space = cases("signatures")
    ours: dict[str, str | None] = {}
    for name, make in space["CASES"].items():
        if name != "none":
            ours[name] = models.infer_signature(make()).to_dict()["inputs"]
    for name, make in space["OUT"].items():
        ours["OUT " + name] = models.infer_signature(*make()).to_dict()["outputs"]
    for name, value in space["PARAMS"].items():
        try:
            ours["P " + name] = infer_param_schema({"p": value}).to_json()
        except InvalidParameterValue as error:
            ours["P " + name] = error.error_code
    different = {name for name in theirs if theirs[name] != ours[name]}
    assert different == set(WIDER), {name: (theirs[name], ours[name]) for name in different}
    # Where only one of a frame's columns has no type, the others keep theirs.
    for name in ("uint64", "complex", "td", "dec", "mixed", "listmixed", "dicts2"):
        assert ours[name] == '[{"type": "any", "name": "a", "required": true}]'


def test_schemas_are_enforced_as_mlflow_enforces_them(in_mlflow: InMlflow) -> None:
    """Every dtype against every declared type: accepted alike, with the same resulting dtype."""
    theirs = in_mlflow(
        """
        from mlflow.models.utils import _enforce_schema
        from mlflow.types import ColSpec, Schema
        exec(open(arguments[0]).read())
        found = {}
        for name, make in COLS.items():
            for kind in TYPES:
                try:
                    schema = Schema([ColSpec(kind, "x")])
                    frame = _enforce_schema(pd.DataFrame({"x": make()}), schema)
                    found[f"{name} {kind}"] = str(frame["x"].dtype)
                except Exception:
                    found[f"{name} {kind}"] = "refused"
        answer(found)
        """,
        str(CASES / "columns.py"),
    )
    space = cases("columns")
    ours = {}
    for name, make in space["COLS"].items():
        for kind in space["TYPES"]:
            try:
                frame = enforce(pd.DataFrame({"x": make()}), Schema([ColSpec(kind, "x")]))
                ours[f"{name} {kind}"] = str(frame["x"].dtype)
            except SchemaMismatch:
                ours[f"{name} {kind}"] = "refused"
    different = {cell for cell in theirs if ours[cell] != theirs[cell]}
    for cell in different - set(OWN):
        # What has the type by its own inference is refused there, and passes unchanged here.
        name, kind = cell.split()
        series = space["COLS"][name]()
        assert theirs[cell] == "refused", cell
        if series.dtype.name == "category":  # passes where its values do
            plain = series.astype(series.cat.categories.dtype)
            enforce(plain.to_frame("x"), Schema([ColSpec(kind, "x")]))
            continue
        assert infer_schema(series.to_frame("x")).input_types() == [DataType[kind]], cell
        assert ours[cell] == str(series.dtype)
    assert {cell: ours[cell] for cell in OWN} == OWN


def test_mlflow_reads_signatures_that_do_not_say_all(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """Columns of any type, Arrow's dtypes and names that are dates; each checks the rest."""
    odd = pd.DataFrame({"i": [1, 2], "odd": pd.to_timedelta([1, 2]), "s": ["a", "b"]})
    given = {
        "odd": odd,
        "arrow": odd[["i", "s"]].convert_dtypes(dtype_backend="pyarrow"),
        "dates": pd.DataFrame([[1.5, 2.0]], columns=pd.to_datetime(["2020-01-01", "2020-01-02"])),
    }
    for name, frame in given.items():
        path = tracklet_home / name
        pyfunc.save_model(path, python_model=lambda model_input: 1, input_example=frame)
    found = in_mlflow(
        """
        import pandas as pd
        models = [mlflow.pyfunc.load_model(path) for path in arguments]
        odd = pd.DataFrame({"i": [1, 2], "odd": pd.to_timedelta([1, 2]), "s": ["a", "b"]})
        dates = models[2].metadata.load_input_example(arguments[2])
        answer([models[0].predict(odd), models[1].predict(odd[["i", "s"]]),
                models[2].predict(dates), models[2].metadata.get_input_schema().input_names()])
        """,
        *(str(tracklet_home / name) for name in given),
    )
    assert found == [1, 1, 1, ["2020-01-01T00:00:00", "2020-01-02T00:00:00"]]


OWN = {"date datetime": "object"}
"""A date is not turned into a timestamp: a model that learned dates would not know it again."""


def test_fingerprints_are_mlflows(in_mlflow: InMlflow) -> None:
    """The same frame or array has the same digest, schema and profile on both sides."""
    theirs = in_mlflow(
        """
        import logging; logging.disable(logging.WARNING)
        import mlflow.data
        exec(open(arguments[0]).read())
        made = {f"frame {name}": mlflow.data.from_pandas(frame) for name, frame in FRAMES.items()}
        made |= {f"array {name}": mlflow.data.from_numpy(features, targets=targets)
                 for name, (features, targets) in ARRAYS.items()}
        answer({name: [d.to_dict()[key] for key in ("name", "digest", "schema", "profile")]
                for name, d in made.items()})
        """,
        str(CASES / "frames.py"),
    )
    space = cases("frames")
    made: dict[str, data.Dataset] = {
        f"frame {name}": data.from_pandas(frame) for name, frame in space["FRAMES"].items()
    }
    made |= {
        f"array {name}": data.from_numpy(features, targets=targets)
        for name, (features, targets) in space["ARRAYS"].items()
    }
    ours = {
        name: [one.to_dict()[key] for key in ("name", "digest", "schema", "profile")]
        for name, one in made.items()
    }
    for name in ("frame all", "frame objects"):  # MLflow has no schema for some of the columns
        assert theirs[name][2] is None
        assert '"type": "any"' in str(ours[name][2])
        ours[name][2] = None
    assert ours == theirs


def test_input_examples_of_all_kinds_are_read_by_mlflow(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """MLflow reads every encoding that we write, as what it was."""
    import scipy.sparse as sparse

    given = {
        "frame": pd.DataFrame({"a": [1.0, None], "b": ["x", "y"]}),
        "values": pd.DataFrame(np.ones((2, 2))),
        "array": np.array([[1.0, 2.0]]),
        "arrays": {"x": np.ones((2, 2)), "y": np.array([1])},
        "csr": sparse.csr_matrix(np.eye(2)),
        "csc": sparse.csc_matrix(np.eye(2)),
        "json": {"a": [1, 2]},
        "params": (pd.DataFrame({"a": [1]}), {"t": 1.5}),
    }
    for name, example in given.items():
        path = tracklet_home / name
        pyfunc.save_model(path, python_model=lambda model_input: 1, input_example=example)
    found = in_mlflow(
        """
        from mlflow.models import Model
        def text(value):
            if hasattr(value, "toarray"):
                return [type(value).__name__, value.toarray().tolist()]
            if isinstance(value, dict):
                return {key: text(item) for key, item in value.items()}
            if hasattr(value, "to_csv"):
                return [type(value).__name__, value.to_csv()]
            return value.tolist() if hasattr(value, "tolist") else value
        answer({path.rpartition("/")[2]: text(Model.load(path).load_input_example(path))
                for path in arguments})
        """,
        *(str(tracklet_home / name) for name in given),
    )
    assert found["frame"] == ["DataFrame", given["frame"].to_csv()]
    assert found["values"] == ["DataFrame", given["values"].to_csv()]
    assert found["array"] == [[1.0, 2.0]]
    assert found["arrays"] == {"x": [[1.0, 1.0], [1.0, 1.0]], "y": [1]}
    assert found["csr"] == ["csr_matrix", [[1.0, 0.0], [0.0, 1.0]]]
    assert found["csc"] == ["csc_matrix", [[1.0, 0.0], [0.0, 1.0]]]
    assert found["json"] == {"a": [1, 2]}
    assert found["params"] == ["DataFrame", given["params"][0].to_csv()]
    info = {"artifact_path": "input_example.json", "type": "dataframe", "params": "true"}
    assert examples.load(tracklet_home / "params", info)[1] == {"t": 1.5}


def test_files_have_the_keys_that_mlflow_writes(tracklet_home: Path, in_mlflow: InMlflow) -> None:
    """The ``MLmodel`` file of one estimator differs only in versions, ids, times and sizes."""
    model, frame = fitted()
    flavor.save_model(model, tracklet_home / "ours", input_example=frame[:2], metadata={"k": 1})
    in_mlflow(
        """
        from sklearn.datasets import load_iris
        frame = load_iris(as_frame=True).data
        model = mlflow.sklearn.load_model(arguments[0])
        mlflow.sklearn.save_model(model, arguments[1], input_example=frame[:2], metadata={"k": 1},
                                  serialization_format="cloudpickle")
        """,
        str(tracklet_home / "ours"),
        str(tracklet_home / "theirs"),
    )
    ours, theirs = (models.Model.load(tracklet_home / n).to_dict() for n in ("ours", "theirs"))
    varying = ("model_uuid", "utc_time_created", "model_size_bytes")
    for name in varying:
        assert name in ours
        assert name in theirs
    ours = {k: v for k, v in ours.items() if k not in (*varying, "tracklet_version")}
    theirs = {k: v for k, v in theirs.items() if k not in (*varying, "mlflow_version")}
    assert ours == theirs
    names = [{file.name for file in (tracklet_home / n).iterdir()} for n in ("ours", "theirs")]
    assert names[0] - {manifest.FILE_NAME} == names[1]
    for name in ("input_example.json", "serving_input_example.json"):
        one, two = (json.loads((tracklet_home / n / name).read_text()) for n in ("ours", "theirs"))
        assert one == two
    pins = [
        set((tracklet_home / n / "requirements.txt").read_text().splitlines())
        for n in ("ours", "theirs")
    ]
    assert {p for p in pins[0] if not p.startswith("tracklet==")} <= pins[1]


MODULE = "def twice(values):\n    return [2 * value for value in values]\n"
LOADER = (
    "class Greeter:\n"
    "    def __init__(self, word): self.word = word\n"
    "    def predict(self, data): return [self.word, *data]\n"
    "def _load_pyfunc(path): return Greeter(open(path).read())\n"
)
CODE = (  # says `import mlflow`, so that it runs where only MLflow is
    "import mlflow\n"
    "from doubling_4715 import twice\n"
    "class Model(mlflow.pyfunc.PythonModel):\n"
    "    def predict(self, context, model_input, params=None):\n"
    "        return twice(model_input)\n"
    "mlflow.models.set_model(Model())\n"
)
SAVING = """
import sys
from pathlib import Path
import {library}
home = Path({home!r})
sys.path.insert(0, str(home))
{library}.pyfunc.save_model(str(home / "{library}-code"), python_model=str(home / "model_4715.py"),
    code_paths=[str(home / "doubling_4715.py")], pip_requirements=[])
{library}.pyfunc.save_model(str(home / "{library}-loader"), loader_module="greeting_4715",
    data_path=str(home / "word.txt"), code_paths=[str(home / "greeting_4715.py")],
    pip_requirements=[])
"""


def test_code_paths_and_loader_modules_go_both_ways(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """A model from code with a module beside it, and a loader with its data."""
    (tracklet_home / "doubling_4715.py").write_text(MODULE)
    (tracklet_home / "greeting_4715.py").write_text(LOADER)
    (tracklet_home / "word.txt").write_text("hello")
    (tracklet_home / "model_4715.py").write_text(CODE)
    ours = SAVING.format(library="tracklet", home=str(tracklet_home))
    (tracklet_home / "away").mkdir()
    script = tracklet_home / "away" / "save.py"
    script.write_text(ours)
    subprocess.run([sys.executable, str(script)], check=True)
    in_mlflow(SAVING.format(library="mlflow", home=str(tracklet_home)))
    for name in ("doubling_4715.py", "greeting_4715.py", "model_4715.py", "word.txt"):
        (tracklet_home / name).unlink()
    theirs = in_mlflow(
        "answer([mlflow.pyfunc.load_model(path).predict([1]) for path in arguments])",
        str(tracklet_home / "tracklet-code"),
        str(tracklet_home / "tracklet-loader"),
    )
    assert theirs == [[2], ["hello", 1]]
    load = f"""
import tracklet
for name in ("mlflow-code", "mlflow-loader"):
    path = {str(tracklet_home)!r} + "/" + name
    try:
        tracklet.pyfunc.load_model(path)
    except tracklet.models.UntrustedModel:
        print(tracklet.pyfunc.load_model(path, trust=True).predict([1]))
"""
    (tracklet_home / "away" / "load.py").write_text(load)
    done = subprocess.run(
        [sys.executable, str(tracklet_home / "away" / "load.py")],
        capture_output=True,
        text=True,
        cwd=tracklet_home / "away",
    )
    assert done.stdout.splitlines() == ["[2]", "['hello', 1]"], done.stderr


def test_input_examples_of_all_kinds_that_mlflow_wrote_are_read(
    tracklet_home: Path, in_mlflow: InMlflow
) -> None:
    """Every encoding of MLflow's comes back as what it was, and is answered like a request."""
    theirs = in_mlflow(
        """
        import numpy as np, pandas as pd, scipy.sparse as sparse
        given = {
            "frame": pd.DataFrame({"a": [1.0, None], "b": ["x", "y"]}),
            "values": pd.DataFrame(np.ones((2, 2))),
            "array": np.array([[1.0, 2.0]]),
            "arrays": {"x": np.ones((2, 2)), "y": np.array([1])},
            "csr": sparse.csr_matrix(np.eye(2)),
            "csc": sparse.csc_matrix(np.eye(2)),
            "json": {"a": [1, 2]},
            "texts": ["x", "y"],
            "params": (pd.DataFrame({"a": [1]}), {"t": 1.5}),
        }
        class One(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                return 1
        found = {}
        for name, example in given.items():
            path = f"{arguments[0]}/{name}"
            mlflow.pyfunc.save_model(path, python_model=One(), input_example=example,
                                     pip_requirements=[])
            about = mlflow.models.Model.load(path)
            loaded = about.load_input_example(path)
            found[name] = type(loaded).__name__
        answer(found)
        """,
        str(tracklet_home),
    )
    for name, kind in theirs.items():
        path = tracklet_home / name
        about = models.Model.load(path)
        example = about.load_input_example(path)
        assert type(example).__name__ == kind, name
        serving = (path / "serving_input_example.json").read_text()
        assert models.validate_serving_input(path, serving, trust=True) == 1, name
    frame = models.Model.load(tracklet_home / "frame").load_input_example(tracklet_home / "frame")
    assert list(frame.columns) == ["a", "b"]
    sparse = models.Model.load(tracklet_home / "csc").load_input_example(tracklet_home / "csc")
    np.testing.assert_array_equal(sparse.toarray(), np.eye(2))
