"""``tracklet run``: a program that was written for MLflow, as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from tracklet import dialect


@click.command(
    short_help="Run a Python program; its `import mlflow` is tracklet.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module's name, as for python -m.")
@click.option(
    "--autolog/--no-autolog",
    default=False,
    show_default=True,
    help="Autolog, as if the program began with tracklet.autolog().",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run of the same program and arguments that did not reach its end.",
)
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    as_module: bool, autolog: bool, resume: bool, program: str, arguments: Sequence[str]
) -> None:
    """Run PROGRAM with its ARGUMENTS as python does, and let `import mlflow` be tracklet.

    Programs, and libraries that import mlflow by themselves, record with tracklet without a
    changed line. What python would do it does: this process becomes the program's.
    """
    folders = [*([dialect.AUTOLOGGING] if autolog else []), dialect.FOUND]
    path = dialect.with_folders(folders, os.environ.get("PYTHONPATH"))
    command = [sys.executable, *(["-m"] if as_module else []), program, *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    if autolog:
        environment["TRACKLET_RUN_AUTOLOG"] = "1"  # of the program, not of all that it starts
    if resume:
        environment["TRACKLET_RESUME"] = "auto"
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(sys.executable, command, environment)
    import subprocess  # elsewhere a process cannot become another

    sys.exit(subprocess.call(command, env=environment))
