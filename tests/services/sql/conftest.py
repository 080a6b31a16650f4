"""A real PostgreSQL for the tests, started once from the system's server programs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(
        host=postgresql, user="tracklet", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"postgresql://tracklet@/{name}?host={postgresql}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
