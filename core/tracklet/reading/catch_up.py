"""How the index catches up with the folders.

What it knows of them is written in its database, beside what they hold, and asked for by path:
nothing of it is loaded whole. Before every search cheap signs are read: the change log that our
writers append to, the times of the folders that hold entities, and the runs that may be in
progress. What other programs change in place in a folder that is settled is found by a look at
each in turn, which may take a twentieth of the time.
Nothing is locked while the folders are read; the index is locked to write what was found.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from tracklet import liveness
from tracklet.entities import Run, RunData, RunInputs, RunOutputs
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.frozen import Frozen, as_dictionary, replace
from tracklet.reading import bulk
from tracklet.reading.connection import Connection, sqlite3
from tracklet.reading.fingerprints import (
    EXPERIMENT,
    LOGGED_MODEL,
    REGISTERED_MODEL,
    RUN,
    Kind,
    Look,
    changed_ns,
    kind_of,
    look,
)
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout, points, reader, run_state
from tracklet.stores.files.points import LatestPoint

SCHEMA: Final = """
CREATE TABLE folders (
    path TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    entity INTEGER,
    fingerprint INTEGER NOT NULL,
    settled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX ix_folders_unsettled ON folders (entity) WHERE NOT settled;
CREATE INDEX ix_folders_experiments ON folders (path) WHERE kind = 'experiment';
CREATE TABLE homes (
    path TEXT PRIMARY KEY,
    changed INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    took INTEGER NOT NULL,
    due INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE left_out (
    folder TEXT, path TEXT, reason TEXT NOT NULL, PRIMARY KEY (folder, path)
) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

_LATEST: Final = 20
_WATCHED: Final = 4
_UNSETTLED_AT_ONCE: Final = 100
_SPACING: Final = 20
_MAX_TURN_SECONDS: Final = 0.002
_QUICK_NS: Final = 2_000_000
_BATCH: Final = 500
_MAX_LOG_BYTES: Final = 4 << 20
_LISTING: Final = "*"

# What says that an entity does not fit into the tables.
_UNFIT: Final = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
# What reading a folder raises that holds anything: it costs that folder, not the search.
_UNREADABLE: Final = (
    TrackletException,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)

Put = Callable[[Connection], int]


class Entry(Frozen):
    """What is known of a folder.

    Attributes:
        entity: The row of its entity.
        fingerprint: What it looked like.
        settled: Whether the cheap signs tell of changes. They do not of a run in progress, of a
            fingerprint of 0 and of a folder whose document is yet to come.
    """

    entity: int | None
    fingerprint: int
    settled: bool

    @property
    def pending(self) -> bool:
        """Whether it is known only as a folder that may get a document."""
        return self.entity is None and not self.fingerprint


class Home(Frozen):
    """What is known of a folder that holds entities; times are in ns.

    Attributes:
        changed: When folders in it came or went, as far as all of them are known.
        listed: When it was listed.
        took: What that took.
        due: Whether it is to be listed again, although it has not changed since.
    """

    changed: int = 0
    listed: int = 0
    took: int = 0
    due: bool = False


class Found(Frozen):
    """A folder that was looked at.

    Its entity is a run that was read, or is taken in by ``put``; without both there is none.
    """

    path: str
    kind: Kind
    fingerprint: int
    running: bool = False
    run: tuple[Run, Iterable[Any]] | None = None
    put: Put | None = None
    gone: bool = False
    left_out: Mapping[str, str] = {}

    @property
    def settled(self) -> bool:
        """Whether the cheap signs will tell of changes."""
        return bool(self.fingerprint) and not self.running


class CatchUp:
    """Catches one database up with one store's folder.

    Args:
        root: The store's folder.
        db: The index; its tables are there.
    """

    def __init__(self, root: str, db: Connection) -> None:
        self.root = root
        self.db = db
        self._version: int | None = None
        self._states: dict[str, Any] = {}
        self._homes: dict[str, Home] = {}
        self._noticed: dict[str, Home] = {}
        self._experiments: set[str] = set()
        self._tails = Tails()
        self._watched: dict[str, None] = {}
        self._unlisted: dict[str, Mapping[str, str]] = {}
        self._turned = False
        self._turned_at = 0.0
        self._turn_ended = ""
        self._seconds_per_look = 0.0
        self._unanalyzed = 0
        self._filling = self._in_batch = False

    # -- the way through -----------------------------------------------------------------------

    def complete(self) -> bool:
        """Whether the folders were looked through to the end at least once."""
        self._reload()
        return bool(self._states.get("complete"))

    def run(self) -> None:
        """Catch up."""
        try:
            with contextlib.nullcontext() if self.complete() else self._building():
                self._catch_up()
        except BaseException:
            self.forget()
            raise
        if self._unanalyzed > 1000:
            ((known,),) = self.db.rows("SELECT coalesce(max(id), 0) FROM runs")
            if self._unanalyzed > 1000 + known // 2:
                # The planner needs to know, roughly, how selective the indexes are.
                self._unanalyzed = 0
                with self._writing():
                    self.db.execute("ANALYZE")

    def _catch_up(self) -> None:
        offset, announced = self._announced()
        dirty = dict.fromkeys(announced, True)
        appeared = self._new_and_gone(announced)
        for paths in (self._watched, self._unsettled(), appeared, self._turn()):
            for path in paths:
                dirty.setdefault(path, False)
        found = self._take_in(dirty)
        with self._batch() if found else contextlib.nullcontext():
            self._write(found)
            self._note({"offset": offset, "complete": 1})
        self._watch(announced)

    def forget(self) -> None:
        """Start from what is written, after a run that could not write what it had found."""
        self._version = None
        self._noticed.clear()
        self._unlisted.clear()
        self._tails = Tails()

    # -- what to look at -----------------------------------------------------------------------

    def _announced(self) -> tuple[int, list[str]]:
        """How far the change log was read, and which folders it names since last time."""
        path = layout.changes_file(self.root)
        offset = self._states.get("offset", 0)
        try:
            size = os.stat(path).st_size
        except OSError:
            size = 0
        if size == offset:
            return offset, []
        if size < offset:  # emptied, or another log: only a look at all can tell
            return 0, self._paths("SELECT path FROM folders")
        try:
            with disk.opened(path) as file:
                file.seek(offset)
                data = file.read()
        except OSError as error:
            contents.pass_over(path, error)
            return offset, []
        end = data.rfind(b"\n") + 1
        lines = dict.fromkeys(data[:end].decode("utf-8", "replace").split("\n"))
        offset += end
        if offset > _MAX_LOG_BYTES:
            with contextlib.suppress(OSError):
                disk.empty(path)
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
            if len(parts) == 1 or f"{layout.TRASH}/{parts[0]}" in self._experiments:
                yield f"{layout.TRASH}/{line}"
            if len(parts) == 1:
                self._homes.pop("", None)
                self._homes.pop(line, None)

    def _watch(self, paths: list[str]) -> None:
        """Look at these again for a while: more may follow that is not announced."""
        for path in paths[-2 * _WATCHED :]:
            if self._entry(path) is not None:
                self._watched.pop(path, None)
                self._watched[path] = None
        while len(self._watched) > _WATCHED:
            del self._watched[next(iter(self._watched))]

    def _unsettled(self) -> list[str]:
        """The folders that may change at any time; of many, some, and the latest runs."""
        unsettled = "SELECT path FROM folders WHERE NOT settled AND entity"
        return [
            *self._paths(f"{unsettled} IS NULL LIMIT ?", _UNSETTLED_AT_ONCE),
            *self._paths(f"{unsettled} > 0 ORDER BY entity DESC LIMIT ?", _UNSETTLED_AT_ONCE),
        ]

    def _new_and_gone(self, announced: Iterable[str]) -> Iterator[str]:
        """Folders that appeared or vanished, by the times of the folders that hold them."""
        growing = {path.rpartition("/")[0] for path in announced if self._entry(path) is None}
        yield from self._listed("", EXPERIMENT, growing)
        yield from self._listed(layout.TRASH, EXPERIMENT, growing)
        for path in list(self._experiments):
            yield from self._inside(path, growing)
        yield from self._listed(layout.MODELS, REGISTERED_MODEL, growing)

    def _inside(self, experiment: str, growing: Container[str] = ()) -> Iterator[str]:
        yield from self._listed(experiment, RUN, growing)
        yield from self._listed(f"{experiment}/{layout.MODELS}", LOGGED_MODEL, growing)

    def _listed(self, home: str, kind: Kind, growing: Container[str]) -> Iterator[str]:
        """The unknown and the vanished folders in one folder, if it changed.

        A folder of many is not listed at once for what is announced anyway; others may have come
        under the same time, so that it is listed a little later, as for a change that may hide
        another within the clock's tick. That takes a twentieth of the time.
        """
        folder = f"{self.root}/{home}" if home else self.root
        now = time.time_ns()
        try:
            changed = changed_ns(os.stat(folder))
        except (FileNotFoundError, NotADirectoryError):
            changed = 0
        except OSError as error:
            contents.pass_over(folder, error)
            return
        known = self._homes.get(home, Home())
        if known.changed == changed and not known.due:
            return
        explained = known.changed == changed or home in growing
        if explained and known.took > _QUICK_NS and abs(now - known.listed) < _SPACING * known.took:
            if known.changed != changed:
                self._notice(home, replace(known, changed=changed, due=True))
            return
        prefix = f"{home}/" if home else ""
        began = time.perf_counter_ns()
        with contents.noting() as left_out:
            found = self._differences(folder, prefix, kind)
        settled = now - changed > (20_000_000 if changed % 1_000_000_000 else 2_000_000_000)
        self._notice(home, Home(changed, now, time.perf_counter_ns() - began, not settled))
        self._unlisted[f"{prefix}{_LISTING}"] = left_out
        yield from found

    def _notice(self, home: str, known: Home) -> None:
        self._homes[home] = self._noticed[home] = known

    def _differences(self, folder: str, prefix: str, kind: Kind) -> list[str]:
        """The unknown and the vanished folders in one folder."""
        names: list[str] = []
        try:
            names = os.listdir(folder)
        except OSError as error:
            contents.pass_over(folder, error)
        present = {prefix + name for name in names}
        known = self._known(prefix, kind)
        return [
            *(path for path in present - known if self._may_hold(path, len(prefix), kind)),
            *(known - present),
        ]

    def _may_hold(self, path: str, start: int, kind: Kind) -> bool:
        """Whether an entity of some kind may lie at a path whose name starts there."""
        name = path[start:]
        if name in kind.skipped or name.startswith(layout.PRIVATE):
            return False
        folder = f"{self.root}/{path}"
        return contents.is_named(name, folder) and os.path.isdir(folder)

    def _known(self, prefix: str, kind: Kind) -> set[str]:
        """The known folders of one kind that lie next below a folder."""
        if kind is EXPERIMENT:
            known = self._paths("SELECT path FROM folders WHERE kind = 'experiment'")
            return {path for path in known if path.rpartition("/")[0] == prefix[:-1]}
        return set(
            self._paths(
                "SELECT path FROM folders WHERE path > ? AND path < ? AND kind = ?",
                prefix,
                f"{prefix[:-1]}0",  # the character that follows the slash
                kind.name,
            )
        )

    def _turn(self) -> list[str]:
        """The folders whose turn it is to be looked at, whatever the other signs say.

        All have their turn, at a pace that takes a twentieth of the time: in a large store each
        search looks at some, in a small one at all. A process begins with the latest runs.
        """
        now = time.time()
        if not self._seconds_per_look:
            self._seconds_per_look = self._states.get("nanoseconds_per_look", 300_000) / 1e9
        written = self._states.get("turned_at", 0)
        latest: list[str] = []
        if not self._turned:
            self._turned = True
            latest = self._paths(
                "SELECT experiment_id || '/' || run_id FROM runs ORDER BY id DESC LIMIT ?", _LATEST
            )
        if self._turned_at <= written:  # another process has gone on
            self._turned_at = written
            self._turn_ended = self._states.get("turn_ended", "")
        seconds = min(max(0.0, now - self._turned_at) / _SPACING, _MAX_TURN_SECONDS)
        count = int(seconds / self._seconds_per_look)
        if count == 0:
            return latest
        following = "SELECT path FROM folders WHERE path > ? ORDER BY path LIMIT ?"
        chosen = self._paths(following, self._turn_ended, count)
        if len(chosen) < count:
            chosen += self._paths(following, "", count - len(chosen))
        self._turned_at = now
        self._turn_ended = chosen[-1] if chosen else ""
        if now - written > 1:
            self._note(
                {
                    "turned_at": int(now),
                    "turn_ended": self._turn_ended,
                    "nanoseconds_per_look": int(self._seconds_per_look * 1e9),
                }
            )
        return latest + chosen

    # -- taking in -----------------------------------------------------------------------------

    def _take_in(self, dirty: dict[str, bool]) -> list[Found]:
        """Look at folders, read those that changed and write them down, a batch at a time.

        Args:
            dirty: The folders, and whether they are said to have changed.

        Returns:
            The last batch, to be written.
        """
        found: list[Found] = []
        waiting = list(dirty)
        waiting.reverse()
        seen: set[str] = set()
        looks, seconds = 0, 0.0
        while waiting:
            path = waiting.pop()
            kind = kind_of(path)
            if kind is None or path in seen:
                continue
            seen.add(path)
            entry = None if self._filling else self._entry(path)
            began = time.perf_counter()
            result = self._look(path, kind, entry, dirty.get(path, True))
            if result is None:
                looks += 1
                seconds += time.perf_counter() - began
                continue
            found.append(result)
            if kind is EXPERIMENT and result.gone:
                waiting += [*self._reconsidered(f"{layout.TRASH}/{path}"), *self._below(path)]
            elif kind is EXPERIMENT and (entry is None or entry.pending):
                waiting += [*self._reconsidered(f"{layout.TRASH}/{path}"), *self._inside(path)]
            if len(found) >= _BATCH:
                self._write(found)
                found = []
        if looks:
            measured = max(seconds / looks, 5e-6)
            self._seconds_per_look += (measured - self._seconds_per_look) / 4
        return found

    def _look(self, path: str, kind: Kind, entry: Entry | None, changed: bool) -> Found | None:
        """What to write down of a folder; None if it is as the index knows it."""
        with contents.noting() as left_out:
            found = self._seen(path, kind, entry, changed)
        return replace(found, left_out=left_out) if found is not None and left_out else found

    def _seen(self, path: str, kind: Kind, entry: Entry | None, changed: bool) -> Found | None:
        folder = f"{self.root}/{path}"
        fingerprint: int | None = 0
        try:
            if kind is RUN and (changed or entry is None):  # one pass will do
                found = self._read_run(path, folder)
                return None if self._is_known(found.fingerprint, entry, folder) else found
            fingerprint = look(folder, kind)
            if fingerprint is None:
                return self._absent(path, kind, entry)
            if self._is_known(fingerprint, entry, folder):
                return None
            if kind is RUN:
                return self._read_run(path, folder)
            return Found(path, kind, fingerprint, put=_READERS[kind](folder))
        except (ResourceDoesNotExist, FileNotFoundError):
            return self._absent(path, kind, entry)
        except _UNREADABLE as error:
            if isinstance(error, OSError) and not disk.spoils(error):
                raise
            contents.leave_out(folder, error)
            fingerprint = fingerprint or _fingerprint(folder, kind)
            known = entry is not None and entry.pending and not fingerprint
            return None if known else Found(path, kind, fingerprint)

    def _is_known(self, fingerprint: int, entry: Entry | None, folder: str) -> bool:
        if entry is None or not fingerprint or fingerprint != entry.fingerprint:
            return False
        return bool(entry.settled) or not run_state.is_lost(folder)

    def _absent(self, path: str, kind: Kind, entry: Entry | None) -> Found | None:
        """What to write down of a folder that has no document: it may be about to get one."""
        waits = os.path.isdir(f"{self.root}/{path}")
        if not waits:
            return Found(path, kind, 0, gone=True) if entry is not None else None
        if entry is not None and entry.pending:
            return None
        return Found(path, kind, 0)

    def _read_run(self, path: str, folder: str) -> Found:
        """A run, read in the pass that takes its fingerprint."""
        seen = Look()
        document = seen.document(folder)
        if document is None:
            raise ResourceDoesNotExist(folder)
        meta = documents.loads(document, layout.meta(folder))
        contents.check_own(folder, "run", meta)
        meta, lost = reader.settled(folder, meta)
        inputs = seen.at_listed(f"{folder}/{layout.INPUTS}")
        outputs = seen.at_listed(f"{folder}/{layout.OUTPUTS}")
        params = seen.contents(f"{folder}/{layout.PARAMS}", _look_at_text)
        tags = seen.contents(f"{folder}/{layout.TAGS}", _look_at_text)
        info = reader.run_info(folder, meta, tags)
        if lost:
            tags.setdefault(liveness.END_REASON_TAG, liveness.LOST)
        metrics = f"{folder}/{layout.METRICS}"
        running = info.status == "RUNNING"
        latest: list[Any]
        if running:  # only what was appended since the last look is read
            seen.at_files(metrics)
            latest = self._tails.latest(metrics)
        else:
            self._tails.forget(metrics)
            found = seen.contents(metrics, points.look_at_latest)
            latest = [point for point in found.values() if point is not None]
        run = Run(
            info,
            RunData({}, params, tags),
            reader.read_inputs(folder) if inputs else RunInputs(),
            reader.read_outputs(folder) if outputs else RunOutputs(),
        )
        return Found(path, RUN, seen.fingerprint(), running, (run, latest))

    def _reconsidered(self, path: str) -> list[str]:
        """An experiment in the trash and what is in it, which counts unless it is outside too."""
        if self._entry(path) is None:
            return []
        paths = [path, *self._below(path)]
        with self._batch():
            forget = "UPDATE folders SET fingerprint = 0, settled = 0 WHERE path = ?"
            self.db.executemany(forget, [(each,) for each in paths])
        return paths

    # -- the database --------------------------------------------------------------------------

    def _reload(self) -> None:
        """Learn what other processes wrote."""
        ((version,),) = self.db.rows("PRAGMA data_version")
        if version == self._version:
            return
        self._version = version
        self._states = dict(self.db.rows("SELECT name, value FROM state"))
        homes = self.db.rows("SELECT path, changed, listed, took, due FROM homes")
        self._homes = {path: Home(*known) for path, *known in homes}
        self._experiments = set(
            self._paths(
                "SELECT path FROM folders WHERE kind = 'experiment' "
                "AND (entity NOT NULL OR fingerprint)"
            )
        )

    def _paths(self, statement: str, *values: object) -> list[str]:
        return [path for (path,) in self.db.rows(statement, values)]

    def _entry(self, path: str) -> Entry | None:
        rows = self.db.rows(
            "SELECT entity, fingerprint, settled FROM folders WHERE path = ?", (path,)
        )
        return Entry(*rows[0]) if rows else None

    def _below(self, path: str) -> list[str]:
        return self._paths(
            "SELECT path FROM folders WHERE path > ? AND path < ?", f"{path}/", f"{path}0"
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if self.db.in_transaction:  # an interrupt kept it from being ended
            self.db.execute("ROLLBACK")
        self.db.execute("BEGIN IMMEDIATE")
        self._in_batch = True
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        finally:
            self._in_batch = False
        self.db.execute("COMMIT")

    @contextlib.contextmanager
    def _building(self) -> Iterator[None]:
        """Fill an empty index in one transaction, and sort its large indexes at its end.

        Rows that come in no order would be put into an index one by one, each in another place,
        which takes ever longer as it grows.
        """
        with self._writing():
            large = self.db.rows(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL "
                "AND tbl_name IN ('params', 'tags', 'latest_metrics')"
            )
            for name, _ in large:
                self.db.execute(f"DROP INDEX {name}")
            self._filling = True
            try:
                yield
            finally:
                self._filling = False
            for _, statement in large:
                self.db.execute(statement)

    def _note(self, states: dict[str, Any]) -> None:
        """Write down how far this came, and which folders were listed on the way."""
        changed = {k: v for k, v in states.items() if self._states.get(k) != v}
        if not changed and not self._noticed:
            return
        with self._batch():
            self.db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", changed.items())
            self.db.executemany(
                "INSERT OR REPLACE INTO homes VALUES (?, ?, ?, ?, ?)",
                [(home, *as_dictionary(known).values()) for home, known in self._noticed.items()],
            )
            for listing, left_out in self._unlisted.items():
                self._put_left_out(listing, left_out)
        self._states.update(changed)
        self._noticed.clear()
        self._unlisted.clear()

    def _batch(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._in_batch else self._writing()

    def _write(self, found: list[Found]) -> None:
        if not found:
            return
        # What vanished goes first: a folder that moved comes back under another path.
        found.sort(key=lambda item: not item.gone)
        with self._batch():
            for item in found:
                if not self._filling:
                    self._clear(item)
            kept = [item for item in found if not item.gone]
            with contents.noting() as unfit:
                rows = self._put(kept)
            for item in kept:
                left_out = {**item.left_out}
                if (folder := f"{self.root}/{item.path}") in unfit:
                    left_out[folder] = unfit[folder]
                if left_out or not self._filling:
                    self._put_left_out(item.path, left_out)
            self.db.executemany(
                "INSERT OR REPLACE INTO folders (path, kind, entity, fingerprint, settled) "
                "VALUES (?, ?, ?, ?, ?)",
                [
                    (item.path, item.kind.name, row, item.fingerprint, item.settled)
                    for item, row in zip(kept, rows, strict=True)
                ],
            )
        for item, row in zip(kept, rows, strict=True):
            if item.kind is EXPERIMENT and (row is not None or item.fingerprint):
                self._experiments.add(item.path)
        self._unanalyzed += len(found)

    def _clear(self, item: Found) -> None:
        """Forget what was known of a folder's entity, and a folder that is gone at all."""
        db, path = self.db, item.path
        entry = self._entry(path)
        if entry is not None and entry.entity is not None:
            bulk.remove(db, item.kind.table, entry.entity)
        if not item.gone:
            return
        db.execute("DELETE FROM folders WHERE path = ?", (path,))
        self._put_left_out(path, {})
        for gone in (path, f"{path}/{layout.MODELS}"):
            self._homes.pop(gone, None)
            self._noticed.pop(gone, None)
            db.execute("DELETE FROM homes WHERE path = ?", (gone,))
            self._put_left_out(f"{gone}/{_LISTING}", {})
        self._experiments.discard(path)
        self._watched.pop(path, None)
        self._tails.forget(f"{self.root}/{path}/{layout.METRICS}")

    def _put_left_out(self, folder: str, left_out: Mapping[str, str]) -> None:
        """Note what could not be read in a folder, in place of what was noted before."""
        self.db.execute("DELETE FROM left_out WHERE folder = ?", (folder,))
        for path, reason in left_out.items():
            self.db.execute("INSERT INTO left_out VALUES (?, ?, ?)", (folder, path, reason))

    def _put(self, found: Sequence[Found]) -> Sequence[int | None]:
        """Take entities in and return their rows: runs all at once, if none is there already."""
        runs = [item.run for item in found if item.run is not None]
        if len(runs) > 1:
            with contextlib.suppress(*_UNFIT), self._savepoint():
                rows = iter(bulk.put_runs(self.db, runs))
                return [self._put_one(item) if item.run is None else next(rows) for item in found]
        return [self._put_one(item) for item in found]

    def _put_one(self, item: Found) -> int | None:
        try:
            with self._savepoint():
                if item.run is not None:
                    return bulk.put_run(self.db, *item.run)
                return None if item.put is None else item.put(self.db)
        except _UNFIT as error:
            contents.leave_out(f"{self.root}/{item.path}", error)
            return None

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        """Take back what was done in the block when it fails, and no more."""
        self.db.execute("SAVEPOINT entity")
        try:
            yield
        except _UNFIT:
            self.db.execute("ROLLBACK TO entity")
            raise
        finally:
            if self.db.in_transaction:
                self.db.execute("RELEASE entity")


def _fingerprint(folder: str, kind: Kind) -> int:
    """The fingerprint of a folder that could not be read; 0 if not even a look is allowed."""
    try:
        return look(folder, kind) or 0
    except OSError:
        return 0


def _look_at_text(path: str, _: str) -> tuple[os.stat_result, str]:
    status, data = disk.look_and_read(path)
    return status, data.decode("utf-8", "replace")


def _experiment(folder: str) -> Put:
    return partial(bulk.put_experiment, experiment=reader.read_experiment(folder))


def _logged_model(folder: str) -> Put:
    model = reader.read_logged_model(folder)
    measured = [
        point
        for key, path in contents.key_files(f"{folder}/{layout.METRICS}")
        for point in points.read_model_points(path, key, model.model_id).points
    ]
    return partial(bulk.put_logged_model, model=model, points=measured)


def _registered_model(folder: str) -> Put:
    model = reader.read_registered_model(folder)
    versions = reader.read_model_versions(folder, dict(model.aliases))
    return partial(bulk.put_registered_model, model=model, versions=versions)


_READERS: Final[dict[Kind, Callable[[str], Put]]] = {
    EXPERIMENT: _experiment,
    LOGGED_MODEL: _logged_model,
    REGISTERED_MODEL: _registered_model,
}


# -- runs in progress: of their metrics, only what was appended is parsed ----------------------


class Tails:
    """How far the metric files of runs in progress were read, and the latest points up to there."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[int, int, LatestPoint | None]]] = {}

    def latest(self, folder: str) -> list[LatestPoint]:
        """The latest point of each metric in a run's folder of metrics."""
        known = self._known.get(folder, {})
        fresh: dict[str, tuple[int, int, LatestPoint | None]] = {}
        for key, path in contents.key_files(folder):
            try:
                fresh[key] = _read_on(path, key, known.get(key))
            except FileNotFoundError:
                continue
            except OSError as error:
                contents.pass_over(path, error)
                continue
            _, offset, point = fresh[key]
            if point is None and offset:
                contents.leave_out(path, points.NO_POINT)
        self._known[folder] = fresh
        return [point for _, _, point in fresh.values() if point is not None]

    def forget(self, folder: str) -> None:
        """Read the files of a run from their start next time."""
        self._known.pop(folder, None)


def _read_on(
    path: str, key: str, known: tuple[int, int, LatestPoint | None] | None
) -> tuple[int, int, LatestPoint | None]:
    """The file's number, how far it was read, and its latest point."""
    with disk.opened(path) as file:
        status = os.fstat(file.fileno())
        offset, best = 0, None
        if known is not None and known[0] == status.st_ino and status.st_size >= known[1]:
            _, offset, best = known
            file.seek(offset)
        return status.st_ino, *points.latest_of(file.fileno(), key, offset, best)
