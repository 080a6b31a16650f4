"""Places that keep the record, opened by URI.

A plain path or ``file:`` URI is a folder in MLflow's file layout, the embedded default, and is
opened without reading any plugin metadata. Every other scheme is looked up in the entry-point
group ``tracklet.stores``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracklet import plugins, settings
from tracklet.errors import InvalidParameterValue
from tracklet.state import ProcessState

if TYPE_CHECKING:
    from tracklet.record import Store

__all__ = ["open_store"]


class _Stores(ProcessState):
    """The open stores by URI."""

    def begin(self) -> None:
        self.open: dict[str, Any] = {}

    def forget(self) -> None:
        for store in self.open.values():
            _close(store)
        self.begin()


_stores = _Stores()


def open_store(uri: str) -> Store:
    """The store at a URI; the same object for the same URI.

    Raises:
        InvalidParameterValue: No store is registered for the URI's scheme.
    """
    store = _stores.open.get(uri)
    if store is None:
        made = _store_class(uri)(uri)
        store = _stores.open.setdefault(uri, made)
        if store is not made:  # another thread, or a signal handler, was quicker
            _close(made)
    return store


def _close(store: Any) -> None:
    close = getattr(store, "close", None)
    if close is not None:
        close()


def _store_class(uri: str) -> Any:
    if settings.path_of(uri) is not None:
        from tracklet.stores.files import FileStore

        return FileStore
    scheme = uri.partition(":")[0].partition("+")[0]
    known = plugins.entry_points("stores")
    if scheme not in known:
        raise InvalidParameterValue(
            f"no store is registered for {uri!r}: known are plain paths, file: URIs without host, "
            f"query and fragment, and the schemes {', '.join(sorted(known))}"
        )
    return plugins.load("stores", scheme)
