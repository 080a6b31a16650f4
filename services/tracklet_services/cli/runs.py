"""``tracklet runs``: list, show, compare, export, delete and restore."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import IO, Any

import click

import tracklet
from tracklet.entities import Run, ViewType
from tracklet_services.cli import options, output, selection

_SYSTEM = "mlflow."
_INFO = ("run_id", "run_name", "experiment_id", "status", "user_id", "artifact_uri")
_TIMES = ("start_time", "end_time")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Sections = Mapping[str, Mapping[str, Sequence[Any]]]


@click.group(short_help="List, show, compare and export runs.")
def runs() -> None:
    """List, show, compare and export runs; delete and restore them.

    A RUN is an id, the beginning of one, or 'latest'.
    """


@runs.command("list")
@click.option(
    "-e",
    "--experiment",
    "--experiment-id",
    "experiments",
    multiple=True,
    metavar="NAME_OR_ID",
    help="Only runs of this experiment; may be repeated.",
)
@click.option("--filter", "filter_string", default="", help='Such as "metrics.acc > 0.9".')
@click.option("--order-by", multiple=True, help='Such as "metrics.acc DESC"; may be repeated.')
@click.option("-n", "--max-results", type=click.IntRange(1), default=20, show_default=True)
@options.view
@options.common
def list_(
    experiments: Sequence[str],
    filter_string: str,
    order_by: Sequence[str],
    max_results: int,
    view: int,
    json_output: bool,
) -> None:
    """List runs, latest first."""
    client = tracklet.TrackletClient()
    found = list(
        selection.runs(client, experiments, filter_string, view, max_results, order_by or None)
    )
    if json_output:
        output.as_json([run.to_dictionary() for run in found])
        return
    if not found:
        output.say(f"no runs in {client.tracking_uri}")
        return
    names = {
        experiment.experiment_id: experiment.name
        for experiment in selection.all_experiments(client, ViewType.ALL)
    }
    output.table(
        ["RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "DURATION", "METRICS", "PARAMS"],
        [
            (
                run.info.run_id[:12],
                run.info.run_name,
                names.get(run.info.experiment_id, run.info.experiment_id),
                run.info.status,
                output.clock(run.info.start_time),
                output.duration(run.info.start_time, run.info.end_time),
                len(run.data.metrics),
                len(run.data.params),
            )
            for run in found
        ],
    )


@runs.command()
@click.argument("run")
@click.option("--all-tags", is_flag=True, help="Show system tags too.")
@options.common
def show(run: str, all_tags: bool, json_output: bool) -> None:
    """Show all that was recorded of a run."""
    client = tracklet.TrackletClient()
    found = selection.run(client, run)
    files = client.list_artifacts(found.info.run_id)
    if json_output:
        document = found.to_dictionary()
        document["artifacts"] = [file.to_dictionary() for file in files]
        output.as_json(document)
        return
    info, data = found.info, found.data
    output.say(output.text(f"{info.run_name}  {info.run_id}"))
    output.section("Run", _facts(client, found))
    output.section("Params", sorted(data.params.items()))
    output.section("Metrics", sorted(data.metrics.items()))
    output.section(
        "Tags",
        sorted(
            (key, value)
            for key, value in data.tags.items()
            if all_tags or not key.startswith(_SYSTEM)
        ),
    )
    output.section(
        "Datasets",
        [(used.dataset.name, used.dataset.digest) for used in found.inputs.dataset_inputs],
    )
    output.section(
        "Models", [(made.model_id, f"step {made.step}") for made in found.outputs.model_outputs]
    )
    output.section(
        "Artifacts",
        [(file.path + "/" * file.is_dir, output.size(file.file_size)) for file in files],
    )


@runs.command()
@click.argument("given", metavar="RUN RUN [RUN]...", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Also show what is the same.")
@options.common
def compare(given: Sequence[str], everything: bool, json_output: bool) -> None:
    """Show what differs between runs: status, duration, params, metrics and tags."""
    if len(given) < 2:
        raise click.UsageError("compare needs two runs or more")
    client = tracklet.TrackletClient()
    found = [selection.run(client, one) for one in given]
    sections = _differences(found, everything=everything)
    if json_output:
        names = [{"run_id": run.info.run_id, "run_name": run.info.run_name} for run in found]
        output.as_json({"runs": names, **sections})
        return
    output.table(
        ["", *(run.info.run_id[:12] for run in found)],
        [["name", *(run.info.run_name for run in found)]],
    )
    for title, rows in sections.items():
        output.say()
        output.table(
            [title, *(run.info.run_id[:12] for run in found)],
            [[key, *values] for key, values in rows.items()],
        )
    if not sections:
        output.say("\nno differences")


@runs.command("export")
@click.option("-e", "--experiment", "experiments", multiple=True, metavar="NAME_OR_ID")
@click.option("--filter", "filter_string", default="", help='Such as "metrics.acc > 0.9".')
@click.option("--format", "format_", type=click.Choice(["csv", "json"]), default="csv")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    default="-",
    help="The file to write; printed by default.",
)
@options.view
@options.common
def export_(
    experiments: Sequence[str],
    filter_string: str,
    format_: str,
    target: IO[str],
    view: int,
    json_output: bool,
) -> None:
    """Write runs as a table (CSV), or whole (JSON)."""
    client = tracklet.TrackletClient()
    found = list(selection.runs(client, experiments, filter_string, view))
    if json_output or format_ == "json":
        output.as_json([run.to_dictionary() for run in found], target)
    elif target.isatty():
        table = io.StringIO()
        _write_csv(found, table)
        output.say(table.getvalue().rstrip())
    else:
        _write_csv(found, target)


@runs.command()
@click.argument("given", metavar="RUN...", nargs=-1, required=True)
@options.common
def delete(given: Sequence[str], json_output: bool) -> None:
    """Move runs to the trash; `restore` takes them back, `tracklet gc` removes them for good."""
    client = tracklet.TrackletClient()
    # All are found before the first is deleted: 'latest' must not move, nor half of them go.
    found = [selection.run(client, one) for one in given]
    for run in found:
        client.delete_run(run.info.run_id)
    _report("deleted", found, json_output)


@runs.command()
@click.argument("given", metavar="RUN...", nargs=-1, required=True)
@options.common
def restore(given: Sequence[str], json_output: bool) -> None:
    """Take runs out of the trash."""
    client = tracklet.TrackletClient()
    found = [selection.run(client, one, ViewType.DELETED_ONLY) for one in given]
    for run in found:
        client.restore_run(run.info.run_id)
    _report("restored", found, json_output)


def _report(done: str, found: Sequence[Run], json_output: bool) -> None:
    words = [f"{done} {run.info.run_id}  {output.text(run.info.run_name)}" for run in found]
    output.answer({done: [run.info.run_id for run in found]}, "\n".join(words), json_output)


def _facts(client: tracklet.TrackletClient, run: Run) -> list[tuple[str, str]]:
    info, tags = run.info, run.data.tags
    facts = [
        ("experiment", client.get_experiment(info.experiment_id).name),
        ("status", info.status),
        ("started", output.clock(info.start_time)),
        ("ended", output.clock(info.end_time)),
        ("duration", output.duration(info.start_time, info.end_time)),
        ("user", info.user_id),
        ("source", tags.get("mlflow.source.name")),
        ("commit", tags.get("mlflow.source.git.commit")),
        ("parent", tags.get("mlflow.parentRunId")),
        ("note", tags.get("mlflow.note.content")),
        ("artifacts", info.artifact_uri),
    ]
    if info.lifecycle_stage != "active":
        facts.insert(1, ("life cycle", info.lifecycle_stage))
    return [(key, value) for key, value in facts if value]


# -- what differs ------------------------------------------------------------------------------


def _differences(runs: Sequence[Run], *, everything: bool = False) -> Sections:
    """Per subject, the keys whose values are not the same in all runs.

    Args:
        runs: Two or more.
        everything: Whether keys with equal values are kept too.

    Returns:
        ``{"params": {"max_depth": ["3", None]}, …}``: one value per run, in the order of the runs,
        None where a run has none. Subjects without keys are left out. System tags are not compared.
    """
    subjects: dict[str, list[Mapping[str, Any]]] = {
        "run": [
            {
                "status": run.info.status,
                "duration": output.duration(run.info.start_time, run.info.end_time) or None,
                "experiment_id": run.info.experiment_id,
                "user_id": run.info.user_id,
                "commit": run.data.tags.get("mlflow.source.git.commit"),
            }
            for run in runs
        ],
        "params": [run.data.params for run in runs],
        "metrics": [run.data.metrics for run in runs],
        "tags": [
            {k: v for k, v in run.data.tags.items() if not k.startswith(_SYSTEM)} for run in runs
        ],
    }
    sections = {}
    for subject, columns in subjects.items():
        rows = {
            key: [column.get(key) for column in columns]
            for key in sorted({key for column in columns for key in column})
        }
        kept = {key: values for key, values in rows.items() if everything or not _same(values)}
        if kept:
            sections[subject] = kept
    return sections


def _same(values: Sequence[Any]) -> bool:
    # NaN equals NaN here: two runs that both diverged do not differ in that.
    first = values[0]
    return all(value == first or (value != value and first != first) for value in values)


# -- runs as files for other programs ----------------------------------------------------------


def _write_csv(runs: Sequence[Run], target: IO[str]) -> None:
    """One row per run; columns as ``search_runs`` names them, floats exact, times in ms.

    A text that a spreadsheet would calculate gets an apostrophe before it, which it hides.
    """
    columns: dict[str, list[str]] = {
        kind: sorted({key for run in runs for key in getattr(run.data, kind)})
        for kind in ("metrics", "params", "tags")
    }
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(
        [*_INFO, *_TIMES, *(f"{kind}.{key}" for kind, keys in columns.items() for key in keys)]
    )
    for run in runs:
        info = [getattr(run.info, name) for name in (*_INFO, *_TIMES)]
        data = [getattr(run.data, kind).get(key) for kind, keys in columns.items() for key in keys]
        writer.writerow([_cell(value) for value in info + data])


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
