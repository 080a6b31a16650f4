"""The index over a store's folder: what makes files searchable.

It is a cache in the user's cache folder, one SQLite file per store: deleted, damaged or of
another version, it is built anew from the folders; where it cannot be kept, it lives in memory.
Before each search it catches up with the folders (:mod:`tracklet.reading.catch_up`), so it is
wrong only by being late: at once for what this library wrote, a little later for what others did.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from binascii import crc32
from collections.abc import Callable
from typing import Any, Final, TypeVar

from tracklet import lazy, settings
from tracklet.entities import PagedList
from tracklet.errors import InvalidParameterValue, StorageError
from tracklet.reading import catch_up, queries, tables
from tracklet.reading.connection import (
    Connection,
    Reader,
    SqliteReader,
    open_sqlite,
    sqlite3,
)
from tracklet.record.query import Query, Searches
from tracklet.stores import disk

try:
    from _blake2 import blake2b  # the same one without OpenSSL, which takes longer than a search
except ImportError:
    from hashlib import blake2b

MEMORY: Final = ":memory:"
_VERSION: Final = 1  # raise it when the folders are read in another way
_PATIENCE_MS: Final = 500
# What SQLite says when tables are missing, and also of a question that is too large for it.
_REFUSALS: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE})

_log = lazy.logger(__name__)
T = TypeVar("T")

# What a forked process got from its parent; closing it could harm what the parent does.
_inherited: list[Connection | None] = []


class FolderIndex(Searches):
    """Searches a store's folder. Calls may come from any thread, also after a fork.

    Args:
        root: The store's folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(root)
        self.path = _path(self.root)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._busy = False
        self._db: Connection | None = None
        self._refresh: catch_up.CatchUp | None = None
        self._file: tuple[int, int] | None = None
        self._finalizer = weakref.finalize(self, lambda: None)

    def search(self, query: Query) -> PagedList[Any]:
        """A page of what a query asks for, after a look at what changed."""
        return self.ask(lambda reader: queries.search(reader, query))

    def left_out(self) -> list[tuple[str, str]]:
        """The paths of the record that cannot be read, each with the reason."""
        return self.ask(
            lambda reader: [
                (path, reason)
                for path, reason in reader.rows("SELECT path, reason FROM left_out ORDER BY path")
            ]
        )

    # -- life --------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Forget everything and look through all folders anew."""
        with self._own():
            self.close()
            if self.path != MEMORY:
                with disk.locked(f"{self.path}.lock"):
                    _remove(self.path)
            self.ask(lambda reader: None)

    def close(self) -> None:
        """Release the database, unless a search goes on; the next one opens it again."""
        with self._own():
            if not self._busy:
                self._close()

    def _close(self) -> None:
        if self._db is not None:
            self._finalizer()
        self._db = None
        self._refresh = None

    def ask(self, search: Callable[[Reader], T]) -> T:
        """What somebody finds in the tables, after a look at what changed; all of one state."""
        with self._own():
            if self._busy:
                return self._search_aside(search)
            try:
                self._busy = True
                return self._search_here(search)
            finally:
                self._busy = False

    def _search_aside(self, search: Callable[[Reader], T]) -> T:
        """Search in a signal handler or finalizer that came in between the steps of a search.

        Neither its connection nor what it knows can be used now. If it is about to fill the
        index, nothing of that can be seen yet.
        """
        other = FolderIndex(self.root)
        try:
            if not other._opened()[1].complete():
                other._close()
                other.path = MEMORY
            return other.ask(search)
        finally:
            other.close()

    def _search_here(self, search: Callable[[Reader], T]) -> T:
        for _ in range(2):
            try:
                return self._search_once(search)
            except sqlite3.DatabaseError as error:
                self._recover(error)
        try:
            return self._search_once(search)
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error

    def _search_once(self, search: Callable[[Reader], T]) -> T:
        db, refreshing = self._opened()
        self._catch_up(refreshing)
        db.execute("BEGIN")  # the statements of a search see one state
        try:
            return search(SqliteReader(db))
        except sqlite3.DatabaseError as error:
            if _code(error) in _REFUSALS and _is_whole(db):
                raise InvalidParameterValue(
                    f"this search is more than the index can answer ({error}): ask for less at once"
                ) from error
            raise
        finally:
            db.rollback()

    def _catch_up(self, refreshing: catch_up.CatchUp) -> None:
        try:
            if not refreshing.complete() and self.path != MEMORY:
                # The first look is long, so it is taken once, while others wait for its end.
                with disk.locked(f"{self.path}.lock"):
                    refreshing.run()
            else:
                refreshing.run()
        except sqlite3.OperationalError as error:
            if _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            refreshing.forget()  # another process writes; search what is there

    def _opened(self) -> tuple[Connection, catch_up.CatchUp]:
        if self._db is not None and self.path != MEMORY and _number(self.path) != self._file:
            self._close()  # somebody deleted or replaced the file
        if self._db is None or self._refresh is None:
            self._db = self._open()
            self._finalizer = weakref.finalize(self, self._db.close)
            self._file = _number(self.path) if self.path != MEMORY else None
            self._refresh = catch_up.CatchUp(self.root, self._db)
        return self._db, self._refresh

    def _open(self) -> Connection:
        if self.path != MEMORY:
            try:
                with disk.locked(f"{self.path}.lock"):
                    return _open_file(self.path)
            except (OSError, sqlite3.DatabaseError) as error:
                _log.warning("the index of %s is kept in memory only: %s", self.root, error)
                self.path = MEMORY
        db = open_sqlite(MEMORY)
        _create(db)
        return db

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Put a damaged index aside, or go on in memory; raise what that does not help."""
        code = _code(error)
        opened = self._file
        self._close()
        if self.path == MEMORY:
            raise self._failed(error) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            _log.warning("the index of %s is damaged and is built anew: %s", self.root, error)
            with disk.locked(f"{self.path}.lock"):
                if _number(self.path) == opened:
                    _quarantine(self.path)
        else:
            _log.warning("the index of %s is kept in memory only: %s", self.root, error)
            self.path = MEMORY

    def _failed(self, error: sqlite3.DatabaseError) -> StorageError:
        return StorageError(
            f"the index of {self.root} failed: {error}; 'tracklet index rebuild' makes another"
        )

    def _own(self) -> threading.RLock:
        """The lock of this process's copy of the index; it is taken and let go in C."""
        if os.getpid() != self._pid:  # forked: neither lock nor connection may be used
            self._pid = os.getpid()
            self._lock = threading.RLock()
            self._busy = False
            self._finalizer.detach()
            _inherited.append(self._db)
            self._db = self._refresh = None
        return self._lock


def _path(root: str) -> str:
    """Where the index of a store is kept."""
    name = blake2b(os.fsencode(root), digest_size=16).hexdigest()
    try:
        cache = settings.option("CACHE_DIR") or settings.cache_dir()
        folder = os.path.join(cache, "index")
        for made in (cache, folder):  # each alone: of the parents that it makes, none gets the mode
            os.makedirs(made, mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
    except OSError as error:
        _log.warning("the index of %s is kept in memory only: %s", root, error)
        return MEMORY
    return os.path.join(folder, f"{name}.db")


def _open_file(path: str) -> Connection:
    """A database of our version, created if need be; the lock is held."""
    for attempt in range(2):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        try:
            db = _open_version(path)
        except sqlite3.DatabaseError as error:
            if attempt or _code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            _log.warning("the index %s is damaged and is built anew: %s", path, error)
            _quarantine(path)
        else:
            if db is not None:
                return db
            _remove(path)
    raise sqlite3.OperationalError(f"{path} is changed by another program again and again")


def _open_version(path: str) -> Connection | None:
    """A database that was empty or is of our version; None if it is of another one."""
    db = open_sqlite(path, _PATIENCE_MS)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        ((version,),) = db.rows("PRAGMA user_version")
        if version == _fingerprint():
            return db
        ((count,),) = db.rows("SELECT count(*) FROM sqlite_master")
        if not count:
            _create(db)
            return db
    except BaseException:
        db.close()
        raise
    db.close()
    return None


def _schema() -> list[str]:
    """What makes the tables of the index."""
    return tables.sqlite_statements() + [
        text for text in catch_up.SCHEMA.split(";") if text.strip()
    ]


def _create(db: Connection) -> None:
    """Create the tables, all or none."""
    db.execute("BEGIN IMMEDIATE")
    for statement in _schema():
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {_fingerprint()}")
    db.execute("COMMIT")


def _is_whole(db: Connection) -> bool:
    """Whether all tables and indexes are there."""
    made = {text for (text,) in db.rows("SELECT sql FROM sqlite_master")}
    return made.issuperset(text.strip() for text in _schema())


@functools.cache
def _fingerprint() -> int:
    """The version of the index's tables and of how they are filled."""
    text = "\n".join([*_schema(), str(_VERSION)])
    return crc32(text.encode()) & 0x7FFFFFFF or 1


def _code(error: BaseException) -> int | None:
    """SQLite's primary result code."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _number(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _quarantine(path: str) -> None:
    """Keep the latest damaged index for whoever wants to know."""
    with contextlib.suppress(OSError):
        os.replace(path, f"{path}.damaged")
    _remove(path)


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
