"""Searching the model registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tracklet.client import TrackletClient
from tracklet.entities import ModelVersion, PagedList, RegisteredModel

T = TypeVar("T")


def search_registered_models(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[RegisteredModel]:
    """All matching registered models, or the first ``max_results``; by default by name."""
    search = TrackletClient().search_registered_models
    return _collected(
        lambda size, token: search(filter_string, size, order_by, token), max_results, 1000
    )


def search_model_versions(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[ModelVersion]:
    """All matching versions, or the first ``max_results``; by default last updated first."""
    search = TrackletClient().search_model_versions
    return _collected(
        lambda size, token: search(filter_string, size, order_by, token), max_results, 10_000
    )


def set_model_version_tag(
    name: str,
    version: int | str | None = None,
    key: str | None = None,
    value: Any = None,
    stage: str | None = None,
) -> None:
    """Set a tag of a version, named by its number or as the newest of a stage."""
    TrackletClient().set_model_version_tag(name, version, key, value, stage)


def _collected(
    page_of: Callable[[int, str | None], PagedList[T]], max_results: int | None, page_size: int
) -> list[T]:
    found: list[T] = []
    token = None
    while max_results is None or len(found) < max_results:
        size = page_size if max_results is None else min(page_size, max_results - len(found))
        page = page_of(size, token)
        found.extend(page)
        token = page.token
        if token is None:
            break
    return found
