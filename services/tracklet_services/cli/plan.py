"""``tracklet plan``: what autologging would watch and record, and what it would not, and why."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tracklet import plugins as registry
from tracklet.errors import InvalidParameterValue, PluginError
from tracklet_services.cli import options, output

if TYPE_CHECKING:
    from tracklet.autolog import PlanEntry


@click.command(short_help="Say what autologging would record, and why.")
@click.argument("names", nargs=-1)
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import this as well, such as your own module; what it brings is watched too.",
)
@click.option("--hooks", is_flag=True, help="List every function that is watched.")
@options.common
def plan(names: Sequence[str], modules: Sequence[str], hooks: bool, json_output: bool) -> None:
    """Say what autologging would do, with its default options.

    NAMES are integrations, such as sklearn; all that are installed by default. The frameworks are
    imported, so that what can be watched in the versions at hand is known. Nothing is recorded.
    """
    known = registry.entry_points("integrations")
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InvalidParameterValue(
            f"there is no integration {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    entries = _planned(names or sorted(known), modules)
    if json_output:
        output.as_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        _show(entry, hooks)


def _planned(names: Sequence[str], modules: Sequence[str]) -> list[PlanEntry]:
    from tracklet.autolog import autolog
    from tracklet.autolog import plan as planned

    autolog(silent=True)
    try:
        for name in names:
            _import_framework(name)
        for module in modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise InvalidParameterValue(f"--import {module}: {error}") from error
        return [entry for entry in planned() if entry.name in names]
    finally:
        autolog(disable=True)


def _import_framework(name: str) -> None:
    try:
        plugin: Any = registry.load("integrations", name)
    except PluginError:
        return
    for module in plugin.modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue


def _show(entry: PlanEntry, hooks: bool) -> None:
    version = f" {entry.version}" if entry.version else ""
    output.say(f"{entry.name}{version}: {entry.state}")
    if entry.hooks:
        output.say(f"  watches {len(entry.hooks)} functions")
        if hooks:
            _lines(entry.hooks, "    ")
    for place, why in entry.skipped.items():
        output.say(f"  cannot watch {place}: {why}")
    if entry.records:
        output.say("  records")
        _lines(entry.records, "    + ")
    if entry.omits:
        output.say("  does not record")
        _lines([f"{what}: {why}" for what, why in entry.omits.items()], "    - ")
    output.say()


def _lines(texts: Sequence[str], prefix: str) -> None:
    for text in texts:
        output.say(prefix + text)
