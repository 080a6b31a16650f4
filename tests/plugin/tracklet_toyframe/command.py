"""A command for the command line: ``tracklet toyframe RUN_ID``."""

from __future__ import annotations

import click

import tracklet
from tracklet_services.cli import options, output


@click.command()
@click.argument("run_id")
@options.common
def toyframe(run_id: str, json_output: bool) -> None:
    """Print the line that a run has fitted."""
    line = tracklet.pyfunc.load_model(f"runs:/{run_id}/model").get_raw_model()
    if json_output:
        output.as_json({"slope": line.slope, "intercept": line.intercept})
    else:
        click.echo(f"y = {line.slope:.1f} x + {line.intercept:.1f}")
