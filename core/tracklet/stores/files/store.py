"""The file store, put together from its parts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from tracklet.entities import PagedList
from tracklet.stores import disk
from tracklet.stores.files.experiment_verbs import Experiments
from tracklet.stores.files.logged_model_verbs import LoggedModels
from tracklet.stores.files.registry_verbs import Registry
from tracklet.stores.query import Query

if TYPE_CHECKING:
    from tracklet.reading.index import FolderIndex
    from tracklet.stores.trace_store import TraceStore


class FileStore(Experiments, LoggedModels, Registry):
    """Tracking and registry in a folder, in MLflow's layout.

    Nothing is written until something is recorded. Writes need no lock on the training path, no
    daemon and no database; searches go through an index in the user's cache folder.

    Args:
        uri: A path or ``file:`` URI. A relative path is made absolute at once.

    Raises:
        StorageError: The path is relative and the working directory was deleted.
    """

    _folder_index: FolderIndex | None = None
    _traces: TraceStore | None = None

    @property
    def _index(self) -> FolderIndex:
        """The index, opened at the first search."""
        if self._folder_index is None:
            # By name: whoever only records never loads what searches.
            opened = import_module("tracklet.reading.index").FolderIndex(self.root)
            self._folder_index = cast("FolderIndex", opened)
        return self._folder_index

    @property
    def traces(self) -> TraceStore:
        """The traces kept here; what they need is loaded when one is made or looked for."""
        if self._traces is None:
            from tracklet.stores.files.traces import FileTraces

            self._traces = FileTraces(self.uri)
        return self._traces

    def search(self, query: Query) -> PagedList[Any]:
        if query.kind == "experiments":
            self._offer_default()
        try:
            return self._index.search(query)
        except OSError as error:
            raise disk.storage_error(f"search {query.kind}", error, self.root) from error

    def left_out(self) -> list[tuple[str, str]]:
        from tracklet.stores.files.traces import FileTraces

        return sorted({*self._index.left_out(), *FileTraces(self.uri).left_out().items()})

    def close(self) -> None:
        """Release the index; the next search opens it again."""
        index, self._folder_index = self._folder_index, None
        if index is not None:
            index.close()
