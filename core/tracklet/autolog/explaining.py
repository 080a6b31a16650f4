"""Saying what autologging does: the state of each integration, and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tracklet import plugins
from tracklet.autolog import enabling
from tracklet.errors import PluginError


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """What one integration does now.

    ``hooks`` are the functions that it watches, ``skipped`` those that it wanted to watch and
    cannot, with the reason; ``records`` and ``omits`` say what a training leaves on the record,
    and what it does not, and why.
    """

    name: str
    state: str
    version: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    omits: Mapping[str, str] = field(default_factory=dict)


def status() -> dict[str, str]:
    """The state of every installed integration by its name.

    ``active``, ``waiting for <module>``, ``declined: <why>``, ``broken: <why>`` or ``disabled``.
    """
    return {name: _state(name) for name in _names()}


def plan() -> list[PlanEntry]:
    """What is watched, what would be recorded, what would not, and why; by integration."""
    return [_plan(name) for name in _names()]


def get_autologging_config(name: str, key: str, default: Any = None) -> Any:
    """One option of an integration as it was last configured.

    Args:
        name: The integration.
        key: The option; ``disable`` says whether it was turned off.
        default: The answer for an integration that was never configured, or an unknown option.
    """
    entry = enabling.loaded_entry(name)
    if entry is None:
        return default
    if key == "disable":
        return entry.state == "disabled"
    return getattr(entry.options, key, default)


def _names() -> list[str]:
    return sorted({*plugins.entry_points("integrations"), *enabling.configured()})


def _state(name: str) -> str:
    entry = enabling.entry(name)
    if entry is None:
        return "disabled"
    if entry.state == "waiting":
        return f"waiting {entry.reason}"
    return f"{entry.state}: {entry.reason}" if entry.reason else entry.state


def _plan(name: str) -> PlanEntry:
    entry = enabling.loaded_entry(name)
    if entry is None or entry.plugin is None:
        return PlanEntry(name, _state(name), omits={"everything": _why_off(name)})
    explanation = entry.plugin(entry.options).explain(entry.options)
    options: Any = entry.options
    off = entry.state in ("disabled", "declined", "broken")
    return PlanEntry(
        name,
        _state(name),
        entry.version,
        {each.name: getattr(options, each.name) for each in fields(options)},
        tuple(sorted(patch.place for patch in entry.patches)),
        dict(entry.skipped),
        () if off else explanation.records,
        {"everything": _state(name)} if off else explanation.omits,
    )


def _why_off(name: str) -> str:
    entry = enabling.entry(name)
    if entry is not None:
        return _state(name)
    try:
        plugins.load("integrations", name)
    except PluginError as error:
        return error.message
    return "autologging was not asked for"
