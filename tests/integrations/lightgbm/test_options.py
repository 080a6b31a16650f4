"""What is recorded can be chosen."""

from __future__ import annotations

import inspect

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

import tracklet
from tracklet import models
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 4}


def train(rounds=5, data=FRAME, label=Y, params=None, **options):
    matrix = lgb.Dataset(data, label=label)
    options.setdefault("valid_sets", [matrix])
    return lgb.train({**PARAMS, **(params or {})}, matrix, rounds, **options)


def test_what_is_not_wanted_is_not_recorded(record):
    tracklet.lightgbm.autolog(log_models=False, log_datasets=False)
    train()
    run = record.only()
    assert list(run.outputs.model_outputs) == []
    assert list(run.inputs.dataset_inputs) == []


def test_wrong_options_are_refused():
    with pytest.raises(InvalidParameterValue, match="checkpoint_save_freq"):
        tracklet.lightgbm.autolog(checkpoint_save_freq=0)


def test_the_options_are_mlflows_in_its_order():
    names = list(inspect.signature(tracklet.lightgbm.autolog).parameters)
    assert names[:10] == [
        "log_input_examples",
        "log_model_signatures",
        "log_models",
        "log_datasets",
        "disable",
        "exclusive",
        "disable_for_unsupported_versions",
        "silent",
        "registered_model_name",
        "extra_tags",
    ]


def test_s11_14_the_models_file_keys_and_signature(record):
    params = {"objective": "multiclass", "num_class": 3}
    train(label=(X[:, 0] > 0).astype(int) + (X[:, 1] > 0), params=params)
    about = models.Model.load(f"runs:/{record.only().info.run_id}/model")
    kept = about.flavors["lightgbm"]
    assert kept["data"] == "model.lgb"
    assert kept["model_class"] == "lightgbm.basic.Booster"
    assert kept["lgb_version"] == lgb.__version__
    assert kept["code"] is None
    assert about.flavors["python_function"]["loader_module"] == "mlflow.lightgbm"
    (output,) = about.signature.outputs.inputs
    assert (output.type, output.shape) == (np.dtype("float64"), (-1, 3))


def test_what_is_not_covered_is_declined_with_a_reason():
    tracklet.lightgbm.autolog(log_models=False)
    (entry,) = [each for each in tracklet.autolog.plan() if each.name == "lightgbm"]
    for what in ("LightGBM on Spark", "Booster.update by itself", "models"):
        assert entry.omits[what]
