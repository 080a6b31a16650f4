"""What every group of verbs has: the stores behind the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.stores import RegistryStore, TrackingStore


class Verbs:
    """Base of the groups of verbs that make up the client."""

    @property
    def store(self) -> TrackingStore:
        """The tracking store behind this client."""
        raise NotImplementedError

    @property
    def registry(self) -> RegistryStore:
        """The registry store behind this client."""
        raise NotImplementedError


def texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    """The values as the text that is kept of them."""
    return {key: str(value) for key, value in (values or {}).items()}
