"""Going on with the run of an earlier process, by ``start_run(resume="auto")``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet.errors import InvalidParameterValue, InvalidState
from tracklet.fluent import resuming

HOLD = """
import sys, tracklet
sys.argv = [{script!r}]
run = tracklet.start_run(resume="auto")
print(run.info.run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["files", "database"])
def script(
    request: Any, tracklet_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """What this process seems to run."""
    if request.param == "database":
        pytest.importorskip("sqlalchemy")
        tracklet.set_tracking_uri(f"sqlite:///{tmp_path}/record.db")
    file = tmp_path / "train.py"
    file.touch()
    monkeypatch.setattr(sys, "argv", [str(file), "--config", "some.yaml"])
    monkeypatch.chdir(tmp_path)
    anew()
    return file


def anew() -> None:
    """As a process that has just begun."""
    resuming._started.begin()


def fail(**arguments: Any) -> str:
    anew()
    run = tracklet.start_run(resume="auto", **arguments)
    tracklet.log_metric("m", 1.0, step=0)
    tracklet.end_run("FAILED")
    return run.info.run_id


def test_a_failed_run_goes_on_and_a_finished_one_does_not(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same script, arguments and contents of its configuration; attempts are listed."""
    first = fail(tags={"a": "1"})
    assert fail(tags={"b": "2"}) == first
    anew()
    with tracklet.start_run(resume="auto") as run:
        assert run.info.run_id == first
    with tracklet.start_run(resume="auto") as fold:
        assert fold.info.run_id != first
    found = tracklet.get_run(first)
    assert found.info.status == "FINISHED"
    assert found.data.tags.keys() >= {"a", "b"}
    attempts = json.loads(found.data.tags["tracklet.attempts"])
    assert [each["attempt"] for each in attempts] == [1, 2, 3]
    assert [each.get("status") for each in attempts] == ["FAILED", "FAILED", None]
    anew()
    with tracklet.start_run(resume="auto") as run:
        assert run.info.run_id not in (first, fold.info.run_id)
    second = fail()
    for content in ("lr: 1", "lr: 2"):
        Path("some.yaml").write_text(content)
        other = fail()
        assert other != second
        second = other
    with tracklet.start_run() as run:
        assert run.info.run_id != second
        assert "tracklet.attempts" not in tracklet.get_run(run.info.run_id).data.tags
    monkeypatch.setenv("TRACKLET_RESUME", "auto")
    anew()
    with tracklet.start_run() as run:
        assert run.info.run_id == second
        with tracklet.start_run(nested=True) as child:
            assert child.info.run_id != second


def test_what_is_no_way_to_resume_is_refused(script: Path) -> None:
    with pytest.raises(InvalidParameterValue, match='resume is "auto" or None; got True'):
        tracklet.start_run(resume=True)  # type: ignore[arg-type]
    assert tracklet.active_run() is None


def test_two_processes_never_write_one_run(script: Path, caplog: Any) -> None:
    """The second is an attempt of its own, and says so; named, the run is refused."""
    first = fail()
    code = HOLD.format(script=str(script))
    code = code.replace(f"[{str(script)!r}]", repr(sys.argv))
    environment = {"TRACKLET_TRACKING_URI": tracklet.get_tracking_uri()}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline().strip() == first
        anew()
        with tracklet.start_run(resume="auto") as run:
            assert run.info.run_id != first
        tags = tracklet.get_run(run.info.run_id).data.tags
        assert tags["tracklet.attempt_beside"] == first
        assert "is an attempt of its own" in caplog.text
        with pytest.raises(InvalidState, match="carried by another process"):
            tracklet.start_run(first, resume="auto")
        holder.kill()
    anew()
    with tracklet.start_run(first, resume="auto") as run:
        assert run.info.run_id == first
    attempts = json.loads(tracklet.get_run(first).data.tags["tracklet.attempts"])
    assert [each.get("status") for each in attempts] == ["FAILED", "KILLED", None]


def test_what_lies_beyond_a_checkpoint_is_superseded(script: Path) -> None:
    """Later steps, and what was recorded later on another axis; kept in an artifact, to the bit."""
    anew()
    run_id = tracklet.start_run(resume="auto").info.run_id
    client: Any = tracklet.MlflowClient()
    for step in range(1, 9):
        client.log_metric(run_id, "loss", step / 3, timestamp=1000 + step, step=step)
    for epoch in range(4):
        client.log_metric(run_id, "accuracy", epoch, timestamp=1001 + 2 * epoch, step=epoch)
    client.log_metric(run_id, "val_loss", 0.5, timestamp=1005, step=4)
    client.log_metric(run_id, "system/cpu", 0.5, timestamp=1005, step=40)
    client.log_metric(run_id, "late", float("nan"), timestamp=1006, step=5)
    tracklet.end_run("FAILED")
    anew()
    with tracklet.start_run(resume="auto") as run:
        tracklet.log_metric("loss", 9.0, step=5)
        resuming.supersede(run, 4, 1004, "last.pt")
        resuming.supersede(run, 0, None, None)  # what is decided stays so
    history = client.get_metric_history(run_id, "loss")
    assert [(p.step, p.value) for p in history] == [*((n, n / 3) for n in range(1, 5)), (5, 9.0)]
    assert [p.step for p in client.get_metric_history(run_id, "accuracy")] == [0, 1]
    assert len(client.get_metric_history(run_id, "val_loss")) == 1
    assert len(client.get_metric_history(run_id, "system/cpu")) == 1
    data = tracklet.get_run(run_id).data
    assert "late" not in data.metrics
    found = tracklet.search_runs(filter_string="metrics.loss = 9", output_format="list")
    assert [each.info.run_id for each in found] == [run_id]
    kept = Path(client.download_artifacts(run_id, "superseded/attempt_1.csv")).read_text()
    assert kept.splitlines()[1:] == [
        "accuracy,2,2.0,1005,,",
        "accuracy,3,3.0,1007,,",
        "late,5,nan,1006,,",
        *(f"loss,{n},{n / 3!r},{1000 + n},," for n in range(5, 9)),
    ]
    _, attempt = json.loads(data.tags["tracklet.attempts"])
    assert (attempt["from"], attempt["from_step"], attempt["superseded"]) == ("last.pt", 4, 7)
