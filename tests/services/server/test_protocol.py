"""MLflow's REST protocol: what is asked, what is answered, what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest


def test_a_run_is_kept_and_found_as_it_was_sent(client: Any, store: Any) -> None:
    experiment, run_id = client.run()
    client.post("runs/log-parameter", run_id=run_id, key="depth", value="3")
    client.post("runs/set-tag", run_uuid=run_id, key="who", value="me")
    client.post("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=1, step=0)
    client.post(
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": "loss", "value": 0.25, "timestamp": "2", "step": "1"}],
        params=[{"key": "width", "value": ""}],
        tags=[{"key": "gone", "value": "soon"}],
    )
    client.post("runs/delete-tag", run_id=run_id, key="gone")
    ended = client.post("runs/update", run_id=run_id, status="FINISHED", end_time=2000)

    assert ended["run_info"]["status"] == "FINISHED"
    run = client.get("runs/get", run_id=run_id)["run"]
    assert run["info"]["artifact_uri"] == f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
    (loss,) = run["data"]["metrics"]
    assert (loss["value"], loss["step"], loss["timestamp"]) == (0.25, 1, 2)
    assert {"key": "width", "value": ""} in run["data"]["params"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["who"] == "me"
    assert "gone" not in tags
    points = client.get("metrics/get-history", run_id=run_id, metric_key="loss")["metrics"]
    assert [point["step"] for point in points] == [0, 1]
    found = client.post("runs/search", experiment_ids=[experiment], filter="params.depth = '3'")
    assert [one["info"]["run_id"] for one in found["runs"]] == [run_id]
    # The record is the same that a local process reads.
    assert store.get_run(run_id).data.params == {"depth": "3", "width": ""}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_none_for_travel_as_texts(
    client: Any, store: Any, value: str
) -> None:
    _, run_id = client.run()
    client.post("runs/log-metric", run_id=run_id, key="m", value=value, timestamp=1)
    kept = store.get_metric_history(run_id, "m")[0].value
    assert math.isnan(kept) if value == "NaN" else kept == float(value)
    answered = client.get("metrics/get-history", run_id=run_id, metric_key="m")["metrics"][0]
    assert answered["value"] == value


def test_what_does_not_fit_is_refused_and_the_field_is_named(client: Any, store: Any) -> None:
    _, run_id = client.run()
    before = store.get_run(run_id)
    point = {"key": "m", "value": 1.0, "timestamp": 1}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"metrics": [{"key": "m", "timestamp": 1}]}, "value"),
        ({"metrics": [{**point, "value": "much"}]}, "metrics[0].value"),
        ({"metrics": [{**point, "value": True}]}, "metrics[0].value"),
        ({"metrics": [{**point, "step": 2**70}]}, "metrics[0].step"),
        ({"metrics": [point], "params": [{"key": "p", "value": 3}]}, "params[0].value"),
        ({"metrics": [point], "tags": {"key": "value"}}, "tags"),
        ({"metrics": [point], "params": [{"key": "../p", "value": "3"}]}, "../p"),
    ]
    for body, named in wrong:
        answer = client.raw("POST", "runs/log-batch", run_id=run_id, **body)
        assert answer.status_code == 400, body
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert named in answer.json()["message"]
    assert store.get_run(run_id) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"run_id": NaN}',
        b'{"run_id": "a", "metrics": [{"key": "m", "value": 1e400, "timestamp": 1}]}',
        b'{"run_id": "\\ud800"}',
        b'{"run_id": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"run_id": "a", "metrics": [{"key": "m", "value": '
        + b"9" * 5000
        + b', "timestamp": 1}]}',
        b'{"run_id": "a"} {}',
        json.dumps({str(number): 1 for number in range(20_000)}).encode(),
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_a_body_that_is_none_is_a_400(client: Any, body: bytes) -> None:
    answer = client.http.post(
        "/api/2.0/mlflow/runs/log-batch",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert set(answer.json()) == {"error_code", "message"}
    assert client.http.get("/health").text == "OK"


def test_where_the_path_names_something_the_body_is_read_as_elsewhere(client: Any) -> None:
    import tracemalloc

    experiment, _ = client.run()
    model = client.post("logged-models", experiment_id=experiment, name="net")["model"]
    verb = f"logged-models/{model['info']['model_id']}"

    def sent(content: bytes) -> Any:
        kind = {"content-type": "application/json"}
        return client.http.request(
            "PATCH", f"/api/2.0/mlflow/{verb}/tags", content=content, headers=kind
        )

    for content, named in (
        (b"[]", "Expected `object`"),
        (b'{"tags": [{"key": "t", "value": 3}]}', "$.tags[0].value"),
        (b'{"tags": {}}', "$.tags"),
        (b'{"x": [}', "malformed"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ):
        answer = sent(content)
        assert (answer.status_code, named in answer.json()["message"]) == (400, True), answer.text
    other = b'{"model_id": "m-other", "tags": [{"key": "t", "value": "v"}]}'
    assert sent(other).status_code == 200  # what the path says counts
    unknown = b'{"x": [' + b"{}," * 500_000 + b"{}]}"
    tracemalloc.start()
    assert sent(unknown).status_code == 200
    assert tracemalloc.get_traced_memory()[1] < 4 * len(unknown)  # nothing is made of it
    tracemalloc.stop()


def test_an_interval_has_points_of_each_run(client: Any) -> None:
    experiment, first = client.run()
    second = client.post("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    points = [{"key": "m", "value": 1, "timestamp": 1, "step": step} for step in range(1000)]
    for run_id in (first, second):
        for _ in range(2):
            client.post("runs/log-batch", run_id=run_id, metrics=points)
    asked = {"run_id": [first, second], "metric_key": "m"}
    query = {**asked, "max_results": 1500}
    found = client.http.get(
        "/api/2.0/mlflow/metrics/get-history-bulk-interval", params=query
    ).json()["metrics"]
    for run_id in (first, second):
        steps = [point["step"] for point in found if point["run_id"] == run_id]
        assert (len(steps), steps[0], steps[-1]) == (1500, 0, 999)


def test_a_body_must_say_that_it_is_json(client: Any) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.http.post(
            "/api/2.0/mlflow/experiments/create",
            content=b'{"name": "planted"}',
            headers={"content-type": kind},
        )
        assert answer.status_code == 400
    assert client.http.get(
        "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "planted"}
    ).status_code == 404  # fmt: skip


def test_errors_have_their_status_and_mlflow_s_shape(client: Any) -> None:
    client.run("taken")
    cases = [
        (client.raw("POST", "experiments/create", name="taken"), 400, "RESOURCE_ALREADY_EXISTS"),
        (client.raw("POST", "runs/delete", run_id="0" * 32), 404, "RESOURCE_DOES_NOT_EXIST"),
        (client.raw("POST", "runs/delete", run_id="../x"), 400, "INVALID_PARAMETER_VALUE"),
        (client.raw("POST", "no/such/verb"), 404, "ENDPOINT_NOT_FOUND"),
        (client.raw("PUT", "runs/get"), 404, "ENDPOINT_NOT_FOUND"),
        (client.http.get("/nowhere"), 404, "ENDPOINT_NOT_FOUND"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/json"


def test_logged_models_and_the_registry_are_kept(client: Any) -> None:
    experiment, run_id = client.run()
    made = client.post(
        "logged-models",
        experiment_id=experiment,
        name="net",
        source_run_id=run_id,
        params=[{"key": "p", "value": "1"}],
    )["model"]
    model_id = made["info"]["model_id"]
    assert made["info"]["status"] == "LOGGED_MODEL_PENDING"
    client.post("runs/outputs", run_id=run_id, models=[{"model_id": model_id, "step": 3}])
    client.post(f"logged-models/{model_id}/params", params=[{"key": "q", "value": "2"}])
    tags = [{"key": "t", "value": "v"}]
    assert client.raw("PATCH", f"logged-models/{model_id}/tags", tags=tags).status_code == 200
    ready = client.raw("PATCH", f"logged-models/{model_id}", status="LOGGED_MODEL_READY").json()
    assert ready["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    assert client.raw("DELETE", f"logged-models/{model_id}/tags/t").status_code == 200
    found = client.post("logged-models/search", experiment_ids=[experiment])["models"]
    assert [model["info"]["model_id"] for model in found] == [model_id]
    outputs = client.get("runs/get", run_id=run_id)["run"]["outputs"]
    assert outputs == {"model_outputs": [{"model_id": model_id, "step": 3}]}

    client.post("registered-models/create", name="m", description="")
    source = f"models:/{model_id}"
    version = client.post("model-versions/create", name="m", source=source, model_id=model_id)
    assert version["model_version"]["version"] == "1"
    assert version["model_version"]["description"] == ""
    client.post("registered-models/alias", name="m", alias="best", version="1")
    by_alias = client.get("registered-models/alias", name="m", alias="best")["model_version"]
    assert (by_alias["version"], by_alias["aliases"]) == ("1", ["best"])
    uri = client.get("model-versions/get-download-uri", name="m", version="1")["artifact_uri"]
    assert uri == f"mlflow-artifacts:/{experiment}/models/{model_id}/artifacts"
    assert client.raw("DELETE", "registered-models/delete", name="m").status_code == 200


@pytest.mark.parametrize("prefix", ["", "/tracking/here"])
def test_the_description_names_every_endpoint(serve: Any, prefix: str) -> None:
    from tracklet_services.server.protocol import ENDPOINTS

    client = serve(prefix=prefix)
    paths = client.http.get(f"{prefix}/openapi.json").json()["paths"]
    for endpoint in ENDPOINTS:
        for version in endpoint.versions:
            path = f"/api/{version}/mlflow/{endpoint.path}"
            assert endpoint.method.lower() in paths[path]
    assert client.http.get(f"{prefix}/version").text.startswith("3.")
    found = client.http.post(f"{prefix}/ajax-api/2.0/mlflow/experiments/search", json={})
    assert found.json()["experiments"]


def test_the_access_log_has_a_line_of_json_for_each_request(client: Any) -> None:
    import io

    from tracklet_services.web.access import AccessLog

    lines = io.StringIO()
    client.http.app = AccessLog(client.http.app, lines)
    client.http.get("/health", params={"secret": "word"})
    client.http.get("/nowhere", headers={"host": "evil.example"})
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["path"], first["status"], first["bytes"]) == ("/health", 200, 2)
    assert second["status"] == 403
    assert "word" not in lines.getvalue()


@pytest.mark.parametrize(
    ("method", "verb", "lacking"),
    [
        ("POST", "datasets/create", "evaluation datasets"),
        ("GET", "scorers/list", "scorers"),
        ("POST", "roles/create", "roles; permissions are granted to users"),
        ("POST", "gateway/endpoints/create", "gateways"),
    ],
)
def test_what_the_server_does_not_keep_is_said(
    client: Any, method: str, verb: str, lacking: str
) -> None:
    answer = client.raw(method, verb, api="3.0")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert answer.json()["message"] == f"this server keeps no {lacking}"
