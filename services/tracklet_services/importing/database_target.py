"""Whole records from another store into the database, with their ids and times.

Every record is one transaction: it is there whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

from sqlalchemy import Connection, select

from tracklet import entities, names, validation
from tracklet.errors import InvalidParameterValue
from tracklet.reading import queries
from tracklet.reading.compile import Subject
from tracklet.stores import creation
from tracklet_services.importing import merge
from tracklet_services.importing.artifacts import settled
from tracklet_services.sql import checks, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.store import SqlStore


class SqlTarget(merge.ImportTarget):
    """Takes records into a database.

    Args:
        store: The store.
    """

    def __init__(self, store: SqlStore) -> None:
        self.store = store

    # -- experiments ---------------------------------------------------------------------------

    def merge_experiment(self, experiment: entities.Experiment) -> tuple[str, merge.Change]:
        store = self.store
        store._check_name(experiment.name)
        tags = self._texts("experiment tag", experiment.tags, [])
        experiment = replace(experiment, tags=tags)
        with store.writing() as connection:
            store._serialize(connection)
            row = connection.execute(
                t.select_all(queries.EXPERIMENT).where(t.experiments.c.name == experiment.name)
            ).first()
            if row is not None:
                here = queries.load_experiments(t.SqlReader(connection), [row])[0]
                new = merge.missing_tags(here, experiment)
                values.put_tags(connection, t.experiment_tags, "experiment", row.id, new)
                return here.experiment_id, merge.Change.UPDATED if new else merge.Change.UNCHANGED

            def is_taken(wanted: str) -> bool:
                ids = t.experiments.c.experiment_id
                return connection.execute(select(ids).where(ids == wanted)).first() is not None

            experiment_id = merge.free_id(experiment.experiment_id, is_taken)
            location = experiment.artifact_location
            row_id = values.add_entity(
                connection,
                t.experiments,
                merge.dated(experiment),
                experiment_id=experiment_id,
                artifact_location=location or f"{store._artifact_root()}/{experiment_id}",
            )
            values.put_tags(connection, t.experiment_tags, "experiment", row_id, tags)
        return experiment_id, merge.Change.TAKEN

    # -- runs ----------------------------------------------------------------------------------

    def merge_run(self, record: merge.RunRecord, *, copy_artifacts: bool = False) -> merge.Merge:
        run_id = validation.validate_run_id(record.run.info.run_id)
        refused: list[str] = []
        record = self._checked(record, refused)
        there = record.run.info
        with self.store.reading() as connection:
            known = self._row(connection, queries.RUN, t.runs.c.run_id, run_id)
            owner = known.experiment_id if known is not None else there.experiment_id
            experiment = self.store._experiment_row(connection, owner)
        place = creation.below(experiment.artifact_location, f"{run_id}/artifacts")
        uri, files = _artifacts(there.artifact_uri, place, copy_artifacts, refused)
        with self.store.writing() as connection:
            row = self._row(connection, queries.RUN, t.runs.c.run_id, run_id, lock=True)
            if row is None:
                points = self._insert_run(connection, record, uri)
                return merge.Merge(merge.Change.TAKEN, points, files, refused)
            changed, points = self._update_run(connection, row, record, uri, refused)
        changed = changed or bool(files)
        return merge.Merge(
            merge.Change.UPDATED if changed else merge.Change.UNCHANGED, points, files, refused
        )

    def _insert_run(self, connection: Connection, record: merge.RunRecord, uri: str) -> int:
        run, info = record.run, record.run.info
        deleted = info.lifecycle_stage == entities.LifecycleStage.DELETED
        deleted_time = (record.deleted_time or names.now()) if deleted else None
        given = {"name": info.run_name, "deleted_time": deleted_time, "artifact_uri": uri}
        values.add_entity(connection, t.runs, info, **given)
        row = self._row(connection, queries.RUN, t.runs.c.run_id, info.run_id)
        values.put_tags(connection, t.params, "run", row.id, run.data.params)
        values.put_tags(connection, t.tags, "run", row.id, run.data.tags)
        points = [point for history in record.histories.values() for point in history]
        values.put_points(connection, row.id, points)
        self.store._put_inputs(connection, row, run.inputs.dataset_inputs, run.inputs.model_inputs)
        self.store._put_outputs(connection, row, run.outputs.model_outputs)
        return len(points)

    def _update_run(
        self,
        connection: Connection,
        row: Any,
        record: merge.RunRecord,
        uri: str,
        refused: list[str],
    ) -> tuple[bool, int]:
        there, here = record.run, queries.load_runs(t.SqlReader(connection), [row])[0]
        points = self._new_points(connection, row.id, record.histories)
        values.put_points(connection, row.id, points)
        changes = merge.run_changes(here, there, uri, refused)
        values.put_tags(connection, t.params, "run", row.id, changes.params)
        values.put_tags(connection, t.tags, "run", row.id, changes.tags)
        self.store._put_inputs(connection, row, changes.datasets, changes.inputs)
        self.store._put_outputs(connection, row, changes.outputs)
        if changes.info:
            columns = {"run_name": "name"}
            fields = {columns.get(name, name): value for name, value in changes.info.items()}
            values.change(connection, t.runs, row.id, **fields)
        return bool(points) or any(astuple(changes)), len(points)

    def _new_points(
        self, connection: Connection, row: int, histories: Mapping[str, Sequence[entities.Metric]]
    ) -> list[entities.Metric]:
        new: list[entities.Metric] = []
        for key, given in histories.items():
            new += merge.missing_points(values.points_of(connection, row, key), given)
        return new

    # -- logged models -------------------------------------------------------------------------

    def merge_logged_model(
        self, record: merge.LoggedModelRecord, *, copy_artifacts: bool = False
    ) -> merge.Merge:
        model_id = validation.validate_model_id(record.model.model_id)
        refused: list[str] = []
        model = replace(
            record.model,
            params=self._texts("model param", record.model.params, refused),
            tags=self._texts("model tag", record.model.tags, refused),
        )
        points = _checked_points(record.points, refused)
        ids = t.logged_models.c.model_id
        with self.store.reading() as connection:
            known = self._row(connection, queries.LOGGED_MODEL, ids, model_id)
            owner = known.experiment_id if known is not None else model.experiment_id
            experiment = self.store._experiment_row(connection, owner)
        place = creation.below(experiment.artifact_location, f"models/{model_id}/artifacts")
        uri, files = _artifacts(model.artifact_location, place, copy_artifacts, refused)
        with self.store.writing() as connection:
            row = self._row(connection, queries.LOGGED_MODEL, ids, model_id, lock=True)
            if row is None:
                self._insert_model(connection, model, points, uri)
                return merge.Merge(merge.Change.TAKEN, len(points), files, refused)
            changed, written = self._update_model(connection, row, model, points, uri)
        changed = changed or bool(files)
        return merge.Merge(
            merge.Change.UPDATED if changed else merge.Change.UNCHANGED, written, files, refused
        )

    def _insert_model(
        self,
        connection: Connection,
        model: entities.LoggedModel,
        points: Sequence[entities.Metric],
        uri: str,
    ) -> None:
        given = {"artifact_location": uri, "status": model.status.value}
        row = values.add_entity(connection, t.logged_models, model, **given)
        values.put_tags(connection, t.logged_model_params, "model", row, model.params)
        values.put_tags(connection, t.logged_model_tags, "model", row, model.tags)
        _put_model_points(connection, row, points)

    def _update_model(
        self,
        connection: Connection,
        row: Any,
        there: entities.LoggedModel,
        points: Sequence[entities.Metric],
        uri: str,
    ) -> tuple[bool, int]:
        here = queries.load_logged_models(t.SqlReader(connection), [row])[0]
        found = queries.model_points(t.SqlReader(connection), {row.id: row.model_id})
        known = merge.by_key(point for _, point in found)
        given = merge.by_key(points)
        new = [p for key in given for p in merge.missing_points(known.get(key, ()), given[key])]
        _put_model_points(connection, row.id, new)
        params, tags, changes = merge.model_changes(here, there, uri)
        values.put_tags(connection, t.logged_model_params, "model", row.id, params)
        values.put_tags(connection, t.logged_model_tags, "model", row.id, tags)
        if "status" in changes:
            changes["status"] = there.status.value
        changed = bool(new or params or tags or changes)
        if changed:
            changes["last_updated_timestamp"] = max(
                here.last_updated_timestamp, there.last_updated_timestamp
            )
            values.change(connection, t.logged_models, row.id, **changes)
        return changed, len(new)

    # -- registered models ---------------------------------------------------------------------

    def merge_registered_model(self, record: merge.RegisteredModelRecord) -> merge.Merge:
        self.store._check_model_name(record.model.name)
        refused: list[str] = []
        model = replace(record.model, tags=self._texts("model tag", record.model.tags, refused))
        versions = [
            replace(version, tags=self._texts("model version tag", version.tags, refused))
            for version in record.versions
        ]
        names_of_models = t.registered_models.c.name
        with self.store.writing() as connection:
            self.store._serialize(connection)
            row = self._row(
                connection, queries.REGISTERED_MODEL, names_of_models, model.name, lock=True
            )
            if row is not None:
                record = merge.RegisteredModelRecord(model, versions)
                changed = self._update_registered_model(connection, row, record, refused)
                return merge.Merge(
                    merge.Change.UPDATED if changed else merge.Change.UNCHANGED, refused=refused
                )
            row_id = values.add_entity(connection, t.registered_models, model)
            values.put_tags(connection, t.registered_model_tags, "model", row_id, model.tags)
            for version in versions:
                _insert_version(connection, row_id, version)
            for alias, number in model.aliases.items():
                values.put_alias(connection, row_id, alias, number)
        return merge.Merge(merge.Change.TAKEN, refused=refused)

    def _update_registered_model(
        self,
        connection: Connection,
        row: Any,
        record: merge.RegisteredModelRecord,
        refused: list[str],
    ) -> bool:
        v = t.model_versions.c
        rows = connection.execute(
            t.select_all(queries.MODEL_VERSION).where(v.model == row.id)
        ).all()
        loaded = queries.load_model_versions(t.SqlReader(connection), rows)
        known = {version.version: version for version in loaded}
        ids = {version.version: one.id for one, version in zip(rows, loaded, strict=True)}
        here = queries.load_registered_models(t.SqlReader(connection), [row])[0]
        merged, new, changing = merge.merged_registered_model(here, known, record, refused)
        for version in new:
            _insert_version(connection, row.id, version)
        for old, version in changing:
            row_id = ids[version.version]
            tags = merge.merged_texts(old.tags, version.tags, overwrite=True)
            values.put_tags(connection, t.model_version_tags, "version", row_id, tags)
            values.change(connection, t.model_versions, row_id, **merge.version_changes(version))
        if merged != here:
            tags = merge.merged_texts(here.tags, merged.tags, overwrite=True)
            values.put_tags(connection, t.registered_model_tags, "model", row.id, tags)
            for alias, number in merged.aliases.items():
                if here.aliases.get(alias) != number:
                    values.put_alias(connection, row.id, alias, number)
            values.change(
                connection,
                t.registered_models,
                row.id,
                description=merged.description,
                last_updated_timestamp=merged.last_updated_timestamp,
            )
        return bool(new or changing or merged != here)

    # -- parts ---------------------------------------------------------------------------------

    def _checked(self, record: merge.RunRecord, refused: list[str]) -> merge.RunRecord:
        """The record without what the database cannot keep."""
        data = replace(
            record.run.data,
            params=self._texts("param", record.run.data.params, refused),
            tags=self._texts("tag", record.run.data.tags, refused),
        )
        datasets: list[entities.DatasetInput] = []
        for given in record.run.inputs.dataset_inputs:
            with merge.noting(refused):
                checks.dataset(given, nul=self.store.keeps_nul)
                datasets.append(given)
        inputs = replace(record.run.inputs, dataset_inputs=datasets)
        entities.RunStatus.from_string(record.run.info.status)
        return merge.RunRecord(
            replace(record.run, data=data, inputs=inputs),
            {key: _checked_points(h, refused) for key, h in record.histories.items()},
            record.deleted_time,
        )

    def _row(
        self, connection: Connection, of: Subject, name: Any, value: str, *, lock: bool = False
    ) -> Any:
        statement = t.select_all(of).where(name == value)
        return connection.execute(statement.with_for_update() if lock else statement).first()

    def _texts(self, kind: str, given: Mapping[str, str], refused: list[str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for key, value in given.items():
            with merge.noting(refused):
                kept.update(checks.texts(kind, {key: value}, nul=self.store.keeps_nul))
        return kept


def _checked_points(points: Sequence[entities.Metric], refused: list[str]) -> list[entities.Metric]:
    """The points that the database can keep; the others are refused, once per metric."""
    kept: list[entities.Metric] = []
    reasons: dict[str, str] = {}
    for point in points:
        try:
            kept.append(checks.metric(point))
        except InvalidParameterValue as error:
            reasons[point.key] = error.message
    refused += reasons.values()
    return kept


def _artifacts(source: str | None, place: str, copy: bool, refused: list[str]) -> tuple[str, int]:
    """Where artifacts are from now on, and how many files were copied."""
    if source and copy:
        return settled(source, place, place, refused)
    return source or place, 0


def _put_model_points(connection: Connection, row: int, points: Sequence[entities.Metric]) -> None:
    if points:
        table = t.logged_model_metrics
        connection.execute(
            table.insert(), [values.row_of(table, point, model=row) for point in points]
        )


def _insert_version(connection: Connection, model: int, version: entities.ModelVersion) -> None:
    row = values.add_entity(connection, t.model_versions, version, model=model)
    values.put_tags(connection, t.model_version_tags, "version", row, version.tags)
