"""`TrackletClient` (alias `MlflowClient`): every verb on the record, by explicit id."""

from __future__ import annotations

from tracklet.client.client import MlflowClient, TrackletClient
from tracklet.client.operations import RunOperations, carried_out

__all__ = ["MlflowClient", "RunOperations", "TrackletClient", "carried_out"]
