"""TensorFlow: its modules, and Keras' models as MLflow's flavor has them; Keras' autologging."""

from __future__ import annotations

from tracklet_flavors.keras.tensorflow import (
    get_default_conda_env,
    get_default_pip_requirements,
    load_model,
    log_model,
    save_model,
)
from tracklet_integrations.keras.callback import (
    MLflowCallback,
    MlflowCallback,
    TrackletCallback,
)
from tracklet_integrations.keras.restoring import load_checkpoint
from tracklet_integrations.keras.tensorflow import autolog

__all__ = [
    "MLflowCallback",
    "MlflowCallback",
    "TrackletCallback",
    "autolog",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_checkpoint",
    "load_model",
    "log_model",
    "save_model",
]
