"""The block index of a metric: what each few kilobytes or rows of it hold, so that few are read.

It is a cache, built at the first look and extended by what was appended since; deleted or damaged,
it comes back. Whoever draws a million points takes most blocks whole, and parses only those that
are wider than what it draws.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from array import array
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from tracklet import lazy, settings
from tracklet.reading.connection import Reader
from tracklet.stores import disk
from tracklet.stores.files import points

_BLOCK: Final = 4096
_READ: Final = 256 * _BLOCK
_FIELDS: Final = 12
_HEAD: Final = struct.Struct("<8sQQI4x")
_MAGIC: Final = b"blocks01"
_KEPT_FROM: Final = 64 * _BLOCK
_ROWS: Final = 128  # about as many points as a block of text has
_PAGE: Final = 1 << 16
_ROWS_KEPT_FROM: Final = 64 * _ROWS
_POINT: Final = "id, timestamp, value, step"
_LAST: Final = (1 << 63) - 1

Columns = tuple[list[int], list[float], list[int]]

_log = lazy.logger(__name__)


class Block(NamedTuple):
    """What some lines of a metric file or rows of a table hold; floats, for the cache's sake.

    Attributes:
        offset: Where they begin: the byte, or the row before the first.
        points: How many points they are.
        step_min: The smallest step.
        step_max: The greatest one.
        time_min: The earliest timestamp, ms.
        time_max: The latest one.
        least: The smallest finite value; NaN if none is finite.
        most: The greatest finite value.
        total: The sum of the finite values.
        last: The last finite value.
        odd: How many values are not finite.
        size: How many bytes they are, or how far behind ``offset`` the last row is.
    """

    offset: float
    points: float
    step_min: float
    step_max: float
    time_min: float
    time_max: float
    least: float
    most: float
    total: float
    last: float
    odd: float
    size: float


def block_of(offset: int, size: int, points: Columns) -> Block:
    """The block of some points, at least one: their timestamps, values and steps."""
    times, values, steps = points
    finite = values
    if not all(map(math.isfinite, values)):
        finite = [value for value in values if math.isfinite(value)]
    return Block(
        offset,
        len(values),
        min(steps),
        max(steps),
        min(times),
        max(times),
        min(finite, default=math.nan),
        max(finite, default=math.nan),
        total_of(finite),
        finite[-1] if finite else math.nan,
        len(values) - len(finite),
        size,
    )


class Blocks:
    """The blocks of a metric file, as it is when this is made.

    Args:
        path: The file; one that is not there has no points.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[Block] = []
        self._cache = _Cache(os.path.abspath(path))
        try:
            with disk.opened(path) as file:
                self._catch_up(file.fileno())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            pass  # a key such as loss is a folder where only loss/train was measured

    @property
    def count(self) -> int:
        """How many points there are."""
        return int(sum(row.points for row in self.rows))

    def read(self, rows: Sequence[Block]) -> Columns:
        """The timestamps, values and steps of the points in some blocks, in the file's order."""
        found: Columns = ([], [], [])
        if not rows:
            return found
        with disk.opened(self.path) as file:
            for offset, size in _runs_of(rows):
                data = os.pread(file.fileno(), size, offset)
                for column, part in zip(found, points.columns_of(data), strict=True):
                    column += part  # type: ignore[arg-type]
        return found

    def _catch_up(self, fd: int) -> None:
        number = os.fstat(fd).st_ino
        self.rows, covered = self._cache.load(number, lambda covered: _check(fd, covered))
        known = len(self.rows)
        # The last block may be a short one: it is made anew, longer.
        if self.rows and self.rows[-1].size < _BLOCK:
            covered = int(self.rows.pop().offset)
        end = covered
        rest = b""
        while data := os.pread(fd, _READ, end + len(rest)):
            data = rest + data
            whole = data.rfind(b"\n") + 1
            self._add(data[:whole], end)
            end += whole
            rest = data[whole:]
            if len(rest) > _READ:  # no line of a metric
                end += len(rest)
                rest = b""
        if end >= _KEPT_FROM and (len(self.rows) != known or end != covered):
            self._cache.save(self.rows, number, end, _check(fd, end))

    def _add(self, data: bytes, offset: int) -> None:
        """Cut whole lines into blocks."""
        start = 0
        while start < len(data):
            stop = data.find(b"\n", start + _BLOCK - 1) + 1 or len(data)
            found = points.columns_of(data[start:stop])
            if found[1]:
                self.rows.append(block_of(offset + start, stop - start, found))
            start = stop


class RowBlocks:
    """The blocks of a metric in a database, as it is when this is made.

    Args:
        ask: Asks the database.
        where: Which one, and which run.
        run: The row of the run.
        key: The metric.
    """

    def __init__(
        self, ask: Callable[[Callable[[Reader], Any]], Any], where: str, run: int, key: str
    ) -> None:
        self._ask, self._run, self._key = ask, run, key
        self._cache = _Cache(f"{where}\n{key}")
        self.rows: list[Block] = []
        ask(self._catch_up)

    def read(self, rows: Sequence[Block]) -> Columns:
        """The timestamps, values and steps of the points in some blocks, as they were logged."""
        found: Columns = ([], [], [])
        if not rows:
            return found

        def answer(reader: Reader) -> None:
            for offset, size in _runs_of(rows):
                _put(found, self._select(reader, _POINT, offset, offset + size, "ORDER BY id"))

        self._ask(answer)
        return found

    def _catch_up(self, reader: Reader) -> None:
        # Rows that were written at once may be seen later than such of greater ids: so all are
        # counted that are known.
        def count(covered: int) -> int:
            ((known,),) = self._select(reader, "count(*)", 0, covered)
            return known

        self.rows, covered = self._cache.load(self._run, count)
        known = len(self.rows), covered
        if self.rows and self.rows[-1].points < _ROWS:
            covered = int(self.rows.pop().offset)
        total = int(sum(row.points for row in self.rows))
        while page := self._select(reader, _POINT, covered, _LAST, f"ORDER BY id LIMIT {_PAGE}"):
            for start in range(0, len(page), _ROWS):
                some = page[start : start + _ROWS]
                last = some[-1][0]
                self.rows.append(block_of(covered, last - covered, _put(([], [], []), some)))
                covered = last
            total += len(page)
            if len(page) < _PAGE:
                break
        if total >= _ROWS_KEPT_FROM and known != (len(self.rows), covered):
            self._cache.save(self.rows, self._run, covered, total)

    def _select(self, reader: Reader, what: str, after: int, until: int, tail: str = "") -> Any:
        """What rows of the metric hold, of those behind one up to another."""
        mark = "?" if reader.dialect == "sqlite" else "%s"
        asked = (
            f"SELECT {what} FROM metrics WHERE run = {mark} AND key = {mark} "
            f"AND id > {mark} AND id <= {mark} {tail}"
        )
        return reader.rows(asked, [self._run, self._key, after, until])


def _put(found: Columns, rows: Sequence[Sequence[Any]]) -> Columns:
    """Put the rows of a table behind what was found."""
    times, values, steps = found
    times += [row[1] for row in rows]
    values += [math.nan if row[2] is None else float(row[2]) for row in rows]
    steps += [row[3] for row in rows]
    return found


class _Cache:
    """Where blocks are kept.

    Args:
        subject: Whose they are.
    """

    def __init__(self, subject: str) -> None:
        name = blake2b(os.fsencode(subject), digest_size=16).hexdigest()
        home = settings.option("CACHE_DIR") or settings.cache_dir()
        self._folder = os.path.join(home, "series", name[:2])
        self._path = os.path.join(self._folder, name)

    def load(self, number: int, check: Callable[[int], int]) -> tuple[list[Block], int]:
        """What is kept, if it is of this very subject, and how far that reaches."""
        try:
            with open(self._path, "rb") as file:
                data = file.read()
            magic, owner, covered, known = _HEAD.unpack_from(data)
            if (magic, owner) != (_MAGIC, number) or known != check(covered):
                return [], 0
            kept = array("d", data[_HEAD.size :])
        except (OSError, ValueError, struct.error):
            return [], 0
        rows = [Block(*kept[at : at + _FIELDS]) for at in range(0, len(kept), _FIELDS)]
        if not rows or rows[-1].offset + rows[-1].size > covered:
            return [], 0
        return rows, covered

    def save(self, rows: Sequence[Block], number: int, covered: int, check: int) -> None:
        """Keep blocks, where there is a place for them."""
        kept = array("d", (field for row in rows for field in row))
        head = _HEAD.pack(_MAGIC, number, covered, check)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            disk.publish(self._path, head + kept.tobytes(), self._folder)
        except OSError as error:
            _log.debug("the blocks of a metric are not kept: %s", error)


def total_of(finite: Sequence[float]) -> float:
    """The sum of finite values; infinite where floats reach no further."""
    try:
        return math.fsum(finite)
    except OverflowError:
        return sum(finite)


def _check(fd: int, covered: int) -> int:
    """What the last bytes that are covered look like: another file has others."""
    start = max(0, covered - 256)
    return zlib.crc32(os.pread(fd, covered - start, start))


def _runs_of(rows: Sequence[Block]) -> list[tuple[int, int]]:
    """Offsets and sizes, with those that adjoin as one."""
    found: list[tuple[int, int]] = []
    for row in rows:
        offset, size = int(row.offset), int(row.size)
        if found and sum(found[-1]) == offset:
            found[-1] = found[-1][0], found[-1][1] + size
        else:
            found.append((offset, size))
    return found
