"""``tracklet artifacts``: list and download."""

from __future__ import annotations

from pathlib import Path

import click

import tracklet
from tracklet_services.cli import options, output, selection


@click.group(short_help="List and download a run's artifacts.")
def artifacts() -> None:
    """List and download a run's artifacts. A RUN is an id, the beginning of one, or 'latest'."""


@artifacts.command("list")
@click.argument("run")
@click.argument("path", required=False)
@options.common
def list_(run: str, path: str | None, json_output: bool) -> None:
    """List a run's artifacts, or those in the folder PATH."""
    client = tracklet.TrackletClient()
    files = client.list_artifacts(selection.run(client, run).info.run_id, path)
    if json_output:
        output.as_json([file.to_dictionary() for file in files])
        return
    output.table(
        ["PATH", "SIZE"],
        [(file.path + "/" * file.is_dir, output.size(file.file_size)) for file in files],
    )


@artifacts.command()
@click.argument("run")
@click.argument("path", default="")
@click.option(
    "-d",
    "--dst-path",
    type=click.Path(file_okay=False),
    help="The folder to copy to, made if it is not there; without it, what is on this machine "
    "already is not copied.",
)
@options.common
def download(run: str, path: str, dst_path: str | None, json_output: bool) -> None:
    """Bring a run's artifacts, or those at PATH, here and print where they are."""
    client = tracklet.TrackletClient()
    found = selection.run(client, run)
    if dst_path is not None:
        # Made only after the run was found, so that a typing error leaves no empty folder behind.
        Path(dst_path).mkdir(parents=True, exist_ok=True)
    local = client.download_artifacts(found.info.run_id, path, dst_path)
    document = {"run_id": found.info.run_id, "path": path, "local_path": local}
    output.answer(document, local, json_output)
