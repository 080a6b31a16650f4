"""The client under the module name that MLflow scripts import it from."""

from __future__ import annotations

from tracklet.client import MlflowClient, TrackletClient
from tracklet.settings import (
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)
from tracklet.settings import registry_uri as get_registry_uri
from tracklet.settings import tracking_uri as get_tracking_uri

__all__ = [
    "MlflowClient",
    "TrackletClient",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]
