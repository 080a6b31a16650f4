"""A model from code: what a customer will be worth, by two models that were logged before.

This file is copied into the logged model and executed when it is loaded. The two models come with
it as artifacts, so that it needs nothing but its own folder.
"""

import pandas as pd

import tracklet
from tracklet.models import ModelConfig

DAYS_PER_YEAR = 365.0
# While developing, these values hold; `model_config` of log_model and load_model replace them.
config = ModelConfig(development_config={"discount_rate": 0.1, "margin": 0.3})


class CustomerLifetimeValue(tracklet.pyfunc.PythonModel):
    """Expected years times yearly spending, discounted, times the margin."""

    def load_context(self, context):
        self.lifetime = tracklet.pyfunc.load_model(context.artifacts["lifetime"])
        self.spending = tracklet.pyfunc.load_model(context.artifacts["spending"])

    def predict(self, context, model_input, params=None):
        years = self.lifetime.predict(model_input) / DAYS_PER_YEAR
        yearly = self.spending.predict(model_input) * DAYS_PER_YEAR
        rate = (params or {}).get("discount_rate", config.get("discount_rate"))
        discount = (1 - (1 + rate) ** -years) / rate
        return pd.DataFrame(
            {
                "years": years,
                "yearly_spending": yearly,
                "lifetime_value": yearly * discount * config.get("margin"),
            }
        )


tracklet.models.set_model(CustomerLifetimeValue())
