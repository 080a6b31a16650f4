"""A database of tracklet's own SQL store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from tracklet import liveness
from tracklet.entities import Experiment, Run
from tracklet.reading import queries
from tracklet_services.importing.artifacts import own_location
from tracklet_services.importing.databases import DatabaseSource, ReadOnlyDatabase
from tracklet_services.importing.merge import (
    LoggedModelRecord,
    RegisteredModelRecord,
    RunRecord,
    by_key,
)
from tracklet_services.importing.source import Unreadable
from tracklet_services.sql import leases, migrations, values
from tracklet_services.sql import schema as t


class TrackletDatabase(DatabaseSource):
    """The record in a database that tracklet made.

    Args:
        database: The database, which this source closes.

    Raises:
        InvalidParameterValue: Its schema is of another version of tracklet's.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        super().__init__(database)
        with database.reading() as connection:
            steps = migrations.applied(connection)
        self.schema = f"tracklet database {max(steps, default=None)}"
        migrations.check(steps, str(self.location))

    def experiments(self) -> Iterator[Experiment | Unreadable]:
        statement = t.select_all(queries.EXPERIMENT).order_by(t.experiments.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
            found = queries.load_experiments(t.SqlReader(connection), rows)
        for experiment in found:
            own = own_location(experiment.artifact_location, experiment.experiment_id)
            yield replace(experiment, artifact_location="") if own else experiment

    def runs(self, experiment_id: str) -> Iterator[RunRecord | Unreadable]:
        ids = self._ids(t.runs, t.runs.c.run_id, experiment_id)
        yield from self._entities("run", self._run, ids)

    def _run(self, connection: Connection, row: int) -> RunRecord | None:
        rows = connection.execute(t.select_all(queries.RUN).where(t.runs.c.id == row)).all()
        if not rows:
            return None
        run = queries.load_runs(t.SqlReader(connection), rows)[0]
        deleted_time = connection.execute(
            select(t.runs.c.deleted_time).where(t.runs.c.id == row)
        ).scalar()
        points = values.points_of(connection, row)
        info = run.info
        tail = f"{info.experiment_id}/{info.run_id}/artifacts"
        info = replace(info, artifact_uri=self._places.find(info.artifact_uri, tail))
        tags = run.data.tags
        if info.status == "RUNNING" and leases.lost_runs(connection, row):
            last = max((point.timestamp for point in points), default=0)
            end_time = max(last, info.start_time or 0) or None
            info = replace(info, status="KILLED", end_time=end_time)
            tags = {liveness.END_REASON_TAG: liveness.LOST, **tags}
        run = Run(info, replace(run.data, tags=tags), run.inputs, run.outputs)
        return RunRecord(run, by_key(points), deleted_time)

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModelRecord | Unreadable]:
        ids = self._ids(t.logged_models, t.logged_models.c.model_id, experiment_id)
        yield from self._entities("logged model", self._logged_model, ids)

    def _logged_model(self, connection: Connection, row: int) -> LoggedModelRecord | None:
        statement = t.select_all(queries.LOGGED_MODEL).where(t.logged_models.c.id == row)
        rows = connection.execute(statement).all()
        if not rows:
            return None
        model = queries.load_logged_models(t.SqlReader(connection), rows)[0]
        found = queries.model_points(t.SqlReader(connection), {row: model.model_id})
        points = [point for _, point in found]
        tail = f"{model.experiment_id}/models/{model.model_id}/artifacts"
        location = self._places.find(model.artifact_location, tail) or ""
        return LoggedModelRecord(replace(model, artifact_location=location), points)

    def registered_models(self) -> Iterator[RegisteredModelRecord | Unreadable]:
        m = t.registered_models.c
        with self._database.reading() as connection:
            ids = connection.execute(select(m.id, m.name).order_by(m.name)).all()
        yield from self._entities("registered model", self._registered_model, ids)

    def _registered_model(self, connection: Connection, row: int) -> RegisteredModelRecord | None:
        statement = t.select_all(queries.REGISTERED_MODEL).where(t.registered_models.c.id == row)
        rows = connection.execute(statement).all()
        if not rows:
            return None
        v = t.model_versions.c
        versions = connection.execute(
            t.select_all(queries.MODEL_VERSION).where(v.model == row).order_by(v.version)
        ).all()
        return RegisteredModelRecord(
            queries.load_registered_models(t.SqlReader(connection), rows)[0],
            queries.load_model_versions(t.SqlReader(connection), versions),
        )

    def left_out(self) -> dict[str, int]:
        return {}

    def _ids(self, of: Any, name: Any, experiment_id: str) -> Iterator[Any]:
        """The rows of an experiment's runs or models, and their ids."""
        statement = select(of.c.id, name).where(of.c.experiment_id == experiment_id)
        return self._paged(statement, of.c.id, 0)
