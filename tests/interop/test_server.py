"""Our client over the real MLflow server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tracklet
from tracklet import TrackletClient
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist

pytestmark = pytest.mark.interop


@pytest.fixture
def experiment(mlflow_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh experiment on the server, which is the active one."""
    tracklet.set_tracking_uri(mlflow_server)
    yield tracklet.set_experiment(request.node.name).experiment_id
    tracklet.set_tracking_uri(None)


def test_a_run_is_recorded_found_changed_and_deleted(experiment: str, tmp_path: Path) -> None:
    client = TrackletClient()
    file = tmp_path / "ä b.txt"
    file.write_text("content")
    run_id = client.create_run(experiment, run_name="first", tags={"team": "ü"}).info.run_id
    client.log_batch(
        run_id,
        [
            tracklet.entities.Metric("loss", value, 1000 + step, step)
            for step, value in enumerate([0.5, math.nan, 0.25])
        ],
        {f"p{number}": number for number in range(150)},
    )
    client.log_artifact(run_id, file, "notes")
    client.set_terminated(run_id)
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status, run.data.tags["team"]) == ("first", "FINISHED", "ü")
    assert run.data.metrics == {"loss": 0.25}
    assert len(run.data.params) == 150
    history = client.get_metric_history(run_id, "loss")
    assert [(point.step, point.timestamp) for point in history] == [(0, 1000), (1, 1001), (2, 1002)]
    assert math.isnan(history[1].value)
    assert [each.path for each in client.list_artifacts(run_id)] == ["notes"]
    fetched = client.download_artifacts(run_id, "notes/ä b.txt", str(tmp_path / "there"))
    assert Path(fetched).read_text() == "content"
    with pytest.raises(ResourceDoesNotExist, match="no artifact"):
        client.download_artifacts(run_id, "missing.txt")
    (found,) = client.search_runs([experiment], "metrics.loss < 0.3 and params.p3 = '3'")
    assert found.info.run_id == run_id
    client.delete_run(run_id)
    assert client.search_runs([experiment]) == []
    client.restore_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_what_the_server_refuses_is_refused_in_its_words(experiment: str) -> None:
    client = TrackletClient()
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "a", 1)
    with pytest.raises(InvalidParameterValue, match="already logged"):
        client.log_param(run_id, "a", 2)
    with pytest.raises(ResourceDoesNotExist, match="not found"):
        client.get_run("0" * 32)
    with pytest.raises(ResourceAlreadyExists):
        client.create_experiment("Default")
    assert client.get_experiment_by_name("nobody's") is None


def test_pages_are_turned(experiment: str) -> None:
    client = TrackletClient()
    made = {client.create_run(experiment).info.run_id for _ in range(5)}
    first = client.search_runs([experiment], max_results=3)
    second = client.search_runs([experiment], max_results=3, page_token=first.token)
    assert (len(first), len(second), second.token) == (3, 2, None)
    assert {run.info.run_id for run in [*first, *second]} == made


def test_a_fit_is_recorded_and_its_model_registered_and_loaded(experiment: str) -> None:
    tracklet.sklearn.autolog()
    try:
        features = np.linspace(0, 1, 40).reshape(20, 2)
        fitted = LogisticRegression().fit(features, features[:, 0] > 0.5)
    finally:
        tracklet.sklearn.autolog(disable=True)
    run = tracklet.last_active_run()
    assert run is not None
    assert run.data.params["C"] == "1.0"
    (output,) = run.outputs.model_outputs
    version = tracklet.register_model(f"models:/{output.model_id}", f"of {experiment}")
    TrackletClient().set_registered_model_alias(version.name, "best", version.version)
    for uri in (f"models:/{output.model_id}", f"models:/{version.name}@best"):
        loaded = tracklet.pyfunc.load_model(uri)
        assert (loaded.predict(features) == fitted.predict(features)).all()
    assert [
        v.version for v in TrackletClient().search_model_versions(f"name = '{version.name}'")
    ] == [1]


def test_a_trace_comes_back_with_its_spans(experiment: str) -> None:
    @tracklet.trace
    def doubled(number: int) -> int:
        return 2 * number

    doubled(4)
    client = TrackletClient()
    (found,) = client.search_traces([experiment])
    assert [span.name for span in found.data.spans] == ["doubled"]
    client.set_trace_tag(found.info.trace_id, "checked", "yes")
    assert client.get_trace(found.info.trace_id).info.tags["checked"] == "yes"
