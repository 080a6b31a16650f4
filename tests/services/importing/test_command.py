"""``tracklet import``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tracklet import stores
from tracklet_services import importing
from tracklet_services.cli import importing as command
from tracklet_services.cli.app import app


def call(*arguments: str, exits: int = 0) -> Result:
    # From click 8.2 on the two streams are apart by themselves.
    mixes = "mix_stderr" in inspect.signature(CliRunner).parameters
    result = CliRunner(**{"mix_stderr": False} if mixes else {}).invoke(
        app, ["import", *arguments], prog_name="tracklet"
    )
    assert result.exit_code == exits, result.output
    return result


@pytest.fixture
def source(tracklet_home: Path, fill: Callable[[Any], dict[str, str]]) -> str:
    uri = str(tracklet_home / "source" / "mlruns")
    fill(stores.open_store(uri))
    return uri


def test_the_report_says_what_was_taken(source: str, tracklet_home: Path) -> None:
    shown = call(source).stdout
    assert f"into {tracklet_home / 'mlruns'}" in shown
    assert "runs                   4        0              0        0" in shown
    assert "10 points of metrics and 0 artifact files written" in shown
    assert "runs                   0        0              4        0" in call(source).stdout


def test_the_report_as_json_is_whole(source: str, tracklet_home: Path) -> None:
    into = f"sqlite:///{tracklet_home / 'runs.db'}"
    result = call(source, "--into", into, "--copy-artifacts", "--json")
    report = json.loads(result.stdout)
    assert report["target"] == into
    assert report["tallies"]["runs"] == {
        "taken": 4,
        "updated": 0,
        "already_there": 0,
        "skipped": 0,
    }
    assert report["artifacts"] == 2
    assert result.stderr == ""


def test_what_was_not_taken_is_named_with_its_reason(source: str) -> None:
    experiment = next(path for path in Path(source).iterdir() if (path / "datasets").is_dir())
    (experiment / "traces" / "tr-1").mkdir(parents=True)
    (experiment / "odd").mkdir()
    shown = call(source).stdout
    assert "Not taken, since tracklet does not keep them\n  traces  1" in shown
    assert "odd  there is no meta.yaml in it" in shown


def test_a_wrong_path_is_one_line_of_error(tracklet_home: Path) -> None:
    result = call(str(tracklet_home / "absent"), exits=1)
    assert result.stderr.startswith("Error: there is nothing at")


def test_progress_is_shown_on_a_terminal_only(
    source: str, tracklet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, int]] = []
    original = importing.import_record

    def watched(*arguments: Any, progress: Any = None, **options: Any) -> Any:
        shown.append((0, 0) if progress is None else (1, 1))
        return original(*arguments, progress=progress, **options)

    monkeypatch.setattr(importing, "import_record", watched)
    call(source)
    monkeypatch.setattr(command, "on_terminal", lambda: True)
    call(source)
    assert shown == [(0, 0), (1, 1)]
