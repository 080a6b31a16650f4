"""The store behind our server does what every store does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.stores.rest import SpooledStore
from tracklet_testing import StoreContract


class TestRestStore(StoreContract):
    """Over a server that keeps a folder."""

    @pytest.fixture(autouse=True)
    def _place(self, server: int, spool: Path) -> None:
        self.uri = f"http://127.0.0.1:{server}"

    def make_store(self, tmp_path: Path) -> Any:
        return SpooledStore(self.uri)

    # What MLflow's protocol has no word for, or says otherwise.

    def test_a_purged_run_is_gone(self, store: Any, run_id: str) -> None:
        store.delete_run(run_id)
        with pytest.raises(TrackletException, match="no part of MLflow's protocol"):
            store.purge_run(run_id)

    def test_a_purged_experiment_is_gone(self, store: Any, experiment_id: str, run_id: str) -> None:
        store.delete_experiment(experiment_id)
        with pytest.raises(TrackletException, match="no part of MLflow's protocol"):
            store.purge_experiment(experiment_id)

    def test_a_deleted_model_is_hidden(self, store: Any, model_id: str) -> None:
        store.delete_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_logged_model(model_id)
        with pytest.raises(TrackletException, match="no part of MLflow's protocol"):
            store.purge_logged_model(model_id)

    def test_a_metric_is_given_another_history(self, store: Any, run_id: str) -> None:
        with pytest.raises(TrackletException, match="no part of MLflow's protocol"):
            store.set_history(run_id, "loss", [])

    def test_the_time_of_a_deletion_is_known(self, store: Any, run_id: str) -> None:
        store.delete_run(run_id)
        assert store.deletion_time(run_id) is None

    def test_a_trace_is_kept_once(self, store: Any, experiment_id: str) -> None:
        trace_id = self.keep(store, experiment_id)
        store.traces.log_trace(store.traces.get_trace_info(trace_id), [])
        assert len(store.traces.search_traces([experiment_id])) == 1

    def test_a_version_is_read_back(self, store: Any) -> None:
        store.create_registered_model("tree")
        made = store.create_model_version("tree", "models:/x", tags={"a": "b"}, description="d")
        assert store.get_model_version("tree", "1") == made
        assert (made.version, made.source, made.storage_location) == (1, "models:/x", "models:/x")

    def test_a_deleted_experiment_takes_no_traces(self, store: Any, experiment_id: str) -> None:
        """The server refuses it when it gets it, and it is not found."""
        self.keep(store, experiment_id)
        store.traces.search_traces([experiment_id])
        store.delete_experiment(experiment_id)
        trace_id = self.keep(store, experiment_id)
        with pytest.raises(ResourceDoesNotExist):
            store.traces.get_trace_info(trace_id)


@pytest.mark.exhaustive
class TestRestStoreOverSqlite(TestRestStore):
    """Over a server that keeps a SQLite file."""

    @pytest.fixture
    def record(self, store_file: str) -> str:
        """The URI of what the server keeps."""
        return store_file


@pytest.mark.exhaustive
@pytest.mark.postgresql
class TestRestStoreOverPostgresql(TestRestStore):
    """Over a server that keeps its record in PostgreSQL."""

    keeps_nul = False

    @pytest.fixture
    def record(self, store_database: str) -> str:
        """The URI of what the server keeps."""
        return store_database
