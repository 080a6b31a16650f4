"""The open record of a run over any backend: a transaction for each call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tracklet.entities import Metric
from tracklet.errors import InvalidState
from tracklet.record import rules
from tracklet.record.backend import Backend, Entry, RunWriter


class SessionWriter(RunWriter):
    """Writes one run; when a call returns, the backend has it.

    Args:
        backend: Where the run is.
        run: The run, which is active.
    """

    def __init__(self, backend: Backend, run: Entry) -> None:
        self.run_id = run.key
        self._backend = backend
        self._run = run
        self._pid = os.getpid()
        self._closed = False

    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        self.log_metrics([Metric(key, value, timestamp, step)])

    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        self._record(points=rules.points(metrics))

    def link_metrics(self, metrics: Sequence[Metric]) -> None:
        points = rules.points(metrics)
        self._check_open()
        self._backend.write(lambda at: at.link(self.run_id, points))

    def log_params(self, params: Mapping[str, str]) -> None:
        self._record(params=rules.texts("run", "params", params))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._record(tags=rules.texts("run", "tags", tags))

    def flush(self) -> None:
        self._backend.flush()

    def close(self) -> None:
        """Release the claim that the run is alive. Idempotent.

        In a process forked from the one that opened the run, the claim stays: it is not ours.
        """
        if self._closed:
            return
        self._closed = True
        if self._run.lease is not None and os.getpid() == self._pid:
            self._backend.write(lambda at: at.release(self._run))

    def _record(
        self,
        points: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._check_open()
        self._backend.write(lambda at: at.record(self._run, points, params, tags))

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidState(
                f"the writer of run {self.run_id} is closed; open the run again to log to it"
            )
