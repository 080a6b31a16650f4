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
from tracklet_services.sql import migrations
from tracklet_services.sql import schema as t
from tracklet_services.sql.backend import SqlSession


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

    def _run(self, connection: Connection, run_id: str) -> RunRecord | None:
        at = SqlSession(connection)
        entry = at.find("run", run_id)
        if entry is None:
            return None
        run, points = at.load(entry), at.history(entry)
        info, tags = run.info, run.data.tags
        tail = f"{info.experiment_id}/{run_id}/artifacts"
        info = replace(info, artifact_uri=self._places.find(info.artifact_uri, tail))
        if at.is_lost(entry):
            last = max((point.timestamp for point in points), default=0)
            end_time = max(last, info.start_time or 0) or None
            info = replace(info, status="KILLED", end_time=end_time)
            tags = {liveness.END_REASON_TAG: liveness.LOST, **tags}
        run = Run(info, replace(run.data, tags=tags), run.inputs, run.outputs)
        return RunRecord(run, by_key(points), at.deletion_time(entry))

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModelRecord | Unreadable]:
        ids = self._ids(t.logged_models, t.logged_models.c.model_id, experiment_id)
        yield from self._entities("logged model", self._logged_model, ids)

    def _logged_model(self, connection: Connection, model_id: str) -> LoggedModelRecord | None:
        at = SqlSession(connection)
        entry = at.find("logged model", model_id)
        if entry is None:
            return None
        model = at.load(entry)
        tail = f"{model.experiment_id}/models/{model_id}/artifacts"
        location = self._places.find(model.artifact_location, tail) or ""
        return LoggedModelRecord(replace(model, artifact_location=location), at.history(entry))

    def registered_models(self) -> Iterator[RegisteredModelRecord | Unreadable]:
        name = t.registered_models.c.name
        with self._database.reading() as connection:
            names = connection.execute(select(name, name).order_by(name)).all()
        yield from self._entities("registered model", self._registered_model, names)

    def _registered_model(self, connection: Connection, name: str) -> RegisteredModelRecord | None:
        at = SqlSession(connection)
        entry = at.find("registered model", name)
        if entry is None:
            return None
        rows = [version.fields for version in at.children(entry, "model version")]
        versions = queries.load_model_versions(t.SqlReader(connection), rows)
        return RegisteredModelRecord(at.load(entry), versions)

    def left_out(self) -> dict[str, int]:
        return {}

    def _ids(self, of: Any, name: Any, experiment_id: str) -> Iterator[Any]:
        """The ids of an experiment's runs or models, as keys and as names."""
        statement = select(of.c.id, name, name).where(of.c.experiment_id == experiment_id)
        return (named for _, *named in self._paged(statement, of.c.id, 0))
