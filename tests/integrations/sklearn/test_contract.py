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


    def answered():
        import numpy as np
        import pandas as pd
        import scipy.sparse
        from sklearn.cluster import KMeans
        from sklearn.compose import ColumnTransformer
        from sklearn.ensemble import RandomForestRegressor, StackingClassifier, VotingClassifier
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LinearRegression, LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.naive_bayes import GaussianNB
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler
        from sklearn.tree import DecisionTreeClassifier

        X = np.random.default_rng(0).normal(size=(40, 3))
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        y = np.arange(40) % 2
        names = np.array(["no", "yes"], dtype=object)[y]
        words = [f"{'good' if label else 'bad'} word{n % 7}" for n, label in enumerate(y)]
        records = [{"n": n % 3, "city": f"c{label}"} for n, label in enumerate(y)]
        mixed = frame.assign(city=[f"c{n % 3}" for n in range(40)], text=words)
        mixed["kind"] = pd.Categorical([f"k{n % 2}" for n in range(40)])
        late = frame.assign(b=pd.Series([*range(39), 0.5], dtype=object), c=[*range(39), np.nan])
        late["k"] = [*(["x"] * 38), None, "y"]
        kinds = ColumnTransformer([("k", OneHotEncoder(), ["k"])], remainder="passthrough")
        columns = ColumnTransformer(
            [
                ("texts", TfidfVectorizer(), "text"),
                ("kinds", OneHotEncoder(), ["city", "kind"]),
                ("numbers", StandardScaler(), ["a", "b"]),
            ]
        )
        texts = lambda: make_pipeline(TfidfVectorizer(), LogisticRegression())
        pair = [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=2))]
        search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2)
        for name, model, data, labels in [
            ("frame", LogisticRegression(), frame, y),
            ("array", LogisticRegression(), X, names),
            ("sparse", LogisticRegression(), scipy.sparse.csr_matrix(X), y),
            ("coordinates", LogisticRegression(), scipy.sparse.coo_matrix(X), y),
            ("lists", LogisticRegression(), X.tolist(), y.tolist()),
            ("single precision", RandomForestRegressor(3), X.astype("float32"), X[:, 0]),
            ("integers with names", LinearRegression(), frame.round().astype(int), y),
            ("booleans", DecisionTreeClassifier(), frame > 0, y > 0),
            ("missing values", DecisionTreeClassifier(), frame.where(frame > 0), y),
            ("clusters", KMeans(2, n_init=1, random_state=0), frame, None),
            ("texts in a list", texts(), words, names),
            ("texts in an array", texts(), np.array(words, dtype=object), y),
            ("texts in a series", texts(), pd.Series(words, name="text"), y),
            ("records", make_pipeline(DictVectorizer(), LogisticRegression()), records, y),
            ("columns", make_pipeline(columns, LogisticRegression()), mixed, names),
            ("seen late", make_pipeline(kinds, DecisionTreeClassifier(max_depth=2)), late, y),
            ("search", search, frame, y),
            ("search of texts", GridSearchCV(texts(), {}, cv=2), pd.Series(words), y),
            ("search at the end", make_pipeline(StandardScaler(), search), frame, names),
            ("votes", VotingClassifier(pair), X, names),
            ("stack", StackingClassifier(pair, cv=2), frame, y),
            ("several outputs", LinearRegression(), frame, X[:, :2]),
            ("several labels", RandomForestRegressor(2), X, pd.DataFrame({"p": y, "q": 1 - y})),
        ]:
            model.fit(data, labels)
            yield name, data, model.predict(data)
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
