"""``tracklet experiments``."""

from collections.abc import Callable
from typing import Any

from click.testing import Result

Call = Callable[..., Result]
Answer = Callable[..., Any]
MakeRun = Callable[..., str]


def test_an_experiment_is_created_and_listed(call: Call, answer: Answer) -> None:
    experiment_id = call("experiments", "create", "fruit").stdout.strip()
    listed = {one["experiment_id"]: one["name"] for one in answer("experiments", "list")}
    assert listed[experiment_id] == "fruit"
    assert "fruit" in call("experiments", "list").stdout


def test_a_taken_name_exits_with_one_and_the_message(call: Call) -> None:
    call("experiments", "create", "fruit")
    assert "fruit" in call("experiments", "create", "fruit", exits=1).stderr


def test_an_experiment_is_renamed_by_name_or_id(call: Call, answer: Answer) -> None:
    experiment_id = answer("experiments", "create", "fruit")["experiment_id"]
    call("experiments", "rename", "fruit", "berries")
    assert answer("experiments", "rename", experiment_id, "nuts") == {
        "renamed": experiment_id,
        "name": "nuts",
    }
    assert "nuts" in [one["name"] for one in answer("experiments", "list")]


def test_deleting_takes_the_runs_along_and_restoring_brings_them_back(
    call: Call, answer: Answer, make_run: MakeRun
) -> None:
    make_run(experiment="fruit")
    call("experiments", "delete", "fruit")
    assert "fruit" not in call("experiments", "list").stdout
    assert "fruit" in call("experiments", "list", "--view", "deleted_only").stdout
    assert answer("runs", "list") == []
    call("experiments", "restore", "fruit")
    assert len(answer("runs", "list")) == 1


def test_an_unknown_experiment_exits_with_one(call: Call) -> None:
    assert "'none'" in call("experiments", "delete", "none", exits=1).stderr
