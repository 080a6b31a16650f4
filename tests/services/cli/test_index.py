"""``tracklet index``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Call = Callable[..., Result]
Answer = Callable[..., Any]
MakeRun = Callable[..., str]


def test_a_rebuilt_index_finds_what_was_there_before(
    call: Call, answer: Answer, make_run: MakeRun, tracklet_home: Path
) -> None:
    kept, deleted = make_run(metrics={"acc": 0.5}), make_run()
    call("runs", "delete", deleted)
    before = answer("runs", "list", "--view", "all")
    report = answer("index", "rebuild")
    assert (report["experiments"], report["runs"]) == (1, 2)
    assert Path(report["index"]).is_relative_to(tracklet_home / "cache")
    assert answer("runs", "list", "--view", "all") == before
    found = answer("runs", "list", "--filter", "metrics.acc = 0.5")
    assert [run["info"]["run_id"] for run in found] == [kept]
    assert "indexed 1 experiments and 2 runs" in call("index", "rebuild").stdout


def test_the_index_comes_back_when_its_folder_is_deleted(
    answer: Answer, make_run: MakeRun, tracklet_home: Path
) -> None:
    make_run()
    before = answer("runs", "list")
    shutil.rmtree(tracklet_home / "cache")
    assert answer("runs", "list") == before


def test_a_database_has_no_index(call: Call) -> None:
    result = call("index", "rebuild", "--tracking-uri", "sqlite:///runs.db", exits=1)
    assert "is no folder" in result.stderr


def test_a_folder_that_is_not_there_is_not_made(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "absent"
    call("index", "rebuild", "--tracking-uri", str(target), exits=1)
    assert not target.exists()
