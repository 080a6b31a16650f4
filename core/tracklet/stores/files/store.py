"""The file store, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tracklet.entities import (
    Experiment,
    LoggedModel,
    ModelVersion,
    PagedList,
    RegisteredModel,
    Run,
    ViewType,
)
from tracklet.stores import disk
from tracklet.stores.files.experiments import Experiments
from tracklet.stores.files.logged_models import LoggedModels
from tracklet.stores.files.registry import Registry
from tracklet.stores.registry_store import RegistryStore
from tracklet.stores.tracking_store import TrackingStore

if TYPE_CHECKING:
    from tracklet.reading.index import FolderIndex
    from tracklet.stores.trace_store import TraceStore


class FileStore(Experiments, LoggedModels, Registry, TrackingStore, RegistryStore):
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
            opened = import_module("tracklet.reading.index").FolderIndex(Path(self.root))
            self._folder_index = cast("FolderIndex", opened)
        return self._folder_index

    @property
    def traces(self) -> TraceStore:
        """The traces kept here; what they need is loaded when one is made or looked for."""
        if self._traces is None:
            from tracklet.stores.files.traces import FileTraces

            self._traces = FileTraces(self.uri)
        return self._traces

    @disk.reported("search experiments")
    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """A page of experiments; by default newest first."""
        self._offer_default()
        return self._index.search_experiments(
            view_type, max_results, filter_string, order_by, page_token
        )

    @disk.reported("search runs")
    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """A page of runs of these experiments; by default latest start first.

        Raises:
            InvalidParameterValue: The filter or the order is malformed; the message points at
                the offending token.
        """
        return self._index.search_runs(
            experiment_ids, filter_string, run_view_type, max_results, order_by, page_token
        )

    @disk.reported("search logged models")
    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int = 100,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """A page of active models; by default newest first."""
        return self._index.search_logged_models(
            experiment_ids, filter_string, datasets, max_results, order_by, page_token
        )

    @disk.reported("search registered models")
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """A page of registered models; by default by name."""
        return self._index.search_registered_models(
            filter_string, max_results, order_by, page_token
        )

    @disk.reported("search model versions")
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """A page of versions; by default last updated first."""
        return self._index.search_model_versions(filter_string, max_results, order_by, page_token)

    def close(self) -> None:
        """Release the index; the next search opens it again."""
        index, self._folder_index = self._folder_index, None
        if index is not None:
            index.close()
