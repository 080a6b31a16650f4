"""The real MLflow client against our server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.interop
pytest.importorskip("starlette")
pytest.importorskip("msgspec")


@pytest.fixture(params=["files", "sqlite"])
def server(request: pytest.FixtureRequest, tracklet_home: Path) -> Iterator[str]:
    """The address of a server of ours in a process of its own."""
    store = "mlruns" if request.param == "files" else "sqlite:///record.db"
    socket = __import__("socket").socket()
    socket.bind(("127.0.0.1", 0))
    port = socket.getsockname()[1]
    socket.close()
    command = ["tracklet", "server", "--port", str(port), "--backend-store-uri", store]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=tracklet_home)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                    assert answer.read() == b"OK"
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_a_run_goes_there_and_back(server: str, in_mlflow: Callable[..., Any]) -> None:
    answered = in_mlflow(
        """
        mlflow.set_tracking_uri(arguments[0])
        client = MlflowClient()
        mlflow.set_experiment("exp-a")
        with mlflow.start_run() as active:
            mlflow.log_param("a", 1)
            mlflow.log_params({"b": 2})
            for step in range(3):
                mlflow.log_metric("m", step / 4, step=step)
            mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")})
            mlflow.set_tags({"t": "v", "gone": "soon"})
            mlflow.delete_tag("gone")
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_dict({"k": 1}, "d.json")
        run_id = active.info.run_id
        found = mlflow.search_runs(filter_string="params.a = '1' and metrics.m > 0.4")
        run = client.get_run(run_id)
        points = client.get_metric_history(run_id, "m")
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt")
        client.delete_run(run_id)
        stage = client.get_run(run_id).info.lifecycle_stage
        client.restore_run(run_id)
        answer({
            "found": list(found["run_id"]) == [run_id],
            "params": run.data.params,
            "metrics": {key: str(value) for key, value in run.data.metrics.items()},
            "tags": [run.data.tags.get("t"), run.data.tags.get("gone")],
            "points": [[p.value, p.step] for p in points],
            "files": [f.path for f in client.list_artifacts(run_id)],
            "status": run.info.status,
            "text": text,
            "stage": stage,
        })
        """,
        server,
    )
    assert answered == {
        "found": True,
        "params": {"a": "1", "b": "2"},
        "metrics": {"m": "0.5", "nan": "nan", "inf": "inf"},
        "tags": ["v", None],
        "points": [[0.0, 0], [0.25, 1], [0.5, 2]],
        "files": ["d.json", "notes"],
        "status": "FINISHED",
        "text": "hello",
        "stage": "deleted",
    }
    with urllib.request.urlopen(f"{server}/openapi.json") as described:
        assert json.load(described)["paths"]
