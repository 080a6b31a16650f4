"""CatBoost: models both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("catboost")

import tracklet
from tracklet import pyfunc

pytestmark = pytest.mark.interop

X = np.random.default_rng(0).normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])

MAKE = """
import catboost, numpy as np, pandas as pd
X = np.random.default_rng(0).normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])

def make(kind):
    given = {"iterations": 3, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    made = catboost.CatBoost(given) if kind == "CatBoost" else getattr(catboost, kind)(**given)
    return made.fit(FRAME, Y)
"""
exec(MAKE)

KINDS = ["CatBoost", "CatBoostClassifier", "CatBoostRegressor"]


@pytest.mark.parametrize("kind", KINDS)
def test_mlflow_loads_what_we_save(
    kind: str, in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    """By both flavors, with the same answers."""
    model = make(kind)  # type: ignore[name-defined]  # noqa: F821
    path = tracklet_home / "model"
    tracklet.catboost.save_model(model, path, input_example=FRAME[:5])
    native, view = in_mlflow(
        MAKE
        + """
(path,) = arguments
native, view = mlflow.catboost.load_model(path), mlflow.pyfunc.load_model(path)
answer([native.predict(FRAME).tolist(), view.predict(FRAME).tolist()])
""",
        str(path),
    )
    assert native == view == model.predict(FRAME).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_we_load_what_mlflow_saves(
    kind: str, in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    """By both flavors, with the same answers."""
    path = tracklet_home / "model"
    in_mlflow(
        MAKE
        + """
kind, path = arguments
mlflow.catboost.save_model(make(kind), path, input_example=FRAME[:5])
""",
        kind,
        str(path),
    )
    expected = make(kind).predict(FRAME)  # type: ignore[name-defined]  # noqa: F821
    np.testing.assert_array_equal(tracklet.catboost.load_model(path).predict(FRAME), expected)
    np.testing.assert_array_equal(pyfunc.load_model(path).predict(FRAME), expected)
