"""No test of the services fails because an example took long; and databases for them.

The PostgreSQL is a real one, started once from the system's server programs.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

PROGRAMS = Path("/usr/lib/postgresql")


def _programs() -> Path | None:
    """The folder of the newest server programs of at least version 15."""
    found = [
        folder / "bin"
        for folder in PROGRAMS.glob("*")
        if folder.name.isdecimal()
        and int(folder.name) >= 15
        and (folder / "bin" / "initdb").exists()
    ]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The folder of the socket of a running server; its superuser is ``tracklet``."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's server programs are absent: apt-get install postgresql-15")
    pytest.importorskip("psycopg", reason="psycopg is absent: pip install 'psycopg[binary]'")
    home = Path(tempfile.mkdtemp(prefix="tracklet-pg-", dir="/tmp"))
    prefix: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            shutil.rmtree(home)
            pytest.skip("running as root, and there is no user 'postgres' to run the server as")
        os.chown(home, user.pw_uid, user.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [*prefix, str(programs / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=home,
        )

    data = str(home / "data")
    call(
        "initdb", "-D", data, "-U", "tracklet", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync",
    )  # fmt: skip
    options = f"-k {home} -c listen_addresses='' -c fsync=off -c max_connections=200"
    call("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield str(home)
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


@pytest.fixture
def fresh_database(postgresql: str) -> Iterator[str]:
    """The URI of an empty database."""
    with _database(postgresql) as name:
        yield _uri(postgresql, name)


@pytest.fixture(scope="session")
def made_database(postgresql: str) -> Iterator[str]:
    """The name of a database in which a store has been made, to be copied."""
    with _database(postgresql) as name:
        _make(_uri(postgresql, name))
        yield name


@pytest.fixture
def store_database(postgresql: str, made_database: str) -> Iterator[str]:
    """The URI of a database of the test's own with an empty store in it."""
    with _database(postgresql, f"TEMPLATE {made_database}") as name:
        yield _uri(postgresql, name)


def _make(uri: str) -> None:
    from tracklet_services.sql import SqlStore

    SqlStore(uri).close()


@contextmanager
def _database(server: str, option: str = "") -> Iterator[str]:
    """The name of a new database, which is dropped afterwards."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(
        host=server, user="tracklet", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name} {option}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _uri(server: str, name: str) -> str:
    return f"postgresql://tracklet@/{name}?host={server}"


@pytest.fixture(scope="session")
def made_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file in which a store has been made, to be copied."""
    path = tmp_path_factory.mktemp("made") / "record.db"
    _make(f"sqlite:///{path}")
    return path


@pytest.fixture
def store_file(made_file: Path, tmp_path: Path) -> str:
    """The URI of a SQLite file of the test's own with an empty store in it."""
    from tracklet_services.sql.database import ARTIFACTS

    path = tmp_path / "record.db"
    shutil.copyfile(made_file, path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE experiments SET artifact_location = ?", (f"{tmp_path}/{ARTIFACTS}/0",))
    return f"sqlite:///{path}"
