"""The parts of the store contract on logged models and on the registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tracklet.entities import LoggedModelStatus
from tracklet.errors import (
    InvalidParameterValue,
    ResourceAlreadyExists,
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


class RegistryContract(StoreFixtures):
    """What every model registry does."""

    @pytest.fixture
    def registry(self, store: Any) -> Any:
        """The store with a registered model ``a``, which has one version."""
        store.create_registered_model("a")
        store.create_model_version("a", "s3://models/x")
        return store

    def test_a_registered_model_is_read_back(self, store: Any) -> None:
        """Name, tags and description are kept."""
        created = store.create_registered_model("Modell ü 1", {"k": "v"}, "text\nmore")
        assert created == store.get_registered_model("Modell ü 1")
        assert (created.name, created.tags, created.description) == (
            "Modell ü 1",
            {"k": "v"},
            "text\nmore",
        )
        assert (created.latest_versions, created.aliases) == ([], {})

    @pytest.mark.parametrize("name", ["", " ", None, "a/b", "a:b"])
    def test_a_bad_registered_name_is_refused(self, store: Any, name: Any) -> None:
        """Names are not blank and have neither ``/`` nor ``:``."""
        with pytest.raises(InvalidParameterValue):
            store.create_registered_model(name)

    def test_a_taken_registered_name_is_refused(self, store: Any) -> None:
        """Creating and renaming onto it are ResourceAlreadyExists."""
        store.create_registered_model("a")
        store.create_registered_model("b")
        with pytest.raises(ResourceAlreadyExists):
            store.create_registered_model("a")
        with pytest.raises(ResourceAlreadyExists):
            store.rename_registered_model("b", "a")

    def test_an_unknown_registered_model_is_an_error(self, store: Any) -> None:
        """Every verb says ResourceDoesNotExist."""
        for call in (
            lambda: store.get_registered_model("no"),
            lambda: store.update_registered_model("no", "d"),
            lambda: store.rename_registered_model("no", "yes"),
            lambda: store.delete_registered_model("no"),
            lambda: store.set_registered_model_tag("no", "k", "v"),
            lambda: store.set_registered_model_alias("no", "a", 1),
            lambda: store.create_model_version("no", "s3://models/x"),
            lambda: store.get_model_version("no", 1),
        ):
            with pytest.raises(ResourceDoesNotExist):
                call()

    def test_a_description_is_replaced(self, store: Any) -> None:
        """On registered models and versions; None takes it away."""
        store.create_registered_model("a", description="old")
        store.create_model_version("a", "s3://models/x", description="old")
        assert store.update_registered_model("a", "new").description == "new"
        assert store.update_model_version("a", 1, "new").description == "new"
        assert store.update_registered_model("a", None).description is None

    def test_a_renamed_model_keeps_everything(self, store: Any) -> None:
        """Versions, tags and aliases follow; the old name is free."""
        store.create_registered_model("a", {"k": "v"})
        store.create_model_version("a", "s3://models/x", tags={"vk": "vv"})
        store.set_registered_model_alias("a", "best", 1)
        renamed = store.rename_registered_model("a", "b")
        assert (renamed.name, renamed.tags, renamed.aliases) == ("b", {"k": "v"}, {"best": 1})
        version = store.get_model_version_by_alias("b", "best")
        assert (version.name, version.version, version.tags) == ("b", 1, {"vk": "vv"})
        with pytest.raises(ResourceDoesNotExist):
            store.get_registered_model("a")
        store.create_registered_model("a")

    def test_a_deleted_registered_model_is_gone_with_all(self, store: Any) -> None:
        """A new one of the name starts empty."""
        store.create_registered_model("a", {"k": "v"})
        store.create_model_version("a", "s3://models/x")
        store.set_registered_model_alias("a", "best", 1)
        store.delete_registered_model("a")
        with pytest.raises(ResourceDoesNotExist):
            store.get_model_version("a", 1)
        again = store.create_registered_model("a")
        assert (again.tags, again.aliases, again.latest_versions) == ({}, {}, [])

    def test_registered_tags_are_set_and_removed(self, registry: Any) -> None:
        """On models and versions; removing a missing one is silent."""
        registry.set_registered_model_tag("a", "k", "1")
        registry.set_registered_model_tag("a", "k", "2")
        registry.set_model_version_tag("a", 1, "v", "1")
        assert registry.get_registered_model("a").tags == {"k": "2"}
        assert registry.get_model_version("a", 1).tags == {"v": "1"}
        for _ in range(2):
            registry.delete_registered_model_tag("a", "k")
            registry.delete_model_version_tag("a", 1, "v")
        assert registry.get_registered_model("a").tags == {}
        assert registry.get_model_version("a", 1).tags == {}

    def test_a_version_is_read_back(self, store: Any, run_id: str, model_id: str) -> None:
        """What was given is kept; it is READY in stage None."""
        store.create_registered_model("a")
        version = store.create_model_version(
            "a",
            "models:/x",
            run_id,
            {"k": "v"},
            "http://link",
            "words",
            model_id,
            "/place",
            "ada",
        )
        assert version == store.get_model_version("a", 1)
        assert (version.name, version.version) == ("a", 1)
        assert (version.source, version.storage_location) == ("models:/x", "/place")
        assert (version.run_id, version.model_id) == (run_id, model_id)
        assert (version.run_link, version.description) == ("http://link", "words")
        assert (version.user_id, version.tags) == ("ada", {"k": "v"})
        assert (version.status, version.current_stage) == ("READY", "None")

    def test_version_numbers_are_never_used_twice(self, store: Any) -> None:
        """After the newest of four was deleted, the next is the fifth."""
        store.create_registered_model("a")
        for number in range(1, 5):
            assert store.create_model_version("a", "s3://models/x").version == number
        store.delete_model_version("a", 4)
        assert store.create_model_version("a", "s3://models/x").version == 5
        with pytest.raises(ResourceDoesNotExist):
            store.get_model_version("a", 4)
        with pytest.raises(ResourceDoesNotExist):
            store.delete_model_version("a", 4)

    def test_a_bad_version_number_is_refused(self, registry: Any) -> None:
        """Text that is no number is InvalidParameterValue; digits as text are fine."""
        assert registry.get_model_version("a", "1").version == 1
        with pytest.raises(InvalidParameterValue):
            registry.get_model_version("a", "one")
        with pytest.raises(ResourceDoesNotExist):
            registry.get_model_version("a", 2)

    def test_an_alias_moves(self, registry: Any) -> None:
        """It points at one version; the versions and the model show it."""
        registry.create_model_version("a", "s3://models/x")
        registry.set_registered_model_alias("a", "best", 1)
        registry.set_registered_model_alias("a", "best", 2)
        registry.set_registered_model_alias("a", "also", 2)
        assert registry.get_model_version_by_alias("a", "best").version == 2
        assert registry.get_model_version("a", 1).aliases == []
        assert sorted(registry.get_model_version("a", 2).aliases) == ["also", "best"]
        assert registry.get_registered_model("a").aliases == {"best": 2, "also": 2}
        registry.delete_registered_model_alias("a", "best")
        registry.delete_registered_model_alias("a", "best")
        assert registry.get_registered_model("a").aliases == {"also": 2}
        with pytest.raises(InvalidParameterValue):
            registry.get_model_version_by_alias("a", "best")

    def test_aliases_go_with_their_version(self, registry: Any) -> None:
        """Deleting a version deletes the aliases that point at it."""
        registry.create_model_version("a", "s3://models/x")
        registry.set_registered_model_alias("a", "one", 1)
        registry.set_registered_model_alias("a", "two", 2)
        registry.delete_model_version("a", 2)
        assert registry.get_registered_model("a").aliases == {"one": 1}

    @pytest.mark.parametrize(
        "alias", ["", "x" * 256, "a b", "a/b", "latest", "LATEST", "v3", "V10"]
    )
    def test_a_bad_alias_is_refused(self, registry: Any, alias: str) -> None:
        """Aliases have 1 to 255 letters, digits, ``_`` or ``-``; some words are reserved."""
        with pytest.raises(InvalidParameterValue):
            registry.set_registered_model_alias("a", alias, 1)

    def test_an_alias_needs_a_version(self, registry: Any) -> None:
        """An unknown version is ResourceDoesNotExist; digits alone are a fine alias."""
        with pytest.raises(ResourceDoesNotExist):
            registry.set_registered_model_alias("a", "best", 2)
        registry.set_registered_model_alias("a", "2024", 1)
        assert registry.get_model_version_by_alias("a", "2024").version == 1

    def test_stages_are_in_any_case(self, registry: Any) -> None:
        """The canonical spelling is stored; an unknown stage is InvalidParameterValue."""
        moved = registry.transition_model_version_stage("a", 1, "production")
        assert moved.current_stage == "Production"
        with pytest.raises(InvalidParameterValue):
            registry.transition_model_version_stage("a", 1, "prod")
        assert registry.get_model_version("a", 1).current_stage == "Production"

    def test_existing_versions_are_archived_on_request(self, store: Any) -> None:
        """Only those in the stage that the version moves to."""
        store.create_registered_model("a")
        for stage in ("Production", "Staging", "None"):
            version = store.create_model_version("a", "s3://models/x").version
            store.transition_model_version_stage("a", version, stage)
        store.transition_model_version_stage("a", 3, "Production", archive_existing_versions=True)
        stages = [store.get_model_version("a", n).current_stage for n in (1, 2, 3)]
        assert stages == ["Archived", "Staging", "Production"]
        with pytest.raises(TrackletException):
            store.transition_model_version_stage("a", 1, "None", archive_existing_versions=True)

    def test_of_versions_promoted_at_once_one_is_left_in_the_stage(self, store: Any) -> None:
        """Each archives the others, and none is archived by one that it archives."""
        store.create_registered_model("a")
        numbers = [store.create_model_version("a", "s3://models/x").version for _ in range(4)]

        def promote(number: int) -> None:
            store.transition_model_version_stage("a", number, "Production", True)

        for _ in range(3):
            with ThreadPoolExecutor(len(numbers)) as pool:
                list(pool.map(promote, numbers))
            stages = [store.get_model_version("a", number).current_stage for number in numbers]
            assert sorted(stages) == ["Archived"] * 3 + ["Production"]

    def test_latest_versions_are_the_newest_of_each_stage(self, store: Any) -> None:
        """Deleted versions do not count."""
        store.create_registered_model("a")
        for stage in ("Staging", "Staging", "None", "None"):
            version = store.create_model_version("a", "s3://models/x").version
            store.transition_model_version_stage("a", version, stage)
        store.delete_model_version("a", 4)
        latest = store.get_registered_model("a").latest_versions
        assert {v.current_stage: v.version for v in latest} == {"Staging": 2, "None": 3}
