"""``tracklet artifacts``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tracklet.client import TrackletClient

Call = Callable[..., Result]
Answer = Callable[..., Any]
MakeRun = Callable[..., str]


def test_artifacts_are_listed_by_folder(
    call: Call, answer: Answer, make_run: MakeRun, client: TrackletClient
) -> None:
    run_id = make_run()
    client.log_text(run_id, "hello", "notes/hello.txt")
    assert answer("artifacts", "list", "latest") == [
        {"path": "notes", "is_dir": True, "file_size": None}
    ]
    assert "notes/hello.txt  5 B" in call("artifacts", "list", run_id, "notes").stdout


def test_an_artifact_is_copied_to_a_folder(
    call: Call, make_run: MakeRun, client: TrackletClient, tmp_path: Path
) -> None:
    run_id = make_run()
    client.log_text(run_id, "hello", "notes/hello.txt")
    target = tmp_path / "new" / "folder"
    local = call("artifacts", "download", run_id, "notes/hello.txt", "-d", str(target)).stdout
    assert Path(local.strip()).read_text() == "hello"
    assert target in Path(local.strip()).parents


def test_an_absent_artifact_exits_with_one_and_is_named(call: Call, make_run: MakeRun) -> None:
    run_id = make_run()
    assert "'absent'" in call("artifacts", "download", run_id, "absent", exits=1).stderr
