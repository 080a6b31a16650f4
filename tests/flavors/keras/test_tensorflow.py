"""The flavor of TensorFlow: modules, Keras' models as MLflow's flavor has them, custom objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")

import keras
import numpy as np
import tensorflow as tf

from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.models import Model
from tracklet.testing import FlavorContract
from tracklet_flavors.keras import tensorflow as flavor
from tracklet_flavors.keras.tensorflow import TensorflowFlavor

# TensorFlow's tensors as arrays of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.cos(np.arange(24.0, dtype="float32")).reshape(8, 3)


class Scaled(tf.Module):
    """Two inputs by name, and one by position."""

    def __init__(self) -> None:
        super().__init__()
        self.by = tf.Variable([1.0, 2.0, 3.0])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x: Any) -> Any:
        return x * self.by

    @tf.function(
        input_signature=[tf.TensorSpec([None, 3], name="x"), tf.TensorSpec([None, 1], name="w")]
    )
    def weighted(self, x: Any, w: Any) -> Any:
        return {"all": x * self.by * w, "first": x[:, 0]}


class TestModule(FlavorContract):
    flavor = TensorflowFlavor
    # What TensorFlow loads has a class of its own.
    test_the_native_model_comes_back_as_its_own_type = None

    def make_model(self) -> Any:
        return Scaled()

    def make_input(self) -> Any:
        return X[:5]

    def answer(self, model: Any) -> Any:
        return model(self.make_input()).numpy()


def test_a_signature_of_several_inputs_is_asked_by_their_names(tmp_path: Path) -> None:
    """TensorSpecs by name in, a dictionary of arrays out, as MLflow's files say it."""
    module = Scaled()
    example = {"x": X, "w": X[:, :1]}
    kwargs = {"saved_model_kwargs": {"signatures": module.weighted}}
    flavor.save_model(module, tmp_path / "m", input_example=example, **kwargs)
    about = Model.load(tmp_path / "m")
    assert about.flavors["tensorflow"] == {
        "saved_model_dir": "tf2model",
        "model_type": "tf2-module",
        "code": None,
    }
    assert about.signature is not None
    assert about.signature.inputs.input_names() == ["x", "w"]
    found = pyfunc.load_model(tmp_path / "m").predict(example)
    np.testing.assert_array_equal(found["all"], X * np.float32([1, 2, 3]) * X[:, :1])
    np.testing.assert_array_equal(found["first"], X[:, 0])
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    with pytest.raises(models.UntrustedModel, match="run the program tf2model"):
        flavor.load_model(tmp_path / "m")


class Tripled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 3


@pytest.mark.parametrize("kind", ["tf", "h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5")
def test_models_of_keras_are_saved_as_mlflow_has_them(tmp_path: Path, kind: str) -> None:
    """With custom objects beside them, for which a stranger is asked."""
    model = keras.Sequential([keras.Input((3,)), Tripled()])
    given = {"custom_objects": {"Tripled": Tripled}, "keras_model_kwargs": {"save_format": kind}}
    flavor.save_model(model, tmp_path / "m", **given)
    about = Model.load(tmp_path / "m").flavors["tensorflow"]
    assert (about["model_type"], about["save_format"]) == ("keras", kind)
    files = {each.name for each in (tmp_path / "m" / "data").iterdir()}
    assert files == {
        "custom_objects.cloudpickle",
        "keras_module.txt",
        "save_format.txt",
        "model.h5" if kind == "h5" else "model.keras",
    }
    for loaded in (flavor.load_model(tmp_path / "m"), pyfunc.load_model(tmp_path / "m")):
        kwargs = {"verbose": 0} if isinstance(loaded, keras.Model) else {}
        np.testing.assert_array_equal(loaded.predict(X, **kwargs), X * 3)
    (tmp_path / "m" / "tracklet.manifest.json").unlink()
    with pytest.raises(models.UntrustedModel, match="unpickle data/custom_objects"):
        flavor.load_model(tmp_path / "m")


def test_what_it_saves_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterValue, match="modules of TensorFlow"):
        flavor.save_model(tf.constant(1.0), tmp_path / "m")
    assert not (tmp_path / "m").exists()
