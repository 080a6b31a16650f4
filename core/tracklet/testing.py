"""The contract kit under its public name; it lives in the package ``tracklet_testing``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet_testing import (
        FlavorContract,
        IntegrationContract,
        StoreContract,
        Training,
        reset,
    )

__all__ = ["FlavorContract", "IntegrationContract", "StoreContract", "Training", "reset"]


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:
    # By name: the core does not know the kit that tests it.
    __getattr__ = lazy.lookup(__name__, dict.fromkeys(__all__, "tracklet_testing"))
