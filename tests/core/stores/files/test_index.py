"""The index over a store's folder: a cache that is never lost, never wrong for long."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracklet.entities import Metric, ViewType
from tracklet.errors import InvalidParameterValue
from tracklet.reading import catch_up, queries
from tracklet.reading.index import MEMORY, FolderIndex
from tracklet.stores.files import FileStore

MLFLOW = os.environ.get("TRACKLET_MLFLOW_PYTHON", "")
needs_mlflow = pytest.mark.skipif(
    not os.path.exists(MLFLOW), reason="TRACKLET_MLFLOW_PYTHON is not set"
)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mlruns"


@pytest.fixture
def store(root):
    store = FileStore(str(root))
    yield store
    store.backend.index.close()


@pytest.fixture
def index(root):
    index = FolderIndex(root)
    yield index
    index.close()


def run_with(store, experiment_id, status="FINISHED", metrics=None, params=None, tags=None):
    run = store.create_run(experiment_id, tags=tags)
    points = [Metric(key, value, 1, 0) for key, value in (metrics or {}).items()]
    store.log_batch(run.info.run_id, points, params or {})
    if status != "RUNNING":
        store.update_run(run.info.run_id, status, 5)
    return run.info.run_id


def ids(found):
    return {run.info.run_id for run in found}


def settle():
    """Let the clock's tick pass in which two changes look alike."""
    time.sleep(0.03)


def assert_equal_to_files(store, index):
    """What the index holds is what the files hold, of every run."""
    experiments = index.search_experiments(ViewType.ALL)
    found = {
        run.info.run_id: run
        for run in index.search_runs(
            [e.experiment_id for e in experiments], run_view_type=ViewType.ALL
        )
    }
    for run_id, run in found.items():
        assert repr(run) == repr(store.get_run(run_id))
    return found


def test_a_deleted_index_comes_back_whole(store, index, root):
    """The index is a cache: removing its file loses nothing, even while it is open."""
    experiment = store.create_experiment("e")
    wanted = {
        run_with(store, experiment, metrics={"a": float(n)}, params={"p": str(n)}, tags={"t": "x"})
        for n in range(5)
    }
    assert ids(index.search_runs([experiment])) == wanted
    for path in Path(index.path).parent.iterdir():
        path.unlink()
    assert ids(index.search_runs([experiment])) == wanted
    assert os.path.exists(index.path)
    index.rebuild()
    assert ids(index.search_runs([experiment], "params.p IN ('1', '2')")) < wanted
    assert set(assert_equal_to_files(store, index)) == wanted


def test_the_index_is_private(store, index):
    """It holds what runs recorded, so no other user may read it."""
    store.create_experiment("e")
    index.search_experiments()
    assert stat.S_IMODE(os.stat(index.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(index.path)).st_mode) == 0o700


def test_no_other_user_may_put_an_index_in_its_place(store, root, tmp_path, monkeypatch):
    """Whatever the process's umask allows."""
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "new" / "cache"))
    before = os.umask(0)
    try:
        index = FolderIndex(root)
        index.search_experiments()
    finally:
        os.umask(before)
    for path in (Path(index.path), *Path(index.path).parents[:2]):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path
    index.close()


def test_every_write_of_the_store_is_found_by_the_next_search(store, index):
    """Whatever the library writes is announced to the index, or looked at anyway."""
    experiment = store.create_experiment("e", tags={"k": "1"})
    assert [e.name for e in index.search_experiments(filter_string="tags.k = '1'")] == ["e"]
    run = store.create_run(experiment).info.run_id
    assert ids(index.search_runs([experiment], "status = 'RUNNING'")) == {run}
    store.log_batch(run, [Metric("a", 1.0, 1, 0)], {"p": "1"}, {"t": "1"})
    assert ids(index.search_runs([experiment], "metrics.a = 1 and params.p = '1'")) == {run}
    store.log_batch(run, [Metric("a", 2.0, 2, 1)])
    store.log_batch(run, [Metric("a", 3.0, 1, 0)])
    assert ids(index.search_runs([experiment], "metrics.a = 2")) == {run}
    store.update_run(run, "FAILED", 9, "renamed")
    assert ids(index.search_runs([experiment], "end_time = 9 and run_name = 'renamed'")) == {run}
    for value in "123":
        store.log_batch(run, (), {}, {"t": value})
        assert ids(index.search_runs([experiment], f"tags.t = '{value}'")) == {run}
    for step in range(5):
        store.log_batch(run, [Metric("late", float(step), 1, step)])
        assert ids(index.search_runs([experiment], f"metrics.late = {step}")) == {run}
    store.delete_tag(run, "t")
    assert not index.search_runs([experiment], "tags.t IS NOT NULL")
    store.delete_run(run)
    assert not index.search_runs([experiment])
    store.restore_run(run)
    assert ids(index.search_runs([experiment])) == {run}
    store.rename_experiment(experiment, "f")
    assert [e.name for e in index.search_experiments(filter_string="name = 'f'")] == ["f"]
    store.delete_experiment(experiment)
    assert not index.search_runs([experiment])
    assert ids(index.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == {run}
    store.restore_experiment(experiment)
    assert ids(index.search_runs([experiment])) == {run}
    assert_equal_to_files(store, index)


def test_whatever_a_run_holds_is_found_as_it_is(store, index):
    """Texts with any character, no text, and every kind of number, alone and among others."""
    experiment = store.create_experiment("e")
    texts = ["", "\x1f", "a\x1fb", "\x1e\n'\"", "音", "x" * 6000]
    numbers = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, 2.0**60]
    run_with(store, experiment)
    for text in texts:
        run_with(store, experiment, params={"p": text})
        run_with(store, experiment, tags={"a": text, "b": "", "c": text}, metrics={"m": 1.0})
    for number in numbers:
        run_with(store, experiment, metrics={"m": number})
    each = {f"m/{place}": number for place, number in enumerate(numbers)}
    run_with(store, experiment, metrics=each, params={f"p{n}": t for n, t in enumerate(texts)})
    found = assert_equal_to_files(store, index)
    assert len(found) == 2 + 2 * len(texts) + len(numbers)
    signs = [
        math.copysign(1, run.data.metrics["m"])
        for run in index.search_runs([experiment], "metrics.m = 0")
    ]
    assert signs == [-1]


def test_the_registry_is_indexed(store, index):
    """Registered models, versions, tags, aliases and deletions."""
    store.create_registered_model("m", tags={"k": "v"}, description="d")
    for _ in range(2):
        store.create_model_version("m", "src", run_id="r")
    store.set_registered_model_alias("m", "champion", 2)
    store.set_model_version_tag("m", 1, "t", "x")
    (model,) = index.search_registered_models("tags.k = 'v'")
    assert model == store.get_registered_model("m")
    assert {v.version for v in index.search_model_versions("name = 'm'")} == {1, 2}
    assert index.search_model_versions("tags.t = 'x'") == [store.get_model_version("m", 1)]
    store.delete_model_version("m", 2)
    assert [v.version for v in index.search_model_versions()] == [1]
    store.rename_registered_model("m", "n")
    assert [m.name for m in index.search_registered_models()] == ["n"]
    store.delete_registered_model("n")
    assert not index.search_registered_models()
    assert not index.search_model_versions()


def test_logged_models_are_indexed(store, index):
    """With params, tags and metrics, and gone when deleted."""
    experiment = store.create_experiment("e")
    run = store.create_run(experiment).info.run_id
    model = store.create_logged_model(experiment, "m", run, {"t": "1"}, {"p": "2"}, "kind")
    store.log_batch(
        run, [Metric("acc", 0.9, 1, 0, model.model_id, "data", "d1"), Metric("b", 1.0, 1, 0)]
    )
    assert [
        m.model_id
        for m in index.search_logged_models(
            [experiment], "metrics.acc > 0.5 and params.p = '2'", [{"dataset_name": "data"}]
        )
    ] == [model.model_id]
    assert not index.search_logged_models([experiment], None, [{"dataset_name": "other"}])
    assert index.search_logged_models([experiment]) == [store.get_logged_model(model.model_id)]
    store.delete_logged_model(model.model_id)
    assert not index.search_logged_models([experiment])


def test_a_run_whose_process_died_is_found_as_killed(store, index, root):
    """No file changes when a process dies; the index notices all the same."""
    experiment = store.create_experiment("e")
    code = textwrap.dedent(
        f"""
        import os, sys
        from tracklet.stores.files import FileStore
        store = FileStore({str(root)!r})
        run = store.create_run({experiment!r}).info.run_id
        writer = store.open_run(run)
        writer.log_metric("a", 1.0, 0, 1)
        print(run, flush=True)
        sys.stdin.read()
        os._exit(1)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        run = process.stdout.readline().strip()
        assert ids(index.search_runs([experiment], "status = 'RUNNING'")) == {run}
        process.stdin.close()
        process.wait()
    assert ids(index.search_runs([experiment], "status = 'KILLED'")) == {run}
    assert_equal_to_files(store, index)


def edit_every_way(root: Path, experiment: str, run: str) -> None:
    folder = root / experiment / run
    (folder / "tags" / "t").write_text("changed in place")
    with (folder / "metrics" / "a").open("a") as file:
        file.write("9 7.5 9\n")
    (folder / "params" / "new").write_text("added")


def test_changes_in_place_by_others_are_found_by_a_sweep(store, index, root):
    """Files that another program rewrites or appends to change no folder's time."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, metrics={"a": 1.0}, tags={"t": "1"})
    other = run_with(store, experiment, metrics={"a": 1.0})
    assert ids(index.search_runs([experiment])) == {run, other}
    settle()
    edit_every_way(root, experiment, run)
    shutil.rmtree(root / experiment / other)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        found = index.search_runs([experiment], "tags.t LIKE 'changed%' and metrics.a = 7.5")
        if found and len(index.search_runs([experiment])) == 1:
            break
    assert ids(found) == {run}
    assert found[0].data.params["new"] == "added"
    assert_equal_to_files(store, index)


@needs_mlflow
@pytest.mark.interop
def test_what_mlflow_writes_is_found(store, index, root):
    """New experiments, runs, values and registered models of the real mlflow, also later ones."""
    code = """
    import mlflow, sys
    mlflow.set_tracking_uri(sys.argv[1])
    client = mlflow.MlflowClient()
    if len(sys.argv) == 2:
        e = client.create_experiment("theirs")
        r = client.create_run(e).info.run_id
        client.log_param(r, "p", "1"); client.log_metric(r, "a", 0.5, step=3)
        client.set_tag(r, "t", "old"); client.set_terminated(r)
        client.create_registered_model("m"); client.create_model_version("m", "src", r)
        print(e, r)
    else:
        r = sys.argv[2]
        client.set_tag(r, "t", "new"); client.log_metric(r, "a", 0.25, step=4)
        print(client.search_runs([client.get_run(r).info.experiment_id])[0].to_dictionary()["data"])
    """

    def mlflow(*args):
        return subprocess.run(
            [MLFLOW, "-c", textwrap.dedent(code), str(root), *args],
            env={
                **os.environ,
                "MLFLOW_ALLOW_FILE_STORE": "true",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()

    store.create_experiment("ours")
    assert len(index.search_experiments()) >= 1
    experiment, run = mlflow()[-2:]
    assert ids(index.search_runs([experiment], "tags.t = 'old' and metrics.a = 0.5")) == {run}
    assert [m.name for m in index.search_registered_models()] == ["m"]
    assert [v.run_id for v in index.search_model_versions("name = 'm'")] == [run]
    mlflow(run)
    fresh = FolderIndex(root)
    try:
        assert ids(fresh.search_runs([experiment], "tags.t = 'new' and metrics.a = 0.25")) == {run}
    finally:
        fresh.close()
    assert_equal_to_files(store, index)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "middle", "foreign", "empty"])
def test_a_damaged_index_heals_itself(store, index, damage, caplog):
    """Whatever happened to the file, the next search answers right."""
    caplog.set_level(logging.ERROR)
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, params={f"p{n}": "x" * 200}) for n in range(60)}
    assert ids(index.search_runs([experiment])) == wanted
    index.close()
    path = Path(index.path)
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(os.urandom(len(data)))
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "middle":
        path.write_bytes(data[:4096] + b"\xff" * (len(data) - 8192) + data[-4096:])
    elif damage == "foreign":
        path.unlink()
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
                "c.execute('create table runs (x)'); c.commit(); c.close()",
                str(path),
            ],
            check=True,
        )
    else:
        path.write_bytes(b"")
    assert ids(index.search_runs([experiment])) == wanted
    assert ids(index.search_runs([experiment], "params.p7 LIKE 'x%'")) < wanted
    assert index.path != MEMORY


def test_an_index_damaged_while_open_heals_itself(store, index):
    """Damage that is met in the middle of a search is repaired, and the search answered."""
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, params={f"p{n}": "x" * 500}) for n in range(60)}
    assert ids(index.search_runs([experiment])) == wanted
    db = index._refresh.db
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = os.path.getsize(index.path)
    with open(index.path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    db.execute("PRAGMA shrink_memory")
    index.close()
    assert ids(index.search_runs([experiment], "params.p7 LIKE 'x%' or params.p8 != '1'"))
    assert ids(index.search_runs([experiment])) == wanted


def test_without_a_cache_folder_the_index_lives_in_memory(store, root, tmp_path, monkeypatch):
    """A home that cannot be written to costs time, not function."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(blocked / "cache"))
    index = FolderIndex(root)
    try:
        assert index.path == MEMORY
        assert ids(index.search_runs([experiment])) == {run}
        index.rebuild()
        assert ids(index.search_runs([experiment])) == {run}
    finally:
        index.close()


def test_unreadable_and_odd_folders_are_left_out(store, index, root, caplog):
    """One broken run costs one warning, not the search."""
    experiment = store.create_experiment("e")
    good = run_with(store, experiment)
    bad = run_with(store, experiment)
    (root / experiment / bad / "meta.yaml").write_text("]not yaml[")
    (root / experiment / "no-meta").mkdir()
    (root / "junk").mkdir()
    (root / "file").write_text("x")
    with caplog.at_level(logging.WARNING, "tracklet"):
        for _ in range(3):
            assert ids(index.search_runs([experiment])) == {good}
    assert len([r for r in caplog.records if bad in r.getMessage()]) == 1


@pytest.mark.parametrize("indexed", [False, True])
def test_a_run_that_does_not_fit_keeps_no_other_out(store, index, root, caplog, indexed):
    """Of runs found at once one has a metric of no point that fits, and one is a mere copy."""
    experiment = store.create_experiment("e")
    if indexed:
        index.search_runs([experiment])
    runs = [run_with(store, experiment, metrics={"m": 1}, tags={"t": "v"}) for _ in range(4)]
    (root / experiment / runs[0] / "metrics" / "m").write_text(f"1 1.0 {1 << 70}\n")
    shutil.copytree(root / experiment / runs[1], root / experiment / "copy")
    with caplog.at_level(logging.WARNING, "tracklet"):
        found = [run.info.run_id for run in index.search_runs([experiment], "tags.t = 'v'")]
    assert sorted(found) == sorted(runs)
    said = sorted(record.getMessage().partition(" is left out")[0] for record in caplog.records)
    unfit = [root / experiment / runs[0] / "metrics" / "m", root / experiment / "copy"]
    assert said == sorted(map(str, unfit))


def test_a_folder_that_gets_its_document_late_is_found(store, index, root):
    """A run is a folder first and a document later; a search in between misses nothing."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    copy = root / experiment / "b0000000000000000000000000000000"
    copy.mkdir()
    assert ids(index.search_runs([experiment])) == {run}
    settle()
    index.search_runs([experiment])
    meta = (root / experiment / run / "meta.yaml").read_text().replace(run, copy.name)
    (copy / "meta.yaml").write_text(meta)
    assert ids(index.search_runs([experiment])) == {run, copy.name}


def test_two_processes_keep_one_index(store, index, root):
    """Both write it at once while a third one records; each finds all in the end."""
    experiment = store.create_experiment("e")
    code = textwrap.dedent(
        f"""
        import json, sys
        from tracklet.reading.index import FolderIndex
        index = FolderIndex({str(root)!r})
        print(index.path, flush=True)
        for line in sys.stdin:
            found = index.search_runs([{experiment!r}])
            print(json.dumps(sorted(run.info.run_id for run in found)), flush=True)
        index.close()
        """
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        assert {process.stdout.readline().strip() for process in processes} == {index.path}
        wanted = set()
        for number in range(12):
            wanted.add(run_with(store, experiment, metrics={"a": float(number)}))
            for process in processes:
                process.stdin.write("search\n")
                process.stdin.flush()
            if number % 3 == 0:
                assert ids(index.search_runs([experiment])) == wanted
            for process in processes:
                assert set(json.loads(process.stdout.readline())) == wanted
    finally:
        for process in processes:
            process.stdin.close()
            process.wait()
            process.stdout.close()
    assert ids(index.search_runs([experiment])) == wanted


def test_an_index_that_is_locked_answers_with_what_it_has(store, index, root):
    """A search does not wait for another process that writes the index for long."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    other = FolderIndex(root)
    other.search_runs([experiment])
    other._refresh.db.execute("BEGIN IMMEDIATE")
    later = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    (patience,) = index._refresh.db.execute("PRAGMA busy_timeout").fetchone()
    assert patience < 5000  # in ms
    other._refresh.db.execute("ROLLBACK")
    other.close()
    assert ids(index.search_runs([experiment])) == {run, later}


def test_a_forked_process_searches_too(store, index):
    """The child opens the index anew; the parent's connection stays whole."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ids(index.search_runs([experiment])) == {run} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    later = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run, later}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_waits_a_moment_for_a_long_statement_and_no_more(store, index):
    """The child finds out whether SQLite can be used in it, and searches if so."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    held, done = threading.Event(), threading.Event()

    def hold():
        with index._db.gate:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if pid == 0:
        signal.alarm(200)
        os._exit(0 if ids(index.search_runs([experiment])) == {run} else 1)
    assert not done.is_set()
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert ids(index.search_runs([experiment])) == {run}


def test_a_full_change_log_is_emptied_and_nothing_is_missed(store, index, root, monkeypatch):
    """The log does not grow without end."""
    monkeypatch.setattr(catch_up, "_MAX_LOG_BYTES", 1000)
    experiment = store.create_experiment("e")
    wanted = set()
    for _ in range(30):
        wanted.add(run_with(store, experiment))
        assert ids(index.search_runs([experiment])) == wanted
    log = root / ".tracklet.changes"
    assert log.stat().st_size < 2000
    elsewhere = root.parent / "elsewhere"
    elsewhere.write_text("kept\n" * 1000)
    log.unlink()
    log.symlink_to(elsewhere)
    assert ids(index.search_runs([experiment])) == wanted
    assert elsewhere.read_text() == "kept\n" * 1000


def test_a_moved_store_is_searched_in_its_new_place(store, index, root, tmp_path):
    """Folders may be moved; what they hold is found where they are now."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    other = FolderIndex(moved)
    try:
        (found,) = other.search_runs([experiment])
        assert str(moved) in found.info.artifact_uri
    finally:
        other.close()
    assert not index.search_runs([experiment])


def test_many_runs_in_progress_are_all_found(store, index, monkeypatch):
    """Of many runs that may be in progress, the latest are always looked at, others in turn."""
    monkeypatch.setattr(catch_up, "_UNSETTLED_AT_ONCE", 3)
    experiment = store.create_experiment("e")
    runs = [run_with(store, experiment, "RUNNING", metrics={"a": 0.0}) for _ in range(12)]
    assert len(index.search_runs([experiment])) == 12
    settle()
    writer = store.open_run(runs[-1], live=False)
    writer.log_metric("a", 1.0, 1, 1)
    writer.log_metric("a", 2.0, 2, 1)
    writer.close()
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not index.search_runs([experiment], "metrics.a = 2"):
        pass
    assert ids(index.search_runs([experiment], "metrics.a = 2")) == {runs[-1]}


def copied(root, experiment, run):
    """A run that another program wrote."""
    copy = root / experiment / f"{int(run, 16) ^ 1:032x}"
    shutil.copytree(root / experiment / run, copy)
    meta = (copy / "meta.yaml").read_text().replace(run, copy.name)
    (copy / "meta.yaml").write_text(meta)
    return copy.name


def test_a_folder_of_many_is_not_listed_for_what_was_announced(store, index, root, monkeypatch):
    """A new run of ours costs no look at all others; those of other programs are found soon."""
    monkeypatch.setattr(catch_up, "_QUICK_NS", -1)  # so that every folder is one of many
    monkeypatch.setattr(catch_up, "_SPACING", 1 << 60)  # and its turn never comes
    experiment = store.create_experiment("e")
    ours = {run_with(store, experiment)}
    assert ids(index.search_runs([experiment])) == ours
    settle()
    listed = []
    monkeypatch.setattr(os, "listdir", lambda path, of=os.listdir: listed.append(path) or of(path))
    ours.add(run_with(store, experiment, "RUNNING"))
    theirs = copied(root, experiment, next(iter(ours)))
    assert ids(index.search_runs([experiment])) == ours
    assert str(root / experiment) not in listed
    monkeypatch.setattr(catch_up, "_SPACING", 1e-9)
    assert ids(search_anew(root, experiment)) == {*ours, theirs}
    assert ids(index.search_runs([experiment])) == {*ours, theirs}


def test_in_a_folder_of_many_what_nobody_announced_is_found_at_once(
    store, index, root, monkeypatch
):
    """What no writer of ours accounts for is looked for, however many are there."""
    monkeypatch.setattr(catch_up, "_QUICK_NS", -1)
    monkeypatch.setattr(catch_up, "_SPACING", 1 << 60)
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    assert ids(index.search_runs([experiment])) == {run}
    settle()
    theirs = copied(root, experiment, run)
    assert ids(index.search_runs([experiment])) == {run, theirs}


def test_the_latest_runs_are_read_in_order_and_matches_found_first(store, index, monkeypatch):
    """Neither a listing nor a filter goes through all runs of an experiment."""
    experiment = store.create_experiment("e")
    run_with(store, experiment, metrics={"a": 1.0})
    index.search_runs([experiment])

    monkeypatch.setattr(queries, "_MANY", 1)

    def plan(filter_string, order_by=None):
        asked = []
        index._db.set_trace_callback(asked.append)
        index.search_runs([experiment], filter_string, order_by=order_by)
        index._db.set_trace_callback(None)
        (select,) = (one for one in asked if one.startswith("SELECT runs.id FROM"))
        return [row[3] for row in index._db.execute(f"EXPLAIN QUERY PLAN {select}")]

    listing = "SEARCH runs USING COVERING INDEX ix_runs_listing "
    for order_by in (None, ["attributes.start_time DESC"]):
        assert [step.partition("(")[0] for step in plan("", order_by)] == [listing]
    assert plan("metrics.a > 0.5")[0].startswith("SEARCH x0 USING COVERING INDEX")


def test_threads_share_one_index(store, index):
    """Searches from many threads take turns and all answer right."""
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, metrics={"a": float(n)}) for n in range(5)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ids(index.search_runs([experiment])), range(40)))
    assert all(one == wanted for one in found)


def test_the_index_of_a_store_that_is_not_there_is_empty(index, root):
    """Searching creates no folder."""
    assert index.search_runs(["0"]) == []
    assert index.search_experiments() == []
    assert index.search_registered_models() == []
    assert not root.exists()


def search_anew(root, experiment, **kwargs):
    """What a process finds that begins now."""
    index = FolderIndex(root)
    try:
        return index.search_runs([experiment], **kwargs)
    finally:
        index.close()


def test_the_first_search_of_a_process_sees_all_kinds_of_changes(store, index, root):
    """What was changed while no process searched is found by the next one, by whatever hand."""
    experiment = store.create_experiment("e")
    runs = [run_with(store, experiment, metrics={"a": 1.0}, tags={"t": "1"}) for _ in range(6)]
    assert ids(index.search_runs([experiment])) == set(runs)
    index.close()
    settle()
    edit_every_way(root, experiment, runs[0])
    store.delete_run(runs[1])
    store.delete_run(runs[2])
    store.restore_run(runs[2])
    shutil.rmtree(root / experiment / runs[3])
    copy = root / experiment / "c0000000000000000000000000000000"
    shutil.copytree(root / experiment / runs[4], copy)
    meta = (copy / "meta.yaml").read_text().replace(runs[4], copy.name)
    (copy / "meta.yaml").write_text(meta)
    assert ids(search_anew(root, experiment)) == {runs[0], runs[2], *runs[4:], copy.name}
    (found,) = search_anew(root, experiment, filter_string="metrics.a = 7.5")
    assert (found.info.run_id, found.data.tags["t"]) == (runs[0], "changed in place")


@pytest.mark.parametrize("times", ["kept", "new", "old"])
def test_a_copied_store_is_searched_as_it_is(store, index, root, tmp_path, times):
    """Copies by cp or rsync have the times of their originals, of now, or any other."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, metrics={"a": 1.0})
    index.search_runs([experiment])
    (root / experiment / run / "metrics" / "a").write_text("9 7.5 9\n")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copy2 if times == "kept" else shutil.copy)
    if times == "old":
        for path in copy.rglob("*"):
            os.utime(path, (1, 1))
    (found,) = search_anew(copy, experiment)
    assert (found.info.run_id, found.data.metrics) == (run, {"a": 7.5})


def test_changes_of_equal_size_and_later_time_are_seen(store, index, root):
    """A value of the same length in place of another is another value."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, tags={"t": "1"})
    assert ids(index.search_runs([experiment], "tags.t = '1'")) == {run}
    settle()
    (root / experiment / run / "tags" / "t").write_text("2")
    assert ids(search_anew(root, experiment, filter_string="tags.t = '2'")) == {run}


def test_times_in_the_future_cost_no_process_more(store, index, root, monkeypatch):
    """Files from another machine's clock are read once, and then when they change."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, params={"p": "1"})
    for path in (*root.rglob("*"), root):
        os.utime(path, (4e9, 4e9))
    settle()
    index.search_runs([experiment])
    looks = []
    for owner, name in ((catch_up.Look, "document"), (catch_up.CatchUp, "_differences")):
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda self, *a, o=original: looks.append(a) or o(self, *a)
        )
    assert ids(search_anew(root, experiment)) == {run}
    assert looks == []
    (root / experiment / run / "params" / "p").write_text("2")
    assert ids(search_anew(root, experiment, filter_string="params.p = '2'")) == {run}


def test_a_process_that_trains_never_writes_the_index(root, tmp_path):
    """Recording touches no cache folder; the index is made and filled by who searches."""
    store = FileStore(str(root))
    experiment = store.create_experiment("e")
    run, writer = store.start_run(experiment)
    writer.log_params({"p": "1"})
    writer.log_metrics([Metric("a", 1.0, 1, 0)])
    store.update_run(run.info.run_id, "FINISHED", 5)
    writer.close()
    store.get_run(run.info.run_id)
    assert not (tmp_path / "cache").exists()
    assert ids(search_anew(root, experiment, filter_string="metrics.a = 1")) == {run.info.run_id}


def test_an_interrupted_first_look_begins_anew(store, index, root, monkeypatch):
    """The index is filled whole or not at all, whatever ends it."""
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, params={"p": str(n)}) for n in range(8)}
    looks = iter(range(5))

    def interrupted(self, folder):
        if next(looks, None) is None:
            raise KeyboardInterrupt
        return original(self, folder)

    original = catch_up.Look.document
    monkeypatch.setattr(catch_up.Look, "document", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index.search_runs([experiment])
    monkeypatch.undo()
    assert ids(index.search_runs([experiment])) == wanted
    assert ids(index.search_runs([experiment], "params.p = '3'")) < wanted
    names = index._refresh.db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    assert {"ix_params_key_value", "ix_tags_key_value"} <= {name for (name,) in names}


def test_two_processes_fill_one_index_at_once(store, index, root):
    """Whoever comes second waits for the first, and both find all."""
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, params={"p": str(n)}) for n in range(30)}
    code = textwrap.dedent(
        f"""
        from tracklet.reading.index import FolderIndex
        index = FolderIndex({str(root)!r})
        print(len(index.search_runs([{experiment!r}])))
        index.close()
        """
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in processes] == ["30"] * 3
    assert ids(index.search_runs([experiment])) == wanted


@pytest.mark.parametrize(
    "question",
    [
        {"filter_string": f"params.p ILIKE '{'x' * 50_001}'"},
        {"filter_string": "params.p = '\udcff'"},
        {"experiment_ids": ["e"] * 2 + [f"x{n}" for n in range(300_000)]},
    ],
)
def test_a_question_too_large_is_no_damage(store, index, question, caplog):
    """It is refused, and neither the index nor what it knows is given up for it."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, params={"p": "x"})
    assert ids(index.search_runs([experiment])) == {run}
    before = os.stat(index.path).st_ino
    with caplog.at_level(logging.WARNING, "tracklet"), pytest.raises(InvalidParameterValue):
        index.search_runs(**{"experiment_ids": [experiment], **question})
    assert caplog.records == []
    assert ids(index.search_runs([experiment], "params.p = 'x'")) == {run}
    assert (os.stat(index.path).st_ino, index.path == MEMORY) == (before, False)


def test_an_index_without_a_table_heals_itself(store, index, caplog):
    """That a table is missing is damage, though SQLite says no more than of a bad question."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment, params={"p": "x"})
    index.search_runs([experiment])
    index._db.execute("DROP TABLE params")
    assert ids(index.search_runs([experiment], "params.p = 'x'")) == {run}
    assert "damaged" in caplog.text


@pytest.mark.parametrize("place", ["first look", "look", "writing", "question"])
def test_a_search_may_come_in_between_the_steps_of_another(
    store, index, monkeypatch, caplog, place
):
    """As from a signal handler or a finalizer: both find all, and the index stays as it is."""
    experiment = store.create_experiment("e")
    wanted = {run_with(store, experiment, params={"p": str(n)}) for n in range(3)}
    if place != "first look":
        index.search_runs([experiment])
        settle()
        late = run_with(store, experiment, params={"p": "late"})
        wanted.add(late)
    owner, name = {
        "writing": (catch_up.bulk, "put_runs"),
        "question": (queries, "search"),
    }.get(place, (catch_up.Look, "document"))
    original = getattr(owner, name)
    inner = []

    def interrupted(*args, **kwargs):
        monkeypatch.setattr(owner, name, original)
        inner.append(ids(index.search_runs([experiment])))
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    with caplog.at_level(logging.WARNING, "tracklet"):
        assert ids(index.search_runs([experiment])) == wanted
        assert ids(index.search_runs([experiment])) == wanted
    # What is about to be written down, no other connection can see yet, nor write.
    assert inner == [wanted if place != "writing" else wanted - {late}]
    assert (caplog.records, index.path == MEMORY) == ([], False)


def test_a_batch_of_metrics_is_announced_once(store, root):
    """However many metrics and models a call names, the log of changes grows by one line each."""
    experiment = store.create_experiment("e")
    run = run_with(store, experiment)
    model = store.create_logged_model(experiment, "m", run).model_id
    log = root / ".tracklet.changes"
    before = len(log.read_text().splitlines())
    writer = store.open_run(run, live=False)
    writer.log_metrics([Metric(f"a{n}", 1.0, 1, 0, model) for n in range(5)])
    assert log.read_text().splitlines()[before:] == [
        f"{experiment}/models/{model}",
        f"{experiment}/{run}",
    ]
    writer.close()


def test_params_and_last_points_are_those_of_the_files(store):
    """What an open writer hands over is what others find, theirs included."""
    experiment = store.create_experiment("e")
    run, writer = store.start_run(experiment)
    run_id = run.info.run_id
    writer.log_params({"p": "1", "a/b": "ü"})
    for step in range(200):
        writer.log_metric("m", step / 7, step, step)
    store.log_batch(run_id, [Metric("m", 0.5, 1, 3), Metric("n", 2.0, 1, 0)], {"q": "2"})
    other = FileStore(store.root)
    assert store.get_params(run_id) == other.get_params(run_id) == {"a/b": "ü", "p": "1", "q": "2"}
    assert store.last_points(run_id) == other.last_points(run_id)
    assert [(p.key, p.value, p.step) for p in store.last_points(run_id)] == [
        ("m", 0.5, 3),
        ("n", 2.0, 0),
    ]
    writer.close()
    assert store.get_params(run_id) == other.get_params(run_id)
    assert store.last_points(run_id) == other.last_points(run_id)
