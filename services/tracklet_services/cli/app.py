"""The root command. Its commands are plugins, ours as everyone's: entry points that load late."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

import click

from tracklet import plugins
from tracklet.errors import PluginError, TrackletException
from tracklet_services.cli import output


class _Plain(logging.Formatter):
    """For warnings that nobody collects: they come to the terminal, and name what was recorded."""

    def format(self, record: logging.LogRecord) -> str:
        return output.plain(super().format(record))


class _App(click.Group):
    """A group of the commands that are installed, which reports tracklet's errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*plugins.entry_points("commands"), *plugins.conflicts("commands")})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            return plugins.load("commands", cmd_name)
        except PluginError as error:
            return _broken(cmd_name, error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TrackletException as error:
            raise click.ClickException(output.plain(error.message)) from error


def _broken(name: str, error: PluginError) -> click.Command:
    """What stands for a command that does not load: the others stay, and calling it says why."""

    def say_why(**_: Any) -> NoReturn:
        raise error

    return click.Command(
        name,
        callback=say_why,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        short_help="Broken: `tracklet plugins` says why.",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tracklet", message="%(package)s %(version)s")
def app() -> None:
    """Look at the record of your training runs.

    Every command takes --json for machines, and --tracking-uri for a record that is not the
    default one (TRACKLET_TRACKING_URI, MLFLOW_TRACKING_URI, or ./mlruns).
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain())
