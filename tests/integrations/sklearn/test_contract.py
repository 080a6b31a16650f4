"""The scikit-learn integration sees everything and touches nothing."""

from __future__ import annotations

from typing import Any

from tracklet.testing import IntegrationContract


class TestSklearnIntegration(IntegrationContract):
    name = "sklearn"
    modules = ("sklearn",)
    targets = (
        "sklearn.pipeline:Pipeline.fit",
        "sklearn.linear_model._logistic:LogisticRegression.fit",
        "sklearn.preprocessing._data:StandardScaler.fit",
    )
    training = """
    def train():
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 3))
        y = (X[:, 0] > 0).astype(int)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        assert model.fit(X, y) is model
        return model[-1].coef_.tobytes(), model.predict_proba(X).tobytes(), sorted(vars(model))


    def fail(error):
        from sklearn.linear_model import LinearRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        def raising(X):
            raise error

        make_pipeline(FunctionTransformer(raising), LinearRegression()).fit([[0.0], [1.0]], [0, 1])


    def noisy():
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        X = np.random.default_rng(0).normal(size=(60, 3))
        X[:, 2] = 1e17
        y = np.arange(60) % 3
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1)).fit(X, y)
        LogisticRegression(max_iter=2, verbose=1).fit(X, y == 1)


    def trained():
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        X = np.random.default_rng(0).normal(size=(60, 3))
        y = (X[:, 0] > 0).astype(int)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        return model.fit(X, y), X, y
    """

    def test_a_clone_is_an_estimator_like_any_other(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """sklearn.clone of a recorded estimator gives an equal one that is recorded by itself."""
        from sklearn.base import clone

        model, X, y = script["trained"]()
        before = len(self.runs())
        other = clone(model)
        assert repr(other) == repr(model)
        assert not hasattr(other[-1], "coef_")
        other.fit(X, y)
        assert other[-1].coef_.tobytes() == model[-1].coef_.tobytes()
        assert len(self.runs()) == before + 1
