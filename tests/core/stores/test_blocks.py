"""The block index of a metric file holds what the file holds, however the file came about."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracklet.reading import blocks
from tracklet.reading.blocks import Blocks

POINTS = st.lists(
    st.tuples(
        st.integers(0, 2**52),
        st.floats(),
        st.integers(-(2**52), 2**52),
    ),
    max_size=300,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small blocks, kept at once, so that little data has many."""
    monkeypatch.setattr(blocks, "_BLOCK", 100)
    monkeypatch.setattr(blocks, "_READ", 1000)
    monkeypatch.setattr(blocks, "_KEPT_FROM", 1)
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))


def _lines(points: list[tuple[int, float, int]]) -> bytes:
    return b"".join(b"%d %a %d\n" % point for point in points)


def _check(path: Path, points: list[tuple[int, float, int]]) -> None:
    found = Blocks(str(path))
    times, values, steps = found.read(found.rows)
    assert found.count == len(points)
    assert repr(list(zip(times, values, steps, strict=True))) == repr(points)
    finite = [value for _, value, _ in points if math.isfinite(value)]
    assert sum(row.odd for row in found.rows) == len(points) - len(finite)
    least = [row.least for row in found.rows if not math.isnan(row.least)]
    most = [row.most for row in found.rows if not math.isnan(row.most)]
    assert min(least, default=None) == min(finite, default=None)
    assert max(most, default=None) == max(finite, default=None)


def test_the_greatest_floats_and_a_folder_in_its_place_stop_no_index(tmp_path: Path) -> None:
    points = [(1, 1.7e308, step) for step in range(4)]
    (tmp_path / "m").write_bytes(_lines(points))
    _check(tmp_path / "m", points)
    (tmp_path / "folder").mkdir()
    _check(tmp_path / "folder", [])
    _check(tmp_path / "nothing", [])


@settings(deadline=None, max_examples=40)
@given(parts=st.lists(POINTS, min_size=1, max_size=4))
def test_what_is_appended_is_taken_in(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[tuple[int, float, int]]]
) -> None:
    path = tmp_path_factory.mktemp("metric") / "m"
    points: list[tuple[int, float, int]] = []
    for part in parts:
        with path.open("ab") as file:
            file.write(_lines(part))
        points += part
        _check(path, points)


def test_a_file_in_the_place_of_another_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(_lines([(i, 1.0, i) for i in range(100)]))
    Blocks(str(path))
    other = [(i, 2.0, i) for i in range(100)]
    (tmp_path / "n").write_bytes(_lines(other))
    os.replace(tmp_path / "n", path)
    _check(path, other)


def test_a_damaged_cache_costs_nothing_but_time(tmp_path: Path) -> None:
    path, points = tmp_path / "m", [(i, float(i), i) for i in range(100)]
    path.write_bytes(_lines(points))
    _check(path, points)
    (kept,) = [one for one in (tmp_path / "cache" / "series").rglob("*") if one.is_file()]
    for damaged in (b"", b"x" * 50, kept.read_bytes()[:-3]):
        kept.write_bytes(damaged)
        _check(path, points)


def test_a_torn_last_line_is_no_point_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"1 0.5 0\n2 0.")
    _check(path, [(1, 0.5, 0)])
    with path.open("ab") as file:
        file.write(b"25 1\n")
    _check(path, [(1, 0.5, 0), (2, 0.25, 1)])


def test_of_a_file_that_is_not_there_there_are_no_points(tmp_path: Path) -> None:
    assert Blocks(str(tmp_path / "m")).count == 0
