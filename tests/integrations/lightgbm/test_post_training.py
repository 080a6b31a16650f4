"""What the user computes of a fitted wrapper belongs to the wrapper's run."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
import sklearn.metrics

import tracklet

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("others", [[], ["sklearn"]])
def test_s11_11_predictions_and_scores_are_recorded_once_whichever_integrations_are_on(
    record, others
):
    for name in others:
        getattr(tracklet, name).autolog()
    model = lgb.LGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1).fit(X, Y)
    X_te, y_te = X[:30], Y[:30]
    sklearn.metrics.accuracy_score(y_te, model.predict(X_te))
    score = model.score(X_te, y_te)
    tracklet.autolog.flush()
    run = record.only()
    assert set(run.data.metrics) == {"LGBMClassifier_score_X_te", "accuracy_score_X_te"}
    assert record.history(run, "LGBMClassifier_score_X_te") == [(0, score)]
    assert record.history(run, "accuracy_score_X_te") == [(0, score)]
    assert "metric_info.json" in record.files(run)
