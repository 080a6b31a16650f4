"""Processes that die, fork, race and share: nothing accepted is lost, and every run ends right."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import tracklet
from tracklet import liveness, validation
from tracklet.entities import Metric
from tracklet.stores import disk
from tracklet.stores.files import FileStore, contents, layout, reader, run_state

FORK = multiprocessing.get_context("fork")
LOGGER = """
import os, sys
from tracklet.stores.files import FileStore
root, run_id, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = FileStore(root)
run_id = store.create_run("0").info.run_id if run_id == "-" else run_id
writer = store.open_run(run_id)
for step in range(count):
    writer.log_metric("loss", step / 7, step, 1)
print(run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mlruns"


@pytest.fixture
def store(root):
    return FileStore(root)


def start_logger(root, run_id="-", count=1000):
    child = subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(root), run_id, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def kill(child):
    child.send_signal(signal.SIGKILL)
    with child:
        pass


def test_after_sigkill_every_point_is_there_and_the_run_is_killed(root):
    """A thousand points, then kill -9: a thousand are read, and the run is lost, not running."""
    child, run_id = start_logger(root)
    store = FileStore(root)
    assert store.get_run(run_id).info.status == "RUNNING"
    before = int(time.time() * 1000)
    kill(child)
    run = store.get_run(run_id)
    assert [m.step for m in store.get_metric_history(run_id, "loss")] == list(range(1000))
    assert run.info.status == "KILLED"
    assert run.data.tags[liveness.END_REASON_TAG] == "lost"
    assert run.info.start_time <= run.info.end_time <= before + 1000
    # written down as well, so that MLflow sees it
    run_dir = root / "0" / run_id
    assert "status: 5\n" in (run_dir / "meta.yaml").read_text()
    assert (run_dir / "tags" / liveness.END_REASON_TAG).read_text() == "lost"
    assert run_state.leases(str(run_dir)) == []
    assert f"0/{run_id}\n" in (root / ".tracklet.changes").read_text()
    assert FileStore(root).get_run(run_id) == run


def test_a_process_killed_while_it_starts_a_run_leaves_none_running(root):
    """Before whichever system call it is killed, a reader finds no run, or a lost one."""
    FileStore(root)
    found, number, status = [], 0, signal.SIGKILL
    while status:
        child = os.fork()
        if child == 0:
            die_before_system_call(number)
            tracklet.set_tracking_uri(root)
            tracklet.start_run()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        found.append([run.info.status for run in FileStore(root).search_runs(["0"])])
        assert set(found[-1]) <= {"KILLED"}
        number += 1
    assert number > 4
    assert (found[0], found[-1]) == ([], ["KILLED"])


def die_before_system_call(number):
    """Have this process killed before its system call of that number, counted from 0."""
    calls = itertools.count()

    def counted(call):
        def wrapper(*args, **kwargs):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for name in ("open_file", "write", "replace", "link", "mkdir", "unlink"):
        setattr(disk, name, counted(getattr(disk, name)))


def test_a_search_finds_a_lost_run_as_killed(root, monkeypatch, tmp_path):
    """Also when the index knew it as running, and nobody asked for the run itself."""
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    child, run_id = start_logger(root, count=3)
    store = FileStore(root)
    try:
        (found,) = store.search_runs(["0"], "status = 'RUNNING'")
        kill(child)
        assert not store.search_runs(["0"], "status = 'RUNNING'")
        (found,) = store.search_runs(["0"], "status = 'KILLED'")
        assert found == store.get_run(run_id)
    finally:
        store.close()


def test_several_readers_settle_a_lost_run_once(root):
    """All see the same, at once and later."""
    child, run_id = start_logger(root, count=3)
    kill(child)
    store = FileStore(root)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(store.get_run(run_id))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {(r.info.status, r.info.end_time) for r in found} == {
        ("KILLED", store.get_run(run_id).info.end_time)
    }


@pytest.mark.parametrize("ask", ["get_run", "search_runs"])
def test_a_reader_and_another_that_writes_the_loss_down_see_one_end(root, monkeypatch, ask):
    """Before whichever look at the disk it is written, the reader tells what then stands there."""
    child, run_id = start_logger(root, count=3)
    kill(child)
    run_dir, kept = root / "0" / run_id, root.parent / "kept"
    shutil.copytree(run_dir, kept)
    for number in itertools.count():
        shutil.rmtree(run_dir)
        shutil.copytree(kept, run_dir)
        looks = iter(range(number))  # those before the loss is written down
        with monkeypatch.context() as patch, contextlib.closing(FileStore(root)) as store:
            monkeypatch.setenv("TRACKLET_CACHE_DIR", str(root.parent / f"cache{number}"))
            settle_after(looks, patch, str(root), str(run_dir))
            found = store.get_run(run_id) if ask == "get_run" else store.search_runs(["0"])[0]
            if next(looks, None) is not None:
                break
        assert found == FileStore(root).get_run(run_id), number
        assert found.info.status == "KILLED"
    assert number > 4


def settle_after(looks, patch, root, run_dir):
    """Have the loss of a run written down once so many looks at the disk are over.

    A reader that has the run's lock, to write it down itself, is left alone.
    """
    locked = disk.locked

    def looked(call):
        def wrapper(*args, **kwargs):
            if next(looks, None) is None:
                patch.undo()
                run_state.settle(root, run_dir)
            return call(*args, **kwargs)

        return wrapper

    for name in ("open_file", "names_in"):
        patch.setattr(disk, name, looked(getattr(disk, name)))

    def lock(path):
        if path == layout.run_lock(run_dir):
            patch.undo()
        return locked(path)

    patch.setattr(disk, "locked", lock)


def test_a_lost_run_is_carried_on(root):
    """The process that takes it over makes it RUNNING, and no reader takes that back."""
    child, run_id = start_logger(root, count=3)
    kill(child)
    store = FileStore(root)
    assert store.get_run(run_id).info.status == "KILLED"
    writer = store.open_run(run_id)
    run_state.settle(str(root), str(root / "0" / run_id))
    run = store.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("RUNNING", None)
    assert liveness.END_REASON_TAG not in run.data.tags
    writer.log_metric("loss", 9.0, 3, 1)
    store.update_run(run_id, status="FINISHED", end_time=5)
    writer.close()
    assert store.get_run(run_id).info.status == "FINISHED"
    assert len(store.get_metric_history(run_id, "loss")) == 4


def test_a_run_whose_other_process_died_lives(root, store):
    """As long as one of the processes that carry it does."""
    child, run_id = start_logger(root, count=3)
    writer = store.open_run(run_id)
    kill(child)
    assert store.get_run(run_id).info.status == "RUNNING"
    writer.close()


def test_two_processes_write_one_run(root, store):
    """All points of both are there, in each one's order."""
    run_id = store.create_run("0").info.run_id
    children = [start_logger(root, run_id, 2000)[0] for _ in range(2)]
    writer = store.open_run(run_id, live=False)
    for step in range(2000):
        writer.log_metric("loss", -1.0, step, 2)
    writer.close()
    for child in children:
        with child:
            assert child.stdin is not None
            child.stdin.close()
    points = store.get_metric_history(run_id, "loss")
    assert len(points) == 6000
    assert [m.step for m in points if m.value < 0] == list(range(2000))


def test_a_forked_child_logs_to_the_run_and_does_not_end_it(store):
    """Its points are there; its close and its death leave the parent's claim alone."""
    run_id = store.create_run("0").info.run_id
    writer = store.open_run(run_id)
    writer.log_metric("m", 0.0, 0, 1)

    def in_child():
        writer.log_metric("m", 1.0, 1, 1)
        writer.log_metric("new/key", 1.0, 1, 1)
        writer.log_params({"child": "yes"})
        writer.close()

    child = FORK.Process(target=in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    writer.log_metric("m", 2.0, 2, 1)
    run = store.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert [m.value for m in store.get_metric_history(run_id, "m")] == [0.0, 1.0, 2.0]
    assert run.data.params == {"child": "yes"}
    assert len(run_state.leases(str(store.backend.run_dir(run_id)))) == 1
    writer.close()
    assert run_state.leases(str(store.backend.run_dir(run_id))) == []


def first_start(root, barrier, results):
    try:
        barrier.wait(200)
        store = FileStore(root)
        experiment = store.get_experiment_by_name("shared")
        if experiment is None:
            try:
                store.create_experiment("shared")
            except Exception as error:  # noqa: BLE001
                assert type(error).__name__ == "ResourceAlreadyExists"  # noqa: PT017
            experiment = store.get_experiment_by_name("shared")
        run = store.create_run(experiment.experiment_id)
        store.create_run("0")
        store.log_batch(run.info.run_id, [Metric("m", 1.0, 1, 1)])
        results.put(("ok", experiment.experiment_id))
    except BaseException as error:  # noqa: BLE001
        results.put(("error", repr(error)))


def race(root, count):
    barrier, results = FORK.Barrier(count), FORK.SimpleQueue()
    children = [
        FORK.Process(target=first_start, args=(root, barrier, results)) for _ in range(count)
    ]
    for child in children:
        child.start()
    found = [results.get() for _ in children]
    for child in children:
        child.join()
    assert {kind for kind, _ in found} == {"ok"}, found
    assert len({experiment_id for _, experiment_id in found}) == 1
    assert [p.name for p in root.iterdir() if p.is_dir()].count("0") == 1
    assert len([p for p in (root / "0").iterdir() if (p / "meta.yaml").exists()]) == count


def test_sixteen_first_starts_at_once(tmp_path):
    """On a store that does not exist, none fails, and one experiment is made."""
    for number in range(3):
        race(tmp_path / str(number), 16)


@pytest.mark.exhaustive
def test_sixty_four_first_starts_at_once(tmp_path):
    """The same with sixty-four."""
    for number in range(5):
        race(tmp_path / str(number), 64)


def writing(root, number, count):
    store = FileStore(root)
    run_id = store.create_run("0", run_name=str(number)).info.run_id
    writer = store.open_run(run_id)
    for step in range(count):
        writer.log_metric("m", float(number), step, step)
    store.update_run(run_id, status="FINISHED", end_time=1)
    writer.close()


def test_eight_writers_into_a_new_store_lose_nothing(root):
    """Eight processes, two thousand points each, one reader meanwhile."""
    children = [FORK.Process(target=writing, args=(root, n, 2000)) for n in range(8)]
    for child in children:
        child.start()
    store = FileStore(root)
    while any(child.is_alive() for child in children):
        for run_dir in contents.run_dirs(root / "0"):
            assert reader.read_run(run_dir).info.run_name
        time.sleep(0.01)
    for child in children:
        child.join()
        assert child.exitcode == 0
    run_dirs = contents.run_dirs(root / "0")
    assert len(run_dirs) == 8
    for run_dir in run_dirs:
        run_id = os.path.basename(run_dir)
        assert store.get_run(run_id).info.status == "FINISHED"
        points = store.get_metric_history(run_id, "m")
        assert [m.step for m in points] == list(range(2000))


def test_many_threads_write_many_keys(store, monkeypatch):
    """With fewer open files than keys, every point is in its own metric's file."""
    from tracklet.stores.files import writer as writing_module

    monkeypatch.setattr(writing_module, "MAX_OPEN_FILES", 4)
    run_id = store.create_run("0").info.run_id
    writer = store.open_run(run_id)
    errors = []

    def log(number):
        try:
            for step in range(100):
                for key in range(12):
                    writer.log_metric(f"k/{key}", float(key), step, number)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert not errors
    for key in range(12):
        points = store.get_metric_history(run_id, f"k/{key}")
        assert {m.value for m in points} == {float(key)}
        assert len(points) == 600


def test_of_many_keys_logged_in_turn_some_find_their_files_open(store, monkeypatch):
    """Beyond the limit a file is opened for some points, for no point twice, and checked once."""
    from tracklet.stores.files import writer as writing_module

    monkeypatch.setattr(writing_module, "MAX_OPEN_FILES", 16)
    writer = store.open_run(store.create_run("0").info.run_id)
    keys = [f"k{number}" for number in range(20)]
    for key in keys:
        writer.log_metric(key, 1.0, 0, 1)
    opened = []
    monkeypatch.setattr(disk, "open_file", lambda *a, of=os.open: opened.append(a[0]) or of(*a))
    monkeypatch.setattr(validation, "validate_key", None)
    for step in range(10):
        for key in keys:
            writer.log_metric(key, 1.0, step, 1)
    writer.close()
    assert 0 < len(opened) < 10 * len(keys)


def test_a_process_with_few_descriptors_logs_many_keys(root):
    """When the system gives no more open files, the writer makes do with those it has."""

    def in_child():
        store = FileStore(root)
        run_id = store.create_run("0", run_name="few").info.run_id
        writer = store.open_run(run_id)
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, used + 3))
        for step in range(3):
            for key in range(50):
                writer.log_metric(f"k{key}", 1.0, step, 1)
        os._exit(0)

    child = FORK.Process(target=in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    store = FileStore(root)
    (run_dir,) = (p for p in (root / "0").iterdir() if p.is_dir())
    assert len(store.get_run(run_dir.name).data.metrics) == 50
    assert len(store.get_metric_history(run_dir.name, "k7")) == 3


def test_training_loads_no_library_that_it_does_not_need(tmp_path):
    """A run from start to end needs neither SQL nor YAML."""
    code = """
import json, sys
from tracklet.stores.files import FileStore
store = FileStore(sys.argv[1])
run = store.create_run("0", tags={"mlflow.user": "ada"}, run_name="brave-otter-1")
writer = store.open_run(run.info.run_id)
writer.log_params({"lr": "0.1"})
writer.log_metric("m", 1.0, 1, 1)
store.update_run(run.info.run_id, status="FINISHED", end_time=1)
writer.close()
print(json.dumps([m for m in ("yaml", "sqlalchemy", "numpy", "pandas") if m in sys.modules]))
"""
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(out.stdout) == []


def test_a_run_moved_to_the_trash_while_written_makes_no_ghost(store, root):
    """A writer that comes late does not build the folders anew."""
    from tracklet.errors import StorageError

    experiment_id = store.create_experiment("e")
    run_id = store.create_run(experiment_id).info.run_id
    writer = store.open_run(run_id)
    writer.log_metric("m", 1.0, 0, 0)
    store.delete_experiment(experiment_id)
    writer.log_metric("m", 2.0, 1, 0)
    with pytest.raises(StorageError):
        writer.log_metric("new", 2.0, 1, 0)
    with pytest.raises(StorageError):
        writer.set_tags({"a": "b"})
    writer.close()
    assert not (root / experiment_id).exists()
    assert len(store.get_metric_history(run_id, "m")) == 2


def kill_loop(root, rounds):
    """Kill a logging child at a random moment; what it acknowledged is read, nothing else."""
    chance = random.Random(7)
    for number in range(rounds):
        reading, writing_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            store = FileStore(root)
            run_id = store.create_run("0").info.run_id
            writer = store.open_run(run_id)
            os.write(writing_end, f"{run_id}\n".encode())
            step = 0
            while True:
                writer.log_metric("m", float(step), step, 1)
                if step % 10 == 0:
                    writer.log_params({f"p/{step}": str(step)})
                    writer.set_tags({"t": str(step) * 50})
                os.write(writing_end, b"%d\n" % step)
                step += 1
        os.close(writing_end)
        with open(reading, "rb") as pipe:
            run_id = pipe.readline().decode().strip()
            time.sleep(chance.uniform(0, 0.02))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            acknowledged = pipe.read().count(b"\n")
        store = FileStore(root)
        run = store.get_run(run_id)
        steps = [m.step for m in store.get_metric_history(run_id, "m")]
        assert len(steps) >= acknowledged, number
        assert steps == list(range(len(steps)))
        assert run.info.status == "KILLED"
        for step in range(0, acknowledged, 10):
            assert run.data.params[f"p/{step}"] == str(step)
        assert "status: 5" in (root / "0" / run_id / "meta.yaml").read_text()


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_what_was_acknowledged_survives_a_kill_at_any_moment(root):
    """Twenty-five rounds; the store opens at once, and every run is KILLED."""
    kill_loop(root, 25)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_what_was_acknowledged_survives_two_hundred_kills(root):
    """The same, two hundred times."""
    kill_loop(root, 200)
