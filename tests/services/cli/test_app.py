"""The root command, ``tracklet plugins`` and ``tracklet doctor``."""

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import tracklet
from tracklet import state

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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a distribution on the path that registers the command ``toy``, of the given source."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(distribution: str, source: str) -> None:
        module = distribution.replace("-", "_")
        metadata = tmp_path / "site" / f"{module}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (metadata / "entry_points.txt").write_text(f"[tracklet.commands]\ntoy = {module}:toy\n")
        (tmp_path / "site" / f"{module}.py").write_text(source)
        state.forget("tracklet.plugins")

    yield install
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]
    state.forget("tracklet.plugins")


TOY = """
import click

@click.command()
@click.option("--shout", is_flag=True)
def toy(shout):
    'Say something. Nobody knows what.'
    click.echo("HELLO" if shout else "hello")
"""


def test_a_command_of_another_distribution_stands_beside_ours(
    call: Call, install: Callable[..., None]
) -> None:
    install("toy-one", TOY)
    assert re.search(r"^  toy +Say something\.$", call("--help").stdout, re.MULTILINE)
    assert call("toy", "--shout").stdout == "HELLO\n"
    assert "Nobody knows what." in call("toy", "--help").stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import toy_library_that_is_absent", "needs the module 'toy_library_that_is_absent'"),
        ("raise RuntimeError('boom')", "fails when it is imported, with RuntimeError: boom"),
        ("toy = 3", "is 3, which lacks callback, invoke, params and so is no command"),
        ("import click; toy = click.Command", "and so is no command"),
        ("def toy(): ...", "and so is no command"),
    ],
)
def test_a_broken_command_says_why_when_it_is_called_and_breaks_no_other(
    call: Call, answer: Answer, install: Callable[..., None], source: str, said: str
) -> None:
    install("toy-one", source)
    helped = call("--help").stdout
    assert re.search(r"^  toy +Broken: `tracklet plugins` says why\.$", helped, re.MULTILINE)
    assert re.search(r"^  runs +List", helped, re.MULTILINE)
    for arguments in (("toy",), ("toy", "--shout", "now"), ("toy", "--help")):
        failed = call(*arguments, exits=1)
        assert failed.stderr.startswith("Error: the command 'toy' of toy-one 1.2 (toy_one:toy)")
        assert said in failed.stderr
    (info,) = [one for one in answer("plugins", "--group", "commands") if one["name"] == "toy"]
    assert info["state"] == "broken"
    assert said in info["reason"]


def test_a_command_that_two_distributions_claim_is_refused_and_both_are_named(
    call: Call, install: Callable[..., None]
) -> None:
    install("toy-one", TOY)
    install("toy-two", TOY)
    assert re.search(r"^  toy +Broken", call("--help").stdout, re.MULTILINE)
    failed = call("toy", exits=1)
    assert "claimed by" in failed.stderr
    assert "toy-one 1.2 (toy_one:toy)" in failed.stderr
    assert "toy-two 1.2 (toy_two:toy)" in failed.stderr
    assert call("experiments", "list").stdout


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


def test_doctor_names_what_cannot_be_read(call: Call, answer: Answer, tracklet_home: Path) -> None:
    with tracklet.start_run() as run:
        tracklet.log_params({"a": 1, "b": 2})
    assert answer("doctor")["healthy"] is True
    param = tracklet_home / "mlruns/0" / run.info.run_id / "params/a"
    param.unlink()
    param.symlink_to(param)
    result = call("doctor", exits=1)
    assert f"PROBLEM: 1 cannot be read and are in no search: {param}" in result.stdout
    param.unlink()
    param.write_text("1")
    assert answer("doctor")["healthy"] is True


def test_doctor_finds_a_broken_record(call: Call, tracklet_home: Path) -> None:
    (tracklet_home / "mlruns").write_text("not a folder")
    result = call("doctor", exits=1)
    assert "PROBLEM" in result.stdout
