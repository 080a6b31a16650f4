"""The contract kit under its public name; it lives in the package ``tracklet_testing``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracklet_testing import FlavorContract, IntegrationContract, StoreContract, reset

__all__ = ["FlavorContract", "IntegrationContract", "StoreContract", "reset"]


def _resolve(name: str) -> Any:
    # By name: the core does not know the kit that tests it.
    return getattr(import_module("tracklet_testing"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:
    __getattr__ = _resolve
