"""Entities searched and loaded, from the index and from the SQL store alike.

A function that loads takes rows of its subject's fields, whatever asked for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from tracklet import entities
from tracklet.entities import (
    LifecycleStage,
    PagedList,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen
from tracklet.reading.compile import Condition, Select, Subject
from tracklet.reading.connection import Reader
from tracklet.reading.tables import TABLES
from tracklet.record.query import Query
from tracklet.record.rules import DELETED_STAGE
from tracklet.search import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    Key,
    Page,
    Vocabulary,
    keys,
    parse_filter,
    parse_order_by,
)
from tracklet.validation import validate_max_results, validate_view_type

DATASET_CONTEXT: Final = "mlflow.data.context"

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"

PACKED: Final = "\x1f"
"""What stands between keys and values in the texts of ``packed_runs``."""

_CHUNK: Final = 5_000
_MANY: Final = 1_000


# -- what lies where ---------------------------------------------------------------------------


def _fields(table: str) -> dict[str, str]:
    return {name: f"{table}.{name}" for name in TABLES[table].columns}


_RUN_FIELDS: Final = {"id": "runs.id", **{name: f"runs.{name}" for name in RunInfo._fields}}
_RUN_FIELDS["run_name"] = "runs.name"
_USES: Final = "inputs AS i JOIN datasets AS d ON d.id = i.dataset"

EXPERIMENT: Final = Subject(
    table="experiments",
    entity="Experiment",
    fields=_fields("experiments"),
    values={"tag": ("experiment_tags", "experiment")},
)
RUN: Final = Subject(
    table="runs",
    entity="RunInfo",
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
    entity="LoggedModel",
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
    entity="RegisteredModel",
    fields=_fields("registered_models"),
    values={"tag": ("registered_model_tags", "model")},
)
MODEL_VERSION: Final = Subject(
    table="model_versions",
    entity="ModelVersion",
    fields={**_fields("model_versions"), "name": "registered_models.name"},
    source="model_versions JOIN registered_models ON registered_models.id = model_versions.model",
    attributes={"version_number": "version", "source_path": "source"},
    values={"tag": ("model_version_tags", "version")},
)


# -- searches ----------------------------------------------------------------------------------


class _Kind(Frozen):
    """How one kind of entity is searched.

    Attributes:
        subject: Where it lies.
        vocabulary: The words of its filters.
        load: Makes entities of rows.
        order: What decides where the order asked for does not.
        default_order: What comes before that if no order is asked for.
        within: Whether it is looked for in given experiments.
        viewed: Whether deleted ones can be asked for.
        most: The largest page.
        prompts: Whether some are prompts, which show up only when asked for.
    """

    subject: Subject
    vocabulary: Vocabulary
    load: Callable[[Reader, Sequence[Any]], list[Any]]
    order: tuple[str, ...]
    default_order: tuple[str, ...] = ()
    within: bool = False
    viewed: bool = False
    most: int = 50_000
    prompts: bool = False


def search(reader: Reader, query: Query) -> PagedList[Any]:
    """A page of what a query asks for."""
    kind = _KINDS[query.kind]
    found = find(reader, query)
    return PagedList(kind.load(reader, _rows(reader, kind.subject, found)), found.token)


def find(reader: Reader, query: Query) -> PagedList[int]:
    """The rows of a page of what a query asks for, in its order: nothing is loaded."""
    kind = _KINDS[query.kind]
    table = kind.subject.table
    ids = list(dict.fromkeys(query.experiment_ids)) if kind.within else []
    if kind.viewed:
        validate_view_type(query.view)
    validate_max_results(query.max_results, kind.most)
    tree = parse_filter(query.filter, kind.vocabulary)
    orders = parse_order_by(query.order_by, kind.vocabulary)
    on_datasets = _on_datasets(query.datasets)
    bound: dict[str, Any] = {}
    if kind.subject is LOGGED_MODEL:  # as in MLflow, whose other tokens say only where to go on
        bound = {"experiment_ids": ids, "filter_string": query.filter, "order_by": query.order_by}
    page = Page.decode(query.page_token, **bound)
    if kind.within and not ids:
        return PagedList()
    select = Select(kind.subject, reader.dialect, on_datasets)
    select.search(tree, orders)
    if on_datasets is not None and not any(key.kind == "metric" for key in keys(tree)):
        select.conditions.append(
            "EXISTS (SELECT 1 FROM logged_model_metrics AS x WHERE x.model = logged_models.id "
            f"AND {on_datasets(select, 'x')})"
        )
    hint = "likely({})".format if tree and ids and _are_many(reader, table, ids) else str
    if kind.within:
        select.conditions.append(hint(f"{table}.experiment_id IN {select.listed(ids)}"))
    if kind.within or kind.viewed:
        stages = select.listed(LifecycleStage.view_type_to_stages(query.view))
        select.conditions.append(hint(f"{table}.lifecycle_stage IN {stages}"))
    if kind.subject is MODEL_VERSION:
        select.conditions.append(f"{table}.current_stage <> {select.value(DELETED_STAGE)}")
    if kind.prompts and Key("tag", PROMPT_TAG) not in keys(tree):
        tags, owner = kind.subject.values["tag"]
        select.conditions.append(
            f"NOT EXISTS (SELECT 1 FROM {tags} AS x WHERE x.{owner} = {table}.id "
            f"AND x.key = {select.value(PROMPT_TAG)} AND x.value IN ('true', 'True'))"
        )
    order = kind.order if orders else kind.default_order + kind.order
    if tree is not None:
        # Few may match: they are found first and then sorted, rather than looked for in order,
        # which a database that cannot tell how few would rather do. A plus keeps it from that.
        order = tuple(f"+{term}" if "_time" in term else term for term in order)
    select.order += (term for term in order if term not in select.order)
    wanted = query.max_results + 1
    found: list[int] = []
    if tree is None and ids and select.begins_with_numbers and _are_most(reader, table, ids):
        first = select.statement(wanted, page.offset, numbers=True)
        found = [id_ for (id_,) in reader.rows(*first)]
    if len(found) < wanted:
        found = [id_ for (id_,) in reader.rows(*select.statement(wanted, page.offset))]
    token = page.after(query.max_results) if len(found) > query.max_results else None
    return PagedList(found[: query.max_results], token)


def _rows(reader: Reader, subject: Subject, ids: Sequence[int]) -> list[Sequence[Any]]:
    """The fields of entities by their row ids, in that order: it is cheaper to sort ids alone."""
    columns, key = ", ".join(subject.fields.values()), f"{subject.table}.id"
    rows = rows_of(reader, columns, subject.source or subject.table, key, ids, key)
    known = {row[0]: row for row in rows}
    return [known[id_] for id_ in ids if id_ in known]


def _are_many(reader: Reader, table: str, ids: Sequence[str]) -> bool:
    """Whether experiments hold so many that a filter's matches are to be found first.

    SQLite takes it that few entities are in an experiment, and would look at each.
    """
    if reader.dialect != "sqlite":
        return False
    listed = f"SELECT 1 FROM {table} WHERE experiment_id IN ({', '.join('?' * len(ids))})"
    return bool(list(reader.rows(f"{listed} LIMIT 1 OFFSET {_MANY - 1}", ids)))


def _are_most(reader: Reader, table: str, ids: Sequence[str]) -> bool:
    """Whether experiments hold a quarter of all, so that what others hold can be passed over."""
    marks = ", ".join(["?" if reader.dialect == "sqlite" else "%s"] * len(ids))
    counted = f"SELECT 1 FROM {table} WHERE experiment_id IN ({marks}) LIMIT 1"
    return bool(
        list(reader.rows(f"{counted} OFFSET (SELECT coalesce(max(id), 0) / 4 FROM {table})", ids))
    )


# -- experiments -------------------------------------------------------------------------------


def load_experiments(reader: Reader, rows: Sequence[Any]) -> list[entities.Experiment]:
    """The experiments of rows."""
    tags = _texts(reader, "experiment_tags", "experiment", rows)
    return [
        entities.Experiment(**fields, tags=tags[id_])
        for id_, fields in with_names(EXPERIMENT, rows)
    ]


# -- runs --------------------------------------------------------------------------------------


def load_runs(reader: Reader, rows: Sequence[Any]) -> list[Run]:
    """The runs of rows, whole."""
    ids = [row[0] for row in rows]
    data: dict[int, RunData] = {}
    linked: list[int] = []
    if reader.packs:
        columns, of = (
            "run, linked, metric_keys, metrics, param_keys, params, tag_keys, tags",
            _Keys(),
        )
        for id_, is_linked, metric_keys, metrics, param_keys, params, tag_keys, tags in rows_of(
            reader, columns, "packed_runs", "run", ids, "run"
        ):
            data[id_] = RunData(
                dict(zip(of[metric_keys], memoryview(metrics).cast("d"), strict=True)),
                # Of no texts, one is left: the empty one.
                dict(zip(of[param_keys], params.split(PACKED), strict=False)),
                dict(zip(of[tag_keys], tags.split(PACKED), strict=False)),
            )
            if is_linked:
                linked.append(id_)
    if others := [row for row in rows if row[0] not in data]:
        data |= _run_data(reader, others)
        linked += (row[0] for row in others)
    datasets = _dataset_inputs(reader, linked)
    inputs: dict[int, list[entities.LoggedModelInput]] = {}
    for id_, model_id in rows_of(reader, "run, model_id", "model_inputs", "run", linked, "id"):
        inputs.setdefault(id_, []).append(entities.LoggedModelInput(model_id))
    outputs: dict[int, list[entities.LoggedModelOutput]] = {}
    for id_, model_id, step in rows_of(
        reader, "run, model_id, step", "model_outputs", "run", linked, "id"
    ):
        outputs.setdefault(id_, []).append(entities.LoggedModelOutput(model_id, step))
    return [
        Run(
            RunInfo(run_id, experiment_id, user_id or "", *others),
            data[id_],
            RunInputs(datasets.get(id_, []), inputs.get(id_, [])),
            RunOutputs(outputs.get(id_, [])),
        )
        for id_, run_id, experiment_id, user_id, *others in rows
    ]


def _run_data(reader: Reader, rows: Sequence[Any]) -> dict[int, RunData]:
    """What the runs of rows hold, from the tables of keys and values."""
    metrics: dict[int, dict[str, float]] = {row[0]: {} for row in rows}
    points = rows_of(reader, "run, key, value", "latest_metrics", "run", metrics, "run, key")
    for id_, key, value in points:
        metrics[id_][key] = as_double(value)
    params = _texts(reader, "params", "run", rows)
    tags = _texts(reader, "tags", "run", rows)
    return {id_: RunData(metrics[id_], params[id_], tags[id_]) for id_ in metrics}


class _Keys(dict[str, list[str]]):
    """The keys in packed texts; of many runs, most are the same."""

    def __missing__(self, text: str) -> list[str]:
        found = self[text] = text.split(PACKED) if text else []
        return found


def _dataset_inputs(reader: Reader, runs: Sequence[int]) -> dict[int, list[entities.DatasetInput]]:
    """The datasets that runs, given by their row ids, used; in the order of logging."""
    columns = "i.id, i.run, d.name, d.digest, d.source_type, d.source, d.schema, d.profile"
    uses = list(rows_of(reader, columns, _USES, "i.run", runs, "i.id"))
    tags = _texts(reader, "input_tags", "input", uses)
    found: dict[int, list[entities.DatasetInput]] = {}
    for use, run, *fields in uses:
        given = [entities.InputTag(key, value) for key, value in tags[use].items()]
        found.setdefault(run, []).append(entities.DatasetInput(entities.Dataset(*fields), given))
    return found


# -- logged models -----------------------------------------------------------------------------


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

    def condition(select: Select, rows: str) -> str:
        alternatives: list[str] = []
        for name, digest in wanted:
            alternative = f"{rows}.dataset_name = {select.value(name)}"
            if digest is not None:
                alternative += f" AND {rows}.dataset_digest = {select.value(digest)}"
            alternatives.append(alternative)
        return f"({' OR '.join(alternatives)})"

    return condition


def load_logged_models(reader: Reader, rows: Sequence[Any]) -> list[entities.LoggedModel]:
    """The logged models of rows; metrics are the latest per key and dataset."""
    params = _texts(reader, "logged_model_params", "model", rows)
    tags = _texts(reader, "logged_model_tags", "model", rows)
    named = dict(with_names(LOGGED_MODEL, rows))
    latest: dict[int, dict[tuple[Any, ...], entities.Metric]] = {id_: {} for id_ in named}
    for id_, point in model_points(reader, {id_: f["model_id"] for id_, f in named.items()}):
        of_model, identity = latest[id_], (point.key, point.dataset_name, point.dataset_digest)
        other = of_model.get(identity)
        if other is None or rank(point) >= rank(other):
            of_model[identity] = point
    found: list[entities.LoggedModel] = []
    for id_, fields in named.items():
        metrics = list(latest[id_].values())
        found.append(
            entities.LoggedModel(**fields, params=params[id_], tags=tags[id_], metrics=metrics)
        )
    return found


def model_points(
    reader: Reader, models: Mapping[int, str]
) -> Iterator[tuple[int, entities.Metric]]:
    """The points measured on logged models, given by rows and ids, by key and order of logging."""
    columns = "model, key, value, timestamp, step, dataset_name, dataset_digest, run_id"
    for id_, key, value, timestamp, step, *where in rows_of(
        reader, columns, "logged_model_metrics", "model", models, "key, id"
    ):
        yield id_, entities.Metric(key, as_double(value), timestamp, step, models[id_], *where)


def rank(point: entities.Metric) -> tuple[int, int, float]:
    """What makes one point of a metric later than another."""
    return point.step, point.timestamp, -math.inf if math.isnan(point.value) else point.value


# -- registered models and versions ------------------------------------------------------------


def load_registered_models(reader: Reader, rows: Sequence[Any]) -> list[entities.RegisteredModel]:
    """The registered models of rows, with the newest version of each stage."""
    ids = [row[0] for row in rows]
    tags = _texts(reader, "registered_model_tags", "model", rows)
    aliases = _aliases(reader, ids)
    newest: dict[int, list[entities.ModelVersion]] = {id_: [] for id_ in ids}
    versions = list(
        rows_of(
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
        entities.RegisteredModel(
            **fields, latest_versions=newest[id_], tags=tags[id_], aliases=aliases[id_]
        )
        for id_, fields in with_names(REGISTERED_MODEL, rows)
    ]


def load_model_versions(reader: Reader, rows: Sequence[Any]) -> list[entities.ModelVersion]:
    """The model versions of rows."""
    tags = _texts(reader, "model_version_tags", "version", rows)
    aliases = _aliases(reader, {row[1] for row in rows})
    found: list[entities.ModelVersion] = []
    for id_, fields in with_names(MODEL_VERSION, rows):
        targets = aliases[fields.pop("model")]
        named = [alias for alias, version in targets.items() if version == fields["version"]]
        found.append(entities.ModelVersion(**fields, tags=tags[id_], aliases=named))
    return found


def _aliases(reader: Reader, models: Iterable[int]) -> dict[int, dict[str, int]]:
    """The aliases of registered models, given by their row ids, and what they point at."""
    models = list(models)
    found: dict[int, dict[str, int]] = {id_: {} for id_ in models}
    for id_, alias, version in rows_of(
        reader, "model, alias, version", "registered_model_aliases", "model", models, "alias"
    ):
        found[id_][alias] = version
    return found


# -- what all share ----------------------------------------------------------------------------


def as_double(value: float | None) -> float:
    """The double that a stored value stands for."""
    return math.nan if value is None else value


def with_names(subject: Subject, rows: Sequence[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The id of each row, and the fields of its entity by their names."""
    names = list(subject.fields)[1:]
    for id_, *values in rows:
        fields = dict(zip(names, values, strict=True))
        if subject is LOGGED_MODEL:
            fields["status"] = entities.LoggedModelStatus(fields["status"])
        elif subject is RUN:
            fields["user_id"] = fields["user_id"] or ""
        yield id_, fields


def _texts(
    reader: Reader, table: str, owner: str, rows: Sequence[Any]
) -> dict[int, dict[str, str]]:
    """The keys and texts of each row, in a dictionary for each, perhaps empty."""
    found: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    columns = f"{owner}, key, value"
    for id_, key, value in rows_of(reader, columns, table, owner, found, f"{owner}, key"):
        found[id_][key] = value
    return found


def rows_of(
    reader: Reader, columns: str, source: str, owner: str, ids: Iterable[int], order: str
) -> Iterable[Sequence[Any]]:
    """Rows that belong to any of the owners.

    The ids are our own integers, written into the statement: it is the same on every database,
    needs no compiling, and has no limit of parameters.
    """
    wanted = list(ids)
    return chain.from_iterable(
        reader.rows(
            f"SELECT {columns} FROM {source} "
            f"WHERE {owner} IN ({','.join(map(str, wanted[start : start + _CHUNK]))}) "
            f"ORDER BY {order}"
        )
        for start in range(0, len(wanted), _CHUNK)
    )


_KINDS: Final[dict[str, _Kind]] = {
    "experiments": _Kind(
        EXPERIMENT,
        EXPERIMENTS,
        load_experiments,
        order=("experiments.experiment_id",),
        default_order=("experiments.creation_time DESC NULLS LAST",),
        viewed=True,
    ),
    "runs": _Kind(
        RUN,
        RUNS,
        load_runs,
        order=("runs.start_time DESC NULLS LAST", "runs.run_id"),
        within=True,
        viewed=True,
    ),
    "logged models": _Kind(
        LOGGED_MODEL,
        LOGGED_MODELS,
        load_logged_models,
        order=("logged_models.creation_timestamp DESC", "logged_models.model_id"),
        within=True,
    ),
    "registered models": _Kind(
        REGISTERED_MODEL,
        REGISTERED_MODELS,
        load_registered_models,
        order=("registered_models.name",),
        most=1000,
        prompts=True,
    ),
    "model versions": _Kind(
        MODEL_VERSION,
        MODEL_VERSIONS,
        load_model_versions,
        order=(
            "model_versions.last_updated_timestamp DESC NULLS LAST",
            "registered_models.name",
            "model_versions.version DESC",
        ),
        most=200_000,
        prompts=True,
    ),
}
