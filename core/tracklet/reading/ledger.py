"""What the index knows of the folders, written in its database beside what they hold."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tracklet.reading.stamps import EXPERIMENT, KINDS, Kind

SCHEMA: Final = """
CREATE TABLE folders (
    path TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    entity INTEGER,
    quick INTEGER NOT NULL,
    deep INTEGER NOT NULL,
    running INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Entry:
    """A folder that the index knows."""

    kind: Kind
    entity: int | None
    quick: int
    deep: int
    running: bool


class Ledger:
    """The folders that are known, kept in step with the database.

    Args:
        db: The index; its schema is in place.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.known: dict[str, Entry] = {}
        self._experiments: set[str] = set()
        self._unsettled: set[str] = set()
        self._states: dict[str, int] = {}
        self._version: int | None = None

    def forget(self) -> None:
        """Read anew what is written before the next look."""
        self._version = None

    def _know(self, path: str, entry: Entry) -> None:
        self.known[path] = entry
        if entry.kind is EXPERIMENT:
            self._experiments.add(path)
        if entry.running or not entry.quick:
            self._unsettled.add(path)
        else:
            self._unsettled.discard(path)

    def _unknow(self, path: str) -> None:
        self.known.pop(path, None)
        self._experiments.discard(path)
        self._unsettled.discard(path)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if self.db.in_transaction:  # an interrupt kept it from being ended
            self.db.execute("ROLLBACK")
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def _reload(self) -> None:
        """Learn what other processes wrote."""
        (version,) = self.db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        self._version = version
        self.known = {}
        self._experiments = set()
        self._unsettled = set()
        for path, kind, entity, quick, deep, running in self.db.execute(
            "SELECT path, kind, entity, quick, deep, running FROM folders"
        ):
            self._know(path, Entry(KINDS[kind], entity, quick, deep, bool(running)))
        self._states = dict(self.db.execute("SELECT name, value FROM state"))

    def _state(self, name: str) -> int:
        if self._version is None:
            self._reload()
        return self._states.get(name, 0)

    def _set_state(self, name: str, value: int) -> None:
        if self._states.get(name) == value:
            return
        self.db.execute("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, value))
        self._states[name] = value
