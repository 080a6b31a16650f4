"""What is recorded can be chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import tracklet
from tracklet import models
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_what_is_not_wanted_is_not_recorded(record):
    tracklet.xgboost.autolog(log_models=False, log_datasets=False, importance_types=[])
    train()
    run = record.only()
    assert list(run.outputs.model_outputs) == []
    assert list(run.inputs.dataset_inputs) == []
    assert tracklet.artifacts.list_artifacts(run_id=run.info.run_id) == []


def test_registered_name_format_and_tags(record):
    tracklet.xgboost.autolog(
        registered_model_name="mine", model_format="json", extra_tags={"team": "blue"}
    )
    train()
    run = record.only()
    assert run.data.tags["team"] == "blue"
    assert models.Model.load("models:/mine/1").flavors["xgboost"]["data"] == "model.json"


def test_wrong_options_are_refused_and_what_was_configured_stays(record):
    for wrong in (
        {"model_format": "pickle"},
        {"importance_types": ["beauty"]},
        {"importance_types": "gain"},
        {"checkpoint_save_freq": 0},
        {"checkpoint_mode": "best"},
        {"checkpoint_keep_last": -1},
    ):
        with pytest.raises(InvalidParameterValue, match=next(iter(wrong))):
            tracklet.xgboost.autolog(**wrong)
    train()
    assert record.only()
