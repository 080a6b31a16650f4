"""How the index catches up with the folders.

Cheap signs are read before every search: the change log that our writers append to, the times of
the folders that hold entities, and all runs that may be in progress. What other programs change
in other ways is found by a look at every folder at a process's first search, and by a look at
every file in turn, which costs little each time.
Nothing is locked while the folders are read; the index is locked to write what was found.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import Final

from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.reading import bulk
from tracklet.reading.intake import Found, kind_of, read_folder
from tracklet.reading.ledger import Entry, Ledger
from tracklet.reading.stamps import (
    EXPERIMENT,
    Kind,
    Stamp,
    stamp,
)
from tracklet.stores.files import layout, leases
from tracklet.stores.files.tails import Tails

_SPACING: Final = 20
_MAX_SLICE_SECONDS: Final = 0.25
_WATCHED: Final = 20
_RUNNING_AT_ONCE: Final = 100
_BATCH: Final = 500
_MAX_PENDING: Final = 1000
_MAX_LOG_BYTES: Final = 4 << 20
_log = logging.getLogger(__name__)


class Refresh(Ledger):
    """Catches one database up with one store's folder.

    Args:
        root: The store's folder.
        db: The index; its schema is in place.
    """

    def __init__(self, root: str, db: sqlite3.Connection) -> None:
        super().__init__(db)
        self.root = root
        self._tails = Tails()
        self._times: dict[str, int] = {}
        self._pending: set[str] = set()
        self._watched: dict[str, None] = {}
        self._warned: set[str] = set()
        self._swept = False
        self._sliced_at = 0.0
        self._turns: list[str] | None = None
        self._seconds_per_look = 0.0
        self._next_running = 0.0
        self._unanalyzed = 0

    # -- the way through a refresh -----------------------------------------------------------

    def complete(self) -> bool:
        """Whether the folders were looked through to the end at least once."""
        return bool(self._state("complete"))

    def run(self) -> None:
        """Catch up."""
        self._reload()
        offset, announced = self._announced()
        dirty: dict[str, bool] = dict.fromkeys(announced, True)
        for path in self._watched:
            dirty.setdefault(path, True)
        self._watch(announced)
        for path in self._running():
            dirty.setdefault(path, True)
        for path in self._new_and_gone():
            dirty.setdefault(path, True)
        first = not self._swept
        for path in self._slice():
            dirty.setdefault(path, True)
        if first:
            for path in list(self.known):
                dirty.setdefault(path, False)
        self._take_in(dirty)
        if offset is not None:
            self._set_state("offset", offset)
        self._swept = True
        self._set_state("complete", 1)
        if self._unanalyzed > 1000 + len(self.known) // 2:
            # The planner needs to know how selective the indexes are.
            self._unanalyzed = 0
            with self._writing():
                self.db.execute("ANALYZE")

    def _slice(self) -> list[str]:
        """The folders whose turn it is to be looked at file by file.

        All have their turn, at a pace that takes a twentieth of the time: in a large store each
        search looks at some, in a small one at all.
        """
        now = time.time()
        if not self._seconds_per_look:
            self._seconds_per_look = (self._state("nanoseconds_per_look") or 500_000) / 1e9
        since = max(0.0, now - (self._sliced_at or self._state("sliced_at")))
        seconds = min(since / _SPACING, _MAX_SLICE_SECONDS)
        count = min(int(seconds / self._seconds_per_look), len(self.known))
        if count == 0:
            return []
        if not self._turns:
            done = self._state("turn") if self._turns is None else 0
            self._turns = sorted(self.known, reverse=True)
            if done < len(self._turns):
                del self._turns[len(self._turns) - done :]
        chosen = self._turns[-count:]
        del self._turns[-count:]
        self._sliced_at = now
        if now - self._state("sliced_at") > 1:
            self._set_state("sliced_at", int(now))
            self._set_state("nanoseconds_per_look", int(self._seconds_per_look * 1e9))
            self._set_state("turn", max(0, len(self.known) - len(self._turns)))
        return chosen

    # -- what to look at ---------------------------------------------------------------------

    def _announced(self) -> tuple[int | None, list[str]]:
        """How far the change log was read, and which folders it names since last time."""
        path = layout.changes_file(self.root)
        offset = self._state("offset")
        try:
            size = os.stat(path).st_size
        except OSError:
            return (0 if offset else None), []
        if size == offset:
            return None, []
        if size < offset:  # emptied, or another log: only a sweep can tell
            offset = 0
            self._swept = False
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        lines = dict.fromkeys(data[:end].decode("utf-8", "replace").split("\n"))
        offset += end
        if offset > _MAX_LOG_BYTES:
            with contextlib.suppress(OSError):
                os.truncate(path, 0)
                offset = 0
        return offset, [path for line in lines if line for path in self._named(line)]

    def _named(self, line: str) -> Iterator[str]:
        """The folders that a line of the change log may mean."""
        parts = line.split("/")
        if ".." in parts or line.startswith("/"):
            return
        if parts[0] == layout.MODELS:
            yield line
        elif len(parts) <= 3:
            yield line
            yield f"{layout.TRASH}/{line}"
            if len(parts) == 1:
                self._times.pop("", None)
                self._times.pop(line, None)

    def _watch(self, paths: Iterable[str]) -> None:
        """Look at these again for a while: more may follow that is not announced."""
        for path in paths:
            if path in self.known:
                self._watched.pop(path, None)
                self._watched[path] = None
        while len(self._watched) > _WATCHED:
            del self._watched[next(iter(self._watched))]

    def _running(self) -> list[str]:
        """The runs that may be in progress, the latest first; of many, all only now and then."""
        running = list(self._unsettled)
        if len(running) <= _RUNNING_AT_ONCE:
            return running
        running.sort(key=lambda path: self.known[path].entity or 0, reverse=True)
        if time.monotonic() < self._next_running:
            return running[:_RUNNING_AT_ONCE]
        self._next_running = time.monotonic() + _SPACING * self._seconds_per_look * len(running)
        return running

    def _new_and_gone(self) -> Iterator[str]:
        """Folders that appeared or vanished, by the times of the folders that hold them."""
        for path in list(self._pending):
            if os.path.exists(f"{self.root}/{path}/{layout.META}"):
                self._pending.discard(path)
                yield path
        yield from self._listed("", layout.NOT_EXPERIMENTS)
        yield from self._listed(layout.TRASH, frozenset())
        for path in list(self._experiments):
            yield from self._listed(path, layout.NOT_RUNS)
            yield from self._listed(f"{path}/{layout.MODELS}", frozenset())
        yield from self._listed(layout.MODELS, frozenset())

    def _listed(self, home: str, skipped: frozenset[str]) -> Iterator[str]:
        """The unknown and the vanished folders in one folder, if it changed."""
        folder = f"{self.root}/{home}" if home else self.root
        now = time.time_ns()
        try:
            changed = os.stat(folder).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            changed = 0
        if self._times.get(home) == changed:
            return
        present: set[str] = set()
        if changed:
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(folder) as entries,
            ):
                for entry in entries:
                    if entry.name in skipped or entry.name.startswith(layout.PRIVATE):
                        continue
                    if entry.is_dir():
                        present.add(f"{home}/{entry.name}" if home else entry.name)
        settled = now - changed > (20_000_000 if changed % 1_000_000_000 else 2_000_000_000)
        self._times[home] = changed if settled else -1
        yield from present - self.known.keys()
        prefix = f"{home}/" if home else ""
        depth = prefix.count("/")
        yield from [
            path
            for path in self.known
            if path.startswith(prefix) and path.count("/") == depth and path not in present
        ]

    # -- taking in ---------------------------------------------------------------------------

    def _take_in(self, dirty: dict[str, bool]) -> None:
        """Look at folders, read those that changed and write them down, a batch at a time."""
        found: list[Found] = []
        waiting = list(dirty.items())
        waiting.reverse()
        seen: set[str] = set()
        looks, seconds = 0, 0.0
        while waiting:
            path, deep = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            kind = kind_of(path)
            if kind is None:
                continue
            began = time.perf_counter()
            result = self._look(path, kind, deep)
            if result is None:
                if deep:
                    looks += 1
                    seconds += time.perf_counter() - began
                continue
            found.append(result)
            if kind is EXPERIMENT and result.gone:
                below = f"{path}/"
                for other in [other for other in self.known if other.startswith(below)]:
                    if other not in seen:
                        waiting.append((other, True))
            elif kind is EXPERIMENT and path not in self.known:
                inside = (
                    *self._listed(path, layout.NOT_RUNS),
                    *self._listed(f"{path}/{layout.MODELS}", frozenset()),
                )
                waiting.extend((other, True) for other in inside)
            if len(found) >= _BATCH:
                self._write(found)
                found = []
        self._write(found)
        if looks:
            measured = max(seconds / looks, 5e-6)
            self._seconds_per_look += (measured - self._seconds_per_look) / 4

    def _look(self, path: str, kind: Kind, deep: bool) -> Found | None:
        """What to write down of a folder; None if it is as the index knows it."""
        folder = f"{self.root}/{path}"
        entry = self.known.get(path)
        now = time.time_ns()
        looks = stamp(folder, kind, now, deep=deep or entry is None)
        if looks is None:
            if len(self._pending) < _MAX_PENDING and os.path.isdir(folder):
                self._pending.add(path)
            return Found(path, kind, Stamp(0), gone=True) if entry is not None else None
        if entry is not None and entry.quick and looks.quick == entry.quick:
            same = not deep or looks.deep == entry.deep
            if same and not (entry.running and leases.is_lost(folder)):
                return None
        if not looks.deep:
            looks = stamp(folder, kind, now, deep=True) or looks
        try:
            return read_folder(path, folder, kind, looks, self._tails)
        except (ResourceDoesNotExist, FileNotFoundError):
            return Found(path, kind, Stamp(0), gone=True) if entry is not None else None
        except (TrackletException, OSError, ValueError) as error:
            if path not in self._warned:
                self._warned.add(path)
                _log.warning("left out of searches: %s", error)
            return Found(path, kind, looks)

    # -- the database ------------------------------------------------------------------------

    def _write(self, found: list[Found]) -> None:
        if not found:
            return
        # What vanished goes first: a folder that moved comes back under another path.
        found.sort(key=lambda item: not item.gone)
        with self._writing():
            for item in found:
                self._write_one(item)
        self._unanalyzed += len(found)

    def _write_one(self, item: Found) -> None:
        db = self.db
        entry = self.known.get(item.path)
        if item.gone:
            if entry is not None and entry.entity is not None:
                bulk.remove(db, item.kind.table, entry.entity)
            db.execute("DELETE FROM folders WHERE path = ?", (item.path,))
            self._unknow(item.path)
            self._watched.pop(item.path, None)
            self._times.pop(item.path, None)
            self._times.pop(f"{item.path}/{layout.MODELS}", None)
            self._tails.forget(f"{self.root}/{item.path}")
            return
        entity: int | None = None
        if entry is not None and entry.entity is not None:
            bulk.remove(db, item.kind.table, entry.entity)
        if item.put is not None:
            db.execute("SAVEPOINT entity")
            try:
                entity = item.put(db)
            except (sqlite3.IntegrityError, OverflowError, UnicodeError) as error:
                db.execute("ROLLBACK TO entity")
                if item.path not in self._warned:
                    self._warned.add(item.path)
                    _log.warning("left out of searches: %s/%s: %s", self.root, item.path, error)
            db.execute("RELEASE entity")
        db.execute(
            "INSERT OR REPLACE INTO folders (path, kind, entity, quick, deep, running) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                item.path,
                item.kind.name,
                entity,
                item.stamp.quick,
                item.stamp.deep,
                int(item.running),
            ),
        )
        self._know(
            item.path, Entry(item.kind, entity, item.stamp.quick, item.stamp.deep, item.running)
        )

    def forget(self) -> None:
        """Start from what is written, after a refresh that could not write what it had found."""
        super().forget()
        self._times.clear()
        self._tails = Tails()
