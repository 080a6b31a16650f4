"""Curves: of each, as much as can be seen, with every spike of it.

A series with no more points than bins comes whole. Of a longer one each bin has its count, least,
greatest, mean and last value and how many were not finite, so that nothing vanishes at any zoom.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

from tracklet.errors import InvalidParameterValue
from tracklet.reading import columns
from tracklet.reading.blocks import Block, Blocks, Columns, RowBlocks, block_of
from tracklet_services.ui.answers import without_user
from tracklet_services.ui.frames import Frame
from tracklet_services.ui.place import LIMITS, Place

Axis: TypeAlias = Literal["step", "time", "wall"]

_MS: Final = 1000.0
_AT_ONCE: Final = 64  # blocks of a few kilobytes


class Curve:
    """The points of a run's metric, by blocks.

    Args:
        place: The record.
        run_id: The run.
        key: The metric.
    """

    def __init__(self, place: Place, run_id: str, key: str) -> None:
        self.run_id = run_id
        self._blocks = _blocks_of(place, run_id, key)
        self._points: Columns = ([], [], [])
        if self._blocks is not None:
            self.rows = self._blocks.rows
        else:
            history = place.client.get_metric_history(run_id, key)
            self._points = (
                [p.timestamp for p in history],
                [p.value for p in history],
                [p.step for p in history],
            )
            self.rows = [block_of(0, 0, self._points)] if history else []
        self.origin = min((row.time_min for row in self.rows), default=0.0)
        """When it began, ms."""

    @property
    def count(self) -> int:
        """How many points there are."""
        return int(sum(row.points for row in self.rows))

    def read(self, rows: Sequence[Block]) -> Columns:
        """The timestamps, values and steps of the points in some blocks."""
        return self._points if self._blocks is None else self._blocks.read(rows)

    def span(self, row: Block, axis: Axis) -> tuple[float, float]:
        """Where a block lies on an axis: steps, seconds since the beginning, or ms."""
        if axis == "step":
            return row.step_min, row.step_max
        if axis == "wall":
            return row.time_min, row.time_max
        return (row.time_min - self.origin) / _MS, (row.time_max - self.origin) / _MS

    def places(self, times: list[int], steps: list[int], axis: Axis) -> Sequence[float]:
        """Where points lie on an axis."""
        if axis == "step":
            return steps
        if axis == "wall":
            return times
        return [(time - self.origin) / _MS for time in times]


def _blocks_of(place: Place, run_id: str, key: str) -> Blocks | RowBlocks | None:
    """The blocks of a metric; None where there is no such run, or the store has none."""
    backend = getattr(place.client.store, "backend", None)
    if backend is None:
        return None
    file = getattr(backend, "metric_file", None)
    if file is not None:
        path = file(run_id, key)
        return None if path is None else Blocks(path)
    (row,) = place.ask(lambda reader: columns.run_rows(reader, [run_id]))
    where = f"{without_user(place.uri)}\n{run_id}"
    return None if row < 0 else RowBlocks(place.ask, where, row, key)


def series(
    place: Place,
    runs: Sequence[str],
    key: str,
    axis: Axis,
    between: tuple[float | None, float | None],
    bins: int,
) -> Iterator[bytes]:
    """A frame for each run, all over the same bins."""
    if not 1 <= bins <= LIMITS["bins"]:
        raise InvalidParameterValue(f"bins are 1 to {LIMITS['bins']}; got {bins}")
    curves = _curves(place, runs, key, axis)
    spans = [curve.span(row, axis) for curve in curves for row in curve.rows]
    low = between[0] if between[0] is not None else min((s[0] for s in spans), default=0.0)
    high = between[1] if between[1] is not None else max((s[1] for s in spans), default=0.0)
    for curve in curves:
        yield _frame(curve, axis, low, high, bins, whole=between == (None, None))


def points(
    place: Place,
    runs: Sequence[str],
    key: str,
    axis: Axis,
    between: tuple[float | None, float | None],
) -> Iterator[str]:
    """Each point of each run as a line of CSV, in the order in which they were written.

    Args:
        between: Where they are on the axis; everywhere by default.
    """
    curves = _curves(place, runs, key, axis)
    low = -math.inf if between[0] is None else between[0]
    high = math.inf if between[1] is None else between[1]
    return _lines(curves, axis, low, high)


def _lines(curves: Sequence[Curve], axis: Axis, low: float, high: float) -> Iterator[str]:
    yield "run_id,step,timestamp,value\r\n"
    for curve in curves:
        inside = [row for row in curve.rows if _overlaps(curve.span(row, axis), low, high)]
        for i in range(0, len(inside), _AT_ONCE):
            times, values, steps = curve.read(inside[i : i + _AT_ONCE])
            places = curve.places(times, steps, axis)
            yield "".join(
                f"{curve.run_id},{step},{time},{value!r}\r\n"
                for place, step, time, value in zip(places, steps, times, values, strict=True)
                if low <= place <= high
            )


def _overlaps(span: tuple[float, float], low: float, high: float) -> bool:
    return span[1] >= low and span[0] <= high


def _curves(place: Place, runs: Sequence[str], key: str, axis: Axis) -> list[Curve]:
    if len(runs) > LIMITS["series"]:
        raise InvalidParameterValue(f"at most {LIMITS['series']} runs are drawn at once")
    if axis not in ("step", "time", "wall"):
        raise InvalidParameterValue(f"x is step, time or wall; got {axis!r}")
    return [Curve(place, run_id, key) for run_id in runs]


def _frame(curve: Curve, axis: Axis, low: float, high: float, bins: int, *, whole: bool) -> bytes:
    frame = Frame(run=curve.run_id, count=curve.count, low=low, high=high)
    spans = [(row, *curve.span(row, axis)) for row in curve.rows]
    inside = [(row, a, b) for row, a, b in spans if b >= low and a <= high]
    total = int(sum(row.points for row, _, _ in inside))
    if (whole and total <= bins) or total <= bins // 2:
        times, values, steps = curve.read([row for row, _, _ in inside])
        places = curve.places(times, steps, axis)
        order = sorted(range(len(values)), key=places.__getitem__)
        frame.header["kind"] = "points"
        frame.add(array("d", (places[i] for i in order)))
        frame.add(array("d", (values[i] for i in order)))
        return frame.encode()
    made = _Bins(low, high, bins)
    width = (high - low) / bins
    finer: list[Block] = []
    for row, start, end in inside:
        if end - start <= width and start >= low and end <= high:
            made.add_block(row, (start + end) / 2, end)
        else:
            finer.append(row)
    if finer:
        times, values, steps = curve.read(finer)
        made.add_points(curve.places(times, steps, axis), values)
    frame.header["kind"] = "bins"
    made.put(frame)
    return frame.encode()


class _Bins:
    """Bins of equal width from one end to the other."""

    def __init__(self, low: float, high: float, bins: int) -> None:
        self.low, self.high, self.bins = low, high, bins
        self.scale = bins / (high - low) if high > low else 0.0
        nan = math.nan
        self.count = [0] * bins
        self.odd = [0] * bins
        self.least = [math.inf] * bins
        self.most = [-math.inf] * bins
        self.total = [0.0] * bins
        self.last = [nan] * bins
        self.reach = [-math.inf] * bins  # where the last one is

    def at(self, place: float) -> int:
        return min(self.bins - 1, int((place - self.low) * self.scale))

    def add_block(self, row: Block, place: float, end: float) -> None:
        at = self.at(place)
        self.count[at] += int(row.points)
        self.odd[at] += int(row.odd)
        if row.odd < row.points:
            self.least[at] = min(self.least[at], row.least)
            self.most[at] = max(self.most[at], row.most)
            self.total[at] += row.total
            if end >= self.reach[at]:
                self.last[at], self.reach[at] = row.last, end

    def add_points(self, places: Sequence[float], values: Sequence[float]) -> None:
        low, high, scale, end = self.low, self.high, self.scale, self.bins - 1
        count, odd, least, most = self.count, self.odd, self.least, self.most
        total, last, reach, isfinite = self.total, self.last, self.reach, math.isfinite
        for place, value in zip(places, values, strict=True):
            if place < low or place > high:
                continue
            at = int((place - low) * scale)
            if at > end:
                at = end
            count[at] += 1
            if not isfinite(value):
                odd[at] += 1
                continue
            if value < least[at]:
                least[at] = value
            if value > most[at]:
                most[at] = value
            total[at] += value
            if place >= reach[at]:
                last[at], reach[at] = value, place

    def put(self, frame: Frame) -> None:
        """Put into a frame the bins that hold something: place, mean, least, most, last, counts."""
        used = [at for at in range(self.bins) if self.count[at]]
        nan, width = math.nan, (self.high - self.low) / self.bins
        finite = [self.count[at] - self.odd[at] for at in used]
        mean = (self.total[at] / n if n else nan for at, n in zip(used, finite, strict=True))
        frame.add(array("d", (self.low + (at + 0.5) * width for at in used)))
        frame.add(array("d", mean))
        for column in (self.least, self.most):
            frame.add(array("d", (v if math.isfinite(v := column[at]) else nan for at in used)))
        frame.add(array("d", (self.last[at] for at in used)))
        frame.add(array("I", (self.count[at] for at in used)))
        frame.add(array("I", (self.odd[at] for at in used)))
        frame.add(array("I", used))
