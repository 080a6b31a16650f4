"""Searching the model registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracklet.client import TrackletClient
from tracklet.client.pages import all_of
from tracklet.entities import ModelVersion, RegisteredModel


def search_registered_models(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[RegisteredModel]:
    """All matching registered models, or the first ``max_results``; by default by name."""
    search = TrackletClient().search_registered_models
    found = all_of(
        lambda size, token: search(filter_string, size, order_by, token), 1000, max_results
    )
    return list(found)


def search_model_versions(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[ModelVersion]:
    """All matching versions, or the first ``max_results``; by default last updated first."""
    search = TrackletClient().search_model_versions
    found = all_of(
        lambda size, token: search(filter_string, size, order_by, token), 10_000, max_results
    )
    return list(found)


def set_model_version_tag(
    name: str,
    version: int | str | None = None,
    key: str | None = None,
    value: Any = None,
    stage: str | None = None,
) -> None:
    """Set a tag of a version, named by its number or as the newest of a stage."""
    TrackletClient().set_model_version_tag(name, version, key, value, stage)
