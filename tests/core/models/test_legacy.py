"""Folders that MLflow 1.x and 2.x wrote: they load, are asked and show their examples."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression

from tracklet import models, pyfunc
from tracklet.models import Model
from tracklet_flavors import sklearn as flavor

pytestmark = pytest.mark.usefixtures("tracklet_home")

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 0, 1]})
SIGNATURE = {
    "inputs": '[{"name": "a", "type": "double"}, {"name": "b", "type": "long"}]',
    "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]',
}

# What the versions wrote, by their documentation and by files of theirs.
MODELS: dict[str, dict[str, Any]] = {
    "0.8": {
        "flavors": {
            "python_function": {
                "data": "model.pkl",
                "loader_module": "mlflow.sklearn",
                "python_version": "2.7.10",
            },
            "sklearn": {"pickled_model": "model.pkl", "sklearn_version": "0.20.0"},
        },
        "utc_time_created": "2018-11-20 21:21:25.489864",
    },
    "1.0, pyfunc only": {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "data": "model.pkl",
                "env": "conda.yaml",
                "loader_module": "mlflow.sklearn",
                "python_version": "3.6.8",
            }
        },
        "run_id": "0123456789abcdef0123456789abcdef",
        "utc_time_created": "2019-08-01 12:00:00.123456",
    },
    "1.30": {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "env": "conda.yaml",
                "loader_module": "mlflow.sklearn",
                "model_path": "model.pkl",
                "predict_fn": "predict",
                "python_version": "3.8.10",
            },
            "sklearn": {
                "code": None,
                "pickled_model": "model.pkl",
                "serialization_format": "cloudpickle",
                "sklearn_version": "1.1.2",
            },
        },
        "mlflow_version": "1.30.0",
        "model_uuid": "7d6f1bd3d5f14c4ab2d9f2b1b5a5a5a5",
        "run_id": "0123456789abcdef0123456789abcdef",
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "type": "dataframe",
        },
        "signature": SIGNATURE,
        "utc_time_created": "2022-10-19 12:00:00.123456",
    },
    "2.22": {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.sklearn",
                "model_path": "model.pkl",
                "predict_fn": "predict",
                "python_version": "3.11.7",
            },
            "sklearn": {
                "code": None,
                "pickled_model": "model.pkl",
                "serialization_format": "cloudpickle",
                "sklearn_version": "1.6.1",
            },
        },
        "is_signature_from_type_hint": False,
        "mlflow_version": "2.22.0",
        "model_size_bytes": 1234,
        "model_uuid": "7d6f1bd3d5f14c4ab2d9f2b1b5a5a5a5",
        "prompts": None,
        "run_id": "0123456789abcdef0123456789abcdef",
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        },
        "signature": {**SIGNATURE, "params": '[{"name": "t", "dtype": "double", "default": 1.0,'
                                             ' "shape": null}]'},
        "type_hint_from_example": False,
        "utc_time_created": "2025-05-01 12:00:00.123456",
    },
}  # fmt: skip


@pytest.mark.parametrize("version", MODELS)
def test_estimators_of_old_versions_load(tmp_path: Path, version: str) -> None:
    """With their native flavor where it is entered, as pyfunc always; nothing of it changes."""
    fitted = LinearRegression().fit(FRAME, [1.0, 2.0, 3.0])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(MODELS[version]))
    (tmp_path / "input_example.json").write_text('{"columns": ["a", "b"], "data": [[1.0, 1]]}')
    loaded = pyfunc.load_model(tmp_path, suppress_warnings=True, trust=True)
    if "params" in MODELS[version].get("signature", {}):
        assert loaded.params_schema is not None
        assert [spec.name for spec in loaded.params_schema] == ["t"]
        return  # the estimator itself takes no params
    np.testing.assert_array_equal(loaded.predict(FRAME), fitted.predict(FRAME))
    if "sklearn" in MODELS[version]["flavors"]:
        native = flavor.load_model(tmp_path, trust=True)
        np.testing.assert_array_equal(native.coef_, fitted.coef_)
        assert isinstance(models.load_model(tmp_path, trust=True), LinearRegression)
    if "saved_input_example_info" in MODELS[version]:
        example = loaded.metadata.load_input_example(tmp_path)
        assert example.to_dict("list") == {"a": [1.0], "b": [1]}
        assert loaded.predict(example).shape == (1,)
    about = Model.load(tmp_path)
    assert about.get_model_info().model_uuid == MODELS[version].get("model_uuid", "")


@pytest.mark.parametrize(
    ("info", "content", "expected"),
    [
        ({"type": "ndarray", "format": "tf-serving"}, {"inputs": [[1, 2]]}, [[1, 2]]),
        ({"type": "ndarray", "format": "tf-serving"}, {"inputs": {"x": [1.5]}}, {"x": [1.5]}),
        ({"type": "dataframe", "pandas_orient": "split"}, {"data": [[1]]}, {0: [1]}),
        ({"type": "dataframe", "pandas_orient": "records"}, [{"a": 1}], {"a": [1]}),
        ({"type": "json_object"}, {"a": "x"}, {"a": "x"}),
    ],
    ids=repr,
)
def test_examples_of_old_versions_are_read(
    tmp_path: Path, info: Any, content: Any, expected: Any
) -> None:
    """Arrays in the form of TensorFlow's server, frames of both orientations, JSON."""
    about = Model(saved_input_example_info={"artifact_path": "input_example.json", **info})
    about.save(tmp_path / "MLmodel")
    (tmp_path / "input_example.json").write_text(json.dumps(content))
    found = Model.load(tmp_path).load_input_example(tmp_path)
    if isinstance(found, pd.DataFrame):
        found = found.to_dict("list")
    elif isinstance(found, np.ndarray):
        found = found.tolist()
    elif info["type"] == "ndarray":
        found = {name: array.tolist() for name, array in found.items()}
    assert found == expected


def test_python_models_of_old_versions_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With artifacts, and an entry whose ``env`` is one text."""
    import cloudpickle

    # Whose functions were compiled by another Python is refused, and this one was not.
    monkeypatch.setenv("TRACKLET_ALLOW_OTHER_PYTHON", "true")

    class Old(pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any) -> Any:
            return [Path(context.artifacts["word"]).read_text(), *model_input]

    (tmp_path / "python_model.pkl").write_bytes(cloudpickle.dumps(Old()))
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "word.txt").write_text("hello")
    entry = {
        "artifacts": {"word": {"path": "artifacts/word.txt", "uri": "/elsewhere/word.txt"}},
        "cloudpickle_version": "1.2.1",
        "env": "conda.yaml",
        "loader_module": "mlflow.pyfunc.model",
        "python_model": "python_model.pkl",
        "python_version": "3.7.3",
    }
    document = {"flavors": {"python_function": entry}, "utc_time_created": "2019-08-01 12:00:00"}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(document))
    assert pyfunc.load_model(tmp_path, trust=True).predict(["x"]) == ["hello", "x"]
