"""One bad file or folder costs itself: everything else of the record is found, and it is named."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    TraceInfo,
    TraceLocation,
    TraceState,
    ViewType,
)
from tracklet.errors import ResourceDoesNotExist, StorageError
from tracklet.stores import disk
from tracklet.stores.files import FileStore

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs and links")


@pytest.fixture
def record(tracklet_home):
    """A store with three of each kind, of which tests spoil parts of one and another one whole."""
    store = FileStore(tracklet_home / "mlruns")
    experiment, other = store.create_experiment("e"), store.create_experiment("f", tags={"t": "1"})
    made = SimpleNamespace(store=store, root=tracklet_home / "mlruns", experiment=experiment)
    made.other = made.root / other
    for kind in ("good", "bad", "gone"):
        run, writer = store.start_run(experiment, run_name=kind, tags={"t": kind})
        writer.log_params({"p": kind, "q": kind})
        writer.log_metrics([Metric("m", 1.0, 1, 0), Metric("n", 2.0, 1, 0)])
        model = store.create_logged_model(experiment, kind, tags={"t": "1"}, params={"p": "1"})
        writer.link_metrics([Metric("m", 1.0, 1, 0, model.model_id)])
        used = DatasetInput(Dataset(kind, "d", "code", "{}"), [InputTag("k", "v")])
        store.log_inputs(run.info.run_id, [used], [LoggedModelInput(model.model_id)])
        store.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 1)])
        store.update_run(run.info.run_id, "FINISHED", 5)
        writer.close()
        store.create_registered_model(kind, {"t": "1"})
        for _ in range(2):
            store.create_model_version(kind, "/x", tags={"t": "1"})
        store.set_registered_model_alias(kind, "a", 1)
        location = TraceLocation.from_experiment_id(experiment)
        texts: Any = {"trace_metadata": {"k": "v"}, "tags": {"t": "1"}}
        info = TraceInfo(f"tr-{kind}", location, 1, TraceState.OK, **texts)
        store.traces.log_trace(info, [])
        home = made.root / experiment
        setattr(made, kind, home / run.info.run_id)
        setattr(made, f"{kind}_model", home / "models" / model.model_id)
        setattr(made, f"{kind}_trace", home / "traces" / f"tr-{kind}")
        setattr(made, f"{kind}_registered", made.root / "models" / kind)
    yield made
    store.close()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def poison(path: Path, spoil: Callable[[Path], None]) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    spoil(path)


def found(record: Any) -> dict[str, set[str]]:
    """The names of all that searches find."""
    store, ids = record.store, [record.experiment]
    return {
        "experiments": {each.name for each in store.search_experiments()},
        "runs": {str(each.info.run_name) for each in store.search_runs(ids)},
        "logged models": {each.name for each in store.search_logged_models(ids)},
        "registered models": {each.name for each in store.search_registered_models()},
        "versions": {f"{each.name}/{each.version}" for each in store.search_model_versions()},
        "traces": {each.info.trace_id for each in store.traces.search_traces(ids)},
    }


def assert_good_is_whole(record: Any) -> None:
    """The good one of each kind is found with all that it has, by searching and by id."""
    store, ids = record.store, [record.experiment]
    (run,) = store.search_runs(ids, "tags.t = 'good' and metrics.m = 1 and params.p = 'good'")
    assert repr(run) == repr(store.get_run(record.good.name))
    assert [each.value for each in store.get_metric_history(record.good.name, "n")] == [2.0]
    (model,) = store.search_logged_models(ids, "name = 'good' and metrics.m = 1")
    assert store.get_logged_model(record.good_model.name).metrics == model.metrics
    assert [each.version for each in store.search_model_versions("name = 'good'")] == [2, 1]
    assert store.get_registered_model("good").aliases == {"a": 1}
    assert store.get_experiment_by_name("e").experiment_id == record.experiment
    everything = found(record)
    for kind in ("runs", "logged models", "registered models"):
        assert "good" in everything[kind]
    assert "tr-good" in {t.info.trace_id for t in store.traces.search_traces(ids, "tags.t = '1'")}
    assert store.traces.get_trace("tr-good").info.tags["t"] == "1"


PARTS = (
    "bad/params/p",
    "bad/tags/t",
    "bad/metrics/m",
    "bad/inputs/*",
    "bad/outputs/*/meta.yaml",
    "bad_model/params/p",
    "bad_model/tags/t",
    "bad_model/metrics/m",
    "bad_registered/tags/t",
    "bad_registered/aliases/a",
    "bad_registered/version-1/meta.yaml",
    "bad_registered/version-2/tags/t",
    "bad_trace/tags/t",
    "bad_trace/request_metadata/k",
    "bad_trace/assessments/a-1.yaml",
    "other/tags/t",
)
WHOLES = (
    "gone/meta.yaml",
    "gone_model/meta.yaml",
    "gone_registered/meta.yaml",
    "gone_trace/trace_info.yaml",
    "../lost/meta.yaml",
)


def paths(record: Any, places: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        owner, _, rest = place.partition("/")
        home = record.root if owner == ".." else getattr(record, owner)
        found += home.glob(rest) if "*" in rest else [home / rest]
    return found


@pytest.mark.parametrize("spoil", [fifo, endless, loop])
def test_a_file_that_is_none_costs_no_more_than_itself(record, spoil, caplog):
    """Wherever a FIFO, a device or a link loop lies, reading ends, and what it is, is named."""
    parts, wholes = paths(record, PARTS), paths(record, WHOLES)
    parts = [path / "meta.yaml" if path.parent.name == "inputs" else path for path in parts]
    for path in parts + wholes:
        poison(path, spoil)
    with caplog.at_level(logging.WARNING, "tracklet"):
        for _ in range(2):
            assert found(record) == {
                "experiments": {"Default", "e", "f"},
                "runs": {"good", "bad"},
                "logged models": {"good", "bad"},
                "registered models": {"good", "bad"},
                "versions": {"good/1", "good/2", "bad/2"},
                "traces": {"tr-good", "tr-bad"},
            }
            assert_good_is_whole(record)
            (run,) = record.store.search_runs([record.experiment], "run_name = 'bad'")
            assert repr(record.store.get_run(record.bad.name)) == repr(run)
            assert run.data.params == {"q": "bad"}
            assert run.data.metrics == {"n": 2.0}
            assert (run.inputs.model_inputs, run.outputs.model_outputs) == ([], [])
    left_out = record.store.left_out()
    for path in parts + wholes:
        owner = path.parent if path.name in ("meta.yaml", "trace_info.yaml") else path
        assert len([at for at, _ in left_out if at == str(owner)]) == 1, owner
        said = [r for r in caplog.records if r.getMessage().startswith(f"{owner} is left out")]
        assert len(said) == 1, owner
    with pytest.raises(StorageError, match="metrics/m"):
        record.store.get_metric_history(record.bad.name, "m")
    with pytest.raises((StorageError, ResourceDoesNotExist)):
        record.store.get_run(record.gone.name)


def without_rights(work: Callable[[], None]) -> None:
    """Do something as a user who owns nothing; root may read whatever the mode says."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the parent says that the child failed
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def shared(record, monkeypatch):
    """The record in a place that all users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tracklet-shared-"))
    folder.chmod(0o755)
    (folder / "cache").mkdir(mode=0o777)
    (folder / "cache").chmod(0o777)
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(folder / "cache"))
    shutil.copytree(record.root, folder / "mlruns")
    at = {
        name: folder / "mlruns" / path.relative_to(record.root)
        for name, path in vars(record).items()
        if isinstance(path, Path)
    }
    store = FileStore(folder / "mlruns")
    yield SimpleNamespace(**{**vars(record), **at, "store": store})
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_what_others_keep_to_themselves_is_left_out_until_they_share_it(shared):
    """A colleague's private folders and files cost nobody the rest of the record."""
    version = shared.bad_registered / "version-1"
    private = (
        *(shared.gone, shared.gone_model, shared.gone_registered, shared.gone_trace),
        *(shared.bad / "params", shared.bad / "metrics/m", shared.bad_model / "tags/t"),
        *(version, shared.bad_trace / "tags", shared.other),
    )
    modes = {path: path.stat().st_mode for path in private}
    for path in private:
        path.chmod(0)

    def search() -> None:
        for _ in range(2):
            everything = found(shared)
            assert everything["experiments"] == {"Default", "e"}
            assert everything["runs"] == {"good", "bad"}
            assert everything["logged models"] == {"good", "bad"}
            assert everything["registered models"] == {"good", "bad"}
            assert everything["traces"] == {"tr-good", "tr-bad"}
            assert_good_is_whole(shared)
        named = {at for at, _ in shared.store.left_out()}
        assert {str(path) for path in private} - named <= {str(version)}

    def search_again() -> None:
        everything = found(shared)
        assert everything["experiments"] == {"Default", "e", "f"}
        assert everything["runs"] == {"good", "bad", "gone"}
        (run,) = shared.store.search_runs([shared.experiment], "run_name = 'bad'")
        assert repr(run) == repr(shared.store.get_run(run.info.run_id))
        assert run.data.params == {"p": "bad", "q": "bad"}

    without_rights(search)
    for path, mode in modes.items():
        path.chmod(mode)
    without_rights(search_again)


def test_names_that_are_no_text_are_left_out(record, caplog):
    """A key, a run or an experiment under a name that is no UTF-8 cannot be asked for."""
    odd = os.fsdecode(b"odd-\xff")
    (record.bad / "params" / odd).write_text("x")
    (record.bad / "metrics" / odd / "m").mkdir(parents=True)
    for home in (
        record.root,
        record.good.parent,
        record.root / "models",
        record.good.parent / "models",
    ):
        shutil.copytree(record.good, home / odd)
    for _ in range(2):
        assert found(record)["runs"] == {"good", "bad", "gone"}
        assert_good_is_whole(record)
    (run,) = record.store.search_runs([record.experiment], "run_name = 'bad'")
    assert run.data.params == {"p": "bad", "q": "bad"}
    assert len([at for at, _ in record.store.left_out() if "odd-\\xff" in at]) == 6


def test_a_folder_that_claims_to_be_another_run_is_left_out(record):
    """Neither a copy of a run's folder nor a forged document takes the run's place."""
    for claimed in ("1" * 32, "f" * 32):
        shutil.copytree(record.good, record.good.parent / claimed)
        for _ in range(2):
            assert found(record)["runs"] == {"good", "bad", "gone"}
            assert_good_is_whole(record)
        with pytest.raises(StorageError, match=record.good.name):
            record.store.get_run(claimed)
    ((_, reason), _) = record.store.left_out()
    assert "rename the folder" in reason


def asked_by_id(record: Any) -> list[Callable[[], Any]]:
    store = record.store
    return [
        lambda: store.get_run(record.good.name).info.artifact_uri,
        lambda: store.get_logged_model(record.good_model.name).artifact_location,
        lambda: store.traces.get_trace("tr-good").info.tags["mlflow.artifactLocation"],
    ]


@pytest.mark.parametrize("searched", ["before", "after"])
@pytest.mark.parametrize("name", ["0-copy", "zcopy"])
def test_a_copied_experiment_takes_nothing_from_its_original(record, name, searched, caplog):
    """Whichever is found first, and also when the original is gone; one row names the copy."""
    original, copy = record.good.parent, record.root / name
    if searched == "before":
        found(record)
    shutil.copytree(original, copy)
    moved = shutil.copytree(record.good, record.other / record.good.name)
    shutil.copytree(record.good_registered / "version-2", record.good_registered / "version-3")
    for _ in range(2):
        assert_good_is_whole(record)
        assert found(record)["experiments"] == {"Default", "e", "f"}
        assert record.store.search_runs([record.other.name, name]) == []
        assert record.store.search_logged_models([record.other.name, name]) == []
        for ask in asked_by_id(record):
            assert str(original) in ask()
    misplaced = {str(copy), str(moved), str(record.good_registered / "version-3")}
    assert {at for at, _ in record.store.left_out()} == misplaced
    for path in misplaced:
        said = [r for r in caplog.records if r.getMessage().startswith(f"{path} is left out")]
        assert len(said) == 1, path
    shutil.move(original, record.root.parent / "elsewhere")
    for ask in (lambda: record.store.get_experiment(name), *asked_by_id(record)):
        with pytest.raises(StorageError, match="away if it is a copy"):
            ask()
    assert record.store.search_runs([record.experiment, record.other.name, name]) == []
    fresh = FileStore(record.root)
    with pytest.raises(StorageError, match="away if it is a copy"):
        fresh.get_run(record.good.name)
    shutil.move(record.root.parent / "elsewhere", original)
    shutil.rmtree(copy)
    shutil.rmtree(moved)
    assert_good_is_whole(record)
    assert len(record.store.left_out()) == 1


def test_of_an_experiment_in_and_outside_of_the_trash_the_outer_one_counts(record):
    """As after a restoring by hand that copied; deleted ones come back when it is gone."""
    record.store.delete_experiment(record.experiment)
    deleted = record.root / ".trash" / record.experiment
    for _ in range(2):
        shutil.copytree(deleted, record.good.parent)
        for store in (record.store, FileStore(record.root)):
            uri = store.get_run(record.good.name).info.artifact_uri
            (run,) = store.search_runs(
                [record.experiment], "run_name = 'good'", run_view_type=ViewType.ALL
            )
            assert run.info.artifact_uri == uri
            assert ".trash" not in str(uri)
            (experiment,) = store.search_experiments(ViewType.ALL, filter_string="name = 'e'")
            assert ".trash" not in experiment.artifact_location
            assert [at for at, _ in store.left_out()] == [str(deleted)]
        shutil.rmtree(record.good.parent)
        (run,) = record.store.search_runs(
            [record.experiment], "run_name = 'good'", run_view_type=ViewType.ALL
        )
        assert ".trash" in str(run.info.artifact_uri)
        assert record.store.left_out() == []


def test_an_experiment_is_deleted_and_restored_around_what_cannot_be_read(record):
    """A FIFO in the place of a run's document stops neither, nor one of another experiment."""
    for path in (record.gone / "meta.yaml", record.other / "meta.yaml"):
        poison(path, fifo)
    for lifecycle_stage in ("deleted", "active"):
        verb = "delete" if lifecycle_stage == "deleted" else "restore"
        getattr(record.store, f"{verb}_experiment")(record.experiment)
        assert record.store.get_run(record.good.name).info.lifecycle_stage == lifecycle_stage
    assert_good_is_whole(record)


def test_links_that_lead_back_are_not_followed(record):
    """Two links to a folder above, in a folder of keys, would be followed for ever."""
    for keys in ("params", "tags", "metrics"):
        for name in ("a", "b"):
            (record.bad / keys / name).symlink_to(record.root)
    for place in (record.root, record.good.parent, record.root / "models"):
        for name in ("a", "b"):
            (place / name).symlink_to(record.root)
    descriptor = os.open(record.bad / "params", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    assert found(record)["runs"] == {"good", "bad", "gone"}
    assert_good_is_whole(record)


DOCUMENTS = {
    "bomb": "a: &a [x, x, x, x, x, x, x, x]\n"
    + "".join(f"{n}: &{n} [{', '.join([f'*{p}'] * 8)}]\n" for p, n in pairwise("abcdefghijkl"))
    + "run_name: *l\nname: *l\n",
    "merge bomb": "a: &a {k: v}\n"
    + "".join(f"{n}: &{n} {{<<: [{', '.join([f'*{p}'] * 9)}]}}\n" for p, n in pairwise("abcdefg")),
    "deep": f"name: {'[' * 900}{']' * 900}\n",
    "deep block": "- " * 50_000 + "x\n",
    "object": "!!python/object/apply:os.abort []\n",
    "list": "- 1\n",
    "number": f"name: {'9' * 6000}\n--- x\n",
    "empty": "",
    "binary": "\x00\x01",
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_that_are_none_are_left_out(record, document):
    """What a document says is read at a bounded price, or not at all."""
    for path in paths(record, (*WHOLES, "bad_registered/version-1/meta.yaml")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(DOCUMENTS[document])
    everything = found(record)
    assert everything["runs"] == {"good", "bad"}
    assert everything["traces"] == {"tr-good", "tr-bad"}
    assert everything["versions"] == {"good/1", "good/2", "bad/2"}
    assert_good_is_whole(record)
    for path in paths(record, WHOLES):
        assert str(path.parent) in {at for at, _ in record.store.left_out()}


ODD = (
    *("[1, 2]", "{a: 1}", "!!binary eA==", "2001-01-01", ".nan", ".inf", "-.inf", "null", "''"),
    *("1e300", "0x7fffffffffffffffffffff", f"{2**63}", f"{-(2**70)}", "9" * 5000, "1:2:3", "yes"),
)


KEPT = ("lifecycle_stage", "run_id", "run_uuid", "model_id", "version", "experiment_id")


@pytest.mark.parametrize("value", ODD)
def test_no_value_of_a_field_stops_a_search(record, value):
    """Whatever a field holds, lists and numbers beyond 64 bits too, its entity is found."""
    for path in paths(
        record, (*WHOLES[:3], "gone_registered/version-1/meta.yaml", "other/meta.yaml")
    ):
        fields = [line.partition(":")[0] for line in path.read_text().splitlines()]
        fields = [name for name in fields if name.isidentifier() and name not in KEPT]
        path.write_text("".join(f"{name}: {value}\n" for name in fields))
    for link in paths(record, ("gone/inputs/*/meta.yaml", "gone/outputs/*/meta.yaml")):
        link.write_text(f"destination_id: {value}\nsource_id: x\nstep: {value}\ntags: {value}\n")
    assert len(found(record)["runs"]) == 3
    assert len(found(record)["experiments"]) == 3
    assert len(record.store.search_logged_models([record.experiment])) == 3
    assert len(record.store.search_registered_models()) == 3
    assert_good_is_whole(record)
    for run in record.store.search_runs([record.experiment]):
        assert repr(run.info) == repr(record.store.get_run(run.info.run_id).info)
    assert record.store.left_out() == []


def test_points_beyond_64_bits_are_passed_over(record, caplog):
    """A step or a time that no database holds costs its point; a file without any is named."""
    for bad in (
        f"1 7.5 {2**63}\n",
        f"{2**63} 7.5 1\n",
        f"1 7.5 {-(2**63) - 1}\n",
        f"1 7.5 {'9' * 5000}\n",
    ):
        for folder in (record.bad, record.bad_model):
            with (folder / "metrics/m").open("a") as file:
                file.write(bad)
        (record.bad / "metrics/n").write_text(bad)
    assert found(record)["runs"] == {"good", "bad", "gone"}
    assert found(record)["logged models"] == {"good", "bad", "gone"}
    (run,) = record.store.search_runs([record.experiment], "run_name = 'bad'")
    assert run.data.metrics == record.store.get_run(run.info.run_id).data.metrics == {"m": 1.0}
    assert [p.value for p in record.store.get_metric_history(run.info.run_id, "m")] == [1.0]
    (model,) = record.store.search_logged_models([record.experiment], "name = 'bad'")
    assert [point.value for point in model.metrics or ()] == [1.0]
    assert [at for at, _ in record.store.left_out()] == [str(record.bad / "metrics/n")]


def test_a_process_without_descriptors_blames_no_file(record, monkeypatch):
    """What is wrong with the process is said, and no entity vanishes for it."""

    def exhausted(path, *args):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr(disk, "open_file", exhausted)
    for read in (
        lambda: record.store.search_runs([record.experiment]),
        lambda: record.store.get_run(record.good.name),
        lambda: record.store.traces.search_traces([record.experiment]),
    ):
        with pytest.raises(StorageError, match="open files"):
            read()
    monkeypatch.undo()
    assert record.store.left_out() == []
