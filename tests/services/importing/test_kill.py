"""An import that is killed leaves whole entities or none, and the next one completes it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracklet import state, stores
from tracklet.entities import Metric
from tracklet_services.importing import import_record

RUNS, POINTS = 40, 200
SCRIPT = """
import sys
from tracklet_services.importing import import_record
print("ready", flush=True)
def show(done, total):
    print(done, flush=True)
import_record(sys.argv[1], sys.argv[2], copy_artifacts=True, progress=show)
"""


@pytest.fixture
def source(tracklet_home: Path) -> str:
    uri = str(tracklet_home / "source" / "mlruns")
    store: Any = stores.open_store(uri)
    experiment = store.create_experiment("e")
    for _ in range(RUNS):
        put_run(store, experiment)
    return uri


def put_run(store: Any, experiment: str) -> None:
    run = store.create_run(experiment)
    points = [Metric("m", float(step), step, step) for step in range(POINTS)]
    store.log_batch(run.info.run_id, points, {"p": "1"}, {"t": "1"})
    (Path(run.info.artifact_uri) / "a.bin").write_bytes(b"x" * 10_000)


@pytest.mark.parametrize("kind", ["files", "sqlite"])
def test_a_killed_import_leaves_no_half_run_and_the_next_one_completes_it(
    kind: str, source: str, place: Callable[[str, str], str], tracklet_home: Path
) -> None:
    target = place(kind, "target")
    chance = random.Random(3)
    seen = 0
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, source, target], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child, child.stdout:
            for line in child.stdout:
                if line != "ready\n" and int(line) > chance.randrange(seen, seen + 12):
                    break
            time.sleep(chance.random() * 0.004)
            os.kill(child.pid, signal.SIGKILL)
        state.forget("tracklet.stores")
        runs = whole_runs(target)
        assert seen <= len(runs) <= RUNS
        seen = len(runs)
    state.forget("tracklet.stores")
    store: Any = stores.open_store(source)
    put_run(store, store.get_experiment_by_name("e").experiment_id)  # so that there is one to take
    report = import_record(source, target, copy_artifacts=True)
    assert report.tallies["runs"].taken == RUNS + 1 - seen
    assert len(whole_runs(target)) == RUNS + 1
    assert import_record(source, target, copy_artifacts=True).changed == 0
    assert not list((tracklet_home / "target").rglob(".tracklet-import-*"))


def whole_runs(target: str) -> list[Any]:
    """All runs that a reader finds, each with everything."""
    store: Any = stores.open_store(target)
    experiment = store.get_experiment_by_name("e")
    if experiment is None:
        return []
    runs = store.search_runs([experiment.experiment_id], "", max_results=1000)
    for run in runs:
        assert run.data.params == {"p": "1"}
        assert run.data.tags["t"] == "1"
        assert len(store.get_metric_history(run.info.run_id, "m")) == POINTS
        assert (Path(run.info.artifact_uri) / "a.bin").stat().st_size == 10_000
    return list(runs)
