"""What all searches share: the statement of a page, and values loaded for the rows of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select

from tracklet.reading.compile import Plan
from tracklet.search import Page

_CHUNK: Final = 5_000


def fetch_page(
    connection: Connection,
    plan: Plan,
    columns: Sequence[ColumnElement[Any]],
    tail: Sequence[ColumnElement[Any]],
    max_results: int,
    page: Page,
) -> tuple[list[Any], str | None]:
    """The rows of a page, and the token of the next one if there is one.

    Args:
        connection: Where to ask.
        plan: The compiled search.
        columns: What to select.
        tail: What orders rows that the plan leaves equal; must make the order total.
        max_results: The size of a page.
        page: Where it starts.
    """
    statement = (
        select(*columns)
        .select_from(plan.source)
        .where(*plan.conditions)
        .order_by(*plan.order, *tail)
        .limit(max_results + 1)
        .offset(page.offset)
    )
    rows = connection.execute(statement).all()
    if len(rows) <= max_results:
        return list(rows), None
    return list(rows[:max_results]), page.after(max_results)


def texts(
    connection: Connection, table: str, owner: str, ids: Sequence[int]
) -> dict[int, dict[str, str]]:
    """The keys and texts of each owner, in a dictionary for each, perhaps empty."""
    found: dict[int, dict[str, str]] = {id_: {} for id_ in ids}
    for id_, key, value in rows_of(connection, f"{owner}, key, value", table, owner, ids, "key"):
        found[id_][key] = value
    return found


def rows_of(
    connection: Connection,
    columns: str,
    source: str,
    owner: str,
    ids: Iterable[int],
    order: str,
) -> Iterable[Sequence[Any]]:
    """Rows that belong to any of the owners.

    The ids are our own integers, written into the statement: it is the same on every database,
    needs no compiling, and has no limit of parameters.
    """
    wanted = list(ids)
    for start in range(0, len(wanted), _CHUNK):
        listed = ",".join(map(str, wanted[start : start + _CHUNK]))
        result = connection.exec_driver_sql(
            f"SELECT {columns} FROM {source} WHERE {owner} IN ({listed}) ORDER BY {order}"
        )
        cursor = result.cursor
        assert cursor is not None
        yield from cursor.fetchall()
        result.close()
