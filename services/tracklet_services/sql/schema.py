"""The tables of :mod:`tracklet.reading.tables` as SQLAlchemy knows them, each by its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy import Column as SqlColumn
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from tracklet.reading import tables
from tracklet.reading.compile import Subject
from tracklet.reading.connection import Dialect

VERSION_TABLE: Final = "tracklet_schema_version"
"""Where a database notes which steps of the schema's history were applied."""


class Double(UserDefinedType[float]):
    """An IEEE double to the last bit, ±inf and -0.0 included; NaN is NULL.

    SQLite turns NaN into NULL anyway, and with it every comparison is false, as it should be.
    """

    cache_ok = True

    def bind_processor(self, dialect: Any) -> Any:
        """NaN becomes NULL, and integers doubles."""

        def process(value: Any) -> float | None:
            if value is None:
                return None
            value = float(value)
            return None if math.isnan(value) else value

        return process


@compiles(Double)
def _double(type_: Double, compiler: Any, **options: Any) -> str:
    return "DOUBLE PRECISION"


@compiles(Double, "sqlite")
def _double_on_sqlite(type_: Double, compiler: Any, **options: Any) -> str:
    return tables.SQLITE_TYPES["double"]


# Texts compare by code point, as in SQLite and in Python, not by the server's locale.
_WORDS: Final = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts up by itself only in columns that are declared INTEGER.
_ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")
_TYPES: Final[dict[str, Any]] = {
    "id": _ROW_ID,
    "text": _WORDS,
    "stage": _WORDS,
    "integer": Integer,
    "bigint": BigInteger,
    "double": Double,
}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _column(column: tables.Column) -> SqlColumn[Any]:
    if column.refers:
        owner = ForeignKey(f"{column.type}.id", ondelete="CASCADE")
        return SqlColumn(column.name, _ROW_ID, owner, nullable=column.optional)
    return SqlColumn(column.name, _TYPES[column.type], nullable=column.optional)


def _table(described: tables.Table) -> None:
    counted = described.key == ("id",)
    table = Table(
        described.name,
        metadata,
        *map(_column, described.columns.values()),
        PrimaryKeyConstraint(*described.key),
        *(UniqueConstraint(*columns) for columns in described.unique),
        sqlite_autoincrement=counted,
        sqlite_with_rowid=not described.compact,
    )
    for column in described.columns.values():
        if column.type == "stage":
            among = f"{column.name} IN ('active', 'deleted')"
            table.append_constraint(CheckConstraint(among, name=column.name))
    for name, columns in described.indexes.items():
        called = f"ix_{table.name}_{name}"
        if not any(" " in column for column in columns):
            Index(called, *(table.c[column] for column in columns))
            continue
        for backend in ("sqlite", "postgresql"):
            Index(called, *(_sorted(table, of, backend) for of in columns)).ddl_if(backend)
    if described.holds_texts:
        # PostgreSQL refuses long values in an index, so it gets the first hundred characters.
        key, value, owner = table.c.key, table.c.value, table.c[described.key[0]]
        Index(f"ix_{table.name}_key_value", key, value, owner).ddl_if("sqlite")
        Index(f"ix_{table.name}_key_head", key, func.substr(value, 1, 100)).ddl_if("postgresql")


def _sorted(table: Table, column: str, backend: str) -> Any:
    """A column of an index, in the order in which searches ask for it: what is absent last."""
    name, _, descending = column.partition(" ")
    if not descending:
        return table.c[name]
    latest = table.c[name].desc()
    return latest.nulls_last() if backend == "postgresql" else latest  # SQLite's are last anyway


for _described in tables.TABLES.values():
    _table(_described)


def __getattr__(name: str) -> Table:
    try:
        return metadata.tables[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def columns_of(subject: Subject) -> dict[str, SqlColumn[Any]]:
    """The columns of an entity by its fields, the id of its row first."""
    placed = ((name, column.split(".")) for name, column in subject.fields.items())
    return {name: metadata.tables[table].c[column] for name, (table, column) in placed}


def select_all(subject: Subject) -> Select[Any]:
    """A SELECT of the fields of an entity, for the functions that load it."""
    if subject.table not in _selects:
        _selects[subject.table] = _select_all(subject)
    return _selects[subject.table]


_selects: Final[dict[str, Select[Any]]] = {}


def _select_all(subject: Subject) -> Select[Any]:
    own: Table = metadata.tables[subject.table]
    fields = columns_of(subject)
    others = {field.table for field in fields.values()} - {own}
    source: FromClause = own
    for other in others:
        source = source.join(other)
    return select(*(field.label(name) for name, field in fields.items())).select_from(source)


class SqlReader:
    """A connection, asked by the searches and by the functions that load.

    Args:
        connection: The connection, in its transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.packs = False
        self.dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """All rows that a statement gives, as the driver makes them."""
        result = self._connection.exec_driver_sql(statement, tuple(values))
        cursor = result.cursor
        assert cursor is not None
        rows = cursor.fetchall()
        result.close()
        return rows
