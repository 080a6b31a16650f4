"""What every group of verbs has: the stores behind the client, and the verbs that are theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from tracklet import settings
from tracklet.stores import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.record import Store

P = ParamSpec("P")
R = TypeVar("R")


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


def tracked(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Verbs, P], R]:
    """A verb of the tracking store as one of the client's, of the same name and signature."""
    return _passed_on(verb, "store")


def registered(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Verbs, P], R]:
    """A verb of the registry as one of the client's, of the same name and signature."""
    return _passed_on(verb, "registry")


def _passed_on(
    verb: Callable[Concatenate[Any, P], R], place: str
) -> Callable[Concatenate[Verbs, P], R]:
    name = verb.__name__

    @wraps(verb)
    def call(client: Verbs, *args: P.args, **kwargs: P.kwargs) -> R:
        return getattr(getattr(client, place), name)(*args, **kwargs)

    return call
