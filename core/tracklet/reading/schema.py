"""The tables, one schema for two jobs: the index over folders, and the SQL store.

Rows refer to one another by small integers, whatever the ids of the entities look like, which
keeps the many rows of metrics, params and tags narrow; no integer is used twice. A metric's value
is NULL where it is NaN.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from tracklet.reading.types import Double, RowId, Words

VERSION_TABLE: Final = "tracklet_schema_version"
"""Where Alembic notes how far the schema's history was applied."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _owner(name: str, table: str, **options: Any) -> Column[int]:
    return Column(
        name, RowId, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options
    )


def _texts(name: str, owner: str, table: str) -> Table:
    """Keys and texts of an owner, at most one of a key; found by owner, and by key and value.

    PostgreSQL refuses long values in an index, so it gets the first hundred characters.
    """
    values = Table(
        name,
        metadata,
        _owner(owner, table),
        Column("key", Words, nullable=False),
        Column("value", Words, nullable=False),
        PrimaryKeyConstraint(owner, "key"),
        sqlite_with_rowid=False,
    )
    Index(f"ix_{name}_key_value", values.c.key, values.c.value, values.c[owner]).ddl_if("sqlite")
    Index(f"ix_{name}_key_head", values.c.key, func.substr(values.c.value, 1, 100)).ddl_if(
        "postgresql"
    )
    return values


experiments = Table(
    "experiments",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("experiment_id", Words, nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("artifact_location", Words, nullable=False),
    Column("lifecycle_stage", Words, nullable=False),
    Column("creation_time", BigInteger),
    Column("last_update_time", BigInteger),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="lifecycle_stage"),
    Index(None, "name"),
    sqlite_autoincrement=True,
)
experiment_tags = _texts("experiment_tags", "experiment", "experiments")

runs = Table(
    "runs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("run_id", Words, nullable=False, unique=True),
    Column("experiment_id", Words, nullable=False),
    Column("name", Words),
    Column("user_id", Words),
    Column("status", Words, nullable=False),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("lifecycle_stage", Words, nullable=False),
    Column("deleted_time", BigInteger),
    Column("artifact_uri", Words),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="lifecycle_stage"),
    sqlite_autoincrement=True,
)
Index(
    "ix_runs_listing",
    runs.c.experiment_id,
    runs.c.lifecycle_stage,
    runs.c.start_time.desc(),
    runs.c.run_id,
)

params = _texts("params", "run", "runs")
tags = _texts("tags", "run", "runs")

metrics = Table(
    "metrics",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("run", "runs"),
    Column("key", Words, nullable=False),
    Column("value", Double),
    Column("timestamp", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("model_id", Words),
    Column("dataset_name", Words),
    Column("dataset_digest", Words),
    Index(None, "run", "key"),
    sqlite_autoincrement=True,
)
latest_metrics = Table(
    "latest_metrics",
    metadata,
    _owner("run", "runs"),
    Column("key", Words, nullable=False),
    Column("value", Double),
    Column("timestamp", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    PrimaryKeyConstraint("run", "key"),
    Index(None, "key", "value", "run"),
    sqlite_with_rowid=False,
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("experiment_id", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("source_type", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("schema", Words),
    Column("profile", Words),
    UniqueConstraint("experiment_id", "name", "digest"),
    sqlite_autoincrement=True,
)
inputs = Table(
    "inputs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("run", "runs"),
    _owner("dataset", "datasets"),
    Index(None, "run"),
    Index(None, "dataset"),
    sqlite_autoincrement=True,
)
input_tags = _texts("input_tags", "input", "inputs")
model_inputs = Table(
    "model_inputs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("run", "runs"),
    Column("model_id", Words, nullable=False),
    UniqueConstraint("run", "model_id"),
    sqlite_autoincrement=True,
)
model_outputs = Table(
    "model_outputs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("run", "runs"),
    Column("model_id", Words, nullable=False),
    Column("step", BigInteger, nullable=False),
    UniqueConstraint("run", "model_id"),
    sqlite_autoincrement=True,
)
leases = Table(
    "leases",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("run", "runs"),
    Column("text", Words, nullable=False),
    Index(None, "run"),
    sqlite_autoincrement=True,
)

logged_models = Table(
    "logged_models",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("model_id", Words, nullable=False, unique=True),
    Column("experiment_id", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("artifact_location", Words, nullable=False),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("model_type", Words),
    Column("source_run_id", Words),
    Column("status", Words, nullable=False),
    Column("status_message", Words),
    Column("lifecycle_stage", Words, nullable=False),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="lifecycle_stage"),
    Index("ix_logged_models_listing", "experiment_id", "lifecycle_stage", "creation_timestamp"),
    Index(None, "source_run_id"),
    sqlite_autoincrement=True,
)
logged_model_params = _texts("logged_model_params", "model", "logged_models")
logged_model_tags = _texts("logged_model_tags", "model", "logged_models")
logged_model_metrics = Table(
    "logged_model_metrics",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("model", "logged_models"),
    Column("key", Words, nullable=False),
    Column("value", Double),
    Column("timestamp", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("run_id", Words),
    Column("dataset_name", Words),
    Column("dataset_digest", Words),
    Index(None, "model", "key"),
    Index(None, "key", "value"),
    sqlite_autoincrement=True,
)

registered_models = Table(
    "registered_models",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("name", Words, nullable=False, unique=True),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("description", Words),
    sqlite_autoincrement=True,
)
registered_model_tags = _texts("registered_model_tags", "model", "registered_models")
registered_model_aliases = Table(
    "registered_model_aliases",
    metadata,
    _owner("model", "registered_models"),
    Column("alias", Words, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("model", "alias"),
)
model_versions = Table(
    "model_versions",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _owner("model", "registered_models"),
    Column("version", Integer, nullable=False),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger),
    Column("description", Words),
    Column("user_id", Words),
    Column("current_stage", Words, nullable=False),
    Column("source", Words),
    Column("run_id", Words),
    Column("status", Words, nullable=False),
    Column("status_message", Words),
    Column("run_link", Words),
    Column("model_id", Words),
    Column("storage_location", Words),
    UniqueConstraint("model", "version"),
    Index(None, "run_id"),
    sqlite_autoincrement=True,
)
model_version_tags = _texts("model_version_tags", "version", "model_versions")


def sqlite_statements() -> list[str]:
    """What creates all tables and indexes in SQLite."""
    dialect = sqlite.dialect()
    statements: list[str] = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements += sorted(
            str(CreateIndex(index).compile(dialect=dialect))
            for index in table.indexes
            if not str(index.name).endswith("_key_head")
        )
    return statements


def fingerprint() -> int:
    """A positive 31-bit number that changes when a table, column or index does."""
    return zlib.crc32("\n".join(sqlite_statements()).encode()) & 0x7FFFFFFF or 1
