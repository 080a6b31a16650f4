"""``tracklet ui``: it listens, says where, and ends when it is asked to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


def _ui(*arguments: str) -> Any:
    from tracklet_services.cli.app import app

    return CliRunner().invoke(app, ["ui", *arguments])


def test_it_shows_a_folder_that_is_not_there_without_making_it(tmp_path: Path) -> None:
    folder = tmp_path / "mlruns"
    command = [sys.executable, "-m", "tracklet", "ui", str(folder), "--no-browser", "--json"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    process = subprocess.Popen([*command, "-p", str(free)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "}\n")) + "}"
        link = json.loads(said)["link"]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(link) as answer:
            assert b"<title>tracklet</title>" in answer.read()
        with opener.open(json.loads(said)["address"] + "api/ui/v1/experiments") as answer:
            assert json.load(answer) == {"experiments": []}
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, -signal.SIGINT)
        assert process.stdout is not None
        process.stdout.close()
    assert not folder.exists()


def test_a_database_that_is_not_there_is_refused(tracklet_home: Any, tmp_path: Path) -> None:
    refused = _ui(f"sqlite:///{tmp_path}/none.db", "--no-browser")
    assert refused.exit_code == 1
    assert "there is no database" in refused.output
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_refused_with_a_way_out(tracklet_home: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = _ui(str(tmp_path), "--no-browser", "-p", str(port))
    assert refused.exit_code == 1
    assert "--port" in refused.output


def test_without_a_token_it_stays_on_this_machine(tracklet_home: Any, tmp_path: Path) -> None:
    refused = _ui(str(tmp_path), "--no-browser", "--no-token", "--host", "0.0.0.0")
    assert refused.exit_code == 1
    assert "--no-token" in refused.output
