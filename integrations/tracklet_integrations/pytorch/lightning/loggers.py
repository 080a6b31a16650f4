"""The loggers of a trainer that write into a tracking store: MLflow's, and ours."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tracklet.fluent import active
from tracklet.stores import open_store


def run_of_logger(trainer: Any) -> str | None:
    """The run of a logger of the user's for the store that is recorded into; None without one.

    The logger makes its run now if it has none yet, as the trainer's setup is about to ask it to.
    """
    with suppress(Exception):
        for logger in trainer.loggers:
            if _is_ours(logger) or (_is_mlflows(logger) and _store_of(logger) is active.store()):
                return str(logger.run_id)
    return None


def writes_into(logger: Any, run_id: str) -> bool:
    """Whether a logger writes metrics into this run."""
    if _is_mlflows(logger):
        return vars(logger).get("_run_id") == run_id
    return _is_ours(logger) and logger.known_run_id == run_id


def end_runs(trainer: Any) -> None:
    """End the runs of our own loggers, which are left open while a fit is recorded into them."""
    for logger in trainer.loggers:
        if _is_ours(logger):
            logger.end_run()


def _is_mlflows(logger: Any) -> bool:
    return any(cls.__name__ == "MLFlowLogger" for cls in type(logger).__mro__)


def _is_ours(logger: Any) -> bool:
    return any(cls.__name__ == "TrackletLogger" for cls in type(logger).__mro__)


def _store_of(logger: Any) -> Any:
    return open_store(vars(logger)["_tracking_uri"])
