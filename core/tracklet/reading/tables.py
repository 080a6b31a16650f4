"""The tables, described once for two jobs: the index over folders, and the SQL store.

The columns of an entity are the fields of its class. Rows refer to one another by small integers,
whatever the ids of the entities look like, which keeps the many rows of metrics, params and tags
narrow; no integer is used twice. A metric's value is NULL where it is NaN.
:func:`sqlite_statements` makes the tables of the index, and :mod:`tracklet_services.sql.schema`
those that the SQL store works with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tracklet import entities
from tracklet.frozen import Frozen


class Column(Frozen):
    """A column.

    Attributes:
        type: ``"id"``, ``"text"``, ``"stage"`` (``'active'`` or ``'deleted'``), ``"integer"``,
            ``"bigint"``, ``"double"``; or the name of the table to whose rows it refers, with
            which a row goes.
        optional: Whether it may be NULL.
    """

    name: str
    type: str
    optional: bool

    @property
    def refers(self) -> bool:
        """Whether it holds the id of a row in another table."""
        return self.type in TABLES


class Table(Frozen):
    """A table.

    Attributes:
        columns: Its columns by their names.
        key: The primary key; that of one column is counted up and never used twice.
        unique: What else no two rows share.
        indexes: The columns of each index by the last part of its name.
        compact: Whether SQLite keeps the rows in the primary key itself.
        indexed: Whether the index has it, too.
    """

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    indexes: Mapping[str, tuple[str, ...]]
    compact: bool
    indexed: bool

    @property
    def holds_texts(self) -> bool:
        """Whether its rows are keys and texts of an owner, at most one of a key."""
        return tuple(self.columns)[1:] == ("key", "value") and self.columns["value"].type == "text"


TABLES: Final[dict[str, Table]] = {}

_COLUMNS: Final = {
    "str": "text",
    "str | None": "text?",
    "int": "bigint",
    "int | None": "bigint?",
    "float": "double?",
    "LoggedModelStatus": "text",
}
"""The type of a column by the annotation of its field; other fields have tables of their own."""


def _table(
    name: str,
    columns: str = "",
    *,
    of: type[Frozen] = Frozen,
    without: str = "",
    key: tuple[str, ...] = ("id",),
    unique: tuple[tuple[str, ...], ...] = (),
    indexes: tuple[tuple[str, ...], ...] = (),
    listing: tuple[str, ...] = (),
    compact: bool = False,
    indexed: bool = True,
) -> None:
    """Describe a table.

    Args:
        columns: Names with types, and ``?`` after what may be NULL.
        of: The entity whose fields are columns, too.
        without: The fields that are none.
    """
    given = dict(column.split() for column in columns.split(",") if column)
    types = {column: type_ for column, type_ in given.items() if column not in of._fields}
    for field, annotation in of._fields.items():
        if annotation in _COLUMNS and field not in without.split():
            known = "stage" if field == "lifecycle_stage" else _COLUMNS[annotation]
            types[field] = given.get(field, known)
    described = {"id": Column("id", "id", False)} if key == ("id",) else {}
    for column, type_ in types.items():
        described[column] = Column(column, type_.rstrip("?"), type_.endswith("?"))
    named = {"_".join(of): of for of in indexes} | ({"listing": listing} if listing else {})
    TABLES[name] = Table(name, described, key, unique, named, compact, indexed)


def _texts(name: str, owner: str, table: str, *, indexed: bool = True) -> None:
    """Keys and texts of an owner, at most one of a key; found by owner, and by key and value."""
    columns = f"{owner} {table}, key text, value text"
    _table(name, columns, key=(owner, "key"), compact=True, indexed=indexed)


_table(
    "experiments",
    of=entities.Experiment,
    without="workspace trace_location",
    unique=(("experiment_id",),),
    indexes=(("name",),),
)
_texts("experiment_tags", "experiment", "experiments")
_table(
    "runs",
    "name text?, deleted_time bigint?, user_id text?",
    of=entities.RunInfo,
    without="run_name",
    unique=(("run_id",),),
    listing=("experiment_id", "lifecycle_stage", "start_time DESC", "run_id"),
)
_texts("params", "run", "runs")
_texts("tags", "run", "runs")
_table("metrics", "run runs", of=entities.Metric, without="run_id", indexes=(("run", "key"),))
_table(
    "latest_metrics",
    "run runs",
    of=entities.Metric,
    without="run_id model_id dataset_name dataset_digest",
    key=("run", "key"),
    indexes=(("key", "value", "run"),),
    compact=True,
)
_table(
    "datasets",
    "experiment_id text",
    of=entities.Dataset,
    unique=(("experiment_id", "name", "digest"),),
)
_table("inputs", "run runs, dataset datasets", indexes=(("run",), ("dataset",)))
_texts("input_tags", "input", "inputs")
for _links, _linked in (
    ("model_inputs", entities.LoggedModelInput),
    ("model_outputs", entities.LoggedModelOutput),
):
    _table(_links, "run runs", of=_linked, unique=(("run", "model_id"),))
_table("leases", "run runs, text text", indexes=(("run",),))
_table(
    "logged_models",
    of=entities.LoggedModel,
    unique=(("model_id",),),
    indexes=(("source_run_id",),),
    listing=("experiment_id", "lifecycle_stage", "creation_timestamp"),
)
_texts("logged_model_params", "model", "logged_models")
_texts("logged_model_tags", "model", "logged_models")
_table(
    "logged_model_metrics",
    "model logged_models",
    of=entities.Metric,
    without="model_id",
    indexes=(("model", "key"), ("key", "value")),
)
_table("registered_models", of=entities.RegisteredModel, unique=(("name",),))
_texts("registered_model_tags", "model", "registered_models")
_table(
    "registered_model_aliases",
    "model registered_models, alias text, version integer",
    key=("model", "alias"),
)
_table(
    "model_versions",
    "model registered_models, version integer",
    of=entities.ModelVersion,
    without="name",
    unique=(("model", "version"),),
    indexes=(("run_id",),),
)
_texts("model_version_tags", "version", "model_versions")
_table(
    "traces",
    "trace_id text, experiment_id text, request_time bigint, info text",
    unique=(("trace_id",),),
    listing=("experiment_id", "request_time DESC"),
    indexed=False,
)
_texts("trace_tags", "trace", "traces", indexed=False)
_texts("trace_metadata", "trace", "traces", indexed=False)
_table("trace_spans", "trace traces, document text", key=("trace",), indexed=False)
_table(
    "assessments",
    "trace traces, assessment_id text, document text",
    key=("trace", "assessment_id"),
    indexed=False,
)


# SQLite's REAL would lose the sign of -0.0, so a double has no affinity there.
SQLITE_TYPES: Final = {
    "id": "INTEGER",
    "text": "TEXT",
    "stage": "TEXT CHECK (lifecycle_stage IN ('active', 'deleted'))",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double": "EXACT_BLOB",
}


_PACKED: Final = """
CREATE TABLE packed_runs (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    linked INTEGER NOT NULL,
    metric_keys TEXT NOT NULL,
    metrics BLOB NOT NULL,
    param_keys TEXT NOT NULL,
    params TEXT NOT NULL,
    tag_keys TEXT NOT NULL,
    tags TEXT NOT NULL
)
"""


def sqlite_statements() -> list[str]:
    """What creates all tables and indexes in SQLite."""
    statements: list[str] = []
    for table in filter(lambda table: table.indexed, TABLES.values()):
        statements.append(_create_table(table))
        indexes = dict(table.indexes)
        if table.holds_texts:
            indexes["key_value"] = ("key", "value", table.key[0])
        statements += [
            f"CREATE INDEX ix_{table.name}_{name} ON {table.name} ({', '.join(columns)})"
            for name, columns in indexes.items()
        ]
    return [*statements, _PACKED]


def _create_table(table: Table) -> str:
    parts = [_define(column) for column in table.columns.values()]
    if table.key != ("id",):
        parts.append(f"PRIMARY KEY ({', '.join(table.key)})")
    parts += [f"UNIQUE ({', '.join(columns)})" for columns in table.unique]
    options = " WITHOUT ROWID" if table.compact else ""
    return f"CREATE TABLE {table.name} ({', '.join(parts)}){options}"


def _define(column: Column) -> str:
    null = "" if column.optional else " NOT NULL"
    if column.refers:
        return f"{column.name} INTEGER{null} REFERENCES {column.type} (id) ON DELETE CASCADE"
    counted = " PRIMARY KEY AUTOINCREMENT" if column.type == "id" else ""
    return f"{column.name} {SQLITE_TYPES[column.type]}{null}{counted}"
