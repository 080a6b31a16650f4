"""The CatBoost integration sees everything and touches nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("catboost")

from tracklet.testing import IntegrationContract


class TestCatboostIntegration(IntegrationContract):
    name = "catboost"
    modules = ("catboost",)
    targets = (
        "catboost.core:CatBoost.fit",
        "catboost.core:CatBoostClassifier.fit",
        "catboost.core:cv",
        "catboost.core:CatBoost.grid_search",
        "catboost.core:Pool.__init__",
    )
    training = """
    def train():
        import numpy as np
        import catboost

        rng = np.random.default_rng(0)
        X = rng.normal(size=(100, 3))
        y = (X[:, 0] > 0).astype(int)
        model = catboost.CatBoostClassifier(
            iterations=4, thread_count=1, verbose=False, allow_writing_files=False, random_seed=3,
        )
        given = {"eval_set": [(X[:50], y[:50])], "early_stopping_rounds": 2}
        assert model.fit(X, y, **given) is model
        assert len(given) == 2
        seen = {name: dict(each) for name, each in model.evals_result_.items()}
        return model.predict_proba(X).tobytes(), seen, model.get_params(), sorted(vars(model))


    def fail(error):
        import numpy as np
        import catboost

        # What is raised inside of a callback comes to the user as an error of CatBoost's.
        class Features(list):
            def __iter__(self):
                raise error

        model = catboost.CatBoostRegressor(iterations=2, silent=True, allow_writing_files=False)
        model.fit(np.arange(20).reshape(-1, 1), np.arange(20.0), cat_features=Features([0]))


    def noisy():
        import numpy as np
        import catboost

        model = catboost.CatBoostRegressor(
            iterations=3, thread_count=1, learning_rate=0.1, allow_writing_files=False,
            metric_period=2, silent=True,
        )
        X = np.arange(80.0).reshape(-1, 1)
        # It says that the detector is active, and the period ignored.
        model.fit(X, np.arange(80.0), eval_set=(X, np.arange(80.0)), early_stopping_rounds=2)


    def trained():
        import numpy as np
        import catboost

        data = catboost.Pool(np.arange(80.0).reshape(-1, 1), label=np.arange(80.0))
        model = catboost.CatBoost(
            {"iterations": 2, "thread_count": 1, "silent": True, "allow_writing_files": False}
        )
        return model.fit(data), data


    def answered():
        import numpy as np
        import pandas as pd
        import catboost

        X = np.random.default_rng(0).normal(size=(80, 3))
        y = np.arange(80) % 2
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        flags = {"iterations": 3, "thread_count": 1, "silent": True, "allow_writing_files": False}
        kinds = np.where(X[:, 2] > 0, "yes", "no")
        for name, data, categories in [
            ("frame", frame, None),
            ("array", X, None),
            ("holes", frame.where(frame < 1), None),
            ("integers", (10 * frame).astype(int), None),
            ("flags", frame > 0, None),
            ("texts", frame.assign(k=kinds), ["k"]),
            ("categories", frame.assign(k=pd.Categorical(kinds)), ["k"]),
            ("numbers", frame.assign(k=np.where(X[:, 2] > 0, 7, 3)), ["k"]),
        ]:
            model = catboost.CatBoostClassifier(**flags).fit(data, y, cat_features=categories)
            yield name, data, model.predict(data)
    """
