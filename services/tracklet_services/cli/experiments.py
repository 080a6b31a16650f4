"""``tracklet experiments``: list, create, rename, delete and restore."""

from __future__ import annotations

import click

import tracklet
from tracklet_services.cli import options, output, selection


@click.group(short_help="List and change experiments.")
def experiments() -> None:
    """List and change experiments. An EXPERIMENT is a name or an id."""


@experiments.command("list")
@options.view
@options.common
def list_(view: int, json_output: bool) -> None:
    """List experiments, newest first."""
    found = list(selection.all_experiments(tracklet.TrackletClient(), view))
    if json_output:
        output.as_json([experiment.to_dictionary() for experiment in found])
        return
    output.table(
        ["ID", "NAME", "STATE", "CREATED", "ARTIFACTS"],
        [
            (
                experiment.experiment_id,
                experiment.name,
                experiment.lifecycle_stage,
                output.clock(experiment.creation_time),
                experiment.artifact_location,
            )
            for experiment in found
        ],
    )


@experiments.command()
@click.argument("name")
@click.option(
    "-l", "--artifact-location", metavar="URI", help="Where its artifacts go; beside its runs."
)
@options.common
def create(name: str, artifact_location: str | None, json_output: bool) -> None:
    """Create an experiment and print its id."""
    experiment_id = tracklet.TrackletClient().create_experiment(name, artifact_location)
    output.answer({"experiment_id": experiment_id, "name": name}, experiment_id, json_output)


@experiments.command()
@click.argument("experiment")
@click.argument("new_name")
@options.common
def rename(experiment: str, new_name: str, json_output: bool) -> None:
    """Give an experiment another name."""
    client = tracklet.TrackletClient()
    found = selection.experiment(client, experiment)
    client.rename_experiment(found.experiment_id, new_name)
    _report("renamed", found.experiment_id, new_name, json_output)


@experiments.command()
@click.argument("experiment")
@options.common
def delete(experiment: str, json_output: bool) -> None:
    """Move an experiment and its runs to the trash; `restore` takes them back."""
    client = tracklet.TrackletClient()
    found = selection.experiment(client, experiment)
    client.delete_experiment(found.experiment_id)
    _report("deleted", found.experiment_id, found.name, json_output)


@experiments.command()
@click.argument("experiment")
@options.common
def restore(experiment: str, json_output: bool) -> None:
    """Take an experiment and its runs out of the trash."""
    client = tracklet.TrackletClient()
    found = selection.experiment(client, experiment)
    client.restore_experiment(found.experiment_id)
    _report("restored", found.experiment_id, found.name, json_output)


def _report(done: str, experiment_id: str, name: str, json_output: bool) -> None:
    words = f"{done} {experiment_id}  {output.text(name)}"
    output.answer({done: experiment_id, "name": name}, words, json_output)
