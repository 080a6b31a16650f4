"""``tracklet gc``: empty the trash."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tracklet.cli import options, output, selection
from tracklet.client import TrackletClient
from tracklet.entities import LifecycleStage, ViewType
from tracklet.errors import InvalidParameterValue


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--run", "given", multiple=True, metavar="RUN", help="Only this run; may be repeated."
)
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@options.common
def gc(dry_run: bool, given: Sequence[str], yes: bool, json_output: bool) -> None:
    """Remove deleted experiments and runs, with their artifacts, for good."""
    client = TrackletClient()
    if given:
        experiments = []
        runs = [selection.run(client, one, ViewType.ALL) for one in given]
        for run in runs:
            if run.info.lifecycle_stage != LifecycleStage.DELETED:
                raise InvalidParameterValue(
                    f"run {run.info.run_id!r} is not in the trash; `tracklet runs delete` it first"
                )
    else:
        experiments = list(selection.all_experiments(client, ViewType.DELETED_ONLY))
        gone = {experiment.experiment_id for experiment in experiments}
        # An experiment takes its runs along.
        runs = [
            run
            for run in selection.runs(client, view=ViewType.DELETED_ONLY)
            if run.info.experiment_id not in gone
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
        click.echo("the trash is empty")
    else:
        if dry_run or yes:
            output.table(["KIND", "ID", "NAME"], plan)
        done = "would be removed" if dry_run else "removed"
        click.echo(f"{len(experiments)} experiments and {len(runs)} runs {done}")
