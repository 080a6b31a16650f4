"""The processes that a program starts record where it records, whichever way they are started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracklet
from tracklet.entities import Run

PROGRAM = """\
import multiprocessing, subprocess, sys
import mlflow

def work(way):
    with mlflow.start_run(run_name=way):
        mlflow.log_metric("m", 1.0)

def record(way):
    mlflow.log_metric(way, 1.0)

if __name__ == "__main__":
    store, ways = sys.argv[1], sys.argv[2:]
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("chosen")
    with mlflow.start_run():
        for way in set(ways) & {"fork", "forkserver", "spawn"}:
            context = multiprocessing.get_context(way)
            for target in [work, record] if way == "fork" else [work]:
                child = context.Process(target=target, args=(way,))
                child.start()
                child.join()
                assert child.exitcode == 0
        program = [sys.executable, "-c", "import program; program.work('program')"]
        subprocess.run(program, check=True)
        if "loky" in ways:
            import joblib
            joblib.Parallel(2, backend="loky")(joblib.delayed(work)(way) for way in ["loky"])
"""


def runs_of(folder: Path, *ways: str, program: str = PROGRAM, **environment: str) -> dict[str, Run]:
    """What a program records in an experiment, by the runs' names."""
    (folder / "program.py").write_text(program)
    store = tracklet.get_tracking_uri()
    inherited = {name: each for name, each in os.environ.items() if "TRACKING_URI" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "tracklet", "run", "program.py", store, *ways],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "mlruns").exists()
    runs = tracklet.search_runs(experiment_names=["chosen"], output_format="list")
    return {run.info.run_name: run for run in runs}


@pytest.mark.skipif(os.name != "posix", reason="fork and forkserver are POSIX's")
def test_children_of_a_run_record_into_its_experiment(tracklet_home: Path) -> None:
    """A forked child goes on with the run or nests below it; others start runs of their own.

    The run that the parent goes on with by RUN_ID stays its own.
    """
    chosen = tracklet.create_experiment("chosen")
    with tracklet.start_run(experiment_id=chosen, run_name="top") as earlier:
        pass
    ways = ["fork", "forkserver", "spawn"]
    try:
        import joblib  # noqa: F401

        ways.append("loky")
    except ImportError:
        pass
    (folder := tracklet_home / "work").mkdir()
    # What the user's environment says is overruled by the call, for children as for the parent.
    overruled = {"MLFLOW_EXPERIMENT_NAME": "configured"}
    runs = runs_of(folder, *ways, MLFLOW_RUN_ID=earlier.info.run_id, **overruled)
    assert set(runs) == {"top", "program", *ways}
    assert all(run.data.metrics == {"m": 1.0} for name, run in runs.items() if name != "top")
    assert runs["top"].data.metrics == {"fork": 1.0}
    below = {name for name, run in runs.items() if "mlflow.parentRunId" in run.data.tags}
    assert below == {"fork"}
    assert runs["fork"].data.tags["mlflow.parentRunId"] == earlier.info.run_id
    assert tracklet.get_experiment_by_name("configured") is None


def test_a_child_that_is_told_a_run_or_an_experiment_records_there(tracklet_home: Path) -> None:
    """As with MLflow by its variables: the run goes on, and what a child is told overrules."""
    program = """\
import os, subprocess, sys
import mlflow

if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_experiment("chosen")
    with mlflow.start_run(run_name="top") as run:
        code = "import mlflow; mlflow.start_run(run_name='child'); mlflow.log_metric('m', 1.0)"
        for told in ({"MLFLOW_RUN_ID": run.info.run_id}, {"MLFLOW_EXPERIMENT_NAME": "told"}):
            environment = {**os.environ, **told}
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
"""
    (folder := tracklet_home / "work").mkdir()
    runs = runs_of(folder, program=program)
    assert len(runs) == 1
    assert [run.data.metrics for run in runs.values()] == [{"m": 1.0}]
    (told,) = tracklet.search_runs(experiment_names=["told"], output_format="list")
    assert told.data.metrics == {"m": 1.0}
