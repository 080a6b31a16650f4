"""The part of the store contract on logged models."""

from __future__ import annotations

from typing import Any

import pytest

from tracklet.entities import (
    LoggedModelStatus,
)
from tracklet.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
    TrackletException,
)
from tracklet_testing.store.fixtures import MISSING_MODEL, StoreFixtures


class LoggedModelContract(StoreFixtures):
    """What every store does with logged models."""

    def test_a_created_model_is_pending(self, store: Any, experiment_id: str, run_id: str) -> None:
        """What was given is kept."""
        model = store.create_logged_model(
            experiment_id, "tree ü", run_id, {"t": "1\n"}, {"p": "2"}, "agent"
        )
        assert model == store.get_logged_model(model.model_id)
        assert model.model_id.startswith("m-")
        assert model.model_uri == f"models:/{model.model_id}"
        assert model.experiment_id == experiment_id
        assert (model.name, model.source_run_id) == ("tree ü", run_id)
        assert (model.tags, model.params, model.metrics) == ({"t": "1\n"}, {"p": "2"}, [])
        assert (model.model_type, model.status) == ("agent", LoggedModelStatus.PENDING)
        assert model.artifact_location.endswith(f"models/{model.model_id}/artifacts")

    def test_a_missing_model_name_is_invented(self, store: Any, experiment_id: str) -> None:
        """It is not empty."""
        assert store.create_logged_model(experiment_id).name

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a.b", "a%b", "a'b", 'a"b'])
    def test_a_bad_model_name_is_refused(self, store: Any, experiment_id: str, name: str) -> None:
        """Names are not blank and have none of ``/ : . % " '``."""
        with pytest.raises(InvalidParameterValue):
            store.create_logged_model(experiment_id, name)

    @pytest.mark.parametrize("status", [LoggedModelStatus.READY, LoggedModelStatus.FAILED])
    def test_a_model_is_finalized(
        self, store: Any, model_id: str, status: LoggedModelStatus
    ) -> None:
        """The status is kept; a second time is harmless."""
        assert store.finalize_logged_model(model_id, status).status == status
        store.finalize_logged_model(model_id, status)
        assert store.get_logged_model(model_id).status == status

    def test_params_of_a_model_are_set_once(self, store: Any, model_id: str) -> None:
        """The same value again is fine; another refuses the whole call."""
        store.log_logged_model_params(model_id, {"p": "1"})
        store.log_logged_model_params(model_id, {"p": "1", "q": "2"})
        with pytest.raises(TrackletException):
            store.log_logged_model_params(model_id, {"r": "1", "p": "2"})
        assert store.get_logged_model(model_id).params == {"p": "1", "q": "2"}

    def test_tags_of_a_model_are_replaced_and_removed(self, store: Any, model_id: str) -> None:
        """The last value counts; removing a missing one is ResourceDoesNotExist."""
        store.set_logged_model_tags(model_id, {"a": "1", "b": "1"})
        store.set_logged_model_tags(model_id, {"a": "2"})
        store.delete_logged_model_tag(model_id, "b")
        assert store.get_logged_model(model_id).tags == {"a": "2"}
        with pytest.raises(ResourceDoesNotExist):
            store.delete_logged_model_tag(model_id, "b")

    def test_a_deleted_model_is_hidden(self, store: Any, model_id: str) -> None:
        """It is read only when asked for, refuses writes, and can be purged."""
        with pytest.raises(InvalidParameterValue):
            store.purge_logged_model(model_id)
        store.delete_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.set_logged_model_tags(model_id, {"a": "1"})
        assert store.get_logged_model(model_id, deleted=True).lifecycle_stage == "deleted"
        store.purge_logged_model(model_id)
        with pytest.raises(ResourceDoesNotExist):
            store.get_logged_model(model_id, deleted=True)

    def test_an_unknown_model_is_an_error(self, store: Any) -> None:
        """Every verb says ResourceDoesNotExist."""
        for call in (
            lambda: store.get_logged_model(MISSING_MODEL),
            lambda: store.finalize_logged_model(MISSING_MODEL, LoggedModelStatus.READY),
            lambda: store.delete_logged_model(MISSING_MODEL),
            lambda: store.log_logged_model_params(MISSING_MODEL, {"a": "1"}),
            lambda: store.set_logged_model_tags(MISSING_MODEL, {"a": "1"}),
            lambda: store.delete_logged_model_tag(MISSING_MODEL, "a"),
        ):
            with pytest.raises(ResourceDoesNotExist):
                call()
