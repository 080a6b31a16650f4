"""Signatures of recorded models say what all training rows hold, not what the first ones do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.tree import DecisionTreeClassifier

import tracklet

ROWS = 400
Y = np.arange(ROWS) % 2
LATE = pd.DataFrame({"a": np.arange(ROWS) * 0.5, "b": np.arange(ROWS) * 1.5, "c": Y == 1})
LATE.loc[ROWS - 1, "b"] = np.nan


def boosted(data: Any) -> None:
    xgboost.train({"nthread": 1}, xgboost.DMatrix(data, label=Y, nthread=1), 1)


def grown(data: Any) -> None:
    lightgbm.train({"num_threads": 1, "verbosity": -1}, lightgbm.Dataset(data, label=Y), 1)


def planted(data: Any) -> None:
    DecisionTreeClassifier(max_depth=1).fit(data, Y)


@pytest.mark.parametrize("log_datasets", [True, False])
@pytest.mark.parametrize("train", [boosted, grown, planted])
def test_a_column_that_lacks_a_value_in_the_last_row_is_optional(
    tracklet_home: Any, train: Callable[[Any], None], log_datasets: bool
) -> None:
    """Whether the dataset is recorded too, or not."""
    tracklet.autolog(log_datasets=log_datasets, log_input_examples=True, silent=True)
    try:
        train(LATE)
    finally:
        tracklet.autolog(disable=True)
    run = tracklet.last_active_run()
    assert run is not None
    model = tracklet.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    inputs = model.metadata.get_input_schema()
    assert {spec.name: spec.required for spec in inputs} == {"a": True, "b": False, "c": True}
    assert len(model.predict(LATE)) == ROWS
