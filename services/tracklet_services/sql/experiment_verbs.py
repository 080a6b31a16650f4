"""The SQL store's experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, update

from tracklet import names, settings, validation
from tracklet.entities import Experiment, LifecycleStage
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet.reading import queries
from tracklet.stores import creation
from tracklet.stores.tracking_store import TrackingStore
from tracklet_services.sql import checks, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.database import Database

ACTIVE, DELETED = LifecycleStage.ACTIVE, LifecycleStage.DELETED


class Experiments(Database, TrackingStore):
    """Experiments: rows of one table."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        self._check_name(name)
        location = self._artifact_location(artifact_location)
        checked = self._checked_tags(tags or {})
        experiment_id = names.experiment_id()
        now = names.now()
        with self.writing() as connection:
            self._serialize(connection)
            self._check_name_free(connection, name)
            place = location or f"{self._artifact_root()}/{experiment_id}"
            made = Experiment(experiment_id, name, place, creation_time=now, last_update_time=now)
            row = values.add_entity(connection, t.experiments, made)
            values.put_tags(connection, t.experiment_tags, "experiment", row, checked)
        return experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        with self.reading() as connection:
            row = self._experiment_row(connection, experiment_id)
            return queries.load_experiments(t.SqlReader(connection), [row])[0]

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        with self.reading() as connection:
            rows = connection.execute(
                t.select_all(queries.EXPERIMENT).where(t.experiments.c.name == str(name))
            ).all()
            found = queries.load_experiments(t.SqlReader(connection), rows)
        return found[0] if found else None

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        self._check_name(new_name)
        with self.writing() as connection:
            self._serialize(connection)
            row = self._experiment_row(connection, experiment_id)
            if row.lifecycle_stage == DELETED:
                raise InvalidState(
                    f"cannot rename experiment {experiment_id}: it is deleted; "
                    "restore_experiment takes it back"
                )
            if row.name != new_name:
                self._check_name_free(connection, new_name)
                self._touch(connection, row.id, name=new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        if experiment_id == "0":
            raise InvalidParameterValue(
                "the default experiment '0' cannot be deleted: runs go there when no other "
                "experiment was chosen"
            )
        self._move(experiment_id, ACTIVE, DELETED, "is not there, or deleted already")

    def restore_experiment(self, experiment_id: str) -> None:
        self._move(experiment_id, DELETED, ACTIVE, "is not deleted")

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        checked = self._checked_tags({key: value})
        with self.writing() as connection:
            row = self._active_experiment_row(connection, experiment_id, "set a tag of")
            values.put_tags(connection, t.experiment_tags, "experiment", row.id, checked)
            self._touch(connection, row.id)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        validation.validate_key("experiment tag", key)
        with self.writing() as connection:
            row = self._active_experiment_row(connection, experiment_id, "delete a tag of")
            values.remove_tag(
                connection,
                t.experiment_tags,
                "experiment",
                row.id,
                key,
                f"experiment {experiment_id}",
            )
            self._touch(connection, row.id)

    def purge_experiment(self, experiment_id: str) -> None:
        with self.writing() as connection:
            row = self._experiment_row(connection, experiment_id)
            if row.lifecycle_stage != DELETED:
                raise creation.not_in_trash("experiment", experiment_id)
            for table in (t.runs, t.logged_models, t.datasets, t.experiments):
                connection.execute(delete(table).where(table.c.experiment_id == experiment_id))

    # -- parts -------------------------------------------------------------------------------

    def _experiment_row(self, connection: Connection, experiment_id: str) -> Any:
        validation.validate_experiment_id(experiment_id)
        row = connection.execute(
            t.select_all(queries.EXPERIMENT).where(t.experiments.c.experiment_id == experiment_id)
        ).first()
        if row is None:
            raise creation.missing("experiment", experiment_id, self._shown())
        return row

    def _active_experiment_row(
        self, connection: Connection, experiment_id: str, action: str
    ) -> Any:
        row = self._experiment_row(connection, experiment_id)
        if row.lifecycle_stage == DELETED:
            raise creation.in_trash(action, "experiment", experiment_id)
        return row

    def _move(self, experiment_id: str, source: str, target: str, problem: str) -> None:
        now = names.now()
        with self.writing() as connection:
            row = self._experiment_row(connection, experiment_id)
            if row.lifecycle_stage != source:
                raise ResourceDoesNotExist(f"experiment {experiment_id} {problem}")
            self._touch(connection, row.id, lifecycle_stage=target)
            of_runs = t.runs.c.experiment_id == experiment_id
            connection.execute(
                update(t.runs)
                .where(of_runs, t.runs.c.lifecycle_stage == source)
                .values(lifecycle_stage=target, deleted_time=now if target == DELETED else None)
            )
            connection.execute(
                update(t.logged_models)
                .where(t.logged_models.c.experiment_id == experiment_id)
                .values(lifecycle_stage=target)
            )

    def _touch(self, connection: Connection, row: int, **changes: Any) -> None:
        values.change(connection, t.experiments, row, last_update_time=names.now(), **changes)

    def _check_name(self, name: object) -> None:
        checks.text(
            "an experiment's name", validation.validate_experiment_name(name), nul=self.keeps_nul
        )

    def _check_name_free(self, connection: Connection, name: str) -> None:
        row = connection.execute(
            select(t.experiments.c.experiment_id, t.experiments.c.lifecycle_stage).where(
                t.experiments.c.name == name
            )
        ).first()
        if row is not None:
            way_out = (
                "restore_experiment takes it back"
                if row.lifecycle_stage == DELETED
                else "use it, or choose another name"
            )
            raise ResourceAlreadyExists(
                f"an experiment named {name!r} exists already ({row.lifecycle_stage}, id "
                f"{row.experiment_id}); {way_out}"
            )

    def _checked_tags(self, tags: Mapping[str, object]) -> dict[str, str]:
        limit = validation.MAX_EXPERIMENT_TAG_LENGTH
        return checks.texts("experiment tag", tags, limit, nul=self.keeps_nul)

    def _artifact_location(self, location: str | None) -> str | None:
        if not location:
            return None
        checks.text("an artifact location", location, nul=self.keeps_nul)
        creation.check_artifact_location(location)
        return settings.absolute_uri(location)
