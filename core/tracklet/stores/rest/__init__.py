"""The record behind a tracking server: ours, or MLflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet.lazy import lookup

if TYPE_CHECKING:
    from tracklet.stores.rest.spooled import SpooledStore

__all__ = ["SpooledStore"]

__getattr__ = lookup(__name__, {"SpooledStore": "tracklet.stores.rest.spooled"})
