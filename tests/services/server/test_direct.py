"""Artifacts in an object store behind the server, over one that speaks S3's protocol."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
pytest.importorskip("boto3", reason="boto3 is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PROXY = "/api/2.0/mlflow-artifacts"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The place of a server that keeps objects in memory."""
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A fresh bucket."""
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{os.urandom(6).hex()}"
    _ask("PUT", f"{endpoint}/{name}")
    return f"s3://{name}"


@pytest.fixture
def client(serve: Callable[..., Any], bucket: str) -> Any:
    """A client of a server that puts artifacts there."""
    return serve(destination=f"{bucket}/team/")


def _ask(method: str, url: str, content: bytes | None = None, **headers: str) -> Any:
    headers = {"Content-Type": "application/octet-stream", **headers}
    asked = urllib.request.Request(url, content, headers, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read(), answer.headers


def _upload(client: Any, at: str, name: str, parts: list[bytes]) -> Any:
    """Send parts as MLflow's clients do, but for the end."""
    asked = {"path": f"/home/ada/{name}", "num_parts": len(parts)}
    begun = client.http.post(f"{PROXY}/mpu/create/{at}", json=asked).json()
    taken = []
    for one, part in zip(begun["credentials"], parts, strict=True):
        etag = _ask("PUT", one["url"], part, **one["headers"])[1]["ETag"]
        taken.append({"part_number": one["part_number"], "etag": etag, "url": one["url"]})
    return {"path": name, "upload_id": begun["upload_id"], "parts": taken}


def test_artifacts_of_new_experiments_go_there_and_clients_are_not_told(client: Any) -> None:
    """Whole files, ranges, folders and deletion pass the server, which alone has credentials."""
    experiment, run_id = client.run()
    run = client.get("runs/get", run_id=run_id)["run"]
    assert run["info"]["artifact_uri"] == f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
    at = f"{experiment}/{run_id}/artifacts"
    files = f"{PROXY}/artifacts/{at}"
    content = os.urandom(100_000)
    assert client.http.put(f"{files}/a/big.bin", content=content).status_code == 200
    assert client.http.put(f"{files}/note.txt", content=b"hello").status_code == 200
    assert client.http.get(f"{files}/a/big.bin").content == content
    ranged = client.http.get(f"{files}/a/big.bin", headers={"range": "bytes=500-599"})
    assert (ranged.status_code, ranged.content) == (206, content[500:600])
    listed = client.http.get(f"{PROXY}/artifacts", params={"path": at}).json()["files"]
    assert [(one["path"], one["is_dir"]) for one in listed] == [("a", True), ("note.txt", False)]
    assert client.http.get(f"{files}/a").status_code == 404
    assert client.http.delete(f"{files}/a").status_code == 200
    assert client.http.get(f"{files}/a/big.bin").status_code == 404
    assert client.http.get(f"{files}/note.txt").content == b"hello"


def test_a_model_s_source_there_is_told_by_its_run(client: Any) -> None:
    experiment, run_id = client.run()
    client.post("registered-models/create", name="m")
    source = f"mlflow-artifacts:/{experiment}/{run_id}/artifacts/model"
    made = client.post("model-versions/create", name="m", source=source, run_id=run_id)
    assert made["model_version"]["source"] == source
    told = client.get("model-versions/get-download-uri", name="m", version="1")
    assert told["artifact_uri"] == source


def test_no_client_names_a_place_behind_the_server(client: Any, bucket: str) -> None:
    """It would read there what belongs to others, by the server's credentials."""
    for place in (f"{bucket}/team", f"{bucket}//team/experiment-1", f"{bucket}/team/../team/x"):
        answer = client.raw("POST", "experiments/create", name="x", artifact_location=place)
        assert answer.status_code == 400, place
    answer = client.raw("POST", "experiments/create", name="x", artifact_location=f"{bucket}/teams")
    assert answer.status_code == 200
    found = client.get("experiments/get", experiment_id=answer.json()["experiment_id"])
    assert found["experiment"]["artifact_location"] == f"{bucket}/teams"


def test_an_account_of_azure_s_is_a_place_and_no_other_host_is(serve: Any) -> None:
    client = serve()
    for number, (host, status) in enumerate(
        {
            "box@team.dfs.core.windows.net": 200,
            "box@team.blob.core.windows.net": 200,
            "box@team.dfs.core.windows.net.evil.example": 400,
            "box:secret@team.dfs.core.windows.net": 400,
            "box@127.0.0.1": 400,
            "box": 400,
        }.items()
    ):
        place = f"abfss://{host}/experiments"
        answer = client.raw(
            "POST", "experiments/create", name=f"n{number}", artifact_location=place
        )
        assert answer.status_code == status, (host, answer.text)


def test_an_upload_in_parts_goes_past_the_server(client: Any) -> None:
    experiment, run_id = client.run()
    at = f"{experiment}/{run_id}/artifacts/models"
    info = client.http.get("/api/3.0/mlflow/server-info").json()
    assert info["multipart_uploads_enabled"]
    assert info["multipart_downloads_enabled"]
    parts = [os.urandom(5 << 20), b"the rest"]
    end = _upload(client, at, "big file.bin", parts)
    assert client.http.get(f"{PROXY}/artifacts/{at}/big file.bin").status_code == 404
    assert client.http.post(f"{PROXY}/mpu/complete/{at}", json=end).json() == {}
    signed = client.http.get(f"{PROXY}/presigned/{at}/big file.bin").json()
    assert signed["file_size"] == len(b"".join(parts))
    assert _ask("GET", signed["url"])[0] == b"".join(parts)


def test_an_upload_that_is_given_up_leaves_nothing(client: Any) -> None:
    experiment, run_id = client.run()
    at = f"{experiment}/{run_id}/artifacts"
    end = _upload(client, at, "f", [b"x"])
    wrong = {**end, "parts": [{"part_number": 1, "etag": '"0"'}]}
    for step, asked, status in (("complete", wrong, 400), ("abort", end, 200), ("abort", end, 400)):
        answer = client.http.post(f"{PROXY}/mpu/{step}/{at}", json=asked)
        assert answer.status_code == status, (step, answer.text)
    assert client.http.get(f"{PROXY}/artifacts", params={"path": at}).json() == {}


@pytest.mark.parametrize("path", ["", "/", "..", "a/..", "C:\\", "con", "a\x00", "%2e%2e"])
def test_the_name_of_an_upload_leads_nowhere_else(client: Any, path: str) -> None:
    experiment, run_id = client.run()
    at = f"{PROXY}/mpu/create/{experiment}/{run_id}/artifacts"
    assert client.http.post(at, json={"path": path, "num_parts": 1}).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [{}, {"path": 1}, {"path": "f", "num_parts": 0}, {"path": "f", "num_parts": 10_001}, [], "x"],
)
def test_what_is_no_upload_is_refused(client: Any, asked: Any) -> None:
    experiment, run_id = client.run()
    at = f"{PROXY}/mpu/create/{experiment}/{run_id}/artifacts"
    assert client.http.post(at, json=asked).status_code == 400


def test_urls_are_signed_for_a_file_of_a_run_or_model(client: Any) -> None:
    experiment, run_id = client.run()
    made = client.post("logged-models", experiment_id=experiment, name="n")["model"]
    for of in ({"run_id": run_id}, {"model_id": made["info"]["model_id"]}):
        up = client.post("artifacts/presigned-upload-url", path="d/f.bin", **of)
        assert "secret" not in up["presigned_url"]
        _ask("PUT", up["presigned_url"], b"content", **up.get("headers", {}))
    down = client.post("artifacts/presigned-download-url", run_id=run_id, path="d/f.bin")
    assert down["file_size"] == 7
    assert _ask("GET", down["presigned_url"])[0] == b"content"
    for verb, asked in (
        ("upload", {"path": "f"}),
        ("upload", {"path": "f", "run_id": run_id, "model_id": made["info"]["model_id"]}),
        ("upload", {"path": "../f", "run_id": run_id}),
        ("upload", {"path": "", "run_id": run_id}),
        ("upload", {"path": "f", "run_id": run_id, "expiration": 0}),
        ("download", {"path": "d/f.bin", "run_id": run_id, "expiration": 604_801}),
    ):
        answer = client.raw("POST", f"artifacts/presigned-{verb}-url", **asked)
        assert answer.status_code == 400, (verb, asked)
    answer = client.raw("POST", "artifacts/presigned-download-url", run_id=run_id, path="none")
    assert answer.status_code == 404


def test_a_signed_url_is_good_for_nothing_else(client: Any, endpoint: str, bucket: str) -> None:
    """Not for another object, nor for writing; moto checks no signatures, so they are compared."""
    _, run_id = client.run()
    urls = {
        client.post("artifacts/presigned-upload-url", path=path, run_id=run_id)["presigned_url"]
        for path in ("f", "g")
    }
    signatures = {url.rpartition("X-Amz-Signature=")[2] for url in urls}
    assert len(signatures) == 2
    assert all("X-Amz-Expires=900" in url for url in urls)


def test_what_lies_on_the_server_s_disk_is_sent_and_fetched_there(serve: Any) -> None:
    """In the words and by the missing size by which MLflow's clients do so."""
    client = serve()
    experiment, run_id = client.run()
    at = f"{experiment}/{run_id}/artifacts"
    for step, asked in (("create", {"num_parts": 2}), ("abort", {"upload_id": "x"})):
        answer = client.http.post(f"{PROXY}/mpu/{step}/{at}", json={"path": "f", **asked})
        assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
        assert answer.json()["message"].startswith("Multipart upload is not supported")
    signed = client.http.get(f"{PROXY}/presigned/{at}/f").json()
    assert signed == {"url": f"http://localhost:5000{PROXY}/artifacts/{at}/f", "headers": {}}
    refused = client.raw("POST", "artifacts/presigned-upload-url", path="f", run_id=run_id)
    assert refused.status_code == 400
    assert not client.http.get("/api/3.0/mlflow/server-info").json()["multipart_uploads_enabled"]
