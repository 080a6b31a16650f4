"""The SQL store's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from tracklet import entities, names, validation
from tracklet.reading import queries
from tracklet.stores import creation
from tracklet.stores.creation import RUN_NAME_TAG
from tracklet_services.sql import checks, leases, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.experiment_verbs import ACTIVE, DELETED, Experiments


class Runs(Experiments):
    """Runs: a row each, and rows for what they recorded."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> entities.Run:
        with self.writing() as connection:
            run_id, _ = self._insert_run(
                connection, experiment_id, user_id, start_time, tags, run_name
            )
            return self._load(connection, run_id)

    def _insert_run(
        self,
        connection: Connection,
        experiment_id: str,
        user_id: str | None,
        start_time: int | None,
        tags: Mapping[str, str] | None,
        run_name: str | None,
    ) -> tuple[str, int]:
        """The id and the row of a new run."""
        given = dict(tags or {})
        given[RUN_NAME_TAG] = creation.run_name(run_name, given)
        checked = checks.texts("tag", given, nul=self.keeps_nul)
        started = names.now() if start_time is None else creation.time("start time", start_time)
        user = checks.text("a user id", creation.user(user_id, given))
        run_id = names.run_id()
        experiment = self._active_experiment_row(connection, experiment_id, "create a run in")
        place = creation.below(experiment.artifact_location, f"{run_id}/artifacts")
        row = values.add(
            connection,
            t.runs,
            run_id=run_id,
            experiment_id=experiment_id,
            name=checked[RUN_NAME_TAG],
            user_id=user,
            status="RUNNING",
            start_time=started,
            lifecycle_stage=ACTIVE,
            artifact_uri=place,
        )
        values.put_tags(connection, t.tags, "run", row, checked)
        return run_id, row

    def get_run(self, run_id: str) -> entities.Run:
        """The run with all that was recorded, also when it is deleted.

        A run whose process died without a word is KILLED here, and the record then says so too.

        Raises:
            InvalidParameterValue: The id is malformed.
            ResourceDoesNotExist: There is none.
        """
        with self.reading() as connection:
            row = self._run_row(connection, run_id)
            lost = row.status == "RUNNING" and leases.lost_runs(connection, row.id)
            if not lost:
                return queries.load_runs(t.SqlReader(connection), [row])[0]
        with self.writing() as connection:
            leases.settle(connection, row.id)
            return self._load(connection, run_id)

    def update_run(
        self,
        run_id: str,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> entities.RunInfo:
        changes: dict[str, Any] = {}
        if status is not None:
            changes["status"] = entities.RunStatus.to_string(entities.RunStatus.from_string(status))
        if end_time is not None:
            changes["end_time"] = creation.time("end time", end_time)
        name = checks.texts("tag", {RUN_NAME_TAG: run_name}, nul=self.keeps_nul) if run_name else {}
        if name:
            changes["name"] = name[RUN_NAME_TAG]
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "update")
            if changes:
                values.change(connection, t.runs, row.id, **changes)
            values.put_tags(connection, t.tags, "run", row.id, name)
            return self._load(connection, run_id).info

    def delete_run(self, run_id: str) -> None:
        with self.writing() as connection:
            row = self._run_row(connection, run_id)
            if row.lifecycle_stage == ACTIVE:
                changes = {"lifecycle_stage": DELETED, "deleted_time": names.now()}
                values.change(connection, t.runs, row.id, **changes)

    def restore_run(self, run_id: str) -> None:
        with self.writing() as connection:
            row = self._run_row(connection, run_id)
            experiment = self._experiment_row(connection, row.experiment_id)
            if experiment.lifecycle_stage == DELETED:
                raise creation.orphaned(run_id, row.experiment_id)
            changes = {"lifecycle_stage": ACTIVE, "deleted_time": None}
            values.change(connection, t.runs, row.id, **changes)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        points = [checks.metric(point) for point in metrics]
        checked_params = checks.texts("param", params or {}, nul=self.keeps_nul)
        checked_tags = checks.texts("tag", tags or {}, nul=self.keeps_nul)
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "log to")
            self.record(connection, row.id, run_id, points, checked_params, checked_tags)

    def record(
        self,
        connection: Connection,
        row: int,
        run_id: str,
        points: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write what was checked, on a run's row that is locked."""
        if params:
            values.put_params(
                connection, t.params, "run", row, params, kind="param", whose=f"run {run_id}"
            )
        if tags:
            values.put_tags(connection, t.tags, "run", row, tags)
            if tags.get(RUN_NAME_TAG):
                values.change(connection, t.runs, row, name=tags[RUN_NAME_TAG])
        values.put_points(connection, row, points)
        self.link(connection, run_id, [p for p in points if p.model_id is not None])

    def delete_tag(self, run_id: str, key: str) -> None:
        validation.validate_key("tag", key)
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "delete a tag of")
            values.remove_tag(connection, t.tags, "run", row.id, key, f"run {run_id}")

    def get_metric_history(self, run_id: str, key: str) -> list[entities.Metric]:
        with self.reading() as connection:
            row = self._run_row(connection, run_id)
            validation.validate_key("metric", key)
            return values.points_of(connection, row.id, key)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[entities.DatasetInput] = (),
        models: Sequence[entities.LoggedModelInput] = (),
    ) -> None:
        for given in datasets:
            checks.dataset(given, nul=self.keeps_nul)
        for model in models:
            validation.validate_model_id(model.model_id)
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "log inputs of")
            self._put_inputs(connection, row, datasets, models)

    def log_outputs(self, run_id: str, models: Sequence[entities.LoggedModelOutput]) -> None:
        for model in models:
            validation.validate_model_id(model.model_id)
            validation.validate_step(f"output {model.model_id}", model.step)
        with self.writing() as connection:
            row = self._active_run(connection, run_id, "log outputs of")
            self._put_outputs(connection, row, models)

    def deletion_time(self, run_id: str) -> int | None:
        with self.reading() as connection:
            row = self._run_row(connection, run_id)
            deleted = select(t.runs.c.deleted_time).where(t.runs.c.id == row.id)
            return connection.execute(deleted).scalar()

    def purge_run(self, run_id: str) -> None:
        with self.writing() as connection:
            row = self._run_row(connection, run_id)
            if row.lifecycle_stage != DELETED:
                raise creation.not_in_trash("run", run_id)
            connection.execute(delete(t.runs).where(t.runs.c.id == row.id))

    # -- parts -------------------------------------------------------------------------------

    def _run_row(self, connection: Connection, run_id: str, *, lock: bool = False) -> Any:
        validation.validate_run_id(run_id)
        statement = t.select_all(queries.RUN).where(t.runs.c.run_id == run_id)
        row = connection.execute(statement.with_for_update() if lock else statement).first()
        if row is None:
            raise creation.missing("run", run_id, self._shown())
        return row

    def _active_run(self, connection: Connection, run_id: str, action: str) -> Any:
        """The row of a run that is not deleted, locked until the transaction ends."""
        row = self._run_row(connection, run_id, lock=True)
        if row.lifecycle_stage == DELETED:
            raise creation.in_trash(action, "run", run_id)
        return row

    def _load(self, connection: Connection, run_id: str) -> entities.Run:
        return queries.load_runs(t.SqlReader(connection), [self._run_row(connection, run_id)])[0]

    def _put_inputs(
        self,
        connection: Connection,
        run: Any,
        datasets: Sequence[entities.DatasetInput],
        models: Sequence[entities.LoggedModelInput],
    ) -> None:
        """Write what a run used; what it is linked to already stays as it is."""
        for given in datasets:
            self._put_dataset(connection, run, given)
        if models:
            connection.execute(
                values.insert(connection, t.model_inputs).on_conflict_do_nothing(),
                [{"run": run.id, "model_id": model.model_id} for model in models],
            )

    def _put_outputs(
        self, connection: Connection, run: Any, models: Sequence[entities.LoggedModelOutput]
    ) -> None:
        """Write what a run produced."""
        statement = values.insert(connection, t.model_outputs)
        statement = statement.on_conflict_do_update(
            index_elements=[t.model_outputs.c.run, t.model_outputs.c.model_id],
            set_={"step": statement.excluded.step},
        )
        for model in models:
            connection.execute(
                statement, {"run": run.id, "model_id": model.model_id, "step": model.step}
            )

    def _put_dataset(self, connection: Connection, run: Any, given: entities.DatasetInput) -> None:
        data = given.dataset
        experiment_id = run.experiment_id
        connection.execute(
            values.insert(connection, t.datasets).on_conflict_do_nothing(),
            values.row_of(t.datasets, data, experiment_id=experiment_id),
        )
        d = t.datasets.c
        dataset = connection.execute(
            select(d.id).where(
                d.experiment_id == experiment_id, d.name == data.name, d.digest == data.digest
            )
        ).scalar_one()
        known = select(t.inputs.c.id).where(t.inputs.c.run == run.id, t.inputs.c.dataset == dataset)
        if connection.execute(known).first() is None:
            link = values.add(connection, t.inputs, run=run.id, dataset=dataset)
            tags = {tag.key: tag.value for tag in given.tags}
            values.put_tags(connection, t.input_tags, "input", link, tags)

    def link(self, connection: Connection, run_id: str, points: Sequence[entities.Metric]) -> None:
        """Record points on the logged models that they belong to."""
        if not points:
            return
        m = t.logged_models.c
        wanted = sorted({str(point.model_id) for point in points})
        rows = dict(
            connection.execute(
                select(m.model_id, m.id).where(m.model_id.in_(wanted), m.lifecycle_stage == ACTIVE)
            ).all()
        )
        missing = [model_id for model_id in wanted if model_id not in rows]
        if missing:
            raise creation.missing("logged model", missing[0], self._shown())
        table = t.logged_model_metrics
        connection.execute(
            table.insert(),
            [
                values.row_of(table, point, model=rows[str(point.model_id)], run_id=run_id)
                for point in points
            ],
        )
