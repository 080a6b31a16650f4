"""The record in a database: SQLite for one machine, PostgreSQL for a team."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, text

from tracklet.entities import Metric, PagedList, Run
from tracklet.errors import InvalidState
from tracklet.reading import queries
from tracklet.stores.query import Query
from tracklet.stores.tracking_store import RunWriter
from tracklet_services.sql import checks, leases
from tracklet_services.sql import schema as t
from tracklet_services.sql.logged_model_verbs import LoggedModels
from tracklet_services.sql.registry_verbs import Registry
from tracklet_services.sql.run_verbs import Runs


class SqlStore(LoggedModels, Registry):
    """Experiments, runs, logged models and the registry in one database.

    The schema is made at the first use, by any number of processes at once. Artifacts lie beside
    a SQLite file, or where ``TRACKLET_DEFAULT_ARTIFACT_ROOT`` says.

    Args:
        uri: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``.

    Raises:
        InvalidParameterValue: The URI names no such database, or one that belongs to MLflow.
        MissingDependency: The driver or Alembic is not installed.
        StorageError: The database cannot be reached.
    """

    def start_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> tuple[Run, SqlRunWriter]:
        """Create a run that this process carries, with its lease in the same transaction."""
        with self.writing() as connection:
            run_id, row = self._insert_run(
                connection, experiment_id, user_id, start_time, tags, run_name
            )
            lease = leases.leave(connection, row)
            run = self._load(connection, run_id)
        return run, SqlRunWriter(self, run_id, row, lease)

    def search(self, query: Query) -> PagedList[Any]:
        if query.kind == "runs":
            self._settle_lost_runs()
        with self.reading() as connection:
            return queries.search(t.SqlReader(connection), query)

    def _settle_lost_runs(self) -> None:
        with self.reading() as connection:
            lost = leases.lost_runs(connection)
        if lost:
            with self.writing() as connection:
                for row in lost:
                    leases.settle(connection, row)

    def open_run(self, run_id: str, *, live: bool = True) -> SqlRunWriter:
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "log to").id
            lease = leases.carry_on(connection, row) if live else None
        return SqlRunWriter(self, run_id, row, lease)


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

    def link_metrics(self, metrics: Sequence[Metric]) -> None:
        points = [checks.metric(point) for point in metrics]
        with self._writing() as connection:
            self._store.link(connection, self.run_id, points)

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
        with self._writing() as connection:
            self._store.record(connection, self._row, self.run_id, points, params, tags)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._closed:
            raise InvalidState(
                f"the writer of run {self.run_id} is closed; open the run again to log to it"
            )
        with self._store.writing() as connection:
            if not self._store.keeps_nul:
                self._store._run_row(connection, self.run_id, lock=True)
            yield connection
