"""Runs: loaded and searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    PagedList,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    ViewType,
)
from tracklet.errors import InvalidParameterValue
from tracklet.reading.compile import Compiler, Subject
from tracklet.reading.paging import fetch_page, rows_of, texts
from tracklet.reading.schema import (
    datasets,
    input_tags,
    inputs,
    latest_metrics,
    params,
    runs,
    tags,
)
from tracklet.reading.types import as_double
from tracklet.search import RUNS, Page, parse_filter, parse_order_by
from tracklet.validation import validate_max_results, validate_view_type

DATASET_CONTEXT: Final = "mlflow.data.context"

_t = runs.c
COLUMNS: Final = (
    _t.id,
    _t.run_id,
    _t.experiment_id,
    _t.user_id,
    _t.status,
    _t.start_time,
    _t.end_time,
    _t.lifecycle_stage,
    _t.artifact_uri,
    _t.name,
)


def _datasets(field: str) -> tuple[Any, Any, Any]:
    """The column of a clause on datasets, the tables that it needs, and how they hang together."""
    link, dataset = inputs.alias(), datasets.alias()
    rows: Any = link.join(dataset, dataset.c.id == link.c.dataset)
    condition = link.c.run == runs.c.id
    if field != "context":
        return dataset.c[field], rows, condition
    context = input_tags.alias()
    of_link = and_(context.c.input == link.c.id, context.c.key == DATASET_CONTEXT)
    return context.c.value, rows.join(context, of_link), condition


SUBJECT: Final = Subject(
    table=runs,
    attributes={
        "run_id": _t.run_id,
        "run_name": _t.name,
        "user_id": _t.user_id,
        "status": _t.status,
        "artifact_uri": _t.artifact_uri,
        "start_time": _t.start_time,
        "end_time": _t.end_time,
    },
    values={
        "metric": (latest_metrics, "run"),
        "param": (params, "run"),
        "tag": (tags, "run"),
    },
    datasets=_datasets,
)


def search_runs(
    connection: Connection,
    experiment_ids: Sequence[str],
    filter_string: str | None = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> PagedList[Run]:
    """A page of runs of these experiments; by default latest start first."""
    ids = list_of_ids(experiment_ids)
    validate_view_type(run_view_type)
    validate_max_results(max_results)
    tree = parse_filter(filter_string, RUNS)
    orders = parse_order_by(order_by, RUNS)
    page = Page.decode(page_token)
    if not ids:
        return PagedList()
    plan = Compiler(SUBJECT, connection.dialect.name).plan(tree, orders)
    plan.conditions.append(_t.experiment_id.in_(ids))
    plan.conditions.append(_t.lifecycle_stage.in_(ViewType.stages(run_view_type)))
    tail = (_t.start_time.is_(None), _t.start_time.desc(), _t.run_id)
    rows, token = fetch_page(connection, plan, COLUMNS, tail, max_results, page)
    return PagedList(load_runs(connection, rows), token)


def list_of_ids(experiment_ids: Sequence[str]) -> list[str]:
    """The ids of experiments that a search names, checked."""
    if isinstance(experiment_ids, str) or any(not isinstance(i, str) for i in experiment_ids):
        raise InvalidParameterValue(
            f"experiment_ids is a list of experiment ids, such as ['0']; got {experiment_ids!r}"
        )
    return list(dict.fromkeys(experiment_ids))


def load_runs(connection: Connection, rows: Sequence[Any]) -> list[Run]:
    """The runs of rows of :data:`COLUMNS`, whole."""
    ids = [row[0] for row in rows]
    run_metrics: dict[int, dict[str, float]] = {id_: {} for id_ in ids}
    for id_, key, value in rows_of(
        connection, "run, key, value", "latest_metrics", "run", ids, "key"
    ):
        run_metrics[id_][key] = as_double(value)
    run_params = texts(connection, "params", "run", ids)
    run_tags = texts(connection, "tags", "run", ids)
    dataset_inputs = load_dataset_inputs(connection, ids)
    model_inputs: dict[int, list[LoggedModelInput]] = {}
    for id_, model_id in rows_of(connection, "run, model_id", "model_inputs", "run", ids, "id"):
        model_inputs.setdefault(id_, []).append(LoggedModelInput(model_id))
    model_outputs: dict[int, list[LoggedModelOutput]] = {}
    for id_, model_id, step in rows_of(
        connection, "run, model_id, step", "model_outputs", "run", ids, "id"
    ):
        model_outputs.setdefault(id_, []).append(LoggedModelOutput(model_id, step))
    return [
        Run(
            RunInfo(
                run_id=run_id,
                experiment_id=experiment_id,
                user_id=user_id or "",
                status=status,
                start_time=start_time,
                end_time=end_time,
                lifecycle_stage=stage,
                artifact_uri=artifact_uri,
                run_name=name,
            ),
            RunData(run_metrics[id_], run_params[id_], run_tags[id_]),
            RunInputs(dataset_inputs.get(id_, []), model_inputs.get(id_, [])),
            RunOutputs(model_outputs.get(id_, [])),
        )
        for (
            id_,
            run_id,
            experiment_id,
            user_id,
            status,
            start_time,
            end_time,
            stage,
            artifact_uri,
            name,
        ) in rows
    ]


def load_dataset_inputs(
    connection: Connection, run_ids: Sequence[int]
) -> dict[int, list[DatasetInput]]:
    """The datasets that runs, given by their row ids, used; in the order of logging."""
    links = list(
        rows_of(
            connection,
            "i.run, i.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile",
            "inputs AS i JOIN datasets AS d ON d.id = i.dataset",
            "i.run",
            run_ids,
            "i.id",
        )
    )
    if not links:
        return {}
    link_tags = texts(connection, "input_tags", "input", [link[1] for link in links])
    found: dict[int, list[DatasetInput]] = {}
    for run, link, *fields in links:
        tags_of_link = [InputTag(key, value) for key, value in link_tags[link].items()]
        found.setdefault(run, []).append(DatasetInput(Dataset(*fields), tags_of_link))
    return found
