"""Our client over the real MLflow server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tracklet
from tracklet import TrackletClient
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.stores import open_store
from tracklet.stores.rest.shipper import Shipper
from tracklet.stores.rest.store import RestStore
from tracklet.wire import Unreachable

pytestmark = pytest.mark.interop


@pytest.fixture
def experiment(
    mlflow_server: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A fresh experiment on the server, which is the active one; this process sends to it."""
    monkeypatch.setenv("TRACKLET_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TRACKLET_SHIPPING", "off")
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


def test_a_training_arrives_once_although_answers_are_lost(
    experiment: str, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer to a batch is lost once; MLflow's server has run, points and model once."""
    with tracklet.start_run() as run:
        tracklet.log_params({f"p{number}": number for number in range(120)})
        for step in range(2500):
            tracklet.log_metric("loss", 1 / (step + 1), step=step, timestamp=1000 + step)
        tracklet.log_text("content", "notes/a.txt")
    store: Any = open_store(mlflow_server)
    server = RestStore(mlflow_server)
    call, lost = server.server.call, set()

    def answer_lost(method: str, path: str, body: Any = None, *rest: Any, **more: Any) -> Any:
        answered = call(method, path, body, *rest, **more)
        sign = path, repr(body)
        if path in ("runs/create", "runs/log-batch") and sign not in lost:
            lost.add(sign)
            raise Unreachable("the answer was lost")
        return answered

    monkeypatch.setattr(server.server, "call", answer_lost)
    shipper = Shipper(store.spool, server)
    for _ in range(20):
        with suppress(Unreachable):
            if shipper.deliver():
                break
    assert len(lost) >= 5
    assert shipper.left() == []
    (found,) = TrackletClient().search_runs([experiment])
    assert found.data.tags["tracklet.run_id"] == run.info.run_id
    assert len(found.data.params) == 120
    history = RestStore(mlflow_server).get_metric_history(found.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(range(2500))
