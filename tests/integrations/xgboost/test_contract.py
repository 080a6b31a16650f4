"""The XGBoost integration sees everything and touches nothing."""

from __future__ import annotations

from typing import ClassVar

from tracklet.testing import IntegrationContract


class TestXgboostIntegration(IntegrationContract):
    name = "xgboost"
    modules = ("xgboost",)
    targets = ("xgboost.training:train", "xgboost.training:cv", "xgboost.core:DMatrix.__init__")
    training = """
    def train():
        import numpy as np
        import xgboost

        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 3))
        data = xgboost.DMatrix(X, label=(X[:, 0] > 0).astype(int), nthread=1)
        params = {"objective": "binary:logistic", "nthread": 1, "subsample": 0.7, "seed": 3}
        callbacks = [xgboost.callback.LearningRateScheduler(lambda epoch: 0.3 / (1 + epoch))]
        result = {}
        booster = xgboost.train(
            params, data, 4, evals=[(data, "train")], evals_result=result, verbose_eval=False,
            callbacks=callbacks, early_stopping_rounds=2,
        )
        assert len(callbacks) == 1 and len(params) == 4
        return bytes(booster.save_raw("ubj")), booster.predict(data).tobytes(), result


    def fail(error):
        import numpy as np
        import xgboost

        class Raising(xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                raise error

        data = xgboost.DMatrix(np.ones((4, 1)), label=[0, 1, 0, 1])
        xgboost.train({"nthread": 1}, data, 3, callbacks=[Raising()])


    def noisy():
        import numpy as np
        import xgboost

        data = xgboost.DMatrix(np.arange(20.0).reshape(-1, 1), label=np.arange(20.0), nthread=1)
        params = {"nthread": 1, "no_such_parameter": 1, "verbosity": 2}
        booster = xgboost.train(params, data, 2, evals=[(data, "train")])
        xgboost.train(params, data, 2, xgb_model=booster, early_stopping_rounds=1,
                      evals=[(data, "train")])


    def trained():
        import numpy as np
        import xgboost

        data = xgboost.DMatrix(np.arange(20.0).reshape(-1, 1), label=np.arange(20.0), nthread=1)
        return xgboost.train({"nthread": 1}, data, 2, evals=[(data, "train")]), data


    def answered():
        import numpy as np
        import pandas as pd
        import scipy.sparse
        import xgboost

        X = np.random.default_rng(0).normal(size=(60, 3))
        y = np.arange(60) % 2
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        for name, data in [
            ("frame", frame),
            ("array", X),
            ("holes", frame.where(frame < 1)),
            ("integers", (10 * frame).astype(int)),
            ("nullable", frame.assign(a=frame["a"].where(X[:, 1] > 0).round().astype("Int64"))),
            ("flags", frame > 0),
            ("odd names", frame.set_axis(["a b", "ä", "0"], axis=1)),
            ("sparse", scipy.sparse.csr_matrix(np.where(X > 0, X, 0))),
        ]:
            matrix = xgboost.DMatrix(data, label=y, nthread=1)
            booster = xgboost.train({"nthread": 1, "objective": "binary:logistic"}, matrix, 3)
            yield name, data, booster.predict(matrix)
        held = [(xgboost.DMatrix(frame, label=1 - y, nthread=1), "held")]
        matrix = xgboost.DMatrix(frame, label=y, nthread=1)
        booster = xgboost.train({"nthread": 1}, matrix, 20, evals=held, early_stopping_rounds=2,
                                verbose_eval=False)
        yield "stopped", frame, booster.predict(matrix)
    """


class TestXgboostWrappers(IntegrationContract):
    name = "xgboost"
    modules = ("xgboost",)
    targets = (
        "xgboost.sklearn:XGBClassifier.fit",
        "xgboost.sklearn:XGBModel.fit",
        "xgboost.training:train",
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
        import numpy as np
        import xgboost

        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 3))
        y = (X[:, 0] > 0).astype(int)
        model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, subsample=0.7, random_state=1)
        assert model.fit(X, y, eval_set=[(X, y)], verbose=False) is model
        raw = bytes(model.get_booster().save_raw("ubj"))
        return raw, model.predict_proba(X).tobytes(), model.evals_result(), sorted(vars(model))


    def fail(error):
        import numpy as np
        import xgboost

        def raising(y_true, y_pred):
            raise error

        model = xgboost.XGBRegressor(n_estimators=2, n_jobs=1, objective=raising)
        model.fit(np.ones((4, 1)), np.array([0.0, 1.0, 0.0, 1.0]))


    def noisy():
        import numpy as np
        import xgboost

        X, y = np.arange(20.0).reshape(-1, 1), np.arange(20.0)
        model = xgboost.XGBRegressor(n_estimators=2, n_jobs=1, no_such_parameter=1, verbosity=2)
        model.fit(X, y, eval_set=[(X, y)])


    def trained():
        import numpy as np
        import xgboost

        X, y = np.arange(20.0).reshape(-1, 1), np.arange(20.0)
        model = xgboost.XGBRegressor(n_estimators=2, n_jobs=1)
        return model.fit(X, y, eval_set=[(X, y)], verbose=False), X, y


    def answered():
        import numpy as np
        import pandas as pd
        import xgboost

        X = np.random.default_rng(0).normal(size=(60, 3))
        y = np.arange(60) % 2
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        few = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}
        texts = frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no")))
        numbers = frame.assign(k=pd.Categorical(np.where(X[:, 2] > 0, 7, 3)))
        metrics = xgboost.XGBClassifier(**few, eval_metric=["auc", "logloss"])
        kinds = [
            ("classifier", metrics, frame, y),
            ("three classes", xgboost.XGBClassifier(**few), X, np.arange(60) % 3),
            ("regressor", xgboost.XGBRegressor(**few, missing=-9.0), np.where(X > 1, -9.0, X), y),
            ("several numbers", xgboost.XGBRegressor(**few), frame, X[:, :2]),
            ("forest", xgboost.XGBRFClassifier(**few), frame, y),
        ]
        if int(xgboost.__version__.partition(".")[0]) >= 2:
            categorical = {**few, "enable_categorical": True}
            kinds += [
                ("texts", xgboost.XGBClassifier(**categorical), texts, y),
                ("numbers", xgboost.XGBRegressor(**categorical), numbers, y),
            ]
        for name, model, data, labels in kinds:
            model.fit(data, labels)
            yield name, data, model.predict(data)
    """
