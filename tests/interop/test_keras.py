"""Keras' models and TensorFlow's modules both ways; skipped where an environment lacks either."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet import pyfunc
from tracklet.models import Model

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.interop,
    # TensorFlow's tensors as arrays of NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

MAKE = """
import keras, numpy as np, tensorflow as tf
X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
keras.utils.set_random_seed(0)
one, other = keras.Input((3,), name="one"), keras.Input((3,), name="other")
joined = keras.layers.Concatenate()([one, other])
network = keras.Model({"one": one, "other": other}, keras.layers.Dense(2)(joined))
network.compile("adam", "mse")
network.optimizer.build(network.trainable_variables)
single = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
GIVEN = {"one": X, "other": X * 2}
class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(3.0)
    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    def __call__(self, x):
        return x * self.factor
def told(answer):
    return np.asarray(answer).tolist()
"""
made: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def both(in_mlflow: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    python = os.environ["TRACKLET_MLFLOW_PYTHON"]
    find = "import importlib.util as u, sys; sys.exit(not (u.find_spec('tensorflow')))"
    if subprocess.run([python, "-c", find], check=False).returncode:
        pytest.skip("the environment of MLflow has no TensorFlow")
    if not made:
        exec(MAKE, made)


def test_mlflow_loads_what_we_log(in_mlflow: Callable[..., Any], tracklet_home: Path) -> None:
    """By its own loaders and by pyfunc, in each of the formats."""
    network, given = made["network"], made["GIVEN"]
    with tracklet.start_run():
        file = tracklet.keras.log_model(network, name="file", input_example=given)
        exported = tracklet.keras.log_model(network, name="exported", save_exported_model=True)
        theirs = tracklet.tensorflow.log_model(network, name="theirs")
        module = tracklet.tensorflow.log_model(made["Module"](), name="module")
    uris = [each.model_uri for each in (file, exported, theirs, module)]
    native, view, served, other, tripled = in_mlflow(
        MAKE
        + """
file, exported, theirs, module = arguments
program, tripling = mlflow.keras.load_model(exported), mlflow.tensorflow.load_model(module)
answer([
    told(mlflow.keras.load_model(file).predict(GIVEN, verbose=0)),
    told(mlflow.pyfunc.load_model(file).predict(GIVEN)),
    told(program.serve({k: tf.constant(v) for k, v in GIVEN.items()})),
    told(mlflow.tensorflow.load_model(theirs).predict(GIVEN, verbose=0)),
    told(tripling(X)),
])
""",
        *uris,
    )
    expected = network.predict(given, verbose=0).tolist()
    assert native == view == other == expected
    assert served == [pytest.approx(row, rel=1e-5) for row in expected]
    assert tripled == made["told"](made["Module"]()(made["X"]))


def test_we_load_what_mlflow_saves(in_mlflow: Callable[..., Any], tracklet_home: Path) -> None:
    """The flavors' entries are of one form, and its models answer what they answered there."""
    expected, of_single = in_mlflow(
        MAKE
        + """
place = arguments[0]
mlflow.keras.save_model(network, f"{place}/file")
told_by = mlflow.models.infer_signature(X, single.predict(X, verbose=0))
mlflow.keras.save_model(single, f"{place}/exported", save_exported_model=True, signature=told_by)
mlflow.tensorflow.save_model(network, f"{place}/theirs")
mlflow.tensorflow.save_model(Module(), f"{place}/module")
answer([told(network.predict(GIVEN, verbose=0)), told(single.predict(X, verbose=0))])
""",
        str(tracklet_home),
    )
    given = made["GIVEN"]
    for kind, facade in (("file", tracklet.keras), ("theirs", tracklet.tensorflow)):
        path = tracklet_home / kind
        assert facade.load_model(path, trust=True).predict(given, verbose=0).tolist() == expected
        assert pyfunc.load_model(path, trust=True).predict(given).tolist() == expected
        facade.save_model(made["network"], tracklet_home / f"our {kind}")
        ours, loaded = (Model.load(tracklet_home / each).flavors for each in (f"our {kind}", kind))
        for name, entry in loaded.items():
            assert entry.keys() - {"code"} <= ours[name].keys()
    view = pyfunc.load_model(tracklet_home / "exported", trust=True)
    answered = view.predict(made["X"]).tolist()
    assert answered == [pytest.approx(row, rel=1e-5) for row in of_single]
    module = tracklet.tensorflow.load_model(tracklet_home / "module", trust=True)
    assert made["told"](module(made["X"])) == made["told"](made["Module"]()(made["X"]))
