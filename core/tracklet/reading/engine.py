"""Connections: how SQLite and PostgreSQL are spoken to."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import StaticPool

BUSY_TIMEOUT_MS = 60_000


def sqlite_engine(
    path: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, private: bool = False
) -> Engine:
    """An engine over a SQLite file; writers wait for one another, readers for no one.

    Args:
        path: The file, or ``":memory:"``.
        busy_timeout_ms: How long a writer waits for another one.
        private: Whether one thread at a time uses the engine, over a single connection.
    """
    single = private or path == ":memory:"
    engine = create_engine(
        f"sqlite:///{path}" if path != ":memory:" else "sqlite://",
        poolclass=StaticPool if single else None,
        connect_args={
            "check_same_thread": False,
            "timeout": busy_timeout_ms / 1000,
            "cached_statements": 256,
        },
    )
    listen(engine, busy_timeout_ms)
    return engine


def listen(engine: Engine, busy_timeout_ms: int) -> None:
    """Set every new SQLite connection up, and take transactions from the driver's hands."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, record: Any) -> None:
        # The driver would begin transactions late, as readers, and could not become writers.
        connection.isolation_level = None
        connection.create_function("tracklet_ilike", 2, _ilike, deterministic=True)
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
        connection.execute("PRAGMA foreign_keys = ON")
        # With a write-ahead log: safe from the death of a process, and from a power cut at flush.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -32000")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        write = connection.get_execution_options().get("tracklet_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _ilike(pattern: str, value: object) -> bool | None:
    if not isinstance(value, str):
        return None
    return _pattern(pattern).fullmatch(value) is not None


@lru_cache(maxsize=128)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile(
        "".join(parts.get(char) or re.escape(char) for char in pattern), re.IGNORECASE | re.DOTALL
    )
