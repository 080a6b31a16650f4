"""The client itself: one class out of its subjects."""

from __future__ import annotations

from tracklet.client.content import ContentVerbs
from tracklet.client.registry import RegistryVerbs
from tracklet.client.traces import TraceVerbs
from tracklet.client.tracking import TrackingVerbs


class TrackletClient(TrackingVerbs, ContentVerbs, RegistryVerbs, TraceVerbs):
    """Every verb on the record, by explicit id. Cheap to make; the stores behind are shared.

    Args:
        tracking_uri: Where runs are kept; by default what :mod:`tracklet.settings` says now.
        registry_uri: Where registered models are kept; by default with the runs, if
            ``tracking_uri`` is given, and else what the settings say.

    Example:
        >>> client = tracklet.TrackletClient()
        >>> run = client.create_run(experiment_id="0")
        >>> client.log_metric(run.info.run_id, "loss", 0.5)
        >>> client.set_terminated(run.info.run_id)
        >>> client.get_run(run.info.run_id).data.metrics
        {'loss': 0.5}
    """


MlflowClient = TrackletClient
