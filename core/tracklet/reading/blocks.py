"""The block index of a metric file: what each few kilobytes of it hold, so that few are parsed.

It is a cache, built at the first look and extended by what was appended since; deleted or damaged,
it comes back. Whoever draws a million points takes most blocks whole, and parses only those that
are wider than what it draws.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import zlib
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from tracklet import lazy, settings
from tracklet.stores import disk
from tracklet.stores.files import points

_BLOCK: Final = 4096
_READ: Final = 256 * _BLOCK
_FIELDS: Final = 12
_HEAD: Final = struct.Struct("<8sQQI4x")
_MAGIC: Final = b"blocks01"
_KEPT_FROM: Final = 64 * _BLOCK

_log = lazy.logger(__name__)


class Block(NamedTuple):
    """What some lines of a metric file hold; all are floats, for the cache's sake.

    Attributes:
        offset: Where they begin.
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
        size: How many bytes they are.
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


class Blocks:
    """The blocks of a metric file, as it is when this is made.

    Args:
        path: The file; one that is not there has no points.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[Block] = []
        self._cache = _cache_of(path)
        try:
            with disk.opened(path) as file:
                self._catch_up(file.fileno())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            pass  # a key such as loss is a folder where only loss/train was measured

    @property
    def count(self) -> int:
        """How many points there are."""
        return int(sum(row.points for row in self.rows))

    def read(self, rows: Sequence[Block]) -> tuple[list[int], list[float], list[int]]:
        """The timestamps, values and steps of the points in some blocks, in the file's order."""
        found: tuple[list[int], list[float], list[int]] = ([], [], [])
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
        covered = self._load(fd, number)
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
            self._save(fd, number, end)

    def _add(self, data: bytes, offset: int) -> None:
        """Cut whole lines into blocks."""
        start = 0
        while start < len(data):
            stop = data.find(b"\n", start + _BLOCK - 1) + 1 or len(data)
            times, values, steps = points.columns_of(data[start:stop])
            if values:
                finite = values
                if not all(map(math.isfinite, values)):
                    finite = [value for value in values if math.isfinite(value)]
                self.rows.append(
                    Block(
                        offset + start,
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
                        stop - start,
                    )
                )
            start = stop

    # -- the cache -----------------------------------------------------------------------------

    def _load(self, fd: int, number: int) -> int:
        """Take what is kept, if it is of this very file, and say how far that reaches."""
        if self._cache is None:
            return 0
        try:
            with open(self._cache, "rb") as file:
                data = file.read()
            magic, inode, covered, check = _HEAD.unpack_from(data)
            if (magic, inode) != (_MAGIC, number) or check != _check(fd, covered):
                return 0
            kept = array("d", data[_HEAD.size :])
        except (OSError, ValueError, struct.error):
            return 0
        rows = [Block(*kept[at : at + _FIELDS]) for at in range(0, len(kept), _FIELDS)]
        if not rows or rows[-1].offset + rows[-1].size > covered:
            return 0
        self.rows = rows
        return covered

    def _save(self, fd: int, number: int, covered: int) -> None:
        if self._cache is None:
            return
        kept = array("d", (field for row in self.rows for field in row))
        head = _HEAD.pack(_MAGIC, number, covered, _check(fd, covered))
        with contextlib.suppress(OSError):
            disk.publish(self._cache, head + kept.tobytes(), os.path.dirname(self._cache))


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


def _cache_of(path: str) -> str | None:
    """Where the blocks of a file are kept."""
    name = blake2b(os.fsencode(os.path.abspath(path)), digest_size=16).hexdigest()
    folder = os.path.join(settings.option("CACHE_DIR") or settings.cache_dir(), "series", name[:2])
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        _log.debug("no place for the blocks of %s: %s", path, error)
        return None
    return os.path.join(folder, name)
