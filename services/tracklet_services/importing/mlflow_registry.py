"""The model registry in a database of MLflow's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tracklet.entities import ModelVersion, RegisteredModel
from tracklet_services.importing.adopting import DELETED_VERSION_STAGE, RegisteredModelRecord
from tracklet_services.importing.mlflow_values import Row, string
from tracklet_services.importing.tables import Tables


def registered_model(
    tables: Tables, connection: Connection, row: Row, name: str
) -> RegisteredModelRecord:
    """A registered model with its versions.

    Args:
        tables: The tables of the database.
        connection: The transaction.
        row: Its row in ``registered_models``.
        name: Its name for the target.
    """
    stored, workspace = str(row["name"]), row["workspace"]
    scope: dict[str, Any] = {"name": stored}
    if workspace is not None:
        scope["workspace"] = workspace
    aliases = {
        str(found["alias"]): int(found["version"])
        for found in tables.rows(connection, "registered_model_aliases", order=("alias",), **scope)
    }
    tags = {
        str(found["key"]): string(found["value"])
        for found in tables.rows(connection, "registered_model_tags", **scope)
    }
    version_tags: dict[int, dict[str, str]] = {}
    for found in tables.rows(connection, "model_version_tags", **scope):
        of_version = version_tags.setdefault(int(found["version"]), {})
        of_version[str(found["key"])] = string(found["value"])
    versions = [
        _version(found, name, version_tags.get(int(found["version"]), {}))
        for found in tables.rows(connection, "model_versions", order=("version",), **scope)
    ]
    created = row["creation_time"] or 0
    model = RegisteredModel(
        name=name,
        creation_timestamp=created,
        last_updated_timestamp=row["last_updated_time"] or created,
        description=row["description"],
        tags=tags,
        aliases=aliases,
    )
    return RegisteredModelRecord(model, versions)


def _version(row: Row, name: str, tags: dict[str, str]) -> ModelVersion:
    source = row["source"]
    is_model = isinstance(source, str) and source.startswith("models:/m-")
    deleted = row["current_stage"] == DELETED_VERSION_STAGE
    return ModelVersion(
        name=name,
        version=int(row["version"]),
        creation_timestamp=row["creation_time"] or 0,
        last_updated_timestamp=row["last_updated_time"],
        description=None if deleted else row["description"],
        user_id=row["user_id"],
        current_stage=row["current_stage"] or "None",
        source=source,
        run_id=None if deleted else row["run_id"],
        status=row["status"] or "READY",
        status_message=row["status_message"],
        tags=tags,
        run_link=None if deleted else row["run_link"],
        model_id=source.removeprefix("models:/").partition("/")[0] if is_model else None,
        storage_location=row["storage_location"],
    )
