"""``tracklet gc``."""

from collections.abc import Callable
from typing import Any

from click.testing import Result

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
