"""What a search asks: a SQLite file of our own, or any database that answers statements."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from tracklet.errors import StorageError
from tracklet.search.syntax import is_ilike
from tracklet.state import gates

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3  # the same one, without what turns dates into texts
    except ImportError:
        import sqlite3

Dialect: TypeAlias = Literal["sqlite", "postgresql"]

BUSY_TIMEOUT_MS = 60_000


_opening = gates.add()


def _gated(call: Any) -> Any:
    def gated(self: Any, *given: Any) -> Any:
        with self.gate:
            return call(self, *given)

    return gated


class _Cursor(sqlite3.Cursor):
    """What SQLAlchemy asks by."""

    def __init__(self, db: Connection) -> None:
        super().__init__(db)
        self.gate = db.gate

    execute = _gated(sqlite3.Cursor.execute)
    executemany = _gated(sqlite3.Cursor.executemany)
    fetchone = _gated(sqlite3.Cursor.fetchone)
    fetchmany = _gated(sqlite3.Cursor.fetchmany)
    fetchall = _gated(sqlite3.Cursor.fetchall)
    close = _gated(sqlite3.Cursor.close)


class Connection(sqlite3.Connection):
    """A connection during whose calls no other thread forks.

    SQLite has locks for the whole process; a child that got one locked would wait for ever. What
    :meth:`execute` gives is for statements without rows; others are asked by :meth:`rows`.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        self.gate = gates.add()
        super().__init__(*given, **options)

    execute = _gated(sqlite3.Connection.execute)
    executemany = _gated(sqlite3.Connection.executemany)
    commit = _gated(sqlite3.Connection.commit)
    rollback = _gated(sqlite3.Connection.rollback)
    close = _gated(sqlite3.Connection.close)

    def cursor(self, factory: Any = _Cursor) -> Any:
        """What SQLAlchemy asks by."""
        return super().cursor(factory)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows that a statement gives."""
        with self.gate:
            return _execute(self, statement, values).fetchall()


_execute = sqlite3.Connection.execute


class Reader(Protocol):
    """A database inside a transaction."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""
        ...

    @property
    def packs(self) -> bool:
        """Whether it has what runs hold as texts of their own, too; see :mod:`.packed`."""
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
    packs = True

    def __init__(self, db: Connection) -> None:
        self.rows = db.rows


def open_sqlite(path: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Connection:
    """A connection that one thread at a time may use.

    Args:
        path: The file, or ``":memory:"``.
        busy_timeout_ms: How long a writer waits for another one; readers wait for no one.
    """
    db = connect(path, cached_statements=256)
    try:
        set_up(db, busy_timeout_ms)
    except BaseException:
        db.close()
        raise
    return db


def connect(path: str, **options: Any) -> Connection:
    """A connection, as the driver makes it, that one thread at a time may use.

    Raises:
        StorageError: This process was forked in the middle of another thread's long statement, and
            SQLite would wait for the end of that.
    """
    if gates.missed:
        trying = threading.Thread(target=_try, daemon=True)
        trying.start()
        trying.join(1)
        if trying.is_alive():
            raise StorageError(
                "this process was forked while another thread was in the middle of a long search, "
                "and SQLite waits for that: search in the parent, or start processes by 'spawn' "
                "or 'forkserver'"
            )
        gates.missed = False
    with _opening:
        return sqlite3.connect(path, factory=Connection, check_same_thread=False, **options)


def _try() -> None:
    db = sqlite3.connect("")
    db.execute("CREATE TABLE tried (one)")
    db.close()


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


def _ilike(value: object, pattern: str) -> bool | None:
    return is_ilike(value, pattern) if isinstance(value, str) else None
