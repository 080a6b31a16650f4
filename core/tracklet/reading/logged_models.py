"""Logged models: loaded and searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, or_

from tracklet.entities import LifecycleStage, LoggedModel, LoggedModelStatus, Metric, PagedList
from tracklet.errors import InvalidParameterValue
from tracklet.reading.compile import Compiler, Subject
from tracklet.reading.paging import fetch_page, rows_of, texts
from tracklet.reading.runs import list_of_ids
from tracklet.reading.schema import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from tracklet.reading.types import as_double
from tracklet.search import LOGGED_MODELS, Page, keys, parse_filter, parse_order_by
from tracklet.validation import validate_max_results

_t = logged_models.c
COLUMNS: Final = (
    _t.id,
    _t.experiment_id,
    _t.model_id,
    _t.name,
    _t.artifact_location,
    _t.creation_timestamp,
    _t.last_updated_timestamp,
    _t.model_type,
    _t.source_run_id,
    _t.status,
    _t.status_message,
    _t.lifecycle_stage,
)
SUBJECT: Final = Subject(
    table=logged_models,
    attributes={
        "name": _t.name,
        "model_id": _t.model_id,
        "model_type": _t.model_type,
        "status": _t.status,
        "source_run_id": _t.source_run_id,
        "experiment_id": _t.experiment_id,
        "creation_timestamp": _t.creation_timestamp,
        "last_updated_timestamp": _t.last_updated_timestamp,
    },
    values={
        "metric": (logged_model_metrics, "model"),
        "param": (logged_model_params, "model"),
        "tag": (logged_model_tags, "model"),
    },
    unique=frozenset({"param", "tag"}),
)


def search_logged_models(
    connection: Connection,
    experiment_ids: Sequence[str],
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, str]] | None = None,
    max_results: int = 100,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    page_token: str | None = None,
) -> PagedList[LoggedModel]:
    """A page of active models; by default newest first.

    A clause on a metric looks at every point that the store keeps; with ``datasets``, at those
    measured on one of them, and without such a clause a model needs any point there.
    """
    ids = list_of_ids(experiment_ids)
    validate_max_results(max_results)
    tree = parse_filter(filter_string, LOGGED_MODELS)
    orders = parse_order_by(order_by, LOGGED_MODELS)
    on_datasets = _on_datasets(datasets)
    page = Page.decode(
        page_token, experiment_ids=ids, filter_string=filter_string, order_by=order_by
    )
    if not ids:
        return PagedList()
    plan = Compiler(SUBJECT, connection.dialect.name, on_datasets).plan(tree, orders)
    if on_datasets is not None and not any(key.kind == "metric" for key in keys(tree)):
        rows = logged_model_metrics.alias()
        plan.conditions.append(exists().where(rows.c.model == _t.id, on_datasets(rows)))
    plan.conditions.append(_t.experiment_id.in_(ids))
    plan.conditions.append(_t.lifecycle_stage == LifecycleStage.ACTIVE)
    tail = (_t.creation_timestamp.desc(), _t.model_id)
    found, token = fetch_page(connection, plan, COLUMNS, tail, max_results, page)
    return PagedList(load_logged_models(connection, found), token)


def _on_datasets(datasets: Sequence[Mapping[str, str]] | None) -> Any:
    """A condition on the rows of a metric, or None."""
    if not datasets:
        return None
    wanted: list[tuple[str, str | None]] = []
    for dataset in datasets:
        name = dataset.get("dataset_name") if isinstance(dataset, Mapping) else None
        if not isinstance(name, str) or not name:
            raise InvalidParameterValue(
                "each of datasets is a dictionary with 'dataset_name' and perhaps "
                f"'dataset_digest'; got {dataset!r}"
            )
        wanted.append((name, dataset.get("dataset_digest")))

    def condition(rows: FromClause) -> ColumnElement[bool]:
        return or_(
            *(
                and_(rows.c.dataset_name == name, rows.c.dataset_digest == digest)
                if digest is not None
                else rows.c.dataset_name == name
                for name, digest in wanted
            )
        )

    return condition


def load_logged_models(connection: Connection, rows: Sequence[Any]) -> list[LoggedModel]:
    """The logged models of rows of :data:`COLUMNS`; metrics are the latest per key and dataset."""
    ids = [row[0] for row in rows]
    model_tags = texts(connection, "logged_model_tags", "model", ids)
    model_params = texts(connection, "logged_model_params", "model", ids)
    model_ids = {row[0]: row[2] for row in rows}
    latest: dict[int, dict[tuple[Any, ...], Metric]] = {id_: {} for id_ in ids}
    for id_, key, value, timestamp, step, run_id, name, digest in rows_of(
        connection,
        "model, key, value, timestamp, step, run_id, dataset_name, dataset_digest",
        "logged_model_metrics",
        "model",
        ids,
        "key, id",
    ):
        point = Metric(key, as_double(value), timestamp, step, model_ids[id_], name, digest, run_id)
        other = latest[id_].get((key, name, digest))
        if other is None or _rank(point) >= _rank(other):
            latest[id_][key, name, digest] = point
    return [
        LoggedModel(
            experiment_id=experiment_id,
            model_id=model_id,
            name=name,
            artifact_location=location,
            creation_timestamp=created,
            last_updated_timestamp=updated,
            model_type=model_type,
            source_run_id=source_run_id,
            status=LoggedModelStatus(status),
            status_message=message,
            tags=model_tags[id_],
            params=model_params[id_],
            metrics=list(latest[id_].values()),
            lifecycle_stage=stage,
        )
        for (
            id_,
            experiment_id,
            model_id,
            name,
            location,
            created,
            updated,
            model_type,
            source_run_id,
            status,
            message,
            stage,
        ) in rows
    ]


def _rank(point: Metric) -> tuple[int, int, float]:
    value = point.value
    return point.step, point.timestamp, float("-inf") if value != value else value
