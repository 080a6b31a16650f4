"""The open record of a run in a database: every call is one transaction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, text

from tracklet.entities import Metric
from tracklet.errors import InvalidState
from tracklet.stores.tracking_store import RunWriter
from tracklet_services.sql import checks
from tracklet_services.sql import schema as t
from tracklet_services.sql.run_verbs import Runs


class SqlRunWriter(RunWriter):
    """Writes one run; when a call returns, the database has it.

    Args:
        store: The store.
        run_id: The run, which is active.
        row: Its row.
        lease: The row of the lease that says that this process carries the run on, if it does.
    """

    def __init__(self, store: Runs, run_id: str, row: int, lease: int | None) -> None:
        self.run_id = run_id
        self._store = store
        self._pid = os.getpid()
        self._closed = False
        self._row = row
        self._lease = lease

    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        self.log_metrics([Metric(key, value, timestamp, step)])

    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        self._record(points=[checks.metric(point) for point in metrics])

    def log_params(self, params: Mapping[str, str]) -> None:
        self._record(params=checks.texts("param", params, nul=self._store.keeps_nul))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values; ``mlflow.runName`` renames the run too."""
        self._record(tags=checks.texts("tag", tags, nul=self._store.keeps_nul))

    def flush(self) -> None:
        if not self._store.keeps_nul:
            return  # PostgreSQL says that a transaction is done when it is on the disk
        with self._store.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("PRAGMA wal_checkpoint(FULL)"))

    def close(self) -> None:
        """Release the claim that the run is alive. Idempotent.

        In a process forked from the one that opened the run, the claim stays: it is not ours.
        """
        if self._closed:
            return
        self._closed = True
        if self._lease is None or os.getpid() != self._pid:
            return
        with self._store.writing() as connection:
            connection.execute(delete(t.leases).where(t.leases.c.id == self._lease))

    def _record(
        self,
        points: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if self._closed:
            raise InvalidState(
                f"the writer of run {self.run_id} is closed; open the run again to log to it"
            )
        with self._store.writing() as connection:
            if not self._store.keeps_nul:
                self._store._run_row(connection, self.run_id, lock=True)
            self._store.record(connection, self._row, self.run_id, points, params, tags)
