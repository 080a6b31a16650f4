"""Whole records from another store into the database, with their ids and times.

Every record is one transaction: it is there whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from tracklet import names, validation
from tracklet.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    Metric,
    RunStatus,
)
from tracklet.errors import InvalidParameterValue
from tracklet.reading import queries
from tracklet.stores import creation
from tracklet_services.importing.database_models import (
    ModelTarget,
    artifacts,
    checked_points,
    put_new,
)
from tracklet_services.importing.merge import (
    Change,
    ImportTarget,
    Merge,
    RunRecord,
    merged_info,
    merged_texts,
    missing_points,
)
from tracklet_services.sql import checks, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.database import now_ms


class SqlTarget(ModelTarget, ImportTarget):
    """Takes records into a database.

    Args:
        store: The store.
    """

    # -- experiments ---------------------------------------------------------------------------

    def merge_experiment(self, experiment: Experiment) -> tuple[str, Change]:
        store = self.store
        store._check_name(experiment.name)
        tags = self._texts("experiment tag", experiment.tags, [])
        with store.writing() as connection:
            store._serialize(connection)
            row = connection.execute(
                t.select_all(queries.EXPERIMENT).where(t.experiments.c.name == experiment.name)
            ).first()
            if row is not None:
                here = queries.load_experiments(t.SqlReader(connection), [row])[0]
                same = (here.experiment_id, here.creation_time) == (
                    experiment.experiment_id,
                    experiment.creation_time,
                )
                new = merged_texts(here.tags, tags, overwrite=same)
                values.put_tags(connection, t.experiment_tags, "experiment", row.id, new)
                return here.experiment_id, Change.UPDATED if new else Change.UNCHANGED
            experiment_id = self._free_id(connection, experiment.experiment_id)
            created = experiment.creation_time
            created = now_ms() if created is None else created
            updated = experiment.last_update_time
            location = experiment.artifact_location
            row_id = connection.execute(
                t.experiments.insert()
                .values(
                    values.row_of(
                        t.experiments,
                        experiment,
                        experiment_id=experiment_id,
                        artifact_location=location or f"{store._artifact_root()}/{experiment_id}",
                        creation_time=created,
                        last_update_time=created if updated is None else updated,
                    )
                )
                .returning(t.experiments.c.id)
            ).scalar_one()
            values.put_tags(connection, t.experiment_tags, "experiment", row_id, tags)
        return experiment_id, Change.TAKEN

    def _free_id(self, connection: Connection, wanted: str) -> str:
        try:
            validation.validate_experiment_id(wanted)
        except InvalidParameterValue:
            return names.experiment_id()
        known = select(t.experiments.c.id).where(t.experiments.c.experiment_id == wanted)
        taken = connection.execute(known).first() is not None
        return names.experiment_id() if taken else wanted

    # -- runs ----------------------------------------------------------------------------------

    def merge_run(self, record: RunRecord, *, copy_artifacts: bool = False) -> Merge:
        run_id = validation.validate_run_id(record.run.info.run_id)
        refused: list[str] = []
        record = self._checked(record, refused)
        there = record.run.info
        with self.store.reading() as connection:
            known = self._row(connection, queries.RUN, t.runs.c.run_id, run_id)
            owner = known.experiment_id if known is not None else there.experiment_id
            experiment = self.store._experiment_row(connection, owner)
        place = creation.below(experiment.artifact_location, f"{run_id}/artifacts")
        uri, files = artifacts(there.artifact_uri, place, copy_artifacts, refused)
        with self.store.writing() as connection:
            row = self._row(connection, queries.RUN, t.runs.c.run_id, run_id, lock=True)
            if row is None:
                points = self._insert_run(connection, record, uri)
                return Merge(Change.TAKEN, points, files, refused)
            changed, points = self._update_run(connection, row, record, uri, refused)
        changed = changed or bool(files)
        return Merge(Change.UPDATED if changed else Change.UNCHANGED, points, files, refused)

    def _insert_run(self, connection: Connection, record: RunRecord, uri: str) -> int:
        run, info = record.run, record.run.info
        deleted = info.lifecycle_stage == LifecycleStage.DELETED
        row = connection.execute(
            t.runs.insert()
            .values(
                values.row_of(
                    t.runs,
                    info,
                    name=info.run_name,
                    deleted_time=(record.deleted_time or now_ms()) if deleted else None,
                    artifact_uri=uri,
                )
            )
            .returning(*t.columns(queries.RUN))
        ).one()
        put_new(connection, t.params, "run", row.id, run.data.params)
        put_new(connection, t.tags, "run", row.id, run.data.tags)
        points = [point for history in record.histories.values() for point in history]
        values.put_points(connection, row.id, points)
        self._put_links(connection, row, record)
        return len(points)

    def _update_run(
        self,
        connection: Connection,
        row: Any,
        record: RunRecord,
        uri: str,
        refused: list[str],
    ) -> tuple[bool, int]:
        there, here = record.run, queries.load_runs(t.SqlReader(connection), [row])[0]
        points = self._new_points(connection, row.id, record.histories)
        values.put_points(connection, row.id, points)
        params = merged_texts(here.data.params, there.data.params, overwrite=False)
        tags = merged_texts(here.data.tags, there.data.tags, overwrite=True)
        put_new(connection, t.params, "run", row.id, params)
        values.put_tags(connection, t.tags, "run", row.id, tags)
        for key, value in there.data.params.items():
            if here.data.params.get(key, value) != value:
                refused.append(f"param {key!r} holds another value here")
        linked = self._put_links(connection, row, record)
        changes: dict[str, Any] = {}
        info = merged_info(here.info, there.info)
        if info != here.info:
            changes.update(status=info.status, end_time=info.end_time, name=info.run_name)
        if here.info.artifact_uri == there.info.artifact_uri != uri:
            changes["artifact_uri"] = uri
        if changes:
            connection.execute(update(t.runs).where(t.runs.c.id == row.id).values(**changes))
        return bool(points or params or tags or linked or changes), len(points)

    def _new_points(
        self, connection: Connection, row: int, histories: Mapping[str, Sequence[Metric]]
    ) -> list[Metric]:
        new: list[Metric] = []
        for key, given in histories.items():
            new += missing_points(values.points_of(connection, row, key), given)
        return new

    def _put_links(self, connection: Connection, row: Any, record: RunRecord) -> int:
        """Write what a run used and produced, and return how many links were new."""
        run = record.run
        new = 0
        links = connection.execute(
            select(t.datasets.c.name, t.datasets.c.digest)
            .select_from(t.inputs.join(t.datasets, t.datasets.c.id == t.inputs.c.dataset))
            .where(t.inputs.c.run == row.id)
        )
        known = {(name, digest) for name, digest in links}
        for given in run.inputs.dataset_inputs:
            if (given.dataset.name, given.dataset.digest) not in known:
                self.store._put_input(connection, row, given)
                new += 1
        for table, models in (
            (t.model_inputs, [{"model_id": m.model_id} for m in run.inputs.model_inputs]),
            (
                t.model_outputs,
                [{"model_id": m.model_id, "step": m.step} for m in run.outputs.model_outputs],
            ),
        ):
            rows = connection.execute(select(table.c.model_id).where(table.c.run == row.id))
            present = {model_id for (model_id,) in rows}
            for model in models:
                if model["model_id"] not in present:
                    connection.execute(table.insert().values(run=row.id, **model))
                    present.add(model["model_id"])
                    new += 1
        return new

    # -- parts ---------------------------------------------------------------------------------

    def _checked(self, record: RunRecord, refused: list[str]) -> RunRecord:
        """The record without what the database cannot keep."""
        data = replace(
            record.run.data,
            params=self._texts("param", record.run.data.params, refused),
            tags=self._texts("tag", record.run.data.tags, refused),
        )
        datasets: list[DatasetInput] = []
        for given in record.run.inputs.dataset_inputs:
            try:
                checks.dataset(given, nul=self.store.keeps_nul)
                datasets.append(given)
            except InvalidParameterValue as error:
                refused.append(error.message)
        inputs = replace(record.run.inputs, dataset_inputs=datasets)
        RunStatus.from_string(record.run.info.status)
        return RunRecord(
            replace(record.run, data=data, inputs=inputs),
            {key: checked_points(h, refused) for key, h in record.histories.items()},
            record.deleted_time,
        )
