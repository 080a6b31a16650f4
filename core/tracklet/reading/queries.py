"""Entities searched and loaded, from the index and from the SQL store alike.

A function that loads takes rows of its subject's fields, whatever asked for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tracklet.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    PagedList,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    ViewType,
)
from tracklet.errors import InvalidParameterValue
from tracklet.reading.compile import Condition, Query, Subject
from tracklet.reading.connection import Reader
from tracklet.reading.tables import TABLES
from tracklet.search import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    Filter,
    Key,
    Page,
    keys,
    parse_filter,
    parse_order_by,
)
from tracklet.validation import validate_max_results, validate_view_type

DATASET_CONTEXT: Final = "mlflow.data.context"

DELETED_STAGE: Final = "Deleted_Internal"
"""The stage of a deleted version, kept so that its number is not used again."""

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"

_CHUNK: Final = 5_000


# -- what lies where ---------------------------------------------------------------------------


def _fields(table: str) -> dict[str, str]:
    return {name: f"{table}.{name}" for name in TABLES[table].columns}


_RUN_FIELDS: Final = _fields("runs")
del _RUN_FIELDS["deleted_time"]
_RUN_FIELDS["run_name"] = _RUN_FIELDS.pop("name")
_USES: Final = "inputs AS i JOIN datasets AS d ON d.id = i.dataset"

EXPERIMENT: Final = Subject(
    table="experiments",
    fields=_fields("experiments"),
    values={"tag": ("experiment_tags", "experiment")},
)
RUN: Final = Subject(
    table="runs",
    fields=_RUN_FIELDS,
    values={
        "metric": ("latest_metrics", "run"),
        "param": ("params", "run"),
        "tag": ("tags", "run"),
    },
    datasets={
        "name": ("d.name", _USES),
        "digest": ("d.digest", _USES),
        "context": (
            "c.value",
            f"{_USES} JOIN input_tags AS c ON c.input = i.id AND c.key = '{DATASET_CONTEXT}'",
        ),
    },
)
LOGGED_MODEL: Final = Subject(
    table="logged_models",
    fields=_fields("logged_models"),
    values={
        "metric": ("logged_model_metrics", "model"),
        "param": ("logged_model_params", "model"),
        "tag": ("logged_model_tags", "model"),
    },
    unique=frozenset({"param", "tag"}),
)
REGISTERED_MODEL: Final = Subject(
    table="registered_models",
    fields=_fields("registered_models"),
    values={"tag": ("registered_model_tags", "model")},
)
MODEL_VERSION: Final = Subject(
    table="model_versions",
    fields={**_fields("model_versions"), "name": "registered_models.name"},
    source="model_versions JOIN registered_models ON registered_models.id = model_versions.model",
    attributes={"version_number": "version", "source_path": "source"},
    values={"tag": ("model_version_tags", "version")},
)


# -- experiments -------------------------------------------------------------------------------


def search_experiments(
    reader: Reader,
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
    query = Query(EXPERIMENT, reader.dialect)
    query.search(tree, orders)
    stages = query.listed(ViewType.stages(view_type))
    query.conditions.append(f"experiments.lifecycle_stage IN {stages}")
    if not orders:
        query.order += ["experiments.creation_time IS NULL", "experiments.creation_time DESC"]
    query.order.append("experiments.experiment_id")
    rows, token = _fetch(reader, query, max_results, page)
    return PagedList(load_experiments(reader, rows), token)


def load_experiments(reader: Reader, rows: Sequence[Any]) -> list[Experiment]:
    """The experiments of rows."""
    tags = _texts(reader, "experiment_tags", "experiment", rows)
    return [Experiment(**fields, tags=tags[id_]) for id_, fields in _with_names(EXPERIMENT, rows)]


# -- runs --------------------------------------------------------------------------------------


def search_runs(
    reader: Reader,
    experiment_ids: Sequence[str],
    filter_string: str | None = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> PagedList[Run]:
    """A page of runs of these experiments; by default latest start first."""
    ids = _list_of_ids(experiment_ids)
    validate_view_type(run_view_type)
    validate_max_results(max_results)
    tree = parse_filter(filter_string, RUNS)
    orders = parse_order_by(order_by, RUNS)
    page = Page.decode(page_token)
    if not ids:
        return PagedList()
    query = Query(RUN, reader.dialect)
    query.search(tree, orders)
    stages = query.listed(ViewType.stages(run_view_type))
    query.conditions.append(f"runs.experiment_id IN {query.listed(ids)}")
    query.conditions.append(f"runs.lifecycle_stage IN {stages}")
    query.order += ["runs.start_time IS NULL", "runs.start_time DESC", "runs.run_id"]
    rows, token = _fetch(reader, query, max_results, page)
    return PagedList(load_runs(reader, rows), token)


def load_runs(reader: Reader, rows: Sequence[Any]) -> list[Run]:
    """The runs of rows, whole."""
    ids = [row[0] for row in rows]
    metrics: dict[int, dict[str, float]] = {id_: {} for id_ in ids}
    for id_, key, value in _rows_of(reader, "run, key, value", "latest_metrics", "run", ids, "key"):
        metrics[id_][key] = as_double(value)
    params = _texts(reader, "params", "run", rows)
    tags = _texts(reader, "tags", "run", rows)
    datasets = _dataset_inputs(reader, ids)
    inputs: dict[int, list[LoggedModelInput]] = {}
    for id_, model_id in _rows_of(reader, "run, model_id", "model_inputs", "run", ids, "id"):
        inputs.setdefault(id_, []).append(LoggedModelInput(model_id))
    outputs: dict[int, list[LoggedModelOutput]] = {}
    for id_, model_id, step in _rows_of(
        reader, "run, model_id, step", "model_outputs", "run", ids, "id"
    ):
        outputs.setdefault(id_, []).append(LoggedModelOutput(model_id, step))
    found: list[Run] = []
    for id_, fields in _with_names(RUN, rows):
        fields["user_id"] = fields["user_id"] or ""
        run = Run(
            RunInfo(**fields),
            RunData(metrics[id_], params[id_], tags[id_]),
            RunInputs(datasets.get(id_, []), inputs.get(id_, [])),
            RunOutputs(outputs.get(id_, [])),
        )
        found.append(run)
    return found


def _dataset_inputs(reader: Reader, runs: Sequence[int]) -> dict[int, list[DatasetInput]]:
    """The datasets that runs, given by their row ids, used; in the order of logging."""
    columns = "i.id, i.run, d.name, d.digest, d.source_type, d.source, d.schema, d.profile"
    uses = list(_rows_of(reader, columns, _USES, "i.run", runs, "i.id"))
    tags = _texts(reader, "input_tags", "input", uses)
    found: dict[int, list[DatasetInput]] = {}
    for use, run, *fields in uses:
        given = [InputTag(key, value) for key, value in tags[use].items()]
        found.setdefault(run, []).append(DatasetInput(Dataset(*fields), given))
    return found


# -- logged models -----------------------------------------------------------------------------


def search_logged_models(
    reader: Reader,
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
    ids = _list_of_ids(experiment_ids)
    validate_max_results(max_results)
    tree = parse_filter(filter_string, LOGGED_MODELS)
    orders = parse_order_by(order_by, LOGGED_MODELS)
    on_datasets = _on_datasets(datasets)
    page = Page.decode(
        page_token, experiment_ids=ids, filter_string=filter_string, order_by=order_by
    )
    if not ids:
        return PagedList()
    query = Query(LOGGED_MODEL, reader.dialect, on_datasets)
    query.search(tree, orders)
    if on_datasets is not None and not any(key.kind == "metric" for key in keys(tree)):
        query.conditions.append(
            "EXISTS (SELECT 1 FROM logged_model_metrics AS x WHERE x.model = logged_models.id "
            f"AND {on_datasets(query, 'x')})"
        )
    active = query.value(LifecycleStage.ACTIVE)
    query.conditions.append(f"logged_models.experiment_id IN {query.listed(ids)}")
    query.conditions.append(f"logged_models.lifecycle_stage = {active}")
    query.order += ["logged_models.creation_timestamp DESC", "logged_models.model_id"]
    rows, token = _fetch(reader, query, max_results, page)
    return PagedList(load_logged_models(reader, rows), token)


def _on_datasets(datasets: Sequence[Mapping[str, str]] | None) -> Condition | None:
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

    def condition(query: Query, rows: str) -> str:
        alternatives: list[str] = []
        for name, digest in wanted:
            alternative = f"{rows}.dataset_name = {query.value(name)}"
            if digest is not None:
                alternative += f" AND {rows}.dataset_digest = {query.value(digest)}"
            alternatives.append(alternative)
        return f"({' OR '.join(alternatives)})"

    return condition


def load_logged_models(reader: Reader, rows: Sequence[Any]) -> list[LoggedModel]:
    """The logged models of rows; metrics are the latest per key and dataset."""
    params = _texts(reader, "logged_model_params", "model", rows)
    tags = _texts(reader, "logged_model_tags", "model", rows)
    named = dict(_with_names(LOGGED_MODEL, rows))
    latest: dict[int, dict[tuple[Any, ...], Metric]] = {id_: {} for id_ in named}
    for id_, point in model_points(reader, {id_: f["model_id"] for id_, f in named.items()}):
        of_model, identity = latest[id_], (point.key, point.dataset_name, point.dataset_digest)
        other = of_model.get(identity)
        if other is None or rank(point) >= rank(other):
            of_model[identity] = point
    found: list[LoggedModel] = []
    for id_, fields in named.items():
        fields["status"] = LoggedModelStatus(fields["status"])
        metrics = list(latest[id_].values())
        found.append(LoggedModel(**fields, params=params[id_], tags=tags[id_], metrics=metrics))
    return found


def model_points(reader: Reader, models: Mapping[int, str]) -> Iterator[tuple[int, Metric]]:
    """The points measured on logged models, given by rows and ids, by key and order of logging."""
    columns = "model, key, value, timestamp, step, dataset_name, dataset_digest, run_id"
    for id_, key, value, timestamp, step, *where in _rows_of(
        reader, columns, "logged_model_metrics", "model", models, "key, id"
    ):
        yield id_, Metric(key, as_double(value), timestamp, step, models[id_], *where)


def rank(point: Metric) -> tuple[int, int, float]:
    """What makes one point of a metric later than another."""
    return point.step, point.timestamp, -math.inf if math.isnan(point.value) else point.value


# -- registered models and versions ------------------------------------------------------------


def search_registered_models(
    reader: Reader,
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
    query = Query(REGISTERED_MODEL, reader.dialect)
    query.search(tree, orders)
    _leave_prompts_out(query, tree)
    query.order.append("registered_models.name")
    rows, token = _fetch(reader, query, max_results, page)
    return PagedList(load_registered_models(reader, rows), token)


def search_model_versions(
    reader: Reader,
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
    query = Query(MODEL_VERSION, reader.dialect)
    query.search(tree, orders)
    query.conditions.append(f"model_versions.current_stage <> {query.value(DELETED_STAGE)}")
    _leave_prompts_out(query, tree)
    updated = "model_versions.last_updated_timestamp"
    query.order += [f"{updated} IS NULL", f"{updated} DESC"]
    query.order += ["registered_models.name", "model_versions.version DESC"]
    rows, token = _fetch(reader, query, max_results, page)
    return PagedList(load_model_versions(reader, rows), token)


def _leave_prompts_out(query: Query, tree: Filter | None) -> None:
    if Key("tag", PROMPT_TAG) not in keys(tree):
        table, owner = query.subject.values["tag"]
        query.conditions.append(
            f"NOT EXISTS (SELECT 1 FROM {table} AS x WHERE x.{owner} = {query.subject.table}.id "
            f"AND x.key = {query.value(PROMPT_TAG)} AND x.value IN ('true', 'True'))"
        )


def load_registered_models(reader: Reader, rows: Sequence[Any]) -> list[RegisteredModel]:
    """The registered models of rows, with the newest version of each stage."""
    ids = [row[0] for row in rows]
    tags = _texts(reader, "registered_model_tags", "model", rows)
    aliases = _aliases(reader, ids)
    newest: dict[int, list[ModelVersion]] = {id_: [] for id_ in ids}
    versions = list(
        _rows_of(
            reader,
            ", ".join(MODEL_VERSION.fields.values()),
            f"{MODEL_VERSION.source} JOIN ("
            "SELECT model AS newest_model, max(version) AS newest_version FROM model_versions "
            f"WHERE current_stage <> '{DELETED_STAGE}' GROUP BY model, current_stage"
            ") AS newest ON newest_model = model AND newest_version = version",
            "model",
            ids,
            "version",
        )
    )
    for row, version in zip(versions, load_model_versions(reader, versions), strict=True):
        newest[row[1]].append(version)
    return [
        RegisteredModel(**fields, latest_versions=newest[id_], tags=tags[id_], aliases=aliases[id_])
        for id_, fields in _with_names(REGISTERED_MODEL, rows)
    ]


def load_model_versions(reader: Reader, rows: Sequence[Any]) -> list[ModelVersion]:
    """The model versions of rows."""
    tags = _texts(reader, "model_version_tags", "version", rows)
    aliases = _aliases(reader, {row[1] for row in rows})
    found: list[ModelVersion] = []
    for id_, fields in _with_names(MODEL_VERSION, rows):
        targets = aliases[fields.pop("model")]
        named = [alias for alias, version in targets.items() if version == fields["version"]]
        found.append(ModelVersion(**fields, tags=tags[id_], aliases=named))
    return found


def _aliases(reader: Reader, models: Iterable[int]) -> dict[int, dict[str, int]]:
    """The aliases of registered models, given by their row ids, and what they point at."""
    models = list(models)
    found: dict[int, dict[str, int]] = {id_: {} for id_ in models}
    for id_, alias, version in _rows_of(
        reader, "model, alias, version", "registered_model_aliases", "model", models, "alias"
    ):
        found[id_][alias] = version
    return found


# -- what all share ----------------------------------------------------------------------------


def as_double(value: float | None) -> float:
    """The double that a stored value stands for."""
    return math.nan if value is None else value


def _list_of_ids(experiment_ids: Sequence[str]) -> list[str]:
    """The ids of experiments that a search names, checked."""
    if isinstance(experiment_ids, str) or any(not isinstance(i, str) for i in experiment_ids):
        raise InvalidParameterValue(
            f"experiment_ids is a list of experiment ids, such as ['0']; got {experiment_ids!r}"
        )
    return list(dict.fromkeys(experiment_ids))


def _fetch(
    reader: Reader, query: Query, max_results: int, page: Page
) -> tuple[list[Any], str | None]:
    """The rows of a page, and the token of the next one if there is one."""
    rows = list(reader.rows(*query.statement(max_results + 1, page.offset)))
    if len(rows) <= max_results:
        return rows, None
    return rows[:max_results], page.after(max_results)


def _with_names(subject: Subject, rows: Sequence[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The id of each row, and the fields of its entity by their names."""
    names = list(subject.fields)[1:]
    for id_, *values in rows:
        yield id_, dict(zip(names, values, strict=True))


def _texts(
    reader: Reader, table: str, owner: str, rows: Sequence[Any]
) -> dict[int, dict[str, str]]:
    """The keys and texts of each row, in a dictionary for each, perhaps empty."""
    found: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    for id_, key, value in _rows_of(reader, f"{owner}, key, value", table, owner, found, "key"):
        found[id_][key] = value
    return found


def _rows_of(
    reader: Reader, columns: str, source: str, owner: str, ids: Iterable[int], order: str
) -> Iterator[Sequence[Any]]:
    """Rows that belong to any of the owners.

    The ids are our own integers, written into the statement: it is the same on every database,
    needs no compiling, and has no limit of parameters.
    """
    wanted = list(ids)
    for start in range(0, len(wanted), _CHUNK):
        listed = ",".join(map(str, wanted[start : start + _CHUNK]))
        yield from reader.rows(
            f"SELECT {columns} FROM {source} WHERE {owner} IN ({listed}) ORDER BY {order}"
        )
