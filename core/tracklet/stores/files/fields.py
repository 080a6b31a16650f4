"""The values of a document's fields, which another program may have written otherwise."""

from __future__ import annotations

from typing import Any

from tracklet.entities import LifecycleStage


def text(value: object, default: str) -> str:
    """A field that is never missing."""
    return default if value is None else str(value)


def optional(value: object) -> str | None:
    """A text that may be missing."""
    return None if value is None else str(value)


def integer(value: object) -> int | None:
    """A whole number that may be missing."""
    return int(value) if isinstance(value, int | float) else None


def stage(meta: dict[str, Any]) -> str:
    """Whether the entity of a document is active or deleted."""
    deleted = meta.get("lifecycle_stage") == LifecycleStage.DELETED
    return LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE
