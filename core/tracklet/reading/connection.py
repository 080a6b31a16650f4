"""What a search asks: a SQLite file of our own, or any database that answers statements."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3  # the same one, without what turns dates into texts
    except ImportError:
        import sqlite3

Dialect: TypeAlias = Literal["sqlite", "postgresql"]

BUSY_TIMEOUT_MS = 60_000


class Reader(Protocol):
    """A database inside a transaction."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""
        ...

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterable[Sequence[Any]]:
        """All rows that a statement gives.

        Args:
            statement: With ``?`` for each of the values; ``%s`` in PostgreSQL.
            values: In the order of the statement.
        """
        ...


class SqliteReader:
    """A connection that was set up by :func:`set_up`."""

    dialect: Dialect = "sqlite"

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows that a statement gives."""
        return self.db.execute(statement, values).fetchall()


def open_sqlite(path: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    """A connection that one thread at a time may use.

    Args:
        path: The file, or ``":memory:"``.
        busy_timeout_ms: How long a writer waits for another one; readers wait for no one.
    """
    db = sqlite3.connect(path, check_same_thread=False, cached_statements=256)
    try:
        set_up(db, busy_timeout_ms)
    except BaseException:
        db.close()
        raise
    return db


def set_up(db: sqlite3.Connection, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
    """Give a connection what searches need, and take transactions from the driver's hands."""
    # The driver would begin transactions late, as readers, and could not become writers.
    db.isolation_level = None
    db.create_function("tracklet_ilike", 2, _ilike, deterministic=True)
    db.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
    db.execute("PRAGMA foreign_keys = ON")
    # With a write-ahead log: safe from the death of a process, and from a power cut at flush.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA cache_size = -32000")


def _ilike(pattern: str, value: object) -> bool | None:
    if not isinstance(value, str):
        return None
    return _pattern(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=128)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile(
        "".join(parts.get(char) or re.escape(char) for char in pattern), re.IGNORECASE | re.DOTALL
    )
