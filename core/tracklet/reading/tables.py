"""The tables, described once for two jobs: the index over folders, and the SQL store.

Rows refer to one another by small integers, whatever the ids of the entities look like, which
keeps the many rows of metrics, params and tags narrow; no integer is used twice. A metric's value
is NULL where it is NaN. :func:`sqlite_statements` makes the tables of the index, and
:mod:`tracklet_services.sql.schema` those that the SQL store works with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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


def _table(
    name: str,
    columns: str,
    *,
    key: tuple[str, ...] = ("id",),
    unique: tuple[tuple[str, ...], ...] = (),
    indexes: tuple[tuple[str, ...], ...] = (),
    listing: tuple[str, ...] = (),
    compact: bool = False,
    indexed: bool = True,
) -> None:
    """Describe a table; ``columns`` are names with types, and ``?`` after what may be NULL."""
    described = {"id": Column("id", "id", False)} if key == ("id",) else {}
    for column in columns.split(","):
        column_name, type_ = column.split()
        described[column_name] = Column(column_name, type_.rstrip("?"), type_.endswith("?"))
    named = {"_".join(of): of for of in indexes} | ({"listing": listing} if listing else {})
    TABLES[name] = Table(name, described, key, unique, named, compact, indexed)


def _texts(name: str, owner: str, table: str, *, indexed: bool = True) -> None:
    """Keys and texts of an owner, at most one of a key; found by owner, and by key and value."""
    columns = f"{owner} {table}, key text, value text"
    _table(name, columns, key=(owner, "key"), compact=True, indexed=indexed)


_table(
    "experiments",
    "experiment_id text, name text, artifact_location text, lifecycle_stage stage,"
    "creation_time bigint?, last_update_time bigint?",
    unique=(("experiment_id",),),
    indexes=(("name",),),
)
_texts("experiment_tags", "experiment", "experiments")
_table(
    "runs",
    "run_id text, experiment_id text, name text?, user_id text?, status text, start_time bigint?,"
    "end_time bigint?, lifecycle_stage stage, deleted_time bigint?, artifact_uri text?",
    unique=(("run_id",),),
    listing=("experiment_id", "lifecycle_stage", "start_time DESC", "run_id"),
)
_texts("params", "run", "runs")
_texts("tags", "run", "runs")
_table(
    "metrics",
    "run runs, key text, value double?, timestamp bigint, step bigint, model_id text?,"
    "dataset_name text?, dataset_digest text?",
    indexes=(("run", "key"),),
)
_table(
    "latest_metrics",
    "run runs, key text, value double?, timestamp bigint, step bigint",
    key=("run", "key"),
    indexes=(("key", "value", "run"),),
    compact=True,
)
_table(
    "datasets",
    "experiment_id text, name text, digest text, source_type text, source text, schema text?,"
    "profile text?",
    unique=(("experiment_id", "name", "digest"),),
)
_table("inputs", "run runs, dataset datasets", indexes=(("run",), ("dataset",)))
_texts("input_tags", "input", "inputs")
_table("model_inputs", "run runs, model_id text", unique=(("run", "model_id"),))
_table("model_outputs", "run runs, model_id text, step bigint", unique=(("run", "model_id"),))
_table("leases", "run runs, text text", indexes=(("run",),))
_table(
    "logged_models",
    "model_id text, experiment_id text, name text, artifact_location text,"
    "creation_timestamp bigint, last_updated_timestamp bigint, model_type text?,"
    "source_run_id text?, status text, status_message text?, lifecycle_stage stage",
    unique=(("model_id",),),
    indexes=(("source_run_id",),),
    listing=("experiment_id", "lifecycle_stage", "creation_timestamp"),
)
_texts("logged_model_params", "model", "logged_models")
_texts("logged_model_tags", "model", "logged_models")
_table(
    "logged_model_metrics",
    "model logged_models, key text, value double?, timestamp bigint, step bigint, run_id text?,"
    "dataset_name text?, dataset_digest text?",
    indexes=(("model", "key"), ("key", "value")),
)
_table(
    "registered_models",
    "name text, creation_timestamp bigint, last_updated_timestamp bigint, description text?",
    unique=(("name",),),
)
_texts("registered_model_tags", "model", "registered_models")
_table(
    "registered_model_aliases",
    "model registered_models, alias text, version integer",
    key=("model", "alias"),
)
_table(
    "model_versions",
    "model registered_models, version integer, creation_timestamp bigint,"
    "last_updated_timestamp bigint?, description text?, user_id text?, current_stage text,"
    "source text?, run_id text?, status text, status_message text?, run_link text?,"
    "model_id text?, storage_location text?",
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
