"""The flavor of Keras: the contract, what is asked for trust, and MLflow's arguments."""

from __future__ import annotations

import os
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
    for load in (flavor.load_model, pyfunc.load_model):
        with pytest.raises(models.UntrustedModel, match="a function that is in the file"):
            load(tmp_path / "m")
    np.testing.assert_array_equal(
        flavor.load_model(tmp_path / "m", trust=True).predict(X, verbose=0), X * 2
    )
    flavor.save_model(network(), tmp_path / "plain")
    (tmp_path / "plain" / "tracklet.manifest.json").unlink()
    assert isinstance(flavor.load_model(tmp_path / "plain"), keras.Sequential)


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
