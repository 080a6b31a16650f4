"""``tracklet index``: the search index over a folder of runs."""

from __future__ import annotations

import time
from typing import Any

import click

from tracklet import settings
from tracklet.entities import ViewType
from tracklet.errors import InvalidParameterValue
from tracklet_services.cli import options, output, selection


@click.group(short_help="Look after the search index.")
def index() -> None:
    """Look after the search index, a cache that is made from the folders."""


@index.command()
@options.common
def rebuild(json_output: bool) -> None:
    """Forget the index and look through all folders anew; the runs themselves are not touched."""
    from tracklet.reading.index import FolderIndex

    uri = settings.tracking_uri()
    folder = settings.local_path(uri)
    if folder is None:
        raise InvalidParameterValue(f"{uri!r} is no folder; only folders of runs have an index")
    if not folder.is_dir():
        raise InvalidParameterValue(f"there is no folder {str(folder)!r}; nothing to index")
    started = time.perf_counter()
    built: Any = FolderIndex(folder)  # it is searched like a client
    try:
        built.rebuild()
        experiments = sum(1 for _ in selection.all_experiments(built, ViewType.ALL))
        runs = sum(1 for _ in selection.runs(built, view=ViewType.ALL))
    finally:
        built.close()
    seconds = time.perf_counter() - started
    document = {
        "folder": str(folder),
        "index": built.path,
        "experiments": experiments,
        "runs": runs,
        "seconds": round(seconds, 3),
    }
    words = f"indexed {experiments} experiments and {runs} runs of {folder} in {seconds:.1f} s"
    output.answer(document, f"{words}\nthe index is {built.path}", json_output)
