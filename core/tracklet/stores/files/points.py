"""Metric files: one line per point, ``timestamp value step``, in the order of logging.

Forms that are read: ``timestamp value`` (old, step 0), ``timestamp value step`` and
``timestamp value step dataset digest``; in a logged model's files a run id follows the step. A
last line without its line feed was torn by a crash; a line that ends with :data:`TORN` was torn
and marked so by the next writer. Neither is a point. :class:`Appender` writes them.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from tracklet import lazy
from tracklet.entities import Metric
from tracklet.frozen import Frozen
from tracklet.stores import disk
from tracklet.stores.files import contents
from tracklet.validation import MAX_INTEGER, MIN_INTEGER

TORN: Final = b"<torn>"
NO_POINT: Final = "none of its lines is a point"

_TAIL: Final = 1024
_MENDED_TAIL: Final = 4096
_MAX_LINE: Final = 1 << 16
_NO_LINE: Final = b"-"
_NOT_BLANK: Final = bytes(sorted(set(range(256)) - {0x20, 0x0A}))
_SLOTS: Final = {
    name: getattr(Metric, name).__set__ for name in ("key", "value", "timestamp", "step")
}
_close = os.close
_log = lazy.logger(__name__)


class MetricHistory(Frozen):
    """What a metric file holds.

    Attributes:
        points: The points, in file order.
        skipped: How many lines were torn or malformed.
    """

    points: list[Metric]
    skipped: int = 0


def parse_run_points(data: bytes, key: str) -> MetricHistory:
    """The points of a run's metric file."""
    columns = _columns(data)
    if columns is not None:
        return MetricHistory(_metrics(key, *columns))
    return _history(data, lambda line: _run_point(line, key))


def read_model_points(path: str, key: str, model_id: str) -> MetricHistory:
    """The points of a logged model's metric file, if it can be read."""
    return parse_model_points(contents.read_key(path, most=None) or b"", key, model_id)


def parse_model_points(data: bytes, key: str, model_id: str) -> MetricHistory:
    """The points of a logged model's metric file."""
    return _history(data, lambda line: _model_point(line, key, model_id))


def line_of(point: Metric, run_id: str | None = None) -> bytes:
    """The line of a checked point.

    Args:
        run_id: In a logged model's file the run that measured it, or ``"-"`` for none.
    """
    line = b"%d %a %d" % (point.timestamp, float(point.value), point.step)
    if run_id is not None:
        line += b" " + run_id.encode()
    if point.dataset_name is not None:
        line += f" {point.dataset_name} {point.dataset_digest}".encode()
    return line + b"\n"


def _history(data: bytes, parse: Callable[[bytes], Metric]) -> MetricHistory:
    points: list[Metric] = []
    lines, skipped = _lines(data)
    for line in lines:
        try:
            points.append(parse(line.rstrip(b"\r")))
        except (ValueError, IndexError):
            skipped += 1
    return MetricHistory(points, skipped)


class LatestPoint(Frozen):
    """The latest point of a metric; made for many, at a tenth of the price of a Metric."""

    key: str
    value: float
    timestamp: int
    step: int


def look_at_latest(path: str, key: str) -> tuple[os.stat_result, LatestPoint | None]:
    """What a run's metric file looks like, and its latest point; without any it is left out.

    Raises:
        OSError: It cannot be read.
    """
    status, (end, point) = disk.look_and(lambda fd: latest_of(fd, key), path, None)
    if point is None and end:
        contents.leave_out(path, NO_POINT)
    return status, point


def latest_of(
    fd: int, key: str, begin: int = 0, best: LatestPoint | None = None
) -> tuple[int, LatestPoint | None]:
    """Read a run's metric file on, in constant memory.

    Args:
        fd: A descriptor that stands where to read on.
        key: The metric.
        begin: Where that is.
        best: The latest point up to there.

    Returns:
        The end of the last whole line, and the latest point up to there.
    """
    end, rest = begin, b""
    for piece in disk.pieces(fd):
        data = rest + piece if rest else piece
        whole = data.rfind(b"\n") + 1
        point = latest_point(data[:whole], key)
        if point is not None and (best is None or _order(point) > _order(best)):
            best = point
        end += whole
        rest = data[whole:]
        if len(rest) > _MAX_LINE:  # no line of a metric: what is left of it makes it none, either
            end += len(rest) - len(_NO_LINE)
            rest = _NO_LINE
    return end, best


def latest_point(data: bytes, key: str) -> LatestPoint | None:
    """The latest point in whole lines of a run's metric file; None if there is no point.

    Latest is the greatest by (step, timestamp, value), where NaN counts as the least value.
    """
    fields = data.split(b" ")
    if len(fields) == 3 and data.find(b"\n") == len(data) - 1:
        try:
            timestamp, step = _integers(fields[0], fields[2])
            return LatestPoint(key, float(fields[1]), timestamp, step)
        except ValueError:
            return None
    lines = data.count(b"\n")
    fields = data.split() if data.translate(None, _NOT_BLANK) == b"  \n" * lines else []
    if lines and len(fields) == 3 * lines:
        try:  # only what may be the latest is looked at any further
            steps = list(map(int, fields[2::3]))
            step = max(steps)
            rows = [3 * row for row, other in enumerate(steps) if other == step]
            timestamps = [int(fields[row]) for row in rows]
            timestamp = max(timestamps)
            values = [
                float(fields[row + 1])
                for row, other in zip(rows, timestamps, strict=True)
                if other == timestamp
            ]
            if min(step, timestamp) >= MIN_INTEGER and max(step, timestamp) <= MAX_INTEGER:
                return LatestPoint(key, max(values, key=_rank), timestamp, step)
        except ValueError:
            pass  # a line that is no point; see which ones are
    point = max(parse_run_points(data, key).points, key=_order, default=None)
    return point and LatestPoint(key, point.value, point.timestamp, point.step)


def latest_per_dataset(points: Iterable[Metric]) -> list[Metric]:
    """The latest point of each dataset (none is a dataset too), in order of appearance."""
    groups: dict[tuple[str | None, str | None], list[Metric]] = {}
    for point in points:
        groups.setdefault((point.dataset_name, point.dataset_digest), []).append(point)
    return [max(group, key=_order) for group in groups.values()]


def last_points(folder: str, descriptors: Mapping[str, int]) -> list[Metric]:
    """The last whole point of each metric of a run; of each file only the end is read.

    Args:
        folder: The run's folder of metrics.
        descriptors: Of files that are open already, by their keys.
    """
    found: list[Metric] = []
    for key, path in contents.key_files(folder):
        try:
            if key in descriptors:
                point = _last_point(descriptors[key], key)
            else:
                with disk.opened(path) as file:
                    point = _last_point(file.fileno(), key)
        except FileNotFoundError:
            continue
        except OSError as error:
            contents.pass_over(path, error)
            continue
        if point is not None:
            found.append(point)
    return found


def _last_point(fd: int, key: str) -> Metric | None:
    size = os.fstat(fd).st_size
    reach = _TAIL
    while True:
        start = max(0, size - reach)
        data = os.pread(fd, size - start, start)
        if start:  # the first line may have begun before
            data = data[data.find(b"\n") + 1 :]
        found = parse_run_points(data[: data.rfind(b"\n") + 1], key).points
        if found or not start:
            return found[-1] if found else None
        reach *= 16


def torn_tail(fragment: bytes) -> bytes:
    """What turns a torn last line into a marked one that MLflow's reader can pass over too."""
    fields = fragment.split(b" ")
    if len(fields) == 1:
        return b" nan 0 " + TORN + b" " + TORN + b"\n"
    if len(fields) == 2:
        value = b"" if _is_float(fields[1]) else b"0"
        return value + b" 0 " + TORN + b" " + TORN + b"\n"
    if len(fields) == 3:
        step = b"" if fields[2].lstrip(b"-").isdigit() else b"0"
        return step + b" " + TORN + b" " + TORN + b"\n"
    return (b" " if len(fields) == 4 else b"") + TORN + b"\n"


def _order(point: Metric | LatestPoint) -> tuple[int, int, float]:
    return point.step, point.timestamp, _rank(point.value)


def _rank(value: float) -> float:
    return -math.inf if value != value else value


def _is_float(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def columns_of(data: bytes) -> tuple[list[int], list[float], list[int]]:
    """The timestamps, values and steps of the points in a run's metric file, in its order."""
    columns = _columns(data)
    if columns is None:
        points = parse_run_points(data, "").points
        columns = [p.timestamp for p in points], [p.value for p in points], [p.step for p in points]
    return columns


def _columns(data: bytes) -> tuple[list[int], list[float], list[int]] | None:
    """The three columns of a file that has nothing but whole three-field lines."""
    lines = data.count(b"\n")
    if not data.endswith(b"\n") and data:
        return None
    if data.translate(None, _NOT_BLANK) != b"  \n" * lines:
        return None
    fields = data.split()
    if len(fields) != 3 * lines:
        return None
    try:
        timestamps, steps = list(map(int, fields[0::3])), list(map(int, fields[2::3]))
        values = list(map(float, fields[1::3]))
    except ValueError:
        return None
    if lines and (
        min(min(timestamps), min(steps)) < MIN_INTEGER
        or max(max(timestamps), max(steps)) > MAX_INTEGER
    ):
        return None
    return timestamps, values, steps


def _metrics(
    key: str, timestamps: Sequence[int], values: Sequence[float], steps: Sequence[int]
) -> list[Metric]:
    """Points from columns; their own constructor would cost four times as much."""
    points: list[Metric] = list(map(object.__new__, repeat(Metric, len(values))))
    columns: dict[str, Iterable[Any]] = {
        "key": repeat(key),
        "value": values,
        "timestamp": timestamps,
        "step": steps,
    }
    for name, assign in _SLOTS.items():
        deque(map(assign, points, columns[name]), maxlen=0)
    return points


def _lines(data: bytes) -> tuple[list[bytes], int]:
    """The whole lines that are not blank, and how many lines were torn."""
    lines = data.split(b"\n")
    torn = 1 if lines.pop() else 0
    whole = [line for line in lines if line]
    kept = [line for line in whole if not line.endswith(TORN)]
    return kept, torn + len(whole) - len(kept)


def _run_point(line: bytes, key: str) -> Metric:
    fields = line.split(b" ", 3)
    timestamp, step = _integers(fields[0], fields[2] if len(fields) > 2 else b"0")
    value = float(fields[1])
    dataset = _dataset(fields[3]) if len(fields) > 3 else (None, None)
    return Metric(key, value, timestamp, step, None, *dataset)


def _model_point(line: bytes, key: str, model_id: str) -> Metric:
    fields = line.split(b" ", 4)
    (timestamp, step), value = _integers(fields[0], fields[2]), float(fields[1])
    run_id = fields[3].decode() if len(fields) > 3 else None
    dataset = _dataset(fields[4]) if len(fields) > 4 else (None, None)
    return Metric(key, value, timestamp, step, model_id, *dataset, run_id)


def _integers(*digits: bytes) -> list[int]:
    """Whole numbers that every store can hold.

    Raises:
        ValueError: One is none.
    """
    found = [int(text) for text in digits]
    if min(found) < MIN_INTEGER or max(found) > MAX_INTEGER:
        raise ValueError("too many bits")
    return found


def _dataset(text: bytes) -> tuple[str, str]:
    name, blank, digest = text.decode("utf-8", "replace").rpartition(" ")
    if not blank:
        raise ValueError("a dataset's name without its digest")
    return name, digest


class Appender:
    """An open metric file that only grows: a descriptor that appends whole lines.

    It is closed when the last reference goes: a thread that is about to write holds one, so the
    descriptor's number cannot be given to another file under its hands.

    Args:
        path: The file; it and its folders are created when missing.
        entity_dir: The folder of the run or model, which must be there.
    """

    __slots__ = ("fd", "path")

    def __init__(self, path: str, entity_dir: str) -> None:
        self.path = path
        self.fd = disk.open_append(path, entity_dir)
        disk.lock_shared(self.fd)
        self._mend()

    def __del__(self, close=_close) -> None:
        try:
            close(self.fd)
        except (AttributeError, OSError):
            return

    def write(self, data: bytes) -> None:
        """Append whole lines; what was written of a line when the disk refused is marked torn."""
        count = disk.write(self.fd, data)
        if count != len(data):
            self.resume(data, count)

    def resume(self, data: bytes, count: int) -> None:
        """Append what a short write left over."""
        while count < len(data):
            begun = data.rfind(b"\n", 0, count) + 1  # the line in which the write ended
            if count > begun:
                data = torn_tail(data[begun:count]) + data[begun:]
            else:
                data = data[begun:]
            count = disk.write(self.fd, data)

    def _mend(self) -> None:
        """Take away a line that a crash left torn, or mark it when others append as well."""
        size = os.lseek(self.fd, 0, os.SEEK_END)
        if size == 0 or os.pread(self.fd, 1, size - 1) == b"\n":
            return
        if disk.lock_alone(self.fd):
            try:
                size, fragment = self._tail()
                if fragment is not None:
                    disk.truncate(self.fd, size - len(fragment))
                    _log.warning(
                        "took %d bytes of a torn last line off %s: the process that wrote them "
                        "died before the line was logged",
                        len(fragment),
                        self.path,
                    )
                    return
            finally:
                disk.lock_shared(self.fd)
        size, fragment = self._tail()
        disk.write(self.fd, TORN + b"\n" if fragment is None else torn_tail(fragment))

    def _tail(self) -> tuple[int, bytes | None]:
        """The size of the file and its torn last line; None where that is no line of a metric."""
        size = os.fstat(self.fd).st_size
        tail = os.pread(self.fd, _MENDED_TAIL, max(0, size - _MENDED_TAIL))
        start = tail.rfind(b"\n") + 1
        return size, None if start == 0 and size > _MENDED_TAIL else tail[start:]
