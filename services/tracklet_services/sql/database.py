"""The database of a SQL store: opened by URI, its schema brought up to date, asked in transactions.

The schema is made or upgraded at the first use by whoever comes first, in one transaction and
under a lock, so any number of processes may start at once and none sees a half-made one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy import exc as errors
from sqlalchemy.pool import QueuePool, StaticPool

from tracklet import names, settings
from tracklet.errors import InvalidParameterValue, MissingDependency, StorageError
from tracklet.reading.connection import open_sqlite
from tracklet.state import in_child
from tracklet.stores import disk
from tracklet_services.sql import migrations
from tracklet_services.sql.schema import VERSION_TABLE, experiments, metadata

ARTIFACTS: Final = "mlartifacts"

# Of PostgreSQL, unless the URI's `options` say otherwise: what hangs gives its connection back.
_LIMITS: Final = {
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
}
_POOL: Final = {
    "pool_size": ("SQLALCHEMYSTORE_POOL_SIZE", 8),
    "max_overflow": ("SQLALCHEMYSTORE_MAX_OVERFLOW", 8),
    "pool_recycle": ("SQLALCHEMYSTORE_POOL_RECYCLE", 3600),
}
_LOCK_KEY: Final = 0x7472_6163_6B6C_6574  # "tracklet"
_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_logger = logging.getLogger(__name__)


class _Thread(threading.local):
    """The databases into which this thread is writing, and what is to be written after that."""

    def __init__(self) -> None:
        self.writes: dict[str, list[Callable[[], object]]] = {}


_thread = _Thread()


class Database:
    """What all parts of the SQL store share: its engine and its transactions.

    Args:
        uri: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``.

    Raises:
        InvalidParameterValue: The URI names no such database, or one that belongs to MLflow.
        MissingDependency: The driver is not installed.
        StorageError: The database cannot be reached, or is of a later version.
    """

    def __init__(self, uri: str) -> None:
        self._path, self._url = _location(uri)
        self.uri = f"sqlite:///{self._path}" if self._path is not None else uri
        self.is_file = self._path is not None
        self._engine = self._connect()
        _databases.add(self)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def engine(self) -> Engine:
        """The engine, with the schema in place."""
        return self._engine

    def close(self) -> None:
        """Release all connections; the next call opens new ones."""
        self._engine.dispose()

    # -- transactions ------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """A transaction that sees one state of the record.

        What it writes is committed at the end, and rolled back by any exception.
        """
        if not write:
            with self._explained("read"), self._engine.connect() as connection:
                yield connection
            return
        place = self.where
        if place in _thread.writes:  # it would wait for the lock of the one that it interrupted
            raise StorageError(
                f"could not write {place}: a signal handler or a finalizer came in the midst of a "
                "write of the same thread. There metrics, params and tags may be logged and runs "
                "ended; leave the rest to the code that it interrupts"
            )
        try:
            _thread.writes[place] = []
            with self._explained("write"), self._engine.connect() as connection:
                connection = connection.execution_options(tracklet_write=True)
                with connection.begin():
                    yield connection
        finally:
            for late in _thread.writes.pop(place, ()):
                try:
                    late()
                except Exception as error:  # noqa: BLE001 - it is not of who is done here
                    _logger.warning("what a signal handler logged is lost: %s", error)

    def postponed(self, write: Callable[[], object]) -> bool:
        """Whether this thread is writing already, after which it does this write too."""
        writes = _thread.writes.get(self.where)
        if writes is None:
            return False
        writes.append(write)
        return True

    def serialize(self, connection: Connection) -> None:
        """Let no other transaction give names away until this one ends."""
        if self._path is None:  # in SQLite, one transaction writes at a time anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY + 1})

    def take_time(self, connection: Connection) -> None:
        """Let each statement of this transaction take as long as it does."""
        if self._path is None:
            connection.execute(text("SET LOCAL statement_timeout = 0"))

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except errors.DataError as error:
            raise InvalidParameterValue(f"the database refused a value: {error.orig}") from error
        except (errors.SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(
                f"could not {action} {self.where}: {getattr(error, 'orig', None) or error}; "
                f"{_way_out(error)}"
            ) from error

    @property
    def where(self) -> str:
        """What messages call it."""
        return self._path or self._url.render_as_string(hide_password=True)

    # -- opening -----------------------------------------------------------------------------

    def _connect(self) -> Engine:
        if self._path is not None:
            if self._path != ":memory:":
                _make_folder(self._path)
            return _sqlite_engine(self._path)
        try:
            return _postgresql_engine(self._url)
        except ModuleNotFoundError as error:
            raise MissingDependency(
                "psycopg", extra="postgresql", purpose=f"the store {self.where}"
            ) from error

    def _prepare(self) -> None:
        """Make or upgrade the schema unless it is there."""
        with self._explained("open"):
            if self._is_ready():
                return
            if self._path is None or self._path == ":memory:":
                self._migrate()
                return
            with disk.locked(_lock_file(self._path)):
                if not self._is_ready():
                    with self._engine.connect() as connection:
                        driver: Any = connection.connection.driver_connection
                        driver.execute("PRAGMA journal_mode = WAL")
                    self._migrate()

    def _is_ready(self) -> bool:
        """Whether the schema is there and of this version."""
        with self._engine.connect() as connection:
            return migrations.applied(connection) == migrations.STEPS.keys()

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            connection = connection.execution_options(tracklet_write=True)
            with connection.begin():
                if self._path is None:
                    for limit in _LIMITS:  # however long it takes, and whoever else is at it
                        connection.execute(text(f"SET LOCAL {limit} = 0"))
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY}
                    )
                self._check_tables(connection)
                migrations.upgrade(connection, self.where)
                self._create_default(connection)

    def _check_tables(self, connection: Connection) -> None:
        """Refuse what is not ours; clear away what a failure without a version left behind."""
        inspector = inspect(connection)
        present = set(inspector.get_table_names())
        if migrations.applied(connection):
            return
        if "alembic_version" in present:
            raise InvalidParameterValue(
                f"{self.where} is a database of MLflow's; tracklet does not write to it. Take "
                f"its record over with 'tracklet import {self.uri}', or choose another database"
            )
        ours = [table for table in reversed(metadata.sorted_tables) if table.name in present]
        for table in ours:
            rows = connection.execute(text(f"SELECT 1 FROM {table.name} LIMIT 1")).all()
            if rows:
                raise InvalidParameterValue(
                    f"{self.where} has a table {table.name!r} with rows, but no table "
                    f"{VERSION_TABLE!r}: another program's. Choose another database"
                )
        for table in ours:
            connection.execute(text(f"DROP TABLE {table.name}"))

    def _create_default(self, connection: Connection) -> None:
        now = names.now()
        known = connection.execute(
            experiments.select().where(experiments.c.experiment_id == "0")
        ).first()
        if known is None:
            connection.execute(
                experiments.insert().values(
                    experiment_id="0",
                    name="Default",
                    artifact_location=f"{self.artifact_root}/0",
                    lifecycle_stage="active",
                    creation_time=now,
                    last_update_time=now,
                )
            )

    @property
    def artifact_root(self) -> str:
        """Where artifacts go unless an experiment says otherwise."""
        configured = settings.option("DEFAULT_ARTIFACT_ROOT")
        if configured:
            return configured.rstrip("/")
        if self._path is None or self._path == ":memory:":
            return f"{os.getcwd()}/{ARTIFACTS}"
        return f"{os.path.dirname(self._path)}/{ARTIFACTS}"


def lacking(uri: str) -> list[str]:
    """The steps of the schema that a database lacks; it is not changed, and not made.

    Raises:
        InvalidParameterValue: The URI names no database.
        StorageError: It cannot be reached, or is of a later version.
    """
    path, url = _location(uri)
    if path is not None and not os.path.exists(path):
        return list(migrations.STEPS)
    shown = path or url.render_as_string(hide_password=True)
    try:
        engine = _postgresql_engine(url) if path is None else _sqlite_engine(path)
        with engine.connect() as connection:
            known = migrations.applied(connection)
        engine.dispose()
    except ModuleNotFoundError as error:
        raise MissingDependency("psycopg", extra="postgresql", purpose=shown) from error
    except (errors.SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(f"could not open {shown}: {error}; {_way_out(error)}") from error
    migrations.check(known, shown)
    return [step for step in migrations.STEPS if step not in known]


def _postgresql_engine(url: Any) -> Engine:
    """An engine over PostgreSQL; nothing waits for ever for a connection, a lock or a statement."""
    pool = {name: _number(option, default) for name, (option, default) in _POOL.items()}
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
    engine = create_engine(url, pool_pre_ping=True, pool_timeout=30, connect_args=arguments, **pool)
    if "options" not in url.query:
        event.listen(engine, "connect", _limit)
    return engine


def _limit(connection: Any, record: object) -> None:
    """Say in a new connection how long things may take."""
    autocommit, connection.autocommit = connection.autocommit, True
    connection.execute("; ".join(f"SET {limit} = '{of}'" for limit, of in _LIMITS.items()))
    connection.autocommit = autocommit


def _number(option: str, default: int) -> int:
    value = settings.option(option)
    if value is None:
        return default
    if not value.isdecimal():
        raise InvalidParameterValue(f"{option} is a whole number, not negative; got {value!r}")
    return int(value)


def _sqlite_engine(path: str) -> Engine:
    """An engine over a SQLite file; writers wait for one another, readers for no one."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: open_sqlite(path),
        poolclass=StaticPool if path == ":memory:" else QueuePool,
    )
    event.listen(engine, "begin", begin)
    return engine


def begin(connection: Connection) -> None:
    """Begin a transaction of SQLite's, which the driver leaves to us."""
    write = connection.get_execution_options().get("tracklet_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _location(uri: str) -> tuple[str | None, Any]:
    """The path of a SQLite database, or None; and the URL for SQLAlchemy."""
    try:
        url = make_url(str(uri))
    except (errors.ArgumentError, ValueError) as error:
        raise InvalidParameterValue(
            f"{uri!r} is no database URI; use sqlite:///file.db or postgresql://host/name"
        ) from error
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            return ":memory:", url
        return os.path.abspath(str(url.database)), url
    if backend in ("postgresql", "postgres"):
        return None, url.set(drivername="postgresql+psycopg")
    raise InvalidParameterValue(
        f"{uri!r} names a database that tracklet does not support; use sqlite:///file.db or "
        "postgresql://host/name"
    )


def _make_folder(path: str) -> None:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise disk.storage_error("create the folder of a database", error, folder) from error


def _lock_file(path: str) -> str:
    file = Path(path)
    return str(file.with_name(f".{file.name}.lock"))


def _way_out(error: BaseException) -> str:
    origin = getattr(error, "orig", error)
    code = getattr(origin, "sqlite_errorcode", None)
    ways = {
        sqlite3.SQLITE_BUSY: "another process holds it; try again when that one is done",
        sqlite3.SQLITE_FULL: "free some space on that disk and try again",
        sqlite3.SQLITE_READONLY: "it cannot be written to; check its owner and permissions",
        sqlite3.SQLITE_CANTOPEN: "check that the path is a file that can be read and written",
        sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a copy",
        sqlite3.SQLITE_NOTADB: "the file is no SQLite database; choose another one",
    }
    if getattr(origin, "sqlstate", None) in ("57014", "55P03"):
        return (
            "it took longer than it may, or another process holds it; try again, or allow more in "
            "the URI, as in ?options=-c%20statement_timeout%3D10min"
        )
    if code is not None:
        return ways.get(code & 0xFF, "check the database, then try again")
    return "check that the database server runs and the URI is right, then try again"


@in_child
def _leave_connections() -> None:
    """In a forked child, the connections are the parent's."""
    for database in list(_databases):
        database._engine.dispose(close=False)
