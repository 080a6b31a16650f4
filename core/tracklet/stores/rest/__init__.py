"""The record behind a tracking server: ours, or MLflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet.lazy import lookup

if TYPE_CHECKING:
    from tracklet.stores.rest.store import RestStore

__all__ = ["RestStore"]

__getattr__ = lookup(__name__, {"RestStore": "tracklet.stores.rest.store"})
