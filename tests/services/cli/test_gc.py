"""``tracklet gc``."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tracklet.client import TrackletClient

Call = Callable[..., Result]
Answer = Callable[..., Any]
MakeRun = Callable[..., str]


def test_an_empty_trash_is_said_to_be_empty(call: Call, make_run: MakeRun) -> None:
    make_run()
    assert "the trash is empty" in call("gc", "--yes").stdout


def test_a_dry_run_names_what_would_go_and_removes_nothing(
    call: Call, answer: Answer, make_run: MakeRun
) -> None:
    run_id = make_run()
    call("runs", "delete", run_id)
    assert answer("gc", "--dry-run") == {"dry_run": True, "experiments": [], "runs": [run_id]}
    assert "would be removed" in call("gc", "--dry-run").stdout
    call("runs", "restore", run_id)


def test_only_the_trash_is_removed(call: Call, answer: Answer, make_run: MakeRun) -> None:
    kept, deleted = make_run(), make_run()
    make_run(experiment="fruit")
    call("runs", "delete", deleted)
    call("experiments", "delete", "fruit")
    removed = answer("gc", "--yes")
    assert removed["runs"] == [deleted]
    assert len(removed["experiments"]) == 1
    assert [run["info"]["run_id"] for run in answer("runs", "list", "--view", "all")] == [kept]
    assert "fruit" not in call("experiments", "list", "--view", "all").stdout
    call("runs", "show", deleted, exits=1)


def test_it_asks_first_and_no_means_no(call: Call, answer: Answer, make_run: MakeRun) -> None:
    call("runs", "delete", make_run())
    call("gc", typed="n\n", exits=1)
    assert len(answer("runs", "list", "--view", "deleted_only")) == 1
    call("gc", typed="y\n")
    assert answer("runs", "list", "--view", "deleted_only") == []


def test_json_does_not_remove_without_yes(call: Call, answer: Answer, make_run: MakeRun) -> None:
    call("runs", "delete", make_run())
    call("gc", "--json", exits=2)
    assert len(answer("runs", "list", "--view", "deleted_only")) == 1


def test_a_run_that_is_in_use_is_not_removed(call: Call, answer: Answer, make_run: MakeRun) -> None:
    run_id = make_run()
    assert "is not in the trash" in call("gc", "--run", run_id, "--yes", exits=1).stderr
    assert len(answer("runs", "list")) == 1


def deleted_ago(client: TrackletClient, run_id: str, hours: float) -> None:
    """Have a deletion be that old, by what is written on the disk."""
    (meta,) = Path(client.tracking_uri).glob(f"**/{run_id}/meta.yaml")
    backdate(meta, "deleted_time", hours)


def backdate(meta: Path, field: str, hours: float) -> None:
    then = round((time.time() - hours * 3600) * 1000)
    text, count = re.subn(rf"^{field}: .*$", f"{field}: {then}", meta.read_text(), flags=re.M)
    assert count == 1
    meta.write_text(text)


def test_older_than_spares_what_was_deleted_since(
    call: Call, answer: Answer, make_run: MakeRun, client: TrackletClient
) -> None:
    """Of experiments their last update counts, as in MLflow."""
    old, young = make_run(), make_run()
    for run_id, hours in ((old, 27.1), (young, 26.9)):
        call("runs", "delete", run_id)
        deleted_ago(client, run_id, hours)
    kept = []
    for name, hours in (("aged", 27.1), ("fresh", 26.9)):
        make_run(experiment=name)
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        call("experiments", "delete", name)
        trash = Path(client.tracking_uri) / ".trash" / experiment.experiment_id
        backdate(trash / "meta.yaml", "last_update_time", hours)
        kept.append(experiment.experiment_id)
    aged, _ = kept
    assert answer("gc", "--older-than", "1d3.0h", "--dry-run") == {
        "dry_run": True,
        "experiments": [aged],
        "runs": [old],
    }
    assert answer("gc", "--older-than", "27h", "--yes")["runs"] == [old]
    assert client.get_experiment_by_name("aged") is None
    assert client.get_experiment_by_name("fresh") is not None
    assert client.get_run(young).info.lifecycle_stage == "deleted"
    assert answer("gc", "--older-than", "0s", "--yes")["runs"] == [young]


def test_a_run_in_an_experiment_deleted_since_goes_by_its_own_age(
    call: Call, answer: Answer, make_run: MakeRun, client: TrackletClient
) -> None:
    run_id = make_run(experiment="fruit")
    call("runs", "delete", run_id)
    call("experiments", "delete", "fruit")
    deleted_ago(client, run_id, 2)
    removed = answer("gc", "--older-than", "90m", "--yes")
    assert (removed["experiments"], removed["runs"]) == ([], [run_id])


def test_a_run_that_is_named_must_be_old_enough(
    call: Call, answer: Answer, make_run: MakeRun, client: TrackletClient
) -> None:
    run_id = make_run()
    call("runs", "delete", run_id)
    said = call("gc", "--run", run_id, "--older-than", "1h", "--yes", exits=1).stderr
    assert "was not deleted longer ago than 1h" in said
    deleted_ago(client, run_id, 1.1)
    assert answer("gc", "--run", run_id, "--older-than", "1h", "--yes")["runs"] == [run_id]


@pytest.mark.parametrize("age", ["", "1x", "d", "5", "1d 2h", "2h1d", "1..5d", "-1d"])
def test_what_is_no_age_is_refused_and_nothing_removed(
    call: Call, answer: Answer, make_run: MakeRun, age: str
) -> None:
    call("runs", "delete", make_run())
    assert "such as 30d" in call("gc", f"--older-than={age}", "--yes", exits=1).stderr
    assert len(answer("runs", "list", "--view", "deleted_only")) == 1
