"""The root command. Each subcommand lives in a module of its own, loaded when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from tracklet.errors import TrackletException

# name: (module, attribute, one line of help). The help stands here so that `tracklet --help`
# imports none of them.
_COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "artifacts": (
        "artifacts",
        "artifacts",
        "List and download a run's artifacts.",
    ),
    "doctor": (
        "doctor",
        "doctor",
        "Say where things are and whether they work.",
    ),
    "experiments": (
        "experiments",
        "experiments",
        "List and change experiments.",
    ),
    "gc": ("gc", "gc", "Remove what is in the trash, for good."),
    "import": (
        "importing",
        "import_command",
        "Take over a record of MLflow's.",
    ),
    "index": ("index", "index", "Look after the search index."),
    "models": ("models", "models", "Serve models and ask them."),
    "plan": ("plan", "plan", "Say what autologging would record, and why."),
    "plugins": ("plugins", "plugins", "List the plugins and their states."),
    "runs": ("runs", "runs", "List, show, compare and export runs."),
}


class _App(click.Group):
    """A group that loads its commands late and reports tracklet's errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        return getattr(import_module(f"{__package__}.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TrackletException as error:
            raise click.ClickException(error.message) from error


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        # Imported here because reading metadata costs more than the rest of the command line.
        from importlib.metadata import version

        click.echo(f"tracklet {version('tracklet')}")
        ctx.exit()


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def app() -> None:
    """Look at the record of your training runs.

    Every command takes --json for machines, and --tracking-uri for a record that is not the
    default one (TRACKLET_TRACKING_URI, MLFLOW_TRACKING_URI, or ./mlruns).
    """
