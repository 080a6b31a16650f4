"""Whatever system call fails, no half-written thing is seen, and the next attempt works."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from contextlib import contextmanager, suppress

import pytest

from tracklet.entities import Dataset, DatasetInput, LoggedModelOutput, LoggedModelStatus, Metric
from tracklet.errors import ResourceAlreadyExists, ResourceDoesNotExist, StorageError
from tracklet.stores import disk
from tracklet.stores.files import FileStore, contents, reader

CALLS = (
    "open_file",
    "read",
    "write",
    "close",
    "fsync",
    "truncate",
    "replace",
    "rename",
    "link",
    "unlink",
    "mkdir",
    "rmdir",
)


class Fault:
    """Whether the fault has fired."""

    def __init__(self):
        self.count = 0
        self.fired = None


@contextmanager
def failing(monkeypatch, number, code, *, short=False, calls=CALLS):
    """The call of that number, counted from 0 over all of ``calls``, fails once.

    With ``short``, a failing write takes half of its data first, as a full disk does.
    """
    fault = Fault()

    def wrap(name, original):
        def call(*args, **kwargs):
            mine = fault.count
            fault.count += 1
            if mine != number or fault.fired:
                return original(*args, **kwargs)
            fault.fired = name
            if name == "write" and short:
                return original(args[0], bytes(args[1])[: max(1, len(args[1]) // 2)])
            if name == "close":
                original(*args, **kwargs)
            raise OSError(code, os.strerror(code))

        return call

    with monkeypatch.context() as patch:
        for name in calls:
            patch.setattr(disk, name, wrap(name, getattr(disk, name)))
        yield fault


def check_whole(root):
    """Every document that a reader finds is whole, and nothing staged is left to be taken for one.

    Returns:
        How many entities there are.
    """
    count = 0
    for experiment_dir in contents.experiment_dirs(root):
        experiment = reader.read_experiment(experiment_dir)
        assert experiment.name
        count += 1
        for run_dir in contents.run_dirs(experiment_dir):
            run = reader.read_run(run_dir)
            assert run.info.run_name == "n"
            assert set(run.data.params.values()) <= {"v" * 300}
            assert set(run.data.metrics.values()) <= {0.5}
            assert {run.data.tags[k] for k in run.data.tags.keys() & {"t"}} <= {"w" * 300}
            count += 1
        for model_dir in contents.logged_model_dirs(experiment_dir):
            assert reader.read_logged_model(model_dir).name == "model"
            count += 1
    for model_dir in contents.registered_model_dirs(root):
        reader.read_registered_model(model_dir)
        count += 1
        for version_dir in contents.model_version_dirs(model_dir):
            reader.read_model_version(version_dir)
            count += 1
    return count


def every_fault(monkeypatch, tmp_path, scenario, check, *, code, short=False, limit=400):
    """Run a scenario once per system call, failing that call; stop when none is left to fail.

    Args:
        scenario: ``(store, prepared) -> None``, what may fail.
        check: ``(store, prepared) -> None``, called after the failure and a second attempt.
    """
    prepare, act = scenario
    for number in itertools.count():
        assert number < limit, "the scenario never ends"
        root = tmp_path / f"{code}-{short}-{number}"
        prepared = prepare(FileStore(root))
        store = FileStore(root)
        with failing(monkeypatch, number, code, short=short) as fault:
            error = None
            try:
                act(store, prepared)
            except StorageError as raised:
                error = raised
        if error is not None:
            assert isinstance(error.__cause__, OSError)
            assert str(root) in str(error)
            assert os.strerror(code) in str(error) or short
        check_whole(root)
        if not fault.fired:
            return number
        # The first attempt may have come through, the call that failed being a later courtesy.
        with suppress(ResourceAlreadyExists, ResourceDoesNotExist):
            act(store, prepared)
        check_whole(root)
        check(store, prepared)
        shutil.rmtree(root)
    raise AssertionError


def new_run(store):
    return store.create_run("0", run_name="n").info.run_id


@pytest.mark.parametrize(
    ("code", "short"),
    [
        (errno.ENOSPC, True),
        (errno.EACCES, False),
        *(pytest.param(e, False, marks=pytest.mark.exhaustive) for e in (errno.ENOSPC, errno.EIO)),
    ],
)
class TestFaults:
    def test_creating_runs(self, monkeypatch, tmp_path, code, short):
        """A run is there whole or not at all; the store may not even exist yet."""

        def check(store, prepared):
            assert store.get_experiment("0").name == "Default"

        scenario = (lambda store: None, lambda store, prepared: new_run(store))
        assert every_fault(monkeypatch, tmp_path, scenario, check, code=code, short=short) > 10

    def test_logging_to_a_run(self, monkeypatch, tmp_path, code, short):
        """Params are all or nothing, points are whole, tags are the old or the new text."""

        def act(store, run_id):
            store.log_batch(
                run_id,
                [Metric("m", 0.5, 1, 1), Metric("a/m", 0.5, 1, 1)],
                {"p": "v" * 300, "a/q": "v" * 300},
                {"t": "w" * 300},
            )

        def check(store, run_id):
            run = store.get_run(run_id)
            assert run.data.params == {"p": "v" * 300, "a/q": "v" * 300}
            assert run.data.metrics == {"m": 0.5, "a/m": 0.5}
            assert run.data.tags["t"] == "w" * 300

        assert every_fault(monkeypatch, tmp_path, (new_run, act), check, code=code, short=short)

    def test_params_are_all_or_nothing(self, monkeypatch, tmp_path, code, short):
        """After the failed call, either all of its params are there or none."""

        for number in range(60):
            store = FileStore(tmp_path / str(number))
            run_id = new_run(store)
            with failing(monkeypatch, number, code, short=short) as fault:
                try:
                    store.log_batch(run_id, params=dict.fromkeys("abc", "v" * 300))
                    failed = False
                except StorageError:
                    failed = True
            names = set(store.get_run(run_id).data.params)
            assert names in (set(), set("abc"))
            assert failed or names == set("abc")
            if not fault.fired:
                return

    def test_carrying_a_run_on(self, monkeypatch, tmp_path, code, short):
        """A run that could not be opened leaves no claim behind; one that was, works."""

        def prepare(store):
            run_id = new_run(store)
            store.update_run(run_id, status="FINISHED", end_time=5)
            return run_id

        def act(store, run_id):
            writer = store.open_run(run_id)
            try:
                writer.log_metric("m", 0.5, 1, 1)
                writer.flush()
                store.update_run(run_id, status="FAILED", end_time=7)
            finally:
                writer.close()

        def check(store, run_id):
            info = store.get_run(run_id).info
            assert (info.status, info.end_time) == ("FAILED", 7)
            assert store.get_run(run_id).data.metrics == {"m": 0.5}

        assert every_fault(monkeypatch, tmp_path, (prepare, act), check, code=code, short=short)

    def test_deleting_and_restoring(self, monkeypatch, tmp_path, code, short):
        """An experiment is on one side or the other."""

        def prepare(store):
            experiment_id = store.create_experiment("e")
            return experiment_id, store.create_run(experiment_id, run_name="n").info.run_id

        def delete(store, prepared):
            store.delete_experiment(prepared[0])

        def deleted(store, prepared):
            assert store.get_experiment(prepared[0]).lifecycle_stage == "deleted"
            assert store.get_run(prepared[1]).info.lifecycle_stage == "deleted"

        def prepare_deleted(store):
            prepared = prepare(store)
            delete(store, prepared)
            return prepared

        def restore(store, prepared):
            store.restore_experiment(prepared[0])

        def restored(store, prepared):
            assert store.get_experiment(prepared[0]).lifecycle_stage == "active"
            assert store.get_run(prepared[1]).info.lifecycle_stage == "active"

        every_fault(monkeypatch, tmp_path / "d", (prepare, delete), deleted, code=code, short=short)
        every_fault(
            monkeypatch,
            tmp_path / "r",
            (prepare_deleted, restore),
            restored,
            code=code,
            short=short,
        )

    def test_experiments_and_models(self, monkeypatch, tmp_path, code, short):
        """Experiments, logged models, inputs, outputs."""

        def act(store, run_id):
            if store.get_experiment_by_name("e") is None:
                store.create_experiment("e", tags={"a/b": "x" * 300})
            model = store.create_logged_model("0", "model", tags={"t": "1"}, params={"p": "2"})
            store.log_logged_model_params(model.model_id, {"q": "3"})
            store.set_logged_model_tags(model.model_id, {"t": "4"})
            store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
            store.log_inputs(run_id, [DatasetInput(Dataset("d", "e", "code", "{}"))])
            store.log_outputs(run_id, [LoggedModelOutput(model.model_id, 1)])

        def check(store, run_id):
            assert store.get_experiment_by_name("e").tags == {"a/b": "x" * 300}
            assert store.get_run(run_id).inputs.dataset_inputs
            assert store.get_run(run_id).outputs.model_outputs

        every_fault(monkeypatch, tmp_path, (new_run, act), check, code=code, short=short)

    def test_the_registry(self, monkeypatch, tmp_path, code, short):
        """A registered model with a version, an alias and a stage."""

        def act(store, prepared):
            with suppress(ResourceAlreadyExists):
                store.create_registered_model("r", {"k": "v"}, "text")
            version = store.create_model_version("r", "/x", tags={"a": "b"}).version
            store.set_registered_model_alias("r", "best", version)
            store.transition_model_version_stage("r", version, "Staging")

        def check(store, prepared):
            version = store.get_model_version_by_alias("r", "best")
            assert (version.current_stage, version.tags) == ("Staging", {"a": "b"})
            assert store.get_registered_model("r").tags == {"k": "v"}

        every_fault(monkeypatch, tmp_path, (lambda s: None, act), check, code=code, short=short)

    def test_renaming_a_registered_model(self, monkeypatch, tmp_path, code, short):
        """It is found under the old or the new name, with its versions."""

        def prepare(store):
            store.create_registered_model("old")
            store.create_model_version("old", "/x")

        def act(store, prepared):
            store.rename_registered_model("old", "new")

        def check(store, prepared):
            version = store.get_model_version("new", 1)
            assert version.source == "/x"

        every_fault(monkeypatch, tmp_path, (prepare, act), check, code=code, short=short)


def test_the_message_names_path_reason_and_way_out(monkeypatch, tmp_path):
    """So that a user knows what to do."""
    store = FileStore(tmp_path / "mlruns")
    run_id = new_run(store)
    writer = store.open_run(run_id)
    writer.log_metric("m", 1.0, 0, 0)
    with (
        failing(monkeypatch, 0, errno.ENOSPC, calls=("write",)),
        pytest.raises(StorageError, match=r"No space left.*metrics/m.*free some space"),
    ):
        writer.log_metric("m", 2.0, 1, 0)
    writer.log_metric("m", 3.0, 2, 0)
    writer.close()
    assert [m.value for m in store.get_metric_history(run_id, "m")] == [1.0, 3.0]


def test_a_short_write_is_completed(monkeypatch, tmp_path):
    """The point is there once, and what was torn is no point."""
    store = FileStore(tmp_path / "mlruns")
    run_id = new_run(store)
    writer = store.open_run(run_id)
    writer.log_metric("m", 1.0, 0, 0)
    with failing(monkeypatch, 0, 0, short=True, calls=("write",)) as fault:
        writer.log_metric("m", 2.0, 1, 0)
    assert fault.fired
    with failing(monkeypatch, 0, 0, short=True, calls=("write",)):
        writer.log_metrics([Metric("m", float(v), 0, v) for v in range(3, 9)])
    writer.close()
    assert [m.value for m in store.get_metric_history(run_id, "m")] == [*map(float, range(1, 9))]
