"""ONNX: models both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import tracklet
from tracklet import pyfunc

pytestmark = pytest.mark.interop

MAKE = """
import numpy as np
from onnx import TensorProto, helper, numpy_helper

X = np.arange(12, dtype="float32").reshape(3, 4)

def make():
    weights = numpy_helper.from_array(np.ones((4, 2000), "float32"), "weights")
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2000])],
        [weights],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
"""
exec(MAKE)
EXPECTED = (X.sum(1, keepdims=True) + np.zeros(2000)).tolist()  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("apart", [True, False])
def test_mlflow_loads_what_we_save(
    apart: bool, in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    """As a graph and as pyfunc, with its weights beside it or within."""
    path = tracklet_home / "model"
    tracklet.onnx.save_model(
        make(),  # type: ignore[name-defined]  # noqa: F821
        path,
        save_as_external_data=apart,
    )
    found, inputs = in_mlflow(
        MAKE
        + """
(path,) = arguments
view = mlflow.pyfunc.load_model(path)
native = mlflow.onnx.load_model(path)
answer([view.predict(X)["y"].tolist(), [each.name for each in native.graph.input]])
""",
        str(path),
    )
    assert found == EXPECTED
    assert inputs == ["x"]


def test_we_load_what_mlflow_saves(in_mlflow: Callable[..., Any], tracklet_home: Path) -> None:
    """As a graph and as pyfunc, with its weights beside it."""
    path = tracklet_home / "model"
    in_mlflow(MAKE + "(path,) = arguments\nmlflow.onnx.save_model(make(), path)", str(path))
    assert len(tracklet.onnx.load_model(path).graph.initializer) == 1
    view = pyfunc.load_model(path)
    assert view.predict(X)["y"].tolist() == EXPECTED  # type: ignore[name-defined]  # noqa: F821
