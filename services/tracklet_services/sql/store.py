"""The record in a database: SQLite for one machine, PostgreSQL for a team."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.entities import PagedList, Run
from tracklet.reading import queries
from tracklet.stores.query import Query
from tracklet_services.sql import leases
from tracklet_services.sql import schema as t
from tracklet_services.sql.logged_model_verbs import LoggedModels
from tracklet_services.sql.registry_verbs import Registry
from tracklet_services.sql.writer import SqlRunWriter


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
