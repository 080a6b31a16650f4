"""Artifacts in an object store, in the UI: looked at without fetching what nobody asked for."""

from __future__ import annotations

import io
import os
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import tracklet
from tracklet_services.server import personal as application
from tracklet_services.ui.place import LIMITS, Place

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOKEN = "t" * 32


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh bucket of a server that keeps objects in memory."""
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    place = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": place,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{os.urandom(6).hex()}"
    with urllib.request.urlopen(urllib.request.Request(f"{place}/{name}", method="PUT")):
        yield f"s3://{name}/experiments"
    server.stop()


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is fetched lies meanwhile."""
    folder = tmp_path / "fetched"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def _opened(place: str) -> TestClient:
    app = application.create_app(Place(place), token=TOKEN, port=5000)
    return TestClient(app, "http://localhost:5000", headers={"authorization": f"Bearer {TOKEN}"})


def test_a_folder_is_described_without_fetching_it(
    bucket: str, tmp_path: Path, fetched: Path
) -> None:
    """What it is, and nothing of how much it holds; a file is described as one."""
    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    run_id = made.create_run(made.create_experiment("far", bucket)).info.run_id
    made.log_text(run_id, "x" * 1000, "kept/MLmodel")
    made.log_text(run_id, "y", "kept/data/weights.txt")
    client = _opened(str(tmp_path / "mlruns"))

    def described(path: str) -> dict[str, object]:
        answer = client.get("/api/ui/v1/describe", params={"run": run_id, "path": path})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert described("") == {"is_dir": True, "model": False}
    assert described("kept") == {"is_dir": True, "model": True}
    assert list(fetched.rglob("*")) == []
    assert described("kept/data/weights.txt")["size"] == 1


def test_what_was_fetched_for_an_answer_goes_with_it(
    bucket: str, tmp_path: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, folders as one file, logs and descriptions leave nothing; failures neither."""
    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    experiment = made.create_experiment("far", bucket)
    run_id = made.create_run(experiment).info.run_id
    made.log_text(run_id, "hello", "kept/a/note.txt")
    made.log_text(run_id, "printed", "tracklet/output.log")
    client = _opened(str(tmp_path / "mlruns"))
    about = {"run": run_id, "path": "kept/a/note.txt"}
    assert client.get(f"/files/runs/{run_id}/kept/a/note.txt").text == "hello"
    packed = client.get(f"/files/runs/{run_id}/kept?zip=kept").content
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        assert found.read("a/note.txt") == b"hello"
    assert client.get("/api/ui/v1/log", params={"run": run_id}).content == b"printed"
    assert client.get("/api/ui/v1/describe", params=about).json()["size"] == 5
    assert client.get(f"/files/runs/{run_id}/kept").status_code == 404
    assert client.get(f"/files/runs/{run_id}/none.txt").status_code == 404
    assert list(fetched.iterdir()) == []
    monkeypatch.setitem(LIMITS, "zip_bytes", 4)
    monkeypatch.setattr(
        "tracklet.repositories.objects.ObjectArtifacts.fetch", lambda *_: pytest.fail("fetched")
    )
    assert client.get(f"/files/runs/{run_id}/kept?zip=kept").status_code == 400
