"""Databases opened for reading: a SQLite file in read-only mode, or a database server's.

Their schema may be of any age.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    column,
    create_engine,
    event,
    exc,
    func,
    inspect,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.pool import StaticPool

from tracklet.errors import (
    InvalidParameterValue,
    MissingDependency,
    StorageError,
    TrackletException,
)
from tracklet.reading.connection import connect, set_up
from tracklet_services.importing.artifacts import ArtifactPlaces
from tracklet_services.importing.source import ImportSource, Unreadable
from tracklet_services.sql.database import begin

K = TypeVar("K")
T = TypeVar("T")

_PAGE: Final = 500
_SQLITE_HEADER: Final = b"SQLite format 3\x00"
_NOT_OURS: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


class ReadOnlyDatabase:
    """A database that is only read, in short transactions that hold its writers up no longer.

    Args:
        path_or_uri: The path of a SQLite file, or a database URI.

    Attributes:
        location: Where it is, without a password.
        columns: The names of the columns of every table.
        leading: The columns that an index of a table begins with.

    Raises:
        InvalidParameterValue: There is no such file, or it is no database.
        StorageError: The database cannot be read.
    """

    def __init__(self, path_or_uri: str) -> None:
        self.path = _sqlite_path(path_or_uri)
        if self.path is not None:
            _check_file(self.path)
            self.location = self.path
            self.engine = self._open_sqlite(self.path)
        else:
            url = make_url(path_or_uri)
            self.location = url.render_as_string(hide_password=True)
            self.engine = _open_server(url)
        with self.reading() as connection:
            inspector = inspect(connection)
            self.columns: dict[str, list[str]] = {
                table: [column["name"] for column in inspector.get_columns(table)]
                for table in inspector.get_table_names()
            }
            self.leading: dict[str, set[str]] = {
                table: {
                    str(index["column_names"][0])
                    for index in inspector.get_indexes(table)
                    if index["column_names"]
                }
                | set((inspector.get_pk_constraint(table)["constrained_columns"] or [""])[:1])
                for table in self.columns
            }

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                raise InvalidParameterValue(_no_database(self.location)) from error
            raise StorageError(
                f"could not read {self.location}: {cause}; check that nobody else holds it and "
                "that it can be read, then try again: what was imported stays"
            ) from error

    def count(self, name: str) -> int:
        """How many rows a table has."""
        with self.reading() as connection:
            return connection.execute(select(func.count()).select_from(table(name))).scalar() or 0

    def entity(
        self, kind: str, name: str, read: Callable[[Connection, K], T], key: K
    ) -> T | Unreadable:
        """What one state of the database says of an entity, or why it cannot be read."""
        try:
            with self.reading() as connection:
                return read(connection, key)
        except InvalidParameterValue as error:
            return Unreadable(kind, name, error.message)
        except TrackletException:
            raise
        except (ValueError, TypeError) as error:
            return Unreadable(kind, name, f"its rows hold what does not belong there: {error}")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _open_sqlite(self, path: str) -> Engine:
        def connect() -> sqlite3.Connection:
            uri = f"file:{quote(path)}?mode=ro"
            try:
                return _probed(uri)
            except sqlite3.OperationalError as error:
                # A file in WAL mode in a folder that cannot be written to.
                unwritable = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_OURS
                if not unwritable or os.path.exists(f"{path}-wal"):
                    raise
                return _probed(f"{uri}&immutable=1")

        engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
        event.listen(engine, "begin", begin)
        return engine


class DatabaseSource(ImportSource):
    """What the records in databases have in common.

    Args:
        database: The database, which this source closes.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        super().__init__()
        self._database = database
        self.location = database.location
        folder = None if database.path is None else os.path.dirname(database.path)
        self._places = ArtifactPlaces(folder, self.oddities)
        self.artifact_roots = self._places.roots

    def close(self) -> None:
        self._database.close()

    def count_runs(self) -> int:
        return self._database.count("runs")

    def _entities(
        self,
        kind: str,
        read: Callable[[Connection, K], T | None],
        named: Iterable[tuple[K, str]],
    ) -> Iterator[T | Unreadable]:
        """What is read by keys, but for what was removed since; the names are for the report."""
        for key, name in named:
            record = self._database.entity(kind, name, read, key)
            if record is not None:
                yield record

    def _paged(self, statement: Any, by: Any, last: Any) -> Iterator[Any]:
        """The rows of a statement in the order of their first column, a page at a time."""
        while True:
            page_of = statement.where(by > last).order_by(by).limit(_PAGE)
            with self._database.reading() as connection:
                page = connection.execute(page_of).all()
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1][0]


class Row(dict[str, Any]):
    """A row in which a column that the schema lacks is None."""

    def __missing__(self, key: str) -> None:
        return None


class Tables:
    """The tables that are there, with the columns that they have."""

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


def _probed(uri: str) -> sqlite3.Connection:
    connection = connect(uri, uri=True, timeout=60)
    set_up(connection)
    # What was grouped for reading goes to a temporary file, not to the memory.
    connection.execute("PRAGMA temp_store = FILE")
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        connection.rows("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.Error as error:
        connection.close()
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise InvalidParameterValue(_no_database(uri)) from error
        raise
    return connection


def _open_server(url: Any) -> Engine:
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    try:
        return create_engine(url, isolation_level="REPEATABLE READ")
    except ModuleNotFoundError as error:
        raise MissingDependency(
            str(error.name), purpose=f"reading {url.render_as_string(hide_password=True)}"
        ) from error
    except exc.SQLAlchemyError as error:
        raise InvalidParameterValue(
            f"{url.render_as_string(hide_password=True)!r} is no database URI that can be "
            f"imported: {error}"
        ) from error


def _sqlite_path(path_or_uri: str) -> str | None:
    """The SQLite file that is meant; None for the URI of another database."""
    if "://" not in path_or_uri:
        return os.path.abspath(path_or_uri)
    try:
        url = make_url(path_or_uri)
    except (exc.ArgumentError, ValueError) as error:
        raise InvalidParameterValue(
            f"{path_or_uri!r} is no database URI; give the path of an mlflow.db, or a URI such as "
            "sqlite:////path/to/mlflow.db"
        ) from error
    if not url.drivername.startswith("sqlite"):
        return None
    if not url.database or url.database == ":memory:":
        raise InvalidParameterValue(f"{path_or_uri!r} names no file; give the path of an mlflow.db")
    return os.path.abspath(url.database)


def _check_file(path: str) -> None:
    try:
        with open(path, "rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        raise InvalidParameterValue(
            f"there is nothing at {path!r}; give the path of an mlflow.db or of an mlruns folder"
        ) from None
    except OSError as error:
        raise StorageError(f"could not read {path!r}: {error.strerror}") from error
    if header != _SQLITE_HEADER:
        raise InvalidParameterValue(_no_database(path))


def _no_database(path: str) -> str:
    return f"{path!r} is no SQLite database; give the path of an mlflow.db, or of an mlruns folder"
