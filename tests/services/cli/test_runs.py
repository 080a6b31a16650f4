"""``tracklet runs``."""

import ast
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tracklet.client import TrackletClient
from tracklet_services.cli import output

Call = Callable[..., Result]
Answer = Callable[..., Any]
MakeRun = Callable[..., str]


def test_an_empty_record_is_said_to_be_empty(call: Call) -> None:
    assert "no runs in" in call("runs", "list").stdout


def test_runs_are_listed_latest_first_with_their_experiment(call: Call, make_run: MakeRun) -> None:
    make_run("first")
    make_run("second", experiment="fruit", metrics={"acc": 0.5})
    lines = call("runs", "list").stdout.splitlines()
    assert lines[0].split() == [
        "RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "DURATION", "METRICS", "PARAMS",
    ]  # fmt: skip
    assert "second" in lines[1]
    assert "fruit" in lines[1]
    assert "3.2s" in lines[1]
    assert "first" in lines[2]
    assert len(lines) == 3


def test_a_list_can_be_narrowed_by_experiment_filter_and_number(
    answer: Answer, make_run: MakeRun
) -> None:
    make_run("low", experiment="fruit", metrics={"acc": 0.1})
    high = make_run("high", experiment="fruit", metrics={"acc": 0.9})
    make_run("other", metrics={"acc": 0.9})
    found = answer("runs", "list", "-e", "fruit", "--filter", "metrics.acc > 0.5")
    assert [run["info"]["run_id"] for run in found] == [high]
    ordered = answer("runs", "list", "-e", "fruit", "--order-by", "metrics.acc ASC", "-n", "1")
    assert [run["info"]["run_name"] for run in ordered] == ["low"]


def test_a_malformed_filter_exits_with_one_and_the_message(call: Call, make_run: MakeRun) -> None:
    make_run()
    result = call("runs", "list", "--filter", "metrics.acc >", exits=1)
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_an_unknown_experiment_is_answered_with_those_there_are(
    call: Call, make_run: MakeRun
) -> None:
    make_run(experiment="fruit")
    result = call("runs", "list", "-e", "friut", exits=1)
    assert "'friut'" in result.stderr
    assert "'fruit'" in result.stderr


def test_show_prints_everything_that_was_recorded(
    call: Call, make_run: MakeRun, client: TrackletClient
) -> None:
    run_id = make_run("shown", metrics={"acc": 0.75}, params={"depth": "3"}, tags={"team": "a"})
    client.log_text(run_id, "hello", "notes/hello.txt")
    text = call("runs", "show", run_id).stdout
    for part in ("shown", run_id, "FINISHED", "depth  3", "acc  0.75", "team  a", "notes/"):
        assert part in text
    assert "mlflow.runName" not in text
    assert "mlflow.runName" in call("runs", "show", run_id, "--all-tags").stdout


def test_show_as_json_is_the_whole_run(
    answer: Answer, make_run: MakeRun, client: TrackletClient
) -> None:
    run_id = make_run(metrics={"acc": 0.75, "loss": float("nan")}, params={"depth": "3"})
    client.log_text(run_id, "hello", "hello.txt")
    run = answer("runs", "show", run_id)
    assert run["info"]["run_id"] == run_id
    assert run["data"]["metrics"] == {"acc": 0.75, "loss": "NaN"}
    assert run["data"]["params"] == {"depth": "3"}
    assert run["artifacts"] == [{"path": "hello.txt", "is_dir": False, "file_size": 5}]


def test_latest_and_the_beginning_of_an_id_mean_a_run(answer: Answer, make_run: MakeRun) -> None:
    first, second = make_run(), make_run()
    assert answer("runs", "show", "latest")["info"]["run_id"] == second
    length = next(n for n in range(1, 32) if first[:n] != second[:n])
    assert answer("runs", "show", first[:length])["info"]["run_id"] == first


def test_a_beginning_that_several_ids_share_is_refused_and_they_are_named(
    call: Call, make_run: MakeRun
) -> None:
    ids = [make_run() for _ in range(17)]
    first = max({run_id[0] for run_id in ids}, key=lambda c: sum(i[0] == c for i in ids))
    result = call("runs", "show", first, exits=1)
    assert f"several run ids begin with '{first}'" in result.stderr


def test_what_is_no_run_is_answered_with_the_way_out(call: Call, make_run: MakeRun) -> None:
    assert "no runs" in call("runs", "show", "latest", exits=1).stderr
    make_run()
    assert "tracklet runs list" in call("runs", "show", "zzzz", exits=1).stderr
    assert "'latest'" in call("runs", "show", "no such!", exits=1).stderr
    assert "0" * 32 in call("runs", "show", "0" * 32, exits=1).stderr


def test_compare_shows_only_what_differs(call: Call, answer: Answer, make_run: MakeRun) -> None:
    first = make_run("one", metrics={"acc": 0.5, "loss": float("nan")}, params={"a": "1", "b": "2"})
    second = make_run("two", metrics={"acc": 0.6, "loss": float("nan")}, params={"a": "1"})
    text = call("runs", "compare", first, second).stdout
    assert "acc" in text
    assert "loss" not in text
    document = answer("runs", "compare", first, second)
    assert [run["run_id"] for run in document["runs"]] == [first, second]
    assert document["params"] == {"b": ["2", None]}
    assert document["metrics"] == {"acc": [0.5, 0.6]}
    assert set(document) == {"runs", "params", "metrics"}
    everything = answer("runs", "compare", first, second, "--all")
    assert everything["params"] == {"a": ["1", "1"], "b": ["2", None]}
    assert call("runs", "compare", first, exits=2).stderr.endswith("needs two runs or more\n")


def test_a_run_does_not_differ_from_itself(call: Call, make_run: MakeRun) -> None:
    run_id = make_run(metrics={"acc": 0.5})
    assert "no differences" in call("runs", "compare", run_id, run_id).stdout


def test_export_writes_exact_numbers_and_one_column_per_key(call: Call, make_run: MakeRun) -> None:
    first = make_run(metrics={"acc": 0.1 + 0.2}, params={"name": 'a "quoted", text'})
    second = make_run(metrics={"loss": float("inf")}, tags={"team": "a"})
    rows = list(csv.DictReader(io.StringIO(call("runs", "export").stdout)))
    by_id = {row["run_id"]: row for row in rows}
    assert float(by_id[first]["metrics.acc"]) == 0.1 + 0.2
    assert by_id[first]["params.name"] == 'a "quoted", text'
    assert by_id[first]["metrics.loss"] == ""
    assert float(by_id[second]["metrics.loss"]) == float("inf")
    assert by_id[second]["tags.team"] == "a"


def test_export_to_a_file_and_as_json(call: Call, make_run: MakeRun, tmp_path: Path) -> None:
    run_id = make_run(metrics={"acc": 0.5})
    target = tmp_path / "runs.json"
    call("runs", "export", "--format", "json", "-o", str(target))
    (run,) = json.loads(target.read_text())
    assert run["info"]["run_id"] == run_id
    assert json.loads(call("runs", "export", "--json").stdout) == [run]


def test_export_of_a_malformed_filter_leaves_the_file_as_it_was(
    call: Call, make_run: MakeRun, tmp_path: Path
) -> None:
    make_run()
    target = tmp_path / "runs.csv"
    target.write_text("precious")
    call("runs", "export", "--filter", "((", "-o", str(target), exits=1)
    assert target.read_text() == "precious"


def test_deleted_runs_are_out_of_sight_until_they_are_restored(
    call: Call, answer: Answer, make_run: MakeRun
) -> None:
    kept, deleted = make_run("kept"), make_run("thrown-away")
    assert answer("runs", "delete", "latest") == {"deleted": [deleted]}
    assert [run["info"]["run_id"] for run in answer("runs", "list")] == [kept]
    trash = answer("runs", "list", "--view", "deleted_only")
    assert [run["info"]["run_id"] for run in trash] == [deleted]
    assert "thrown-away" in call("runs", "restore", deleted).stdout
    assert len(answer("runs", "list")) == 2


def test_nothing_is_deleted_when_one_of_the_runs_is_unknown(
    call: Call, answer: Answer, make_run: MakeRun
) -> None:
    run_id = make_run()
    call("runs", "delete", run_id, "0" * 32, exits=1)
    assert len(answer("runs", "list")) == 1


def test_another_record_can_be_named(answer: Answer, make_run: MakeRun, tmp_path: Path) -> None:
    make_run()
    assert answer("runs", "list", "--tracking-uri", str(tmp_path / "elsewhere")) == []


# ESC [ as two characters and as one, changes of the direction, some that are not seen.
HOSTILE = "a\x1b[31m\x9b31m\u202eb\u2066\u200bc\r\x08\x7f\U000e0041"


def test_nothing_of_the_record_commands_a_terminal(
    call: Call, answer: Answer, make_run: MakeRun, tmp_path: Path
) -> None:
    """Names, keys, values, paths and what errors say of them: no control character is printed, in
    words or as JSON, which still says them all."""
    hostile, key = HOSTILE, "k\x9b31m\u202e"
    run_id = make_run(hostile + "\nforged", params={"p": hostile}, tags={"t": hostile})
    folder = next(path for path in tmp_path.rglob(run_id) if path.is_dir())
    for kind in ("params", "tags"):
        (folder / kind / key).write_text(hostile)
    (folder / "artifacts").mkdir(exist_ok=True)
    (folder / "artifacts" / key).write_text("")
    other = make_run("other")
    commands: list[tuple[int, tuple[str, ...]]] = [
        (0, ("runs", "list")),
        (0, ("runs", "show", run_id)),
        (0, ("runs", "compare", run_id, other)),
        (0, ("artifacts", "list", run_id)),
        (0, ("artifacts", "download", run_id, key)),
        (1, ("artifacts", "download", run_id, "nothing")),
        (1, ("runs", "show", hostile)),
    ]
    for exits, command in commands:
        for more in ((), ("--json",)):
            done = call(*command, *more, exits=exits)
            printed = done.stdout + done.stderr
            assert not [c for c in printed if c != "\n" and not c.isprintable()]
            assert "\nforged" not in printed
    assert answer("runs", "show", run_id)["data"]["params"]["p"] == hostile


def test_every_command_prints_by_the_one_way_that_is_safe() -> None:
    """``output.say`` and ``as_json`` let no control character pass; nothing else prints."""
    sources = Path(output.__file__).parents[1].rglob("*.py")
    calls = [
        f"{path.name}:{node.lineno}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "click.echo", "click.secho", "echo")
        and path != Path(output.__file__)
    ]
    assert calls == []


def test_what_a_spreadsheet_would_calculate_is_text_in_an_export(
    call: Call, make_run: MakeRun
) -> None:
    """A cell that begins a formula is quoted; numbers are left as they are."""
    values = {"a": "=cmd|'/c calc'!A0", "b": "@SUM(1)", "c": "-1e-3", "d": "+x", "e": "plain"}
    make_run("=1+1", params=values)
    (row,) = csv.DictReader(io.StringIO(call("runs", "export").stdout))
    assert row["run_name"] == "'=1+1"
    found = [row[f"params.{key}"] for key in values]
    assert found == ["'=cmd|'/c calc'!A0", "'@SUM(1)", "-1e-3", "'+x", "plain"]
