"""The open record of a run behind a server, without a spool: each call is a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tracklet.entities import Metric
from tracklet.record.backend import RunWriter

if TYPE_CHECKING:
    from tracklet.record import Store


class RestWriter(RunWriter):
    """Writes one run; when a call returns, the server has it."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.run_id = run_id
        self._store = store

    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        self.log_metrics([Metric(key, value, timestamp, step)])

    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        self._store.log_batch(self.run_id, metrics)

    def link_metrics(self, metrics: Sequence[Metric]) -> None:
        self._store.log_batch(self.run_id, metrics)

    def log_params(self, params: Mapping[str, str]) -> None:
        self._store.log_batch(self.run_id, params=params)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._store.log_batch(self.run_id, tags=tags)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
