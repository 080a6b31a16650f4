"""Every limit of keys, values and names, on both of its sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.entities import Dataset, DatasetInput, InputTag, Metric
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("tracklet_home")


@pytest.fixture
def client() -> tracklet.TrackletClient:
    return tracklet.TrackletClient()


@pytest.fixture
def run_id(client: tracklet.TrackletClient) -> str:
    return client.create_run("0").info.run_id


@pytest.mark.parametrize("kind", ["metric", "param", "tag"])
def test_a_key_has_at_most_250_characters(
    client: tracklet.TrackletClient, run_id: str, kind: str
) -> None:
    def record(key: str) -> None:
        if kind == "metric":
            client.log_metric(run_id, key, 1.0)
        elif kind == "param":
            client.log_param(run_id, key, 1)
        else:
            client.set_tag(run_id, key, 1)

    record("k" * 250)
    with pytest.raises(InvalidParameterValue, match="251 characters"):
        record("k" * 251)
    with pytest.raises(InvalidParameterValue, match="255"):
        record("é" * 128)
    with pytest.raises(InvalidParameterValue, match="None"):
        record(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="text"):
        record(3)  # type: ignore[arg-type]


def test_one_batch_may_hold_any_number_of_entries(
    client: tracklet.TrackletClient, run_id: str
) -> None:
    client.log_batch(
        run_id,
        metrics=[Metric(f"m{n % 50}", float(n), 1, n) for n in range(3000)],
        params={f"p{n}": n for n in range(300)},
        tags={f"t{n}": n for n in range(300)},
    )
    data = client.get_run(run_id).data
    assert (len(data.metrics), len(data.params)) == (50, 300)


def test_an_experiment_name_has_at_most_500_characters(client: tracklet.TrackletClient) -> None:
    client.create_experiment("n" * 500)
    with pytest.raises(InvalidParameterValue, match="501"):
        client.create_experiment("n" * 501)


def test_an_experiment_tag_has_at_most_20000_characters(client: tracklet.TrackletClient) -> None:
    experiment_id = client.create_experiment("a")
    client.set_experiment_tag(experiment_id, "k", "v" * 20_000)
    with pytest.raises(InvalidParameterValue, match="20001 characters"):
        client.set_experiment_tag(experiment_id, "k", "v" * 20_001)
    with pytest.raises(InvalidParameterValue, match="251 characters"):
        client.set_experiment_tag(experiment_id, "k" * 251, "v")


def test_a_registry_tag_has_at_most_100000_characters(client: tracklet.TrackletClient) -> None:
    client.create_registered_model("m")
    client.create_model_version("m", "/files")
    for tag in (
        lambda value: client.set_registered_model_tag("m", "k", value),
        lambda value: client.set_model_version_tag("m", 1, "k", value),
    ):
        tag("v" * 100_000)
        with pytest.raises(InvalidParameterValue, match="100001"):
            tag("v" * 100_001)


@pytest.mark.parametrize(("field", "limit"), [("name", 500), ("digest", 36), ("source_type", 36)])
def test_a_dataset_keeps_to_its_limits(
    client: tracklet.TrackletClient, run_id: str, field: str, limit: int
) -> None:
    fields: dict[str, Any] = {"name": "d", "digest": "1", "source_type": "code", "source": "{}"}
    client.log_inputs(run_id, [DatasetInput(Dataset(**{**fields, field: "x" * limit}))])
    with pytest.raises(InvalidParameterValue, match=str(limit)):
        client.log_inputs(run_id, [DatasetInput(Dataset(**{**fields, field: "x" * (limit + 1)}))])
    with pytest.raises(InvalidParameterValue, match="input tag"):
        client.log_inputs(run_id, [DatasetInput(Dataset(**fields), [InputTag("k", "v" * 501)])])


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "-a", "x" * 257, None, 3])
def test_a_malformed_run_id_is_told_from_a_missing_run(
    client: tracklet.TrackletClient, run_id: Any
) -> None:
    with pytest.raises(InvalidParameterValue, match="not a valid run id"):
        client.get_run(run_id)


@pytest.mark.parametrize("experiment_id", ["", "../x", "a/b", "x" * 65])
def test_a_malformed_experiment_id_is_told_from_a_missing_experiment(
    client: tracklet.TrackletClient, experiment_id: str
) -> None:
    with pytest.raises(InvalidParameterValue, match="not a valid experiment id"):
        client.get_experiment(experiment_id)


@pytest.mark.parametrize("size", [0, -1, 50_001, "many", True, 1.5])
def test_a_page_of_runs_has_from_1_to_50000(client: tracklet.TrackletClient, size: Any) -> None:
    with pytest.raises(InvalidParameterValue, match="max_results"):
        client.search_runs(["0"], max_results=size)
    with pytest.raises(InvalidParameterValue, match="max_results"):
        client.search_experiments(max_results=size)


def test_pages_of_the_registry_have_their_own_limits(client: tracklet.TrackletClient) -> None:
    with pytest.raises(InvalidParameterValue, match="1000"):
        client.search_registered_models(max_results=1001)
    with pytest.raises(InvalidParameterValue, match="200000"):
        client.search_model_versions(max_results=200_001)


def test_an_artifact_location_has_at_most_2048_characters(
    client: tracklet.TrackletClient, tmp_path: Path
) -> None:
    with pytest.raises(InvalidParameterValue, match="2048"):
        client.create_experiment("a", artifact_location="/" + "x" * 2048)
    with pytest.raises(InvalidParameterValue, match="runs:"):
        client.create_experiment("a", artifact_location="runs:/x/y")
    assert client.get_experiment_by_name("a") is None


def test_a_key_that_mlflow_cannot_read_is_kept_and_warned_of_once(
    client: tracklet.TrackletClient, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    for step in range(3):
        client.log_metric(run_id, "warned 📉", 1.0, step=step)
    assert [r.message.count("MLflow cannot read") for r in caplog.records].count(1) == 1
    assert client.get_run(run_id).data.metrics == {"warned 📉": 1.0}
