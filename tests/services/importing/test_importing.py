"""Importing takes everything over as it was, again without effect, and what has grown since."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracklet import state, stores
from tracklet.entities import Metric, ViewType
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet_services.importing import import_record

Place = Callable[[str, str], str]
Fill = Callable[[Any], dict[str, str]]
Everything = Callable[[str], dict[str, Any]]


def path_of(uri: str) -> str:
    """What is given to an import."""
    return uri.removeprefix("sqlite:///")


def counts(report: Any) -> dict[str, tuple[int, int, int, int]]:
    return {
        kind: (tally.taken, tally.updated, tally.already_there, tally.skipped)
        for kind, tally in report.tallies.items()
    }


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_everything_is_taken_as_it_was_and_the_source_is_not_touched(
    source: str, target: str, tracklet_home: Path, everything: Everything
) -> None:
    expected = everything(source)
    state.forget("tracklet.stores")
    before = snapshot(tracklet_home / "source")
    report = import_record(path_of(source), target)
    assert snapshot(tracklet_home / "source") == before
    assert everything(target) == expected
    assert report.tallies["runs"].taken == 4
    assert report.tallies["logged models"].taken == 2
    assert report.tallies["registered models"].taken == 1
    assert report.points == 9 + 1
    assert report.skips == []


def test_a_second_import_takes_nothing(source: str, target: str, everything: Everything) -> None:
    import_record(path_of(source), target)
    before = everything(target)
    state.forget("tracklet.stores")
    report = import_record(path_of(source), target)
    assert report.changed == report.points == 0
    assert sum(tally.already_there for tally in report.tallies.values()) == 3 + 4 + 2 + 1
    assert everything(target) == before


def test_numbers_of_deleted_versions_are_not_given_again(source: str, target: str) -> None:
    store: Any = stores.open_store(source)
    store.create_model_version("reg", "models:/m-x")
    store.delete_model_version("reg", 4)
    import_record(path_of(source), target)
    copy: Any = stores.open_store(target)
    with pytest.raises(ResourceDoesNotExist):
        copy.get_model_version("reg", 4)
    assert copy.create_model_version("reg", "models:/m-y").version == 5


def test_deleted_things_stay_deleted_and_can_be_restored(
    place: Place, target: str, fill: Fill
) -> None:
    uri = place("files", "source")
    ids = fill(stores.open_store(uri))
    import_record(path_of(uri), target)
    store: Any = stores.open_store(target)
    assert store.get_logged_model(ids["deleted model"], deleted=True).lifecycle_stage == "deleted"
    store.restore_experiment(ids["trashed"])
    store.restore_run(ids["gone"])
    for run_id in (ids["gone"], ids["buried"]):
        assert store.get_run(run_id).info.lifecycle_stage == "active"


def test_a_run_that_grew_is_brought_up_to_date(
    source: str, target: str, everything: Everything
) -> None:
    store: Any = stores.open_store(source)
    running = store.create_run("0", "ada", 5, run_name="before").info.run_id
    store.log_batch(running, [Metric("m", 1.0, 1, 0), Metric("m", 1.0, 1, 0)], {"a": "1"})
    import_record(path_of(source), target)
    model = store.create_logged_model("0", "late", running)
    store.log_batch(
        running,
        [Metric("m", 1.0, 1, 0), Metric("m", 2.0, 2, 1), Metric("n", 3.0, 2, 1)],
        {"b": "2"},
        {"state": "done", "mlflow.runName": "after"},
    )
    store.log_batch(running, [Metric("m", 5.0, 3, 2, model_id=model.model_id)])
    store.update_run(running, "FINISHED", 99)
    store.create_model_version("reg", "models:/m-new")
    store.set_registered_model_alias("reg", "newest", 4)
    report = import_record(path_of(source), target)
    assert counts(report)["runs"] == (0, 1, 4, 0)
    assert counts(report)["logged models"] == (1, 0, 2, 0)
    assert counts(report)["registered models"] == (0, 1, 0, 0)
    assert report.points == 4 + 1
    copy: Any = stores.open_store(target)
    assert [p.value for p in copy.get_metric_history(running, "m")] == [1.0, 1.0, 1.0, 2.0, 5.0]
    assert everything(target)["registered"] == everything(source)["registered"]
    taken, given = copy.get_run(running), store.get_run(running)
    assert taken.data == given.data
    assert (taken.info.status, taken.info.end_time) == ("FINISHED", 99)
    found = copy.search_runs(["0"], "metrics.n = 3 and params.b = '2'")
    assert [run.info.run_id for run in found] == [running]
    assert import_record(path_of(source), target).changed == 0


def test_what_was_done_here_since_stays(place: Place, target: str, fill: Fill) -> None:
    uri = place("files", "source")
    ids = fill(stores.open_store(uri))
    import_record(path_of(uri), target)
    store: Any = stores.open_store(target)
    store.log_batch(ids["child"], [Metric("here", 1.0, 1, 0)], {"p": "here"}, {"only": "here"})
    store.delete_run(ids["run"])
    store.update_registered_model("reg", "described here")
    report = import_record(path_of(uri), target)
    assert report.changed == 0
    assert store.get_run(ids["run"]).info.lifecycle_stage == "deleted"
    assert store.get_run(ids["child"]).data.tags["only"] == "here"
    assert store.get_registered_model("reg").description == "described here"


def test_a_param_that_differs_is_reported_and_kept(place: Place, target: str) -> None:
    uri = place("files", "source")
    source: Any = stores.open_store(uri)
    run_id = source.create_run("0").info.run_id
    import_record(path_of(uri), target)
    store: Any = stores.open_store(target)
    store.log_batch(run_id, params={"lr": "here"})
    source.log_batch(run_id, params={"lr": "there"})
    report = import_record(path_of(uri), target)
    assert store.get_run(run_id).data.params == {"lr": "here"}
    assert [(skip.kind, skip.name) for skip in report.skips] == [("runs", run_id)]
    assert "another value" in report.skips[0].reason


def test_an_experiment_of_the_same_name_takes_the_runs(
    place: Place, target: str, fill: Fill
) -> None:
    uri = place("files", "source")
    ids = fill(stores.open_store(uri))
    store: Any = stores.open_store(target)
    here = store.create_experiment("tests of 音", tags={"team": "ours"})
    report = import_record(path_of(uri), target)
    assert report.experiments == {ids["experiment"]: here}
    runs = store.search_runs([here], "", ViewType.ALL)
    assert {run.info.run_id for run in runs} == {ids["run"], ids["child"]}
    assert {run.info.experiment_id for run in runs} == {here}
    assert store.get_logged_model(ids["model"]).experiment_id == here
    assert store.get_experiment(here).tags == {"team": "ours"}


def test_an_id_that_another_experiment_has_is_replaced(place: Place, target: str) -> None:
    first, second = place("files", "first"), place("files", "second")
    for uri, name in ((first, "one"), (second, "two")):
        store: Any = stores.open_store(uri)
        store.get_experiment("0")
        created = store.create_experiment(name)
        store.create_run(created)
        state.forget("tracklet.stores")
        os.rename(f"{uri}/{created}", f"{uri}/7")
        for meta in Path(f"{uri}/7").rglob("meta.yaml"):
            meta.write_text(meta.read_text().replace(created, "7"))
    import_record(first, target)
    report = import_record(second, target)
    ((there, here),) = report.experiments.items()
    assert there == "7"
    assert here != "7"
    store = stores.open_store(target)
    assert store.get_experiment("7").name == "one"
    assert store.get_experiment(here).name == "two"
    assert len(store.search_runs([here], "")) == 1
    assert import_record(second, target).changed == 0


def test_runs_of_an_active_experiment_that_is_deleted_here_are_announced(
    place: Place, target: str, fill: Fill
) -> None:
    uri = place("files", "source")
    fill(stores.open_store(uri))
    store: Any = stores.open_store(target)
    store.delete_experiment(store.create_experiment("tests of 音"))
    report = import_record(path_of(uri), target)
    assert any("is in the trash here" in notice for notice in report.notices)


def test_a_version_that_is_another_model_here_stays(place: Place, target: str, fill: Fill) -> None:
    uri = place("files", "source")
    fill(stores.open_store(uri))
    store: Any = stores.open_store(target)
    store.create_registered_model("reg")
    store.create_model_version("reg", "models:/m-ours")
    report = import_record(path_of(uri), target)
    assert store.get_model_version("reg", 1).source == "models:/m-ours"
    assert store.get_model_version("reg", 3).aliases == ["champion"]
    assert [skip.name for skip in report.skips] == ["reg"]


# -- artifacts -----------------------------------------------------------------------------------


def test_artifacts_are_referenced_where_they_lie(
    source: str, target: str, everything: Everything
) -> None:
    there = {run_id: run["info"] for run_id, run in everything(source)["runs"].items()}
    report = import_record(path_of(source), target)
    assert report.artifacts == 0
    here = {run_id: run["info"] for run_id, run in everything(target)["runs"].items()}
    assert here == there


def test_copied_artifacts_lie_in_the_store_and_the_source_may_go(
    source: str, target: str, tracklet_home: Path, everything: Everything
) -> None:
    run_id = next(
        run_id
        for run_id, run in everything(source)["runs"].items()
        if run["info"]["run_name"] == "p"
    )
    store: Any = stores.open_store(source)
    folder = store.get_run(run_id).info.artifact_uri
    store.create_model_version("reg", f"{folder}/model", run_id)
    report = import_record(path_of(source), target, copy_artifacts=True)
    assert report.artifacts == 2
    assert import_record(path_of(source), target, copy_artifacts=True).changed == 0
    state.forget("tracklet.stores")
    shutil.rmtree(tracklet_home / "source")
    copy: Any = stores.open_store(target)
    place = copy.get_run(run_id).info.artifact_uri
    assert Path(place).is_relative_to(tracklet_home / "target")
    assert (Path(place) / "plots" / "a.txt").read_text() == "hi"
    assert copy.get_model_version("reg", 4).source == f"{place}/model"


def test_artifacts_may_be_copied_later_and_new_ones_follow(
    source: str, target: str, tracklet_home: Path, everything: Everything
) -> None:
    import_record(path_of(source), target)
    report = import_record(path_of(source), target, copy_artifacts=True)
    assert report.artifacts == 2
    runs = everything(target)["runs"].values()
    (run,) = [run for run in runs if run["info"]["run_name"] == "p"]
    place = Path(run["info"]["artifact_uri"])
    assert (place / "plots" / "a.txt").read_text() == "hi"
    (there,) = (tracklet_home / "source").rglob("a.txt")
    (there.parent / "b.txt").write_text("new")
    assert import_record(path_of(source), target, copy_artifacts=True).artifacts == 1
    assert (place / "plots" / "b.txt").read_text() == "new"


def test_a_tree_that_was_moved_leads_to_the_artifacts_beside_it(
    place: Place, target: str, tracklet_home: Path, fill: Fill
) -> None:
    uri = place("files", "source")
    ids = fill(stores.open_store(uri))
    state.forget("tracklet.stores")
    moved = tracklet_home / "elsewhere" / "old-runs"
    moved.parent.mkdir()
    shutil.move(uri, moved)
    import_record(moved, target)
    place_of_run = stores.open_store(target).get_run(ids["run"]).info.artifact_uri
    assert place_of_run == f"{moved}/{ids['experiment']}/{ids['run']}/artifacts"
    assert (Path(place_of_run) / "plots" / "a.txt").is_file()


def test_artifacts_that_cannot_be_fetched_stay_where_they_are(place: Place, target: str) -> None:
    uri = place("files", "source")
    source: Any = stores.open_store(uri)
    experiment = source.create_experiment("remote", "nowhere://bucket/x")
    run_id = source.create_run(experiment).info.run_id
    report = import_record(path_of(uri), target, copy_artifacts=True)
    run = stores.open_store(target).get_run(run_id)
    assert run.info.artifact_uri == f"nowhere://bucket/x/{run_id}/artifacts"
    assert "its artifacts stay at nowhere://" in report.skips[0].reason


def planted(source: Any, tracklet_home: Path) -> tuple[str, Path]:
    """A stranger's run with a file of his, and a folder of mine that is none of his business."""
    mine = tracklet_home / "mine"
    mine.mkdir()
    (mine / "id_rsa").write_text("secret")
    info = source.create_run("0").info
    folder = Path(info.artifact_uri)
    folder.mkdir(exist_ok=True)
    (folder / "his.txt").write_text("his")
    return info.run_id, mine


def anywhere(folder: Path, text: str) -> bool:
    return any(text in path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["path", "file:", "dots", "link"])
def test_only_the_records_own_artifacts_are_copied(
    place: Place, target: str, tracklet_home: Path, form: str
) -> None:
    """A record may name any folder as a run's artifacts: what it names elsewhere stays there, which
    is said, unless the caller names it too."""
    uri = place("files", "source")
    run_id, mine = planted(stores.open_store(uri), tracklet_home)
    state.forget("tracklet.stores")
    run = Path(uri) / "0" / run_id
    named = {"path": str(mine), "file:": mine.as_uri(), "dots": f"{uri}/../../mine"}.get(form)
    if named is None:
        shutil.rmtree(run / "artifacts")
        (run / "artifacts").symlink_to(mine)
    else:
        meta = yaml.safe_load((run / "meta.yaml").read_text())
        (run / "meta.yaml").write_text(yaml.safe_dump({**meta, "artifact_uri": named}))
    report = import_record(uri, target, copy_artifacts=True)
    assert (report.artifacts, report.tallies["runs"].taken) == (0, 1)
    assert "--artifacts-from" in report.skips[0].reason
    assert not anywhere(tracklet_home / "target", "secret")
    report = import_record(uri, target, copy_artifacts=True, artifacts_from=[mine])
    assert report.artifacts == 1


def test_no_link_in_a_foreign_record_is_followed(
    place: Place, target: str, tracklet_home: Path
) -> None:
    """Among artifacts it is left out, as is all that cannot be read, and the rest is taken; a run
    that is made of links is not. Both are said."""
    uri = place("files", "source")
    store: Any = stores.open_store(uri)
    run_id, mine = planted(store, tracklet_home)
    other, _ = store.create_run("0").info.run_id, state.forget("tracklet.stores")
    folder = Path(uri) / "0" / run_id / "artifacts"
    (folder / "file").symlink_to(mine / "id_rsa")
    (folder / "folder").symlink_to(mine)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    (Path(uri) / "0" / other / "tags" / "stolen").symlink_to(mine / "id_rsa")
    report = import_record(uri, target, copy_artifacts=True)
    assert (report.artifacts, report.tallies["runs"].taken) == (1, 1)
    reasons = " ".join(skip.reason for skip in report.skips)
    for name in ("file", "folder", "loop", "pipe", "stolen"):
        assert name in reasons
    assert not anywhere(tracklet_home / "target", "secret")


# -- what is odd, and what is wrong --------------------------------------------------------------


def test_what_cannot_be_read_is_skipped_with_the_reason(
    place: Place, target: str, tracklet_home: Path, fill: Fill
) -> None:
    uri = place("files", "source")
    ids = fill(stores.open_store(uri))
    experiment = Path(uri) / ids["experiment"]
    (experiment / ids["child"] / "meta.yaml").write_text("{")
    (experiment / "lost").mkdir()
    trace = experiment / "traces" / "tr-1" / "assessments"
    trace.mkdir(parents=True)
    (trace / "a-1.yaml").write_text("x: 1\n")
    with open(experiment / ids["run"] / "metrics" / "acc", "a") as file:
        file.write("17")
    report = import_record(path_of(uri), target)
    assert counts(report)["runs"] == (3, 0, 0, 2)
    reasons = {Path(skip.name).name: skip.reason for skip in report.skips}
    assert "no readable YAML" in reasons[ids["child"]]
    assert "meta.yaml" in reasons["lost"]
    assert report.left_out == {"traces": 1, "assessments": 1}
    assert any(notice.startswith("1 lines of metric files") for notice in report.notices)


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("absent", "there is nothing at"),
        ("empty", "give the path of an mlruns folder"),
        ("text.db", "is no SQLite database"),
        ("project", "mlruns' instead"),
        ("other.db", "not one of MLflow's"),
        ("http://localhost:5000", "neither an mlruns folder"),
        ("sqlite://", "names no file"),
        ("s3:bucket", "neither an mlruns folder"),
    ],
)
def test_what_is_no_record_is_refused_and_nothing_is_made(
    path: str, way_out: str, place: Place, target: str, tracklet_home: Path, fill: Fill
) -> None:
    import sqlite3

    (tracklet_home / "empty").mkdir()
    (tracklet_home / "text.db").write_text("no database")
    with sqlite3.connect(tracklet_home / "other.db") as db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    fill(stores.open_store(place("files", "project")))
    given = path if ":" in path else str(tracklet_home / path)
    with pytest.raises(InvalidParameterValue, match=way_out):
        import_record(given, target)
    assert not (tracklet_home / "target").exists()


def test_a_store_is_not_imported_into_itself(source: str) -> None:
    with pytest.raises(InvalidParameterValue, match="both what is to be imported and the store"):
        import_record(path_of(source), source)


def test_keys_that_no_file_can_carry_are_reported_and_the_rest_is_taken(place: Place) -> None:
    database, folder = place("sqlite", "source"), place("files", "target")
    store: Any = stores.open_store(database)
    run_id = store.create_run("0").info.run_id
    store.log_batch(
        run_id,
        [Metric("loss", 1.0, 1, 0), Metric("loss/train", 2.0, 1, 0)],
        {"a": "1", "a/b": "2"},
        {"t/u": "1", "t": "2"},
    )
    report = import_record(path_of(database), folder)
    run = stores.open_store(folder).get_run(run_id)
    assert run.data.metrics == {"loss": 1.0}
    assert run.data.params == {"a": "1"}
    assert counts(report)["runs"] == (1, 0, 0, 0)
    assert report.parts_skipped == len(report.skips) == 3
    again = import_record(path_of(database), folder)
    assert again.changed == 0
    assert again.parts_skipped == 3


def test_progress_counts_the_runs(source: str, target: str) -> None:
    seen: list[tuple[int, int]] = []
    import_record(path_of(source), target, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 4) for number in range(1, 5)]


def test_without_a_place_the_record_goes_to_the_tracking_and_the_registry_uri(
    source: str, place: Place, everything: Everything
) -> None:
    from tracklet import settings

    tracking, registry = place("files", "tracking"), place("sqlite", "registry")
    settings.set_tracking_uri(tracking)
    settings.set_registry_uri(registry)
    import_record(path_of(source))
    assert len(everything(tracking)["runs"]) == 4
    assert everything(tracking)["registered"] == {}
    assert set(everything(registry)["registered"]) == {"reg"}
