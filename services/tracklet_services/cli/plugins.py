"""``tracklet plugins``: what is installed, and what of it can be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from tracklet import plugins as registry
from tracklet_services.cli import options, output


@click.command()
@click.option(
    "--group", type=click.Choice(registry.GROUPS), help="Show only the plugins of one group."
)
@options.common
def plugins(group: str | None, json_output: bool) -> None:
    """List the plugins and their states.

    active: it loads, and what it needs is installed. waiting: the library that the reason names is
    not installed. declined: that library has a version that is not supported. broken: the reason
    says what is wrong and what to do.
    """
    found = [info for info in registry.describe() if group in (None, info.group)]
    if json_output:
        output.as_json([asdict(info) for info in found])
        return
    output.table(
        ["NAME", "GROUP", "DISTRIBUTION", "VERSION", "STATE", "REASON"],
        [
            (
                info.name,
                info.group,
                info.distribution,
                info.version,
                info.state,
                info.reason,
            )
            for info in found
        ],
    )
    counts = Counter(info.state for info in found)
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    output.say(f"\n{len(found)} plugins: {summary or 'none'}")
