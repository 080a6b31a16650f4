"""The model registry through the client."""

from __future__ import annotations

import pytest

import tracklet
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")


@pytest.fixture
def client() -> tracklet.TrackletClient:
    client = tracklet.TrackletClient()
    client.create_registered_model("模型 a", tags={"team": 1}, description="first")
    return client


def test_versions_count_up_and_numbers_are_never_used_twice(
    client: tracklet.TrackletClient,
) -> None:
    versions = [client.create_model_version("模型 a", "/files").version for _ in range(3)]
    assert versions == [1, 2, 3]
    client.delete_model_version("模型 a", "3")
    assert client.create_model_version("模型 a", "/files").version == 4
    with pytest.raises(ResourceDoesNotExist, match="3"):
        client.get_model_version("模型 a", 3)
    with pytest.raises(InvalidParameterValue, match="whole number"):
        client.get_model_version("模型 a", "newest")


def test_a_version_of_a_logged_model_knows_its_run_and_files(
    client: tracklet.TrackletClient,
) -> None:
    with tracklet.start_run() as run:
        model = tracklet.initialize_logged_model(name="m")
    version = client.create_model_version("模型 a", model.model_uri, tags={"k": 1})
    assert version.run_id == run.info.run_id
    assert version.model_id == model.model_id
    assert version.tags == {"k": "1"}
    assert client.get_model_version_download_uri("模型 a", 1) == model.artifact_location


def test_aliases_move_and_resolve(client: tracklet.TrackletClient) -> None:
    for _ in range(2):
        client.create_model_version("模型 a", "/files")
    client.set_registered_model_alias("模型 a", "champion", 1)
    client.set_registered_model_alias("模型 a", "champion", "2")
    assert client.get_model_version_by_alias("模型 a", "champion").version == 2
    assert client.get_model_version("模型 a", 2).aliases == ["champion"]
    assert client.get_model_version("模型 a", 1).aliases == []
    assert client.resolve_model_version("models:/模型 a@champion").version == 2
    assert client.resolve_model_version("models:/模型 a/latest").version == 2
    assert client.resolve_model_version("models:/模型 a/1").version == 1
    client.delete_registered_model_alias("模型 a", "champion")
    client.delete_registered_model_alias("模型 a", "champion")
    with pytest.raises(InvalidParameterValue, match="champion"):
        client.get_model_version_by_alias("模型 a", "champion")


@pytest.mark.parametrize("alias", ["", "latest", "v1", "V2", "a b", "x" * 256])
def test_a_bad_alias_is_refused(client: tracklet.TrackletClient, alias: str) -> None:
    client.create_model_version("模型 a", "/files")
    with pytest.raises(InvalidParameterValue, match="alias"):
        client.set_registered_model_alias("模型 a", alias, 1)


def test_stages_move_in_any_case_and_archive_the_earlier_holder(
    client: tracklet.TrackletClient,
) -> None:
    for _ in range(2):
        client.create_model_version("模型 a", "/files")
    client.transition_model_version_stage("模型 a", 1, "production")
    client.transition_model_version_stage("模型 a", 2, "Production", archive_existing_versions=True)
    assert client.get_model_version("模型 a", 1).current_stage == "Archived"
    assert [v.version for v in client.get_latest_versions("模型 a", ["Production"])] == [2]
    client.set_model_version_tag("模型 a", key="k", value=1, stage="Production")
    assert client.get_model_version("模型 a", 2).tags == {"k": "1"}
    with pytest.raises(InvalidParameterValue, match="stage"):
        client.transition_model_version_stage("模型 a", 1, "Live")


def test_renaming_takes_everything_along(client: tracklet.TrackletClient) -> None:
    client.create_model_version("模型 a", "/files")
    client.set_registered_model_alias("模型 a", "best", 1)
    client.create_registered_model("taken")
    with pytest.raises(ResourceAlreadyExists, match="taken"):
        client.rename_registered_model("模型 a", "taken")
    client.rename_registered_model("模型 a", "b")
    renamed = client.get_registered_model("b")
    assert renamed.tags == {"team": "1"}
    assert renamed.aliases == {"best": 1}
    assert client.get_model_version("b", 1).name == "b"
    with pytest.raises(ResourceDoesNotExist, match="模型 a"):
        client.get_registered_model("模型 a")


def test_copying_registers_the_same_files_under_another_name(
    client: tracklet.TrackletClient,
) -> None:
    client.create_model_version("模型 a", "/files", tags={"k": "1"})
    copy = client.copy_model_version("models:/模型 a/1", "production")
    assert (copy.name, copy.version, copy.tags) == ("production", 1, {"k": "1"})
    assert copy.source == "models:/模型 a/1"
    assert client.get_model_version_download_uri("production", 1) == "/files"


def test_models_and_versions_are_found(client: tracklet.TrackletClient) -> None:
    client.create_registered_model("b", tags={"team": "2"})
    for name in ("模型 a", "b"):
        client.create_model_version(name, f"/files/{name}", tags={"of": name})
    assert [m.name for m in tracklet.search_registered_models()] == ["b", "模型 a"]
    found = tracklet.search_registered_models(filter_string="tags.team = '2'")
    assert [m.name for m in found] == ["b"]
    versions = tracklet.search_model_versions(filter_string="name = 'b' and version_number = 1")
    assert [(v.name, v.version) for v in versions] == [("b", 1)]
    assert len(tracklet.search_model_versions(max_results=1)) == 1


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", None])
def test_a_bad_model_name_is_refused(client: tracklet.TrackletClient, name: object) -> None:
    with pytest.raises(InvalidParameterValue, match="registered model"):
        client.create_registered_model(name)  # type: ignore[arg-type]


def test_deleting_a_model_deletes_its_versions(client: tracklet.TrackletClient) -> None:
    client.create_model_version("模型 a", "/files")
    client.delete_registered_model("模型 a")
    assert tracklet.search_model_versions() == []
    with pytest.raises(ResourceDoesNotExist, match="模型 a"):
        client.create_model_version("模型 a", "/files")
