"""`TrackletClient` (alias `MlflowClient`): every verb on the record, by explicit id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet.client.client import MlflowClient, TrackletClient
    from tracklet.client.operations import RunOperations, carried_out
else:
    __getattr__ = lazy.lookup(
        __name__,
        {
            "MlflowClient": "tracklet.client.client",
            "RunOperations": "tracklet.client.operations",
            "TrackletClient": "tracklet.client.client",
            "carried_out": "tracklet.client.operations",
        },
    )

__all__ = ["MlflowClient", "RunOperations", "TrackletClient", "carried_out"]
