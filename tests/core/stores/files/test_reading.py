"""Old, moved and odd trees are read for what they hold."""

from __future__ import annotations

import errno
import logging
import math
import os
import shutil
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue, StorageError
from tracklet.stores import disk
from tracklet.stores.files import FileStore, contents, points, reader


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mlruns"


@pytest.fixture
def store(root):
    return FileStore(root)


@pytest.fixture
def run_dir(store, root):
    return root / "0" / store.create_run("0").info.run_id


def test_a_moved_tree_finds_its_artifacts(store, root, tmp_path):
    """Locations recorded elsewhere are found beside the documents, also when the old tree stays."""
    run_id = store.create_run("0").info.run_id
    model = store.create_logged_model("0", "m", run_id)
    os.makedirs(model.artifact_location)
    store.create_registered_model("r")
    store.create_model_version("r", model.artifact_location, storage_location=None)
    (root / "0" / run_id / "artifacts/a.txt").write_text("x")
    for move in (shutil.copytree, shutil.move):
        new = tmp_path / f"new-{move.__name__}"
        move(root, new)
        moved = FileStore(new)
        assert moved.get_run(run_id).info.artifact_uri == f"{new}/0/{run_id}/artifacts"
        assert moved.get_experiment("0").artifact_location == f"{new}/0"
        here = f"{new}/0/models/{model.model_id}/artifacts"
        assert moved.get_logged_model(model.model_id).artifact_location == here
        created = moved.create_run("0")
        assert created.info.artifact_uri == f"{new}/0/{created.info.run_id}/artifacts"
    assert moved.get_model_version("r", 1).source == here


def test_a_custom_artifact_location_stays(store, tmp_path):
    """Runs of an experiment with its own location keep it, whatever lies beside them."""
    for location in (str(tmp_path / "art"), "s3://bucket/x"):
        experiment_id = store.create_experiment(location, location)
        run = store.create_run(experiment_id)
        assert store.get_run(run.info.run_id).info.artifact_uri == (
            f"{location}/{run.info.run_id}/artifacts"
        )


def test_a_file_uri_is_a_store(root, store):
    """Written by one spelling, read by the other; relative paths are made absolute at once."""
    run_id = store.create_run("0").info.run_id
    assert FileStore(root.as_uri()).get_run(run_id).info.run_id == run_id
    assert FileStore(root.as_uri()).root == str(root)


def test_a_relative_path_is_taken_once(tmp_path, monkeypatch):
    """Changing the working directory later changes nothing."""
    monkeypatch.chdir(tmp_path)
    store = FileStore("runs")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.create_run("0")
    assert (tmp_path / "runs/0/meta.yaml").exists()


def test_a_deleted_working_directory_is_a_clear_error(tmp_path, monkeypatch):
    """A relative path cannot be resolved there; an absolute one can."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StorageError, match="working directory was deleted"):
        FileStore("mlruns")
    FileStore(tmp_path / "mlruns").create_run("0")


def test_another_scheme_is_refused():
    """A file store is a local folder."""
    with pytest.raises(InvalidParameterValue):
        FileStore("http://localhost:5000")


def test_a_torn_last_line_is_passed_over_and_counted(store, run_dir, caplog):
    """The whole points are there, and one line of log says what is missing."""
    (run_dir / "metrics/m").write_bytes(b"1 0.5 0\n2 0.75 1\n3 0.")
    with caplog.at_level(logging.WARNING, "tracklet"):
        history = store.get_metric_history(run_dir.name, "m")
    assert [m.value for m in history] == [0.5, 0.75]
    assert "1 torn or malformed" in caplog.text
    assert store.get_run(run_dir.name).data.metrics == {"m": 0.75}
    assert reader.read_metric_history(run_dir / "metrics/m", "m").skipped == 1


@pytest.mark.parametrize("size", range(1, 24))
def test_writing_after_a_torn_line_makes_no_false_point(store, run_dir, size):
    """Wherever the line was cut, later points are whole and nothing is made up."""
    line = b"1795219343586 0.25 -17\n"
    (run_dir / "metrics/m").write_bytes(b"1 0.5 0\n" + line[:size])
    store.log_batch(run_dir.name, [Metric("m", 0.75, 9, 2)])
    values = [m.value for m in store.get_metric_history(run_dir.name, "m")]
    assert values == ([0.5, 0.25, 0.75] if size == len(line) else [0.5, 0.75])


@pytest.mark.parametrize("size", range(1, 24))
def test_a_torn_line_beside_another_writer_is_marked(store, run_dir, size):
    """It cannot be taken away while others append, so it is marked, in a form MLflow can read."""
    path = run_dir / "metrics/m"
    writer = store.open_run(run_dir.name)
    writer.log_metric("m", 0.5, 0, 1)
    line = b"1795219343586 0.25 -17\n"
    with path.open("ab") as file:
        file.write(line[:size])
    store.log_batch(run_dir.name, [Metric("m", 0.75, 9, 2)])
    writer.log_metric("m", 1.0, 3, 4)
    writer.close()
    values = [m.value for m in store.get_metric_history(run_dir.name, "m")]
    assert [v for v in values if v != 0.25 or size < len(line)] == [0.5, 0.75, 1.0]
    for written in path.read_bytes().splitlines():
        fields = written.split(b" ")
        assert len(fields) in (3, 5), written
        int(fields[0]), float(fields[1]), int(fields[2])


def test_old_and_odd_lines_are_read(store, run_dir):
    """Two fields mean step 0; five keep their step; blank and malformed lines are passed over."""
    (run_dir / "metrics/m").write_bytes(
        b"1 0.5\n2 1.5 3\n\nnonsense\n3 2.5 4 my set abc\n4 NaN 5\n5 1e400 6\n"
    )
    history = reader.read_metric_history(run_dir / "metrics/m", "m")
    assert [(m.timestamp, m.step) for m in history.points] == [
        (1, 0),
        (2, 3),
        (3, 4),
        (4, 5),
        (5, 6),
    ]
    assert (history.points[2].dataset_name, history.points[2].dataset_digest) == ("my set", "abc")
    assert math.isnan(history.points[3].value)
    assert history.skipped == 1


def test_an_old_run_document_is_read(store, run_dir):
    """``run_uuid``, the name only as tag, missing times, unknown fields, a path without scheme."""
    run_id = run_dir.name
    (run_dir / "meta.yaml").write_text(
        f"run_uuid: {run_id}\nstatus: 4\nstart_time: 5\nend_time: null\nsomething: [1, 2]\n"
        f"artifact_uri: ./mlruns/0/{run_id}/artifacts\n"
    )
    (run_dir / "tags/mlflow.runName").write_text("by tag")
    info = store.get_run(run_id).info
    assert (info.run_id, info.run_name, info.status) == (run_id, "by tag", "FAILED")
    assert (info.start_time, info.end_time, info.lifecycle_stage) == (5, None, "active")
    assert info.artifact_uri == f"{run_dir}/artifacts"


def test_a_broken_document_is_a_clear_error(store, run_dir):
    """It names the file; other runs are not affected."""
    other = store.create_run("0").info.run_id
    (run_dir / "meta.yaml").write_bytes(b"a: [1\n\xff")
    with pytest.raises(StorageError, match=r"meta\.yaml"):
        store.get_run(run_dir.name)
    assert store.get_run(other)


def test_foreign_folders_are_passed_over(store, root, run_dir):
    """Folders without a document are no entities."""
    (root / "stray").mkdir()
    (root / "0/stray").mkdir()
    (root / "0/file").write_text("")
    assert [os.path.basename(d) for d in contents.experiment_dirs(root)] == ["0"]
    assert contents.run_dirs(root / "0") == [str(run_dir)]


def test_a_store_that_was_removed_under_way_begins_anew(store, root):
    """Whoever removes the folder between two runs of one process gets the second one recorded."""
    store.create_run("0")
    shutil.rmtree(root)
    run = store.create_run("0")
    assert store.get_experiment("0").name == "Default"
    assert [each.info.run_id for each in store.search_runs(["0"])] == [run.info.run_id]


def test_a_missing_store_has_nothing(tmp_path):
    """Listings of a folder that is not there are empty."""
    assert contents.experiment_dirs(tmp_path / "no") == []
    assert contents.registered_model_dirs(tmp_path / "no") == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_read(store, root, monkeypatch, tmp_path, code):
    """Reading and searching work, also without the default experiment; writing is an error."""
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    experiment_id = store.create_experiment("e")
    run_id = store.create_run(experiment_id).info.run_id
    store.log_batch(run_id, [Metric("m", 1.0, 1, 1)])
    shutil.rmtree(root / "0")

    def refuse(path, *args, **kwargs):
        raise OSError(code, os.strerror(code), path)

    real_open = disk.open_file

    def open_to_read(path, flags, *args):
        return refuse(path) if flags & (os.O_WRONLY | os.O_RDWR) else real_open(path, flags, *args)

    monkeypatch.setattr(disk, "open_file", open_to_read)
    for name in ("mkdir", "replace", "rename", "link", "unlink"):
        monkeypatch.setattr(disk, name, refuse)
    fresh = FileStore(root)
    try:
        assert fresh.get_run(run_id).data.metrics == {"m": 1.0}
        assert [e.name for e in fresh.search_experiments()] == ["e"]
        assert [r.info.run_id for r in fresh.search_runs([experiment_id])] == [run_id]
        for write in (
            lambda: fresh.create_run(experiment_id),
            lambda: fresh.open_run(run_id),
            lambda: fresh.log_batch(run_id, params={"a": "1"}),
            lambda: fresh.log_batch(run_id, [Metric("m", 1.0, 1, 1)]),
            lambda: fresh.create_experiment("new"),
        ):
            with pytest.raises(StorageError, match="set_tracking_uri"):
                write()
    finally:
        fresh.close()


FINITE = st.floats(allow_nan=True, allow_infinity=True)
POINT = st.tuples(FINITE, st.integers(0, 2**53), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(POINT, max_size=20))
def test_points_survive_their_text_form(rows):
    """Doubles to the last bit, NaN, infinities and steps, in order."""
    data = b"".join(b"%d %a %d\n" % (t, v, s) for v, t, s in rows)
    history = points.parse_run_points(data, "k")
    assert history.skipped == 0
    assert [(repr(m.value), m.timestamp, m.step) for m in history.points] == [
        (repr(v), t, s) for v, t, s in rows
    ]
    slow = [points._run_point(line, "k") for line in data.splitlines()]
    assert repr(slow) == repr(history.points)


@given(st.lists(POINT, min_size=1, max_size=20))
def test_the_latest_value_is_the_greatest(rows):
    """By step, timestamp and value, where NaN is the least."""
    data = b"".join(b"%d %a %d\n" % (t, v, s) for v, t, s in rows)
    best = max(rows, key=lambda r: (r[2], r[1], -math.inf if math.isnan(r[0]) else r[0]))
    found = points.latest_point(data, "k").value
    assert found == best[0] or (math.isnan(best[0]) and math.isnan(found))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data):
    """Whatever a disk gives back, the reader finds points or passes over."""
    points.parse_run_points(data, "k")
    points.parse_model_points(data, "k", "m-1")
    points.latest_point(data, "k")


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 16])
def test_the_latest_point_is_found_in_pieces_of_any_size(store, run_dir, monkeypatch, piece):
    """As it is in the whole history; what is no point is passed over, however long it is."""
    monkeypatch.setattr(disk, "_CHUNK", piece)
    monkeypatch.setattr(points, "_MAX_LINE", 100)
    rows = [
        b"%d %a %d" % (t, v, s) for t in (1, 2) for s in (3, 5, 5) for v in (0.5, 2.5, math.nan)
    ]
    rows += [b"9 x 9", b"9 1.0 9 <torn>", b"y" * 250 + b" 9 1.0 9", b"%d 1.0 9" % 2**70, b"4 7.0"]
    for lines in (rows, rows[::-1], [b"4 7.0 3 data set"], rows[-5:-1]):
        (run_dir / "metrics" / "k").write_bytes(b"\n".join(lines) + b"\n9 8.0 9")
        history = store.get_metric_history(run_dir.name, "k")
        best = max(
            ((p.step, p.timestamp, -math.inf if math.isnan(p.value) else p.value) for p in history),
            default=None,
        )
        found = store.get_run(run_dir.name).data.metrics
        assert found == ({} if best is None else {"k": best[2]})


def test_reading_a_run_needs_no_memory_for_its_history(store, run_dir):
    line = b"1790000000000 0.5 %d\n"
    (run_dir / "metrics" / "k").write_bytes(b"".join(line % step for step in range(100_000)))
    (run_dir / "metrics" / "no point").write_bytes(b"x" * (4 << 20))
    tracemalloc.start()
    try:
        store.get_run(run_dir.name)
        store.update_run(run_dir.name, "FINISHED", 1)
        store.search_runs(["0"])
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
