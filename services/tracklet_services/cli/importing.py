"""``tracklet import``: take over the record of MLflow, or of another store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tracklet_services.cli import options, output

if TYPE_CHECKING:
    from tracklet_services.importing import ImportReport


@click.command("import", short_help="Take over a record of MLflow's.")
@click.argument("path")
@click.option(
    "--into",
    metavar="URI",
    help="The store that takes the record; by default the one in use (--tracking-uri).",
)
@click.option(
    "--copy-artifacts",
    is_flag=True,
    help="Copy artifacts too. By default they are referenced where they lie.",
)
@click.option(
    "--artifacts-from",
    multiple=True,
    metavar="FOLDER",
    help="Copy artifacts from below this folder or URI too, beside the record's own folders.",
)
@options.common
def import_command(
    path: str,
    into: str | None,
    copy_artifacts: bool,
    artifacts_from: tuple[str, ...],
    json_output: bool,
) -> None:
    """Take over the record at PATH: an mlruns folder, an mlflow.db, or a database URI.

    The source is only read. Importing again takes what is new, and adds to what has grown.
    """
    from tracklet_services.importing import import_record

    how: Any = {"copy_artifacts": copy_artifacts, "artifacts_from": artifacts_from}
    if not on_terminal():
        report = import_record(path, into, **how)
    else:
        with click.progressbar(length=0, label="runs", file=sys.stderr, show_pos=True) as bar:

            def show(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            report = import_record(path, into, **how, progress=show)
    if json_output:
        output.as_json(report.to_dictionary())
    else:
        _print(report)


def on_terminal() -> bool:
    """Whether somebody sees progress."""
    return sys.stderr.isatty()


def _print(report: ImportReport) -> None:
    output.say(f"{report.source} ({report.schema})")
    output.say(f"into {report.target}\n")
    output.table(
        ["KIND", "TAKEN", "UPDATED", "ALREADY THERE", "SKIPPED"],
        [
            [kind, tally.taken, tally.updated, tally.already_there, tally.skipped]
            for kind, tally in report.tallies.items()
        ],
    )
    output.say(f"\n{report.points} points of metrics and {report.artifacts} artifact files written")
    renamed = [(there, f"→ {here}") for there, here in report.experiments.items()]
    output.section("Experiments that have another id here", renamed)
    left_out = [(what, str(count)) for what, count in report.left_out.items()]
    output.section("Not taken, since tracklet does not keep them", left_out)
    skips = [(f"{skip.kind}: {skip.name}", skip.reason) for skip in report.skips]
    output.section("Skipped", skips)
    more = report.parts_skipped + sum(t.skipped for t in report.tallies.values()) - len(skips)
    if more:
        output.say(f"  … and {more} more")
    for notice in report.notices:
        output.say(f"\nNote: {notice}")
