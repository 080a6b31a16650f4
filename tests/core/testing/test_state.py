"""``tracklet.testing.reset`` and the fixture ``tracklet_home``."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tracklet
from tracklet import plugins, stores
from tracklet.state import lock as new_lock
from tracklet.testing import reset

SKLEARN = pytest.importorskip("sklearn.linear_model")


def test_reset_forgets_runs_experiments_uris_stores_and_plugins(
    tracklet_home: Path, tmp_path: Path
) -> None:
    tracklet.set_tracking_uri(tmp_path / "other")
    tracklet.set_experiment("fruit")
    run = tracklet.start_run()
    store = stores.open_store(tracklet.get_tracking_uri())
    known = plugins.entry_points("flavors")
    reset()
    assert tracklet.active_run() is None
    assert tracklet.get_tracking_uri() == str(tracklet_home / "mlruns")
    assert stores.open_store(str(tmp_path / "other")) is not store
    assert plugins.entry_points("flavors") is not known
    with tracklet.start_run() as other:
        assert other.info.experiment_id == "0"
    assert run.info.run_id != other.info.run_id


def test_reset_disables_integrations_and_puts_the_originals_back(tracklet_home: Path) -> None:
    original = vars(SKLEARN.LinearRegression)["fit"]
    tracklet.autolog(silent=True)
    assert vars(SKLEARN.LinearRegression)["fit"] is not original
    reset()
    assert vars(SKLEARN.LinearRegression)["fit"] is original
    assert "active" not in tracklet.autolog.status().values()


def test_reset_leaves_files_alone(tracklet_home: Path) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1.5)
    reset()
    assert tracklet.get_run(run.info.run_id).data.metrics == {"m": 1.5}


def test_reset_of_a_process_that_used_nothing_imports_nothing() -> None:
    code = (
        "import sys; from tracklet.testing import reset; before = set(sys.modules); reset(); "
        "sys.exit(len(set(sys.modules) - before))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_home_of_a_test_is_inherited_by_its_processes(tracklet_home: Path) -> None:
    code = "import tracklet; print(tracklet.get_tracking_uri())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(tracklet_home / "mlruns")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_lock_that_another_thread_holds_at_a_fork_is_free_in_the_child() -> None:
    lock, held, done = new_lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(blocking=False) else 1)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
