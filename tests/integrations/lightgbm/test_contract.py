"""The LightGBM integration sees everything and touches nothing."""

from __future__ import annotations

from typing import ClassVar

from tracklet.testing import IntegrationContract


class TestLightgbmIntegration(IntegrationContract):
    name = "lightgbm"
    modules = ("lightgbm",)
    targets = ("lightgbm.engine:train", "lightgbm.engine:cv", "lightgbm.basic:Dataset.__init__")
    training = """
    def train():
        import numpy as np
        import lightgbm

        rng = np.random.default_rng(0)
        X = rng.normal(size=(100, 3))
        y = (X[:, 0] > 0).astype(int)
        data = lightgbm.Dataset(X, label=y, free_raw_data=False)
        valid = lightgbm.Dataset(X[:50], label=y[:50], reference=data)
        params = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 3,
                  "bagging_freq": 1, "bagging_fraction": 0.7}
        seen = {}
        callbacks = [lightgbm.record_evaluation(seen), lightgbm.early_stopping(2, verbose=False)]
        booster = lightgbm.train(
            params, data, 4, valid_sets=[data, valid], valid_names=["train", "valid"],
            callbacks=callbacks,
        )
        assert len(callbacks) == 2 and len(params) == 6
        orders = [vars(each).get("order") for each in callbacks]
        return booster.model_to_string(), booster.predict(X, num_threads=1).tobytes(), seen, orders


    def fail(error):
        import numpy as np
        import lightgbm

        def raising(env):
            raise error

        data = lightgbm.Dataset(np.ones((40, 1)), label=[0, 1] * 20)
        params = {"num_threads": 1, "verbosity": -1}
        lightgbm.train(params, data, 3, callbacks=[raising])


    def noisy():
        import numpy as np
        import lightgbm

        data = lightgbm.Dataset(np.arange(80.0).reshape(-1, 1), label=np.arange(80.0))
        params = {"num_threads": 1, "no_such_parameter": 1, "verbosity": 2, "num_iterations": 2,
                  "force_col_wise": True}
        callbacks = [lightgbm.log_evaluation(1), lightgbm.early_stopping(1)]
        lightgbm.train(params, data, 3, valid_sets=[data], callbacks=callbacks)


    def trained():
        import numpy as np
        import lightgbm

        data = lightgbm.Dataset(np.arange(80.0).reshape(-1, 1), label=np.arange(80.0))
        params = {"num_threads": 1, "verbosity": -1}
        return lightgbm.train(params, data, 2), data


    def answered():
        import numpy as np
        import pandas as pd
        import lightgbm
        import scipy.sparse

        X = np.random.default_rng(0).normal(size=(80, 3))
        y = np.arange(80) % 2
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        params = {"num_threads": 1, "verbosity": -1, "min_data_in_leaf": 3}
        for name, data in [
            ("frame", frame),
            ("array", X),
            ("holes", frame.where(frame < 1)),
            ("integers", (10 * frame).astype(int)),
            ("nullable", frame.assign(a=frame["a"].where(X[:, 1] > 0).round().astype("Int64"))),
            ("flags", frame > 0),
            ("texts", frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))),
            ("numbers", frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, 7, 3)))),
            ("sparse", scipy.sparse.csr_matrix(np.where(X > 0, X, 0))),
        ]:
            booster = lightgbm.train(params, lightgbm.Dataset(data, label=y), 3)
            yield name, data, booster.predict(data, num_threads=1)
    """


class TestLightgbmWrappers(IntegrationContract):
    name = "lightgbm"
    modules = ("lightgbm",)
    targets = (
        "lightgbm.sklearn:LGBMClassifier.fit",
        "lightgbm.sklearn:LGBMModel.fit",
        "lightgbm.engine:train",
    )

    # Of the orderings those are left out in which this integration is off and scikit-learn's is on,
    # for which the wrappers are estimators like others.
    orderings: ClassVar = {
        "import": False,
        "enable import": True,
        "import enable": True,
        "enable import disable": False,
        "generic import": True,
    }

    training = """
    def train():
        import inspect

        import numpy as np
        import lightgbm

        rng = np.random.default_rng(0)
        X = rng.normal(size=(100, 3))
        y = (X[:, 0] > 0).astype(int)
        model = lightgbm.LGBMClassifier(
            n_estimators=4, n_jobs=1, verbosity=-1, random_state=1, subsample=0.7, subsample_freq=1
        )
        newer = "eval_X" in inspect.signature(model.fit).parameters
        evaluated = {"eval_X": (X,), "eval_y": (y,)} if newer else {"eval_set": [(X, y)]}
        assert model.fit(X, y, **evaluated) is model
        text = model.booster_.model_to_string()
        proba = model.booster_.predict(X, num_threads=1).tobytes()
        return text, proba, model.evals_result_, sorted(vars(model))


    def fail(error):
        import numpy as np
        import lightgbm

        def raising(y_true, y_pred):
            raise error

        model = lightgbm.LGBMRegressor(
            n_estimators=2, n_jobs=1, verbosity=-1, objective=raising
        )
        model.fit(np.arange(200.0).reshape(-1, 1), np.arange(200.0))


    def noisy():
        import numpy as np
        import lightgbm

        X, y = np.arange(80.0).reshape(-1, 1), np.arange(80.0)
        model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, reg_alpha=1, lambda_l1=2,
                                       no_such_parameter=1, verbose=2, force_col_wise=True)
        model.fit(X, y, eval_metric="l1")


    def trained():
        import numpy as np
        import lightgbm

        X, y = np.arange(80.0).reshape(-1, 1), np.arange(80.0)
        model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbosity=-1)
        return model.fit(X, y), X, y


    def answered():
        import numpy as np
        import pandas as pd
        import lightgbm

        X = np.random.default_rng(0).normal(size=(80, 3))
        y = np.arange(80) % 2
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        texts = frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
        numbers = frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, 7, 3)))
        few = {"n_estimators": 3, "n_jobs": 1, "verbosity": -1, "min_child_samples": 3}
        for name, model, data, labels in [
            ("classifier", lightgbm.LGBMClassifier(**few), frame, np.where(y, "good", "bad")),
            ("three classes", lightgbm.LGBMClassifier(**few), frame, np.arange(80) % 3),
            ("texts", lightgbm.LGBMClassifier(**few), texts, y),
            ("numbers", lightgbm.LGBMRegressor(**few), numbers, y),
        ]:
            model.fit(data, labels)
            yield name, data, model.predict(data)
    """
