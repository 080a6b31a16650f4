"""The SQL store's logged models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete

from tracklet import names, validation
from tracklet.entities import LoggedModel, LoggedModelStatus
from tracklet.reading import queries
from tracklet.stores import creation
from tracklet_services.sql import checks, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.experiment_verbs import DELETED
from tracklet_services.sql.run_verbs import Runs


class LoggedModels(Runs):
    """Logged models: a row each, and rows for what belongs to them."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        name = names.run_name() if name is None else validation.validate_logged_model_name(name)
        for what, value in (("name", name), ("type", model_type or ""), ("run", source_run_id)):
            checks.text(f"the {what} of a logged model", value or "", nul=self.keeps_nul)
        checked_tags = checks.texts("model tag", tags or {}, nul=self.keeps_nul)
        checked_params = checks.texts("model param", params or {}, nul=self.keeps_nul)
        model_id = names.model_id()
        now = names.now()
        with self.writing() as connection:
            experiment = self._active_experiment_row(connection, experiment_id, "create a model in")
            place = creation.below(experiment.artifact_location, f"models/{model_id}/artifacts")
            made = LoggedModel(
                experiment_id, model_id, name, place, now, now, model_type, source_run_id
            )
            pending = LoggedModelStatus.PENDING.value
            row = values.add_entity(connection, t.logged_models, made, status=pending)
            values.put_tags(connection, t.logged_model_tags, "model", row, checked_tags)
            values.put_tags(connection, t.logged_model_params, "model", row, checked_params)
            return self._load_model(connection, model_id)

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        with self.reading() as connection:
            row = self._model_row(connection, model_id)
            if row.lifecycle_stage == DELETED and not deleted:
                raise creation.deleted_model(model_id)
            return queries.load_logged_models(t.SqlReader(connection), [row])[0]

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        name = creation.model_status(status).value
        with self.writing() as connection:
            row = self._active_model(connection, model_id)
            self._touch_model(connection, row.id, status=name)
            return self._load_model(connection, model_id)

    def delete_logged_model(self, model_id: str) -> None:
        with self.writing() as connection:
            row = self._active_model(connection, model_id)
            self._touch_model(connection, row.id, lifecycle_stage=DELETED)

    def log_logged_model_params(self, model_id: str, params: Mapping[str, str]) -> None:
        checked = checks.texts("model param", params, nul=self.keeps_nul)
        with self.writing() as connection:
            row = self._active_model(connection, model_id)
            values.put_params(
                connection,
                t.logged_model_params,
                "model",
                row.id,
                checked,
                kind="model param",
                whose=f"model {model_id}",
            )
            self._touch_model(connection, row.id)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        checked = checks.texts("model tag", tags, nul=self.keeps_nul)
        with self.writing() as connection:
            row = self._active_model(connection, model_id)
            values.put_tags(connection, t.logged_model_tags, "model", row.id, checked)
            self._touch_model(connection, row.id)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        validation.validate_key("model tag", key)
        with self.writing() as connection:
            row = self._active_model(connection, model_id)
            whose = f"model {model_id}"
            values.remove_tag(connection, t.logged_model_tags, "model", row.id, key, whose)
            self._touch_model(connection, row.id)

    def purge_logged_model(self, model_id: str) -> None:
        with self.writing() as connection:
            row = self._model_row(connection, model_id)
            if row.lifecycle_stage != DELETED:
                raise creation.not_in_trash("model", model_id)
            connection.execute(delete(t.logged_models).where(t.logged_models.c.id == row.id))

    # -- parts -------------------------------------------------------------------------------

    def _model_row(self, connection: Connection, model_id: str, *, lock: bool = False) -> Any:
        validation.validate_model_id(model_id)
        statement = t.select_all(queries.LOGGED_MODEL).where(t.logged_models.c.model_id == model_id)
        row = connection.execute(statement.with_for_update() if lock else statement).first()
        if row is None:
            raise creation.missing("logged model", model_id, self._shown())
        return row

    def _active_model(self, connection: Connection, model_id: str) -> Any:
        """The row of a model that is not deleted, locked until the transaction ends."""
        row = self._model_row(connection, model_id, lock=True)
        if row.lifecycle_stage == DELETED:
            raise creation.deleted_model(model_id)
        return row

    def _load_model(self, connection: Connection, model_id: str) -> LoggedModel:
        row = self._model_row(connection, model_id)
        return queries.load_logged_models(t.SqlReader(connection), [row])[0]

    def _touch_model(self, connection: Connection, row: int, **changes: Any) -> None:
        values.change(
            connection, t.logged_models, row, last_updated_timestamp=names.now(), **changes
        )
