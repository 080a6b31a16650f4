"""Rows of a database whose schema may be of any age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, column, select, table, text

from tracklet_services.importing.databases import ReadOnlyDatabase


class Row(dict[str, Any]):
    """A row in which a column that the schema lacks is None."""

    def __missing__(self, key: str) -> None:
        return None


class Tables:
    """The tables that are there, with the columns that they have.

    Args:
        database: The database.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        self.columns: Mapping[str, Sequence[str]] = database.columns
        self._leading = database.leading
        self._copies: set[str] = set()

    def rows(
        self, connection: Connection, name: str, /, *, order: Sequence[str] = (), **equal: Any
    ) -> list[Row]:
        """Rows of a table; a column that is not there is None, and so is a missing table."""
        known = self.columns.get(name)
        if known is None or any(wanted not in known for wanted in equal):
            return []
        place = self._place(connection, name, *equal)
        source = table(place, *(column(one) for one in known))
        statement = select(source).where(*(source.c[one] == equal[one] for one in equal))
        statement = statement.order_by(*(source.c[one] for one in order if one in known))
        result = connection.execute(statement)
        return [Row(row) for row in result.mappings()]

    def _place(self, connection: Connection, name: str, *wanted: str) -> str:
        """Where to read rows by a column: in the table, or a copy with an index.

        Old schemas have no index by run, and every run would cost a look at all rows. The copy is
        a temporary table of the connection; the database itself stays as it is.
        """
        if not wanted or set(wanted) & self._leading[name]:
            return name
        if connection.dialect.name != "sqlite":
            return name
        by = wanted[0]
        copy = f"tracklet_{name}_by_{by}"
        if copy not in self._copies:
            connection.execute(text(f'CREATE TEMP TABLE "{copy}" AS SELECT * FROM "{name}"'))
            connection.execute(text(f'CREATE INDEX temp."{copy}_index" ON "{copy}" ("{by}")'))
            connection.commit()
            self._copies.add(copy)
        return copy
