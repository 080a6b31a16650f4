"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tracklet import settings
from tracklet.entities import ViewType

F = TypeVar("F", bound=Callable[..., Any])


def _set_tracking_uri(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        settings.set_tracking_uri(value)


def common(command: F) -> F:
    """``--json``, passed on as ``json_output``, and ``--tracking-uri``, set for the process."""
    command = click.option("--json", "json_output", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--tracking-uri",
        metavar="URI",
        callback=_set_tracking_uri,
        expose_value=False,
        is_eager=True,
        help="The record to use: a folder, or a URI such as sqlite:///runs.db.",
    )(command)


def view(command: F) -> F:
    """``--view``, passed on as a number of :class:`ViewType`."""
    return click.option(
        "-v",
        "--view",
        type=click.Choice(["active_only", "deleted_only", "all"]),
        default="active_only",
        show_default=True,
        callback=lambda ctx, param, value: ViewType.from_string(value),
        help="Which to show: those in use, those in the trash, or both.",
    )(command)
