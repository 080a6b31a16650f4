"""Train two models, log them, and compose them into a third that is logged, loaded and asked.

Run it from anywhere: ``python examples/customer_lifetime_value/train.py``. The record lies in
``./mlruns``. To serve the result: ``tracklet models serve -m models:/customer-lifetime-value/1``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet.models import infer_signature

# -- customers of a made-up shop ---------------------------------------------------------------
random = np.random.default_rng(0)
count = 800
customers = pd.DataFrame(
    {
        "age": random.uniform(18, 80, count),
        "orders_last_year": random.poisson(6, count).astype(float),
        "returns_last_year": random.poisson(1, count).astype(float),
        "basket": random.gamma(4, 12, count),
    }
)
loyalty = 1 + customers["orders_last_year"] / 6 - customers["returns_last_year"] / 8
days = (400 * loyalty * random.gamma(20, 1 / 20, count)).clip(lower=30)
per_day = customers["basket"] * customers["orders_last_year"] / 365 * random.normal(1, 0.05, count)
train, test, days_train, days_test, spent_train, spent_test = train_test_split(
    customers, days, per_day, random_state=0
)

# -- two models, each in a run of its own ------------------------------------------------------
tracklet.set_experiment("customer lifetime value")

with tracklet.start_run(run_name="lifetime"):
    lifetime = make_pipeline(StandardScaler(), LinearRegression()).fit(train, days_train)
    tracklet.log_metric("r2", lifetime.score(test, days_test))
    lifetime_info = tracklet.log_model(lifetime, "lifetime", input_example=train[:3])

with tracklet.start_run(run_name="spending"):
    spending = GradientBoostingRegressor(random_state=0).fit(train, spent_train)
    tracklet.log_metric("r2", spending.score(test, spent_test))
    spending_info = tracklet.log_model(spending, "spending", input_example=train[:3])

# -- one model made of both --------------------------------------------------------------------
with tracklet.start_run(run_name="lifetime value"):
    info = tracklet.pyfunc.log_model(
        name="lifetime-value",
        python_model=Path(__file__).with_name("lifetime_value.py"),
        artifacts={"lifetime": lifetime_info.model_uri, "spending": spending_info.model_uri},
        model_config={"discount_rate": 0.1, "margin": 0.25},
        signature=infer_signature(
            train,
            pd.DataFrame({"years": [1.0], "yearly_spending": [1.0], "lifetime_value": [1.0]}),
            {"discount_rate": 0.1},
        ),
        registered_model_name="customer-lifetime-value",
    )

loaded = tracklet.pyfunc.load_model("models:/customer-lifetime-value/latest")
values = loaded.predict(test)
assert np.allclose(values["years"] * 365, lifetime.predict(test))
assert np.allclose(values["yearly_spending"] / 365, spending.predict(test))
cautious = loaded.predict(test, params={"discount_rate": 0.3})
assert cautious["lifetime_value"].mean() < values["lifetime_value"].mean()

best = values["lifetime_value"].to_numpy().argmax()
print(f"logged as {info.model_uri}, made of {lifetime_info.model_uri} and")
print(f"{spending_info.model_uri}")
print(f"{len(values)} customers are worth {values['lifetime_value'].mean():.0f} on average,")
print(f"the best {values['lifetime_value'].max():.0f}: {test.iloc[best].round(1).to_dict()}")
