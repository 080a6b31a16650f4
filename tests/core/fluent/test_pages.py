"""Searches give everything, or as much as was asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.entities import PagedList
from tracklet.record.query import all_of

SEARCHES: list[Callable[..., Any]] = [
    tracklet.search_experiments,
    tracklet.search_logged_models,
    tracklet.search_model_versions,
    tracklet.search_registered_models,
    tracklet.search_runs,
    tracklet.search_traces,
]


def numbers(size: int, token: str | None) -> PagedList[int]:
    """A search that finds seven numbers."""
    start = int(token or 0)
    page = list(range(7))[start : start + size]
    end = start + len(page)
    return PagedList(page, str(end) if end < 7 else None)


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("wanted", [None, 0, 1, 2, 6, 7, 8])
def test_pages_are_put_together_and_cut(page_size: int, wanted: int | None) -> None:
    asked: list[int] = []

    def page_of(size: int, token: str | None) -> PagedList[int]:
        asked.append(size)
        return numbers(size, token)

    assert list(all_of(page_of, page_size, wanted)) == list(range(7))[:wanted]
    assert all(0 < size <= page_size for size in asked)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
@pytest.mark.parametrize("count", [0, -1])
def test_nothing_is_found_of_nothing(
    tracklet_home: Path, search: Callable[..., Any], count: int
) -> None:
    """As in MLflow, where it is no error."""
    with tracklet.start_run():
        tracklet.log_metric("loss", 0.5)
    assert len(search(max_results=count)) == 0
