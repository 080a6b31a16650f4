"""The flavor of ONNX: the contract, what is asked, and what MLflow's does wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import onnx as flavor
from tracklet_flavors.onnx import OnnxFlavor

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd"))
CLASSIFIER = LogisticRegression(solver="liblinear").fit(X, Y)


def graph(zipmap: bool = False) -> Any:
    return to_onnx(CLASSIFIER, X[:1], options={"zipmap": zipmap})


def two_inputs(size: int = 2) -> Any:
    """``left @ weights + right``."""
    weights = numpy_helper.from_array(np.ones((4, size), "float32"), "weights")
    made = helper.make_graph(
        [
            helper.make_node("MatMul", ["left", "weights"], ["product"]),
            helper.make_node("Add", ["product", "right"], ["sum"]),
        ],
        "two",
        [
            helper.make_tensor_value_info("left", TensorProto.FLOAT, ["n", 4]),
            helper.make_tensor_value_info("right", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", size])],
        [weights],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


class TestOnnx(FlavorContract):
    flavor = OnnxFlavor

    def make_model(self) -> Any:
        return graph()

    def make_input(self) -> Any:
        return X[:5]

    def trainings(self) -> dict[str, Training]:
        model = to_onnx(LinearRegression().fit(X, X[:, 0]), X[:1])
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (answer,) = session.run(None, {"X": X})
        return {"regression": Training(model, FRAME, pd.DataFrame({"variable": answer[:, 0]}))}


@pytest.mark.parametrize("zipmap", [False, True])
def test_a_classifier_answers_as_the_trained_one(tmp_path: Path, zipmap: bool) -> None:
    """From an array, a dictionary and a frame; probabilities are a column per class."""
    flavor.save_model(graph(zipmap), tmp_path / "m")
    view = pyfunc.load_model(tmp_path / "m")
    expected = CLASSIFIER.predict_proba(X)
    name = "output_probability" if zipmap else "probabilities"
    for data in (X, X.astype("float64"), {"X": X}):
        found = view.predict(data)
        np.testing.assert_allclose(found[name], expected, atol=1e-6)
    table = view.predict(FRAME)
    assert list(table.columns)[1:] == [f"{name}_0", f"{name}_1"]
    np.testing.assert_allclose(table[[f"{name}_0", f"{name}_1"]], expected, atol=1e-6)
    np.testing.assert_array_equal(table.iloc[:, 0], CLASSIFIER.predict(X))


def test_columns_of_texts_and_numbers(tmp_path: Path) -> None:
    """A converter's inputs of one column each are taken from a frame's."""
    frame = pd.DataFrame({"number": X[:, 0], "kind": np.where(Y, "yes", "no")})
    steps = make_column_transformer((OneHotEncoder(), ["kind"]), ("passthrough", ["number"]))
    model = make_pipeline(steps, LogisticRegression(solver="liblinear")).fit(frame, Y)
    types = [("number", FloatTensorType([None, 1])), ("kind", StringTensorType([None, 1]))]
    flavor.save_model(
        to_onnx(model, initial_types=types, options={"zipmap": False}), tmp_path / "m"
    )
    view = pyfunc.load_model(tmp_path / "m")
    found = view.predict(frame)[["probabilities_0", "probabilities_1"]]
    np.testing.assert_allclose(found, model.predict_proba(frame), atol=1e-5)


def test_several_inputs_come_by_name(tmp_path: Path) -> None:
    """An error names those that are missing."""
    flavor.save_model(two_inputs(), tmp_path / "m")
    view = pyfunc.load_model(tmp_path / "m")
    found = view.predict({"left": X, "right": X[:, :1]})["sum"]
    np.testing.assert_allclose(found, X.sum(1, keepdims=True) + X[:, :1] + np.zeros(2), atol=1e-5)
    with pytest.raises(InvalidParameterValue, match=r"lack the graph's inputs \['right'\]"):
        view.predict({"left": X})
    with pytest.raises(InvalidParameterValue, match="give a dictionary"):
        view.predict(X)


def test_weights_apart_leave_the_users_graph_as_it_was(tmp_path: Path) -> None:
    """They are in a file of the same name each time; without, there is one file."""
    model = two_inputs(4000)
    before = model.SerializeToString(deterministic=True)
    flavor.save_model(model, tmp_path / "apart")
    assert model.SerializeToString(deterministic=True) == before
    assert (tmp_path / "apart" / "model.onnx.data").stat().st_size >= 4 * 4 * 4000
    (loaded,) = flavor.load_model(tmp_path / "apart").graph.initializer
    weights = numpy_helper.to_array(model.graph.initializer[0])
    np.testing.assert_array_equal(numpy_helper.to_array(loaded), weights)
    flavor.save_model(model, tmp_path / "whole", save_as_external_data=False)
    assert not (tmp_path / "whole" / "model.onnx.data").exists()
    for name in ("apart", "whole"):
        view = pyfunc.load_model(tmp_path / name)
        assert view.predict({"left": X, "right": X[:, :1]})["sum"].shape == (60, 4000)


def test_weights_elsewhere_are_refused(tmp_path: Path) -> None:
    """A graph whose weights are said to lie outside of its folder is not read."""
    flavor.save_model(two_inputs(4000), tmp_path / "m")
    file = tmp_path / "m" / "model.onnx"
    (tmp_path / "secret").write_bytes(bytes(4 * 4 * 4000))
    model = onnx.load_model(str(file), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../secret"
    file.write_bytes(model.SerializeToString())
    for load in (flavor.load_model, pyfunc.load_model):
        with pytest.raises(TrackletException):
            load(tmp_path / "m", trust=True)


def test_sessions_are_told_what_was_given(tmp_path: Path) -> None:
    """Providers that are not here are passed over; an unknown option is refused."""
    options = {
        "graph_optimization_level": 1,
        "execution_mode": "sequential",
        "intra_op_num_threads": 1,
        "extra_session_config": {"session.intra_op.allow_spinning": "0"},
    }
    flavor.save_model(
        graph(),
        tmp_path / "m",
        onnx_session_options=options,
        onnx_execution_providers=["NoSuchExecutionProvider", "CPUExecutionProvider"],
    )
    about = models.Model.load(tmp_path / "m").flavors["onnx"]
    assert about["onnx_session_options"] == options
    assert about["providers"] == ["NoSuchExecutionProvider", "CPUExecutionProvider"]
    assert pyfunc.load_model(tmp_path / "m").predict(X[:2])["label"].shape == (2,)
    for wrong in ({"threads": 1}, {"execution_mode": "fast"}):
        with pytest.raises(InvalidParameterValue):
            flavor.save_model(graph(), tmp_path / "n", onnx_session_options=wrong)
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    "example", [X[:3], FRAME[:3], {"X": X[:3]}], ids=["array", "frame", "dict"]
)
def test_an_example_leads_to_a_signature(tmp_path: Path, example: Any) -> None:
    """Also of a classifier whose probabilities are dictionaries; and it is answered by it."""
    flavor.save_model(graph(zipmap=True), tmp_path / "m", input_example=example)
    view = pyfunc.load_model(tmp_path / "m")
    assert view.metadata.signature is not None
    assert view.metadata.signature.outputs is not None
    assert len(view.predict(example)) > 0


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """The error names it."""
    flavor.save_model(graph(), tmp_path / "m")
    file = tmp_path / "m" / "model.onnx"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(TrackletException, match=r"the model is corrupt.*model\.onnx"):
        flavor.load_model(tmp_path / "m", trust=True)
