"""``tracklet gc``: empty the trash."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

import click

import tracklet
from tracklet.entities import LifecycleStage, Run, ViewType
from tracklet.errors import InvalidParameterValue
from tracklet_services.cli import options, output, selection

_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}
_AGE: Final = re.compile("".join(rf"(?:(\d+(?:\.\d*)?|\.\d+){unit})?" for unit in _MS))


@click.command(short_help="Remove what is in the trash, for good.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--run", "given", multiple=True, metavar="RUN", help="Only this run; may be repeated."
)
@click.option(
    "--older-than",
    metavar="AGE",
    help="Only what was deleted longer ago, such as 30d, 12h or 1.5d2h3m4s.",
)
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@options.common
def gc(
    dry_run: bool, given: Sequence[str], older_than: str | None, yes: bool, json_output: bool
) -> None:
    """Remove deleted experiments and runs, with their artifacts, for good."""
    client = tracklet.TrackletClient()
    before = None if older_than is None else time.time() * 1000 - _milliseconds(older_than)
    if given:
        experiments = []
        runs = [selection.run(client, one, ViewType.ALL) for one in given]
        for run in runs:
            if run.info.lifecycle_stage != LifecycleStage.DELETED:
                raise InvalidParameterValue(
                    f"run {run.info.run_id!r} is not in the trash; `tracklet runs delete` it first"
                )
            if not _was_deleted(client, run, before):
                raise InvalidParameterValue(
                    f"run {run.info.run_id!r} was not deleted longer ago than {older_than}; leave "
                    "it out, or give a shorter --older-than"
                )
    else:
        experiments = [
            one
            for one in selection.all_experiments(client, ViewType.DELETED_ONLY)
            if before is None or (one.last_update_time or before) < before
        ]
        gone = {experiment.experiment_id for experiment in experiments}
        # An experiment takes its runs along.
        runs = [
            run
            for run in selection.runs(client, view=ViewType.DELETED_ONLY)
            if run.info.experiment_id not in gone and _was_deleted(client, run, before)
        ]
    plan = [("experiment", one.experiment_id, one.name) for one in experiments]
    plan += [("run", one.info.run_id, one.info.run_name or "") for one in runs]
    if not dry_run:
        if plan and not yes:
            if json_output:
                raise click.UsageError("with --json nobody is asked; give --yes or --dry-run")
            output.table(["KIND", "ID", "NAME"], plan)
            click.confirm("Remove these for good?", abort=True)
        for run in runs:
            client.store.purge_run(run.info.run_id)
        for experiment in experiments:
            client.store.purge_experiment(experiment.experiment_id)
    if json_output:
        output.as_json(
            {
                "dry_run": dry_run,
                "experiments": [one.experiment_id for one in experiments],
                "runs": [one.info.run_id for one in runs],
            }
        )
    elif not plan:
        output.say("the trash is empty")
    else:
        if dry_run or yes:
            output.table(["KIND", "ID", "NAME"], plan)
        done = "would be removed" if dry_run else "removed"
        output.say(f"{len(experiments)} experiments and {len(runs)} runs {done}")


def _was_deleted(client: tracklet.TrackletClient, run: Run, before: float | None) -> bool:
    """Whether a deleted run was deleted before that time, if one is given; unknown is no."""
    if before is None:
        return True
    deleted = client.store.deletion_time(run.info.run_id)
    return deleted is not None and deleted < before


def _milliseconds(age: str) -> float:
    """An age such as ``1d2h``, in ms."""
    match = _AGE.fullmatch(age)
    if match is None or not any(match.groups()):
        raise InvalidParameterValue(
            f"{age!r} is no age: write numbers with d, h, m and s, in this order, such as 30d, "
            "12h or 1.5d2h3m4s"
        )
    return sum(float(n) * ms for n, ms in zip(match.groups(), _MS.values(), strict=True) if n)
