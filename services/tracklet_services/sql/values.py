"""Statements that set keys of an owner: params, tags, points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tracklet.entities import Metric
from tracklet.reading.queries import as_double, rank
from tracklet.record import rules
from tracklet.record.backend import Entry
from tracklet_services.sql.schema import Double, latest_metrics, metrics, registered_model_aliases

_CHUNK = 500


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that may say what to do on a conflict."""
    return _insert(connection.dialect.name, table)


def _insert(dialect: str, table: Table) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


AT_ONCE: Final = 10_000
"""How many rows a statement of PostgreSQL's inserts, so that each is done within its limit."""


@lru_cache(maxsize=64)
def _insert_rows(dialect: str, table: Table) -> Any:
    """An INSERT of rows for :func:`_put`.

    PostgreSQL gets an array of each column, and so all rows in one statement; its driver would
    send one for each row.
    """
    statement = _insert(dialect, table)
    if dialect == "sqlite":
        return statement
    types = {column.name: _array_of(column.type) for column in table.c if column.name != "id"}
    arrays = (bindparam(name, type_=type_) for name, type_ in types.items())
    rows = func.unnest(*arrays).table_valued(*types).render_derived()
    return statement.from_select(list(types), select(*(rows.c[name] for name in types)))


def _array_of(type_: Any) -> Any:
    words = isinstance(type_, Text)
    kind = Double if isinstance(type_, Double) else Text if words else BigInteger
    return postgresql.ARRAY(kind())


def _put(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which have the same columns, in their order."""
    if connection.dialect.name == "sqlite":
        connection.execute(statement, list(rows))
        return
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        connection.execute(statement, {name: [row[name] for row in some] for name in some[0]})


def row_of(table: Table, given: object, **others: Any) -> dict[str, Any]:
    """A row's values: those that are given by name, and an object's attributes for the rest."""
    names = {column.name for column in table.c} - {"id", *others}
    return {name: getattr(given, name) for name in names} | others


def add(connection: Connection, table: Table, **row: Any) -> int:
    """Insert a row and return its id."""
    return connection.execute(table.insert().values(row).returning(table.c.id)).scalar_one()


def change(connection: Connection, table: Table, row: int, **changes: Any) -> None:
    """Give columns of a row other values."""
    connection.execute(update(table).where(table.c.id == row).values(**changes))


def replace(connection: Connection, table: Table, key: Sequence[str], **row: Any) -> None:
    """Put a row in the place of the one with the same key, if there is one."""
    statement = insert(connection, table).values(**row)
    changed = {name: statement.excluded[name] for name in row if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))


def put_alias(connection: Connection, model: int, alias: str, version: int) -> None:
    """Point an alias of a registered model at a version."""
    row = {"model": model, "alias": alias, "version": version}
    replace(connection, registered_model_aliases, ["model", "alias"], **row)


@lru_cache(maxsize=64)
def _upsert_texts(dialect: str, table: Table, owner: str) -> Any:
    statement = _insert_rows(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=[table.c[owner], table.c.key],
        set_={"value": statement.excluded.value},
    )


@lru_cache(maxsize=2)
def _upsert_latest(dialect: str) -> Any:
    statement = _insert_rows(dialect, latest_metrics)
    new, old = statement.excluded, latest_metrics.c
    least = literal(-math.inf, Double())
    return statement.on_conflict_do_update(
        index_elements=[old.run, old.key],
        set_={"value": new.value, "timestamp": new.timestamp, "step": new.step},
        where=tuple_(new.step, new.timestamp, func.coalesce(new.value, least))
        >= tuple_(old.step, old.timestamp, func.coalesce(old.value, least)),
    )


def put_tags(
    connection: Connection, table: Table, owner: str, row: int, tags: Mapping[str, str]
) -> None:
    """Set texts, replacing earlier ones."""
    if not tags:
        return
    statement = _upsert_texts(connection.dialect.name, table, owner)
    _put(
        connection,
        statement,
        [{owner: row, "key": key, "value": tags[key]} for key in sorted(tags)],
    )


def put_params(
    connection: Connection,
    table: Table,
    owner: str,
    row: int,
    params: Mapping[str, str],
    entry: Entry,
) -> None:
    """Set texts that are new or hold these values already; all of them or none.

    The owner's row is locked by this transaction.

    Raises:
        InvalidParameterValue: A key holds another value.
    """
    new = dict(params)
    keys = sorted(params)
    for start in range(0, len(keys), _CHUNK):
        known = select(table.c.key, table.c.value).where(
            table.c[owner] == row, table.c.key.in_(keys[start : start + _CHUNK])
        )
        for key, old in connection.execute(known):
            if old != params[key]:
                called = rules.word(entry.kind, "params")
                raise rules.changed(called, key, entry, old, params[key])
            del new[key]
    if new:
        statement = _insert_rows(connection.dialect.name, table)
        rows = [{owner: row, "key": key, "value": text} for key, text in new.items()]
        _put(connection, statement, rows)


def discard_tag(connection: Connection, table: Table, owner: str, row: int, key: str) -> bool:
    """Remove a text if it is there, and say whether it was."""
    result = connection.execute(delete(table).where(table.c[owner] == row, table.c.key == key))
    return bool(result.rowcount)


def put_points(connection: Connection, run: int, points: Sequence[Metric]) -> None:
    """Append points, and keep the latest of each metric up to date."""
    if not points:
        return
    statement = _insert_rows(connection.dialect.name, metrics)
    _put(connection, statement, [row_of(metrics, point, run=run) for point in points])
    latest: dict[str, Metric] = {}
    for point in points:
        other = latest.get(point.key)
        if other is None or rank(point) >= rank(other):
            latest[point.key] = point
    _put(
        connection,
        _upsert_latest(connection.dialect.name),
        [row_of(latest_metrics, latest[key], run=run) for key in sorted(latest)],
    )


def points_of(connection: Connection, run: int, key: str | None = None) -> list[Metric]:
    """The points of a run, of one metric or of all, in the order in which they were logged.

    Which model a point belongs to is on the model's record.
    """
    m = metrics.c
    statement = select(m.key, m.value, m.timestamp, m.step, m.dataset_name, m.dataset_digest).where(
        m.run == run
    )
    if key is not None:
        statement = statement.where(m.key == key)
    return [
        Metric(key, as_double(value), timestamp, step, None, *dataset)
        for key, value, timestamp, step, *dataset in connection.execute(statement.order_by(m.id))
    ]
