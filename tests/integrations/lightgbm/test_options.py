"""What is recorded can be chosen."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

import tracklet
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
