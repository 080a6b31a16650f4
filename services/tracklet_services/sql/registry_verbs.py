"""The SQL store's registry: registered models and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from tracklet import names, validation
from tracklet.entities import ModelVersion, RegisteredModel
from tracklet.errors import ResourceDoesNotExist
from tracklet.reading import queries
from tracklet.reading.queries import DELETED_STAGE
from tracklet.stores import creation
from tracklet.stores.registry_store import RegistryStore
from tracklet_services.sql import checks, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.database import Database


class Registry(Database, RegistryStore):
    """Registered models and versions: a row each.

    A transaction that changes a registered model or one of its versions locks the model's row.
    """

    # -- registered models ---------------------------------------------------------------------

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> RegisteredModel:
        self._check_model_name(name)
        self._check_description(description)
        checked = self._model_tags(tags or {})
        now = names.now()
        with self.writing() as connection:
            self._serialize(connection)
            self._check_model_name_free(connection, name)
            made = RegisteredModel(name, now, now, description)
            row = values.add_entity(connection, t.registered_models, made)
            values.put_tags(connection, t.registered_model_tags, "model", row, checked)
            return self._load_registered(connection, name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        with self.reading() as connection:
            return self._load_registered(connection, name)

    def update_registered_model(self, name: str, description: str | None) -> RegisteredModel:
        self._check_description(description)
        with self.writing() as connection:
            model = self._registered(connection, name)
            self._touch_registered(connection, model.id, description=description)
            return self._load_registered(connection, name)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        with self.writing() as connection:
            self._serialize(connection)
            model = self._registered(connection, name)
            self._check_model_name(new_name)
            self._check_model_name_free(connection, new_name)
            self._touch_registered(connection, model.id, name=new_name)
            connection.execute(
                update(t.model_versions)
                .where(t.model_versions.c.model == model.id)
                .values(last_updated_timestamp=names.now())
            )
            return self._load_registered(connection, new_name)

    def delete_registered_model(self, name: str) -> None:
        with self.writing() as connection:
            model = self._registered(connection, name)
            connection.execute(
                delete(t.registered_models).where(t.registered_models.c.id == model.id)
            )

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        checked = self._model_tags({key: value})
        with self.writing() as connection:
            model = self._registered(connection, name)
            values.put_tags(connection, t.registered_model_tags, "model", model.id, checked)
            self._touch_registered(connection, model.id)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        validation.validate_key("model tag", key)
        with self.writing() as connection:
            model = self._registered(connection, name)
            if values.discard_tag(connection, t.registered_model_tags, "model", model.id, key):
                self._touch_registered(connection, model.id)

    def set_registered_model_alias(self, name: str, alias: str, version: int) -> None:
        validation.validate_alias(alias)
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            values.put_alias(connection, row.model, alias, row.version)
            self._touch_registered(connection, row.model)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        validation.validate_alias(alias)
        a = t.registered_model_aliases
        with self.writing() as connection:
            model = self._registered(connection, name)
            result = connection.execute(delete(a).where(a.c.model == model.id, a.c.alias == alias))
            if result.rowcount:
                self._touch_registered(connection, model.id)

    # -- versions ------------------------------------------------------------------------------

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        model_id: str | None = None,
        storage_location: str | None = None,
        user_id: str | None = None,
    ) -> ModelVersion:
        validation.validate_model_source(source)
        self._check_description(description)
        for value in (source, run_id, run_link, model_id, storage_location, user_id):
            checks.text("a field of a model version", value or "", nul=self.keeps_nul)
        checked = self._model_tags(tags or {})
        now = names.now()
        v = t.model_versions.c
        with self.writing() as connection:
            model = self._registered(connection, name)
            last = connection.execute(
                select(func.max(v.version)).where(v.model == model.id)
            ).scalar()
            number = (last or 0) + 1
            made = ModelVersion(
                name,
                number,
                now,
                now,
                description,
                user_id,
                source=source,
                run_id=run_id,
                run_link=run_link,
                model_id=model_id,
                storage_location=storage_location or source,
            )
            row = values.add_entity(connection, t.model_versions, made, model=model.id)
            values.put_tags(connection, t.model_version_tags, "version", row, checked)
            self._touch_registered(connection, model.id)
            return self._load_version(connection, name, number)

    def get_model_version(self, name: str, version: int) -> ModelVersion:
        with self.reading() as connection:
            return self._load_version(connection, name, version)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        validation.validate_alias(alias)
        a = t.registered_model_aliases.c
        with self.reading() as connection:
            model = self._registered(connection, name, lock=False)
            number = connection.execute(
                select(a.version).where(a.model == model.id, a.alias == alias)
            ).scalar()
            if number is None:
                raise creation.unknown_alias(name, alias)
            return self._load_version(connection, name, number)

    def update_model_version(
        self, name: str, version: int, description: str | None
    ) -> ModelVersion:
        self._check_description(description)
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            self._touch_version(connection, row, description=description)
            return self._load_version(connection, name, version)

    def transition_model_version_stage(
        self, name: str, version: int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        canonical = creation.version_stage(stage, archive_existing_versions)
        v = t.model_versions.c
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            if archive_existing_versions:
                connection.execute(
                    update(t.model_versions)
                    .where(v.model == row.model, v.current_stage == canonical, v.id != row.id)
                    .values(current_stage="Archived", last_updated_timestamp=names.now())
                )
            self._touch_version(connection, row, current_stage=canonical)
            return self._load_version(connection, name, version)

    def delete_model_version(self, name: str, version: int) -> None:
        a, tags = t.registered_model_aliases, t.model_version_tags
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            connection.execute(delete(a).where(a.c.model == row.model, a.c.version == row.version))
            connection.execute(delete(tags).where(tags.c.version == row.id))
            self._touch_version(connection, row, current_stage=DELETED_STAGE)

    def set_model_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        checked = self._model_tags({key: value})
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            values.put_tags(connection, t.model_version_tags, "version", row.id, checked)
            self._touch_version(connection, row)

    def delete_model_version_tag(self, name: str, version: int, key: str) -> None:
        validation.validate_key("model version tag", key)
        with self.writing() as connection:
            row = self._version_row(connection, name, version, lock=True)
            if values.discard_tag(connection, t.model_version_tags, "version", row.id, key):
                self._touch_version(connection, row)

    # -- parts -------------------------------------------------------------------------------

    def _registered(self, connection: Connection, name: str, *, lock: bool = True) -> Any:
        self._check_model_name(name)
        statement = t.select_all(queries.REGISTERED_MODEL).where(t.registered_models.c.name == name)
        row = connection.execute(statement.with_for_update() if lock else statement).first()
        if row is None:
            raise creation.unknown_name(name, self._shown())
        return row

    def _load_registered(self, connection: Connection, name: str) -> RegisteredModel:
        row = self._registered(connection, name, lock=False)
        return queries.load_registered_models(t.SqlReader(connection), [row])[0]

    def _version_row(
        self, connection: Connection, name: str, version: object, *, lock: bool = False
    ) -> Any:
        number = validation.validate_version(version)
        model = self._registered(connection, name, lock=lock)
        v = t.model_versions.c
        row = None
        if 0 < number < 2**31:
            row = connection.execute(
                t.select_all(queries.MODEL_VERSION).where(
                    v.model == model.id, v.version == number, v.current_stage != DELETED_STAGE
                )
            ).first()
        if row is None:
            raise ResourceDoesNotExist(f"the registered model {name!r} has no version {number}")
        return row

    def _load_version(self, connection: Connection, name: str, version: object) -> ModelVersion:
        row = self._version_row(connection, name, version)
        return queries.load_model_versions(t.SqlReader(connection), [row])[0]

    def _touch_registered(self, connection: Connection, row: int, **changes: Any) -> None:
        now = names.now()
        values.change(connection, t.registered_models, row, last_updated_timestamp=now, **changes)

    def _touch_version(self, connection: Connection, row: Any, **changes: Any) -> None:
        """Change a version; its registered model counts as updated too."""
        now = names.now()
        values.change(connection, t.model_versions, row.id, last_updated_timestamp=now, **changes)
        self._touch_registered(connection, row.model)

    def _check_model_name(self, name: object) -> None:
        checks.text(
            "the name of a registered model",
            validation.validate_registered_model_name(name),
            nul=self.keeps_nul,
        )

    def _check_model_name_free(self, connection: Connection, name: str) -> None:
        known = select(t.registered_models.c.id).where(t.registered_models.c.name == name)
        if connection.execute(known).first() is not None:
            raise creation.taken_name(name)

    def _check_description(self, description: object) -> None:
        if description is not None:
            checks.text("a description", description, nul=self.keeps_nul)

    def _model_tags(self, tags: Mapping[str, object]) -> dict[str, str]:
        limit = validation.MAX_REGISTRY_TAG_LENGTH
        return checks.texts("model tag", tags, limit, nul=self.keeps_nul)
