"""The public test kit: contracts that stores and plugins are held to, and a clean process state.

An author of a plugin subclasses a contract in a test module and says what is under test::

    from tracklet_testing import FlavorContract


    class TestToyFlavor(FlavorContract):
        flavor = ToyFlavor

The pytest plugin, which installing tracklet registers, adds the fixture ``tracklet_home``: a fresh
place for the record, and a process that remembers nothing of other tests.

The names resolve lazily, so that pytest sessions that use none of them pay nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracklet.state import reset
    from tracklet_testing.flavor import FlavorContract, Training
    from tracklet_testing.integration import IntegrationContract
    from tracklet_testing.store import StoreContract

__all__ = ["FlavorContract", "IntegrationContract", "StoreContract", "Training", "reset"]

_HOMES: Final = {
    "FlavorContract": "tracklet_testing.flavor",
    "IntegrationContract": "tracklet_testing.integration",
    "StoreContract": "tracklet_testing.store",
    "Training": "tracklet_testing.flavor",
    "reset": "tracklet.state",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
