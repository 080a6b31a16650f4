"""A forecaster of sktime, logged by its own flavor and loaded again, also as a function."""

import mlflow
import pandas as pd
from sktime.datasets import load_airline
from sktime.forecasting.naive import NaiveForecaster
from sktime.utils import mlflow_sktime

y = load_airline()
forecaster = NaiveForecaster(strategy="last", sp=12).fit(y)
expected = forecaster.predict(fh=[1, 2, 3])

mlflow.set_experiment("sktime")
with mlflow.start_run(run_name="airline"):
    info = mlflow_sktime.log_model(forecaster, "model", registered_model_name="airline")
    mlflow.log_metric("first", expected.iloc[0])

loaded = mlflow_sktime.load_model(info.model_uri)
pd.testing.assert_series_equal(loaded.predict(fh=[1, 2, 3]), expected)
function = mlflow.pyfunc.load_model(info.model_uri)
answer = function.predict(pd.DataFrame({"fh": [[1, 2, 3]], "predict_method": ["predict"]}))
assert answer.squeeze().tolist() == expected.tolist()
