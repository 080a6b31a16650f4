"""``tracklet why``: where each fact of a run comes from, and why one is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

import click

import tracklet
from tracklet import plugins as registry
from tracklet.entities import Run
from tracklet.errors import PluginError
from tracklet_services.cli import options, output, selection

_TOLD: Final = re.compile(r"(?:fit_\d+\.)?tracklet\.(.+)")
_FIT: Final = re.compile(r"(?:fit_\d+\.)?tracklet\.fit")
_AUTOLOGGED: Final = "mlflow.autologging"
_LEFT_OUT: Final = "left out"
_NO_REASON: Final = "no rule of autologging's names it; a script may record what it wants"
# Tags that say something else than where a fact comes from.
_OTHERS: Final = frozenset({"fit", "overhead_ms", "faults", "end_reason"})


@click.command(short_help="Say where a run's facts come from, and why one is missing.")
@click.argument("run")
@click.argument("key", required=False)
@options.common
def why(run: str, key: str | None, json_output: bool) -> None:
    """Say of each fact of RUN where it comes from, and what was left out and why.

    RUN is an id, the beginning of one, or latest. KEY is one fact, recorded or missing: a metric, a
    param, an artifact. What is told are the run's own tags and the rules of the integrations that
    recorded it, which `tracklet plan` lists.
    """
    client = tracklet.TrackletClient()
    found = selection.run(client, run)
    files = [each.path for each in client.list_artifacts(found.info.run_id)]
    facts: dict[str, Any] = {**dict.fromkeys(files, ""), **found.data.params, **found.data.metrics}
    account = _Account(found)
    if key is not None:
        # A key that is none is told of as well: that is what is asked about most.
        _one(key, facts, account, json_output)
        return
    recorded = {name: account.origin(name) for name in sorted(facts)}
    missing = dict(account.missing())
    if json_output:
        output.as_json({"recorded": recorded, "left_out": missing})
        return
    output.say(output.text(f"{found.info.run_name}  {found.info.run_id}"))
    output.section("Recorded", recorded.items())
    output.section("Left out", missing.items())


def _one(key: str, facts: Mapping[str, Any], account: _Account, json_output: bool) -> None:
    """Tell of one fact."""
    is_there = key in facts
    reasons = [account.origin(key)] if is_there else list(account.reasons(key))
    if json_output:
        output.as_json({"key": key, "recorded": is_there, "why": reasons})
        return
    value = f" = {output.text(facts[key])}" if is_there and facts[key] != "" else ""
    output.say(output.text(f"{key}{value}" if is_there else f"{key} is not on the record"))
    for reason in reasons:
        output.say(output.text(f"  {reason}"))


class _Account:
    """What a run's tags and the rules of its integrations say."""

    def __init__(self, run: Run) -> None:
        self._tags = run.data.tags
        self._told = {
            match.group(1): text
            for tag, text in self._tags.items()
            if (match := _TOLD.fullmatch(tag)) and match.group(1) not in _OTHERS
        }
        self._rules: list[str] = []
        self._omissions: dict[str, str] = {}
        for name in sorted(self._integrations()):
            explanation = _explanation(name)
            if explanation is not None:
                self._rules += [f"{name}: {line}" for line in explanation.records]
                self._omissions.update(explanation.omits)

    def origin(self, key: str) -> str:
        """Where a fact comes from."""
        told = self._tag_of(key)
        if told is not None and not told.startswith(_LEFT_OUT):
            return told
        return next(self._rules_of(key), _NO_REASON)

    def reasons(self, key: str) -> Iterator[str]:
        """Why a fact may be missing."""
        told = self._tag_of(key)
        if told is not None:
            yield told
        for what, reason in self._omissions.items():
            if told is None and _mentions(what, key):
                yield f"{what}: {reason}"
        yield from (f"it would be recorded by {rule}" for rule in self._rules_of(key))
        if "tracklet.faults" in self._tags:
            yield self._faults()
        if told is None and not any(self._rules_of(key)):
            yield _NO_REASON

    def missing(self) -> Iterator[tuple[str, str]]:
        """What was left out, and why."""
        for name, text in sorted(self._told.items()):
            if _LEFT_OUT in text:
                yield name.rpartition(".")[2], text
        yield from self._omissions.items()
        if "tracklet.faults" in self._tags:
            yield "what failed", self._faults()

    def _faults(self) -> str:
        try:
            faults = json.loads(self._tags["tracklet.faults"])
            return f"{faults['count']} steps of recording failed, first: {faults['first']}"
        except (ValueError, KeyError, TypeError):
            return "steps of recording failed"

    def _tag_of(self, key: str) -> str | None:
        names = (key, key.partition("/")[0])
        for name, text in self._told.items():
            if name in names or name.partition(".")[2] in names:
                return text
        return None

    def _rules_of(self, key: str) -> Iterator[str]:
        """First the rules that name it, then those whose words it has."""
        names = (key, key.partition("/")[0], key.rpartition("/")[2])
        named, others = [], []
        for rule in self._rules:
            integration, subject, *text = rule.split(": ", 2)
            subjects = re.split(r"[,;]\s*|\s+and\s+", subject)
            if any(fnmatchcase(name, each) for name in names for each in subjects if each):
                named.append(": ".join((integration, *(text or [subject]))))
            elif _mentions(": ".join((subject, *text)), key):
                others.append(f"perhaps {rule}")
        yield from named or others

    def _integrations(self) -> set[str]:
        known = {*registry.entry_points("integrations")}
        found = {self._tags.get(_AUTOLOGGED, "")} | {name.split(".")[0] for name in self._told}
        for tag, text in self._tags.items():
            if _FIT.fullmatch(tag):
                try:
                    found.add(json.loads(text)["integration"])
                except (ValueError, KeyError, TypeError):
                    continue
        return found & known


def _explanation(name: str) -> Any:
    """What an integration says of itself, with its default options; None if it cannot."""
    try:
        plugin: Any = registry.load("integrations", name)
        given = plugin.Options()
        return plugin(given).explain(given)
    except (PluginError, ImportError):
        return None


def _mentions(text: str, key: str) -> bool:
    """Whether a text has a word of a key, or the key itself."""
    words = {*re.findall(r"\w+", text.lower())}
    parts = {part for part in re.split(r"[\W_]+", key.lower()) if len(part) > 3}
    return key.lower() in words or bool(parts & (words | {word.rstrip("s") for word in words}))
