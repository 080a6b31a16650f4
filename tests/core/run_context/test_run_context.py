"""What a new run says about the process that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracklet
from tracklet import run_context

pytestmark = pytest.mark.usefixtures("tracklet_home")


def commit_in(folder: Path) -> str:
    def run(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        ).stdout

    run("init", "-q")
    (folder / "train.py").write_text("import tracklet\n")
    run("add", ".")
    run("commit", "-q", "-m", "first")
    return run("rev-parse", "HEAD").strip()


def test_the_commit_of_a_script_is_read_loose_packed_detached_and_in_linked_work_trees(
    tmp_path: Path,
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    commit = commit_in(repository)
    script = repository / "train.py"
    assert run_context.commit_of(script) == commit
    for arguments in (["pack-refs", "--all"], ["worktree", "add", "-q", "../linked"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True)
    assert run_context.commit_of(script) == commit
    assert run_context.commit_of(tmp_path / "linked" / "train.py") == commit
    subprocess.run(["git", "checkout", "-q", commit], cwd=repository, check=True)
    assert run_context.commit_of(script) == commit


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert run_context.commit_of(tmp_path / "train.py") is None


def test_a_run_of_a_script_in_a_repository_names_its_commit(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    commit = commit_in(repository)
    (repository / "train.py").write_text("import tracklet\nwith tracklet.start_run(): pass\n")
    subprocess.run([sys.executable, "train.py"], cwd=repository, check=True)
    (run,) = tracklet.search_runs(output_format="list")
    assert run.data.tags["mlflow.source.git.commit"] == commit
    assert run.data.tags["mlflow.source.name"] == "train.py"


def test_configured_tags_are_added_and_the_users_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"cluster": "a", "rank": 0}')
    with tracklet.start_run(tags={"cluster": "b"}) as run:
        pass
    tags = tracklet.get_run(run.info.run_id).data.tags
    assert (tags["cluster"], tags["rank"]) == ("b", "0")


def test_a_provider_that_fails_costs_a_warning_and_not_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", "no json")
    assert "mlflow.user" in run_context.resolve_tags()
    assert "left out" in caplog.text


def test_an_installed_provider_is_asked(tmp_path: Path) -> None:
    site = tmp_path / "site"
    information = site / "acme-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[tracklet.run_context]\nacme = acme:Cluster\n")
    (site / "acme.py").write_text(
        "class Cluster:\n"
        "    def in_context(self): return True\n"
        "    def tags(self): return {'acme.job': 17}\n"
    )
    script = "import tracklet\nwith tracklet.start_run(): pass"
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(site)}
    )
    (run,) = tracklet.search_runs(output_format="list")
    assert run.data.tags["acme.job"] == "17"
