"""Experiments: loaded and searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tracklet.entities import Experiment, PagedList, ViewType
from tracklet.reading.compile import Compiler, Subject
from tracklet.reading.paging import fetch_page, texts
from tracklet.reading.schema import experiment_tags, experiments
from tracklet.search import EXPERIMENTS, Page, parse_filter, parse_order_by
from tracklet.validation import validate_max_results, validate_view_type

_t = experiments.c
COLUMNS: Final = (
    _t.id,
    _t.experiment_id,
    _t.name,
    _t.artifact_location,
    _t.lifecycle_stage,
    _t.creation_time,
    _t.last_update_time,
)
SUBJECT: Final = Subject(
    table=experiments,
    attributes={
        "experiment_id": _t.experiment_id,
        "name": _t.name,
        "creation_time": _t.creation_time,
        "last_update_time": _t.last_update_time,
    },
    values={"tag": (experiment_tags, "experiment")},
)


def search_experiments(
    connection: Connection,
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> PagedList[Experiment]:
    """A page of experiments; by default newest first."""
    validate_view_type(view_type)
    validate_max_results(max_results)
    tree = parse_filter(filter_string, EXPERIMENTS)
    orders = parse_order_by(order_by, EXPERIMENTS)
    page = Page.decode(page_token)
    plan = Compiler(SUBJECT, connection.dialect.name).plan(tree, orders)
    plan.conditions.append(_t.lifecycle_stage.in_(ViewType.stages(view_type)))
    tail = [_t.experiment_id]
    if not orders:
        tail = [_t.creation_time.is_(None), _t.creation_time.desc(), *tail]
    rows, token = fetch_page(connection, plan, COLUMNS, tail, max_results, page)
    return PagedList(load_experiments(connection, rows), token)


def load_experiments(connection: Connection, rows: Sequence[Any]) -> list[Experiment]:
    """The experiments of rows of :data:`COLUMNS`."""
    tags = texts(connection, "experiment_tags", "experiment", [row[0] for row in rows])
    return [
        Experiment(
            experiment_id=experiment_id,
            name=name,
            artifact_location=location,
            lifecycle_stage=stage,
            tags=tags[id_],
            creation_time=created,
            last_update_time=updated,
        )
        for id_, experiment_id, name, location, stage, created, updated in rows
    ]
