"""What every group of verbs has: the stores behind the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import settings
from tracklet.stores import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.record import Store


class Verbs:
    """Base of the groups of verbs that make up the client."""

    def __init__(
        self, tracking_uri: str | Path | None = None, registry_uri: str | Path | None = None
    ) -> None:
        self._tracking_uri = settings.given_uri(tracking_uri) or settings.tracking_uri()
        default = self._tracking_uri if tracking_uri else settings.registry_uri()
        self._registry_uri = settings.given_uri(registry_uri) or default

    @property
    def tracking_uri(self) -> str:
        """Where runs are kept."""
        return self._tracking_uri

    @property
    def registry_uri(self) -> str:
        """Where registered models are kept."""
        return self._registry_uri

    @property
    def store(self) -> Store:
        """The tracking store behind this client."""
        return open_store(self._tracking_uri)

    @property
    def registry(self) -> Store:
        """The registry store behind this client."""
        return open_store(self._registry_uri)
