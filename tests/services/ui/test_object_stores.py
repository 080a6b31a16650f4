"""Artifacts in an object store, in the UI: looked at without fetching what nobody asked for."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import tracklet
from tracklet_services.server import personal as application
from tracklet_services.ui.place import Place

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


def test_a_folder_is_described_without_fetching_it(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is, and nothing of how much it holds; a file is described as one."""
    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    run_id = made.create_run(made.create_experiment("far", bucket)).info.run_id
    made.log_text(run_id, "x" * 1000, "kept/MLmodel")
    made.log_text(run_id, "y", "kept/data/weights.txt")
    fetched = tmp_path / "fetched"
    monkeypatch.setenv("TMPDIR", str(fetched))
    fetched.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(fetched))
    app = application.create_app(Place(str(tmp_path / "mlruns")), token=TOKEN, port=5000)
    client = TestClient(app, "http://localhost:5000", headers={"authorization": f"Bearer {TOKEN}"})

    def described(path: str) -> dict[str, object]:
        answer = client.get("/api/ui/v1/describe", params={"run": run_id, "path": path})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert described("") == {"is_dir": True, "model": False}
    assert described("kept") == {"is_dir": True, "model": True}
    assert list(fetched.rglob("*")) == []
    assert described("kept/data/weights.txt")["size"] == 1
