"""The root command, ``tracklet plugins`` and ``tracklet doctor``."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_help_lists_every_command_and_loads_none(call: Call) -> None:
    for command in ("artifacts", "doctor", "experiments", "gc", "index", "plugins", "runs"):
        assert f"\n  {command}" in call("--help").stdout
    code = (
        "import sys; from tracklet_services.cli.app import app; "
        "app(['--help'], standalone_mode=False); "
        "sys.exit(bool({'sqlalchemy', 'yaml', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_version_is_the_installed_one(call: Call) -> None:
    assert call("--version").stdout == f"tracklet {importlib.metadata.version('tracklet')}\n"


def test_the_console_entry_point_runs_in_a_process_of_its_own(tracklet_home: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tracklet.cli import main; main()",
            "runs",
            "show",
            "latest",
        ],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")


def test_plugins_are_listed_with_distribution_version_and_state(call: Call, answer: Answer) -> None:
    listed = answer("plugins", "--group", "integrations")
    (info,) = [one for one in listed if one["name"] == "sklearn"]
    assert info["distribution"] == "tracklet"
    assert info["version"] == importlib.metadata.version("tracklet")
    assert (info["state"], info["reason"]) == ("active", "")
    text = call("plugins").stdout
    assert "python_function" in text
    assert "postgresql" in text


def test_doctor_says_where_the_record_is_and_that_all_is_well(
    call: Call, answer: Answer, tracklet_home: Path
) -> None:
    found = answer("doctor")
    assert found["healthy"] is True
    assert found["tracking_uri"] == str(tracklet_home / "mlruns")
    assert not (tracklet_home / "mlruns").exists()
    assert "tracklet is well" in call("doctor").stdout


def test_doctor_masks_secrets(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    monkeypatch.setenv("TRACKLET_REGISTRY_URI", "postgresql://ann:hunter2@host/db")
    result = call("doctor")
    assert "hunter2" not in result.output
    assert "postgresql://***@host/db" in result.stdout


def test_doctor_finds_a_broken_record(call: Call, tracklet_home: Path) -> None:
    (tracklet_home / "mlruns").write_text("not a folder")
    result = call("doctor", exits=1)
    assert "PROBLEM" in result.stdout
