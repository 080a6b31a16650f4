"""Registered models and their versions: loaded and searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, exists, not_

from tracklet.entities import ModelVersion, PagedList, RegisteredModel
from tracklet.reading.compile import Compiler, Subject
from tracklet.reading.paging import fetch_page, rows_of, texts
from tracklet.reading.schema import (
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from tracklet.search import (
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    Filter,
    Key,
    Page,
    keys,
    parse_filter,
    parse_order_by,
)
from tracklet.validation import validate_max_results

DELETED_STAGE: Final = "Deleted_Internal"
"""The stage of a deleted version, kept so that its number is not used again."""

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"

_m = registered_models.c
_v = model_versions.c
MODEL_COLUMNS: Final = (
    _m.id,
    _m.name,
    _m.creation_timestamp,
    _m.last_updated_timestamp,
    _m.description,
)
VERSION_COLUMNS: Final = (
    _v.id,
    _v.model,
    _m.name,
    _v.version,
    _v.creation_timestamp,
    _v.last_updated_timestamp,
    _v.description,
    _v.user_id,
    _v.current_stage,
    _v.source,
    _v.run_id,
    _v.status,
    _v.status_message,
    _v.run_link,
    _v.model_id,
    _v.storage_location,
)
VERSIONS_SOURCE: Final = model_versions.join(registered_models, _m.id == _v.model)

_MODELS: Final = Subject(
    table=registered_models,
    attributes={
        "name": _m.name,
        "creation_timestamp": _m.creation_timestamp,
        "last_updated_timestamp": _m.last_updated_timestamp,
    },
    values={"tag": (registered_model_tags, "model")},
)
_VERSIONS: Final = Subject(
    table=model_versions,
    source=VERSIONS_SOURCE,
    attributes={
        "name": _m.name,
        "version_number": _v.version,
        "run_id": _v.run_id,
        "source_path": _v.source,
        "creation_timestamp": _v.creation_timestamp,
        "last_updated_timestamp": _v.last_updated_timestamp,
    },
    values={"tag": (model_version_tags, "version")},
)


def search_registered_models(
    connection: Connection,
    filter_string: str | None = None,
    max_results: int = 100,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> PagedList[RegisteredModel]:
    """A page of registered models; by default by name. Prompts show up only when asked for."""
    validate_max_results(max_results, 1000)
    tree = parse_filter(filter_string, REGISTERED_MODELS)
    orders = parse_order_by(order_by, REGISTERED_MODELS)
    page = Page.decode(page_token)
    plan = Compiler(_MODELS, connection.dialect.name).plan(tree, orders)
    plan.conditions.extend(_no_prompts(tree, registered_model_tags, "model", _m.id))
    rows, token = fetch_page(connection, plan, MODEL_COLUMNS, (_m.name,), max_results, page)
    return PagedList(load_registered_models(connection, rows), token)


def search_model_versions(
    connection: Connection,
    filter_string: str | None = None,
    max_results: int = 10_000,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> PagedList[ModelVersion]:
    """A page of versions; by default last updated first. Prompts show up only when asked for."""
    validate_max_results(max_results, 200_000)
    tree = parse_filter(filter_string, MODEL_VERSIONS)
    orders = parse_order_by(order_by, MODEL_VERSIONS)
    page = Page.decode(page_token)
    plan = Compiler(_VERSIONS, connection.dialect.name).plan(tree, orders)
    plan.conditions.append(_v.current_stage != DELETED_STAGE)
    plan.conditions.extend(_no_prompts(tree, model_version_tags, "version", _v.id))
    updated = _v.last_updated_timestamp
    tail = (updated.is_(None), updated.desc(), _m.name, _v.version.desc())
    rows, token = fetch_page(connection, plan, VERSION_COLUMNS, tail, max_results, page)
    return PagedList(load_model_versions(connection, rows), token)


def _no_prompts(
    tree: Filter | None, table: Table, owner: str, id_: ColumnElement[Any]
) -> list[ColumnElement[bool]]:
    if Key("tag", PROMPT_TAG) in keys(tree):
        return []
    rows = table.alias()
    return [
        not_(
            exists().where(
                rows.c[owner] == id_, rows.c.key == PROMPT_TAG, rows.c.value.in_(("true", "True"))
            )
        )
    ]


def load_registered_models(connection: Connection, rows: Sequence[Any]) -> list[RegisteredModel]:
    """The registered models of rows of :data:`MODEL_COLUMNS`, with the newest of each stage."""
    ids = [row[0] for row in rows]
    tags = texts(connection, "registered_model_tags", "model", ids)
    aliases = load_aliases(connection, ids)
    newest: dict[int, dict[str, ModelVersion]] = {id_: {} for id_ in ids}
    columns = ", ".join(
        f"{'m' if column.table is registered_models else 'v'}.{column.name}"
        for column in VERSION_COLUMNS
    )
    versions = rows_of(
        connection,
        columns,
        "model_versions AS v JOIN registered_models AS m ON m.id = v.model JOIN ("
        "SELECT model AS newest_model, max(version) AS newest_version FROM model_versions "
        f"WHERE current_stage <> '{DELETED_STAGE}' GROUP BY model, current_stage"
        ") AS newest ON newest_model = v.model AND newest_version = v.version",
        "v.model",
        ids,
        "v.version",
    )
    version_rows = list(versions)
    for row, version in zip(
        version_rows, load_model_versions(connection, version_rows), strict=True
    ):
        newest[row[1]][version.current_stage] = version
    return [
        RegisteredModel(
            name=name,
            creation_timestamp=created,
            last_updated_timestamp=updated,
            description=description,
            latest_versions=list(newest[id_].values()),
            tags=tags[id_],
            aliases=aliases[id_],
        )
        for id_, name, created, updated, description in rows
    ]


def load_aliases(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """The aliases of registered models, given by their row ids, and what they point at."""
    found: dict[int, dict[str, int]] = {id_: {} for id_ in ids}
    for id_, alias, version in rows_of(
        connection, "model, alias, version", "registered_model_aliases", "model", ids, "alias"
    ):
        found[id_][alias] = version
    return found


def load_model_versions(connection: Connection, rows: Sequence[Any]) -> list[ModelVersion]:
    """The model versions of rows of :data:`VERSION_COLUMNS`."""
    tags = texts(connection, "model_version_tags", "version", [row[0] for row in rows])
    aliases = load_aliases(connection, list({row[1] for row in rows}))
    return [
        ModelVersion(
            name=name,
            version=version,
            creation_timestamp=created,
            last_updated_timestamp=updated,
            description=description,
            user_id=user_id,
            current_stage=stage,
            source=source,
            run_id=run_id,
            status=status,
            status_message=message,
            tags=tags[id_],
            run_link=run_link,
            aliases=[alias for alias, target in aliases[model].items() if target == version],
            model_id=model_id,
            storage_location=storage,
        )
        for (
            id_,
            model,
            name,
            version,
            created,
            updated,
            description,
            user_id,
            stage,
            source,
            run_id,
            status,
            message,
            run_link,
            model_id,
            storage,
        ) in rows
    ]
