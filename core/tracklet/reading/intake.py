"""Folders that were looked at, read into what the index writes down of them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from tracklet import liveness
from tracklet.entities import LoggedModel, Metric, Run, RunData
from tracklet.reading import bulk
from tracklet.reading.stamps import (
    EXPERIMENT,
    LOGGED_MODEL,
    REGISTERED_MODEL,
    RUN,
    Kind,
    Stamp,
)
from tracklet.stores.files import contents, layout, leases, points, reader, registry_reader
from tracklet.stores.files.tails import Tails


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that was read; ``put`` takes it in, and None says that it is gone."""

    path: str
    kind: Kind
    stamp: Stamp
    running: bool = False
    put: Callable[[sqlite3.Connection], int] | None = None
    gone: bool = False


def kind_of(path: str) -> Kind | None:
    """What a folder below the root holds, by where it is."""
    parts = path.split("/")
    if parts[0] == layout.TRASH:
        parts = parts[1:]
    elif parts[0] == layout.MODELS:
        return REGISTERED_MODEL if len(parts) == 2 else None
    if len(parts) == 1:
        return EXPERIMENT
    if len(parts) == 2:
        return None if parts[1] in layout.NOT_RUNS else RUN
    if len(parts) == 3 and parts[1] == layout.MODELS:
        return LOGGED_MODEL
    return None


def read_folder(path: str, folder: str, kind: Kind, looks: Stamp, tails: Tails) -> Found:
    """What to write down of a folder that holds an entity.

    Args:
        path: Where it is, from the store's root.
        folder: Its path.
        kind: What it holds.
        looks: What it looked like before it is read.
        tails: What is known of the metrics of runs in progress.
    """
    if kind is EXPERIMENT:
        experiment = reader.read_experiment(folder)
        return Found(path, kind, looks, put=lambda db: bulk.put_experiment(db, experiment))
    if kind is RUN:
        run, latest = _read_run(folder, tails)
        running = run.info.status == "RUNNING"
        return Found(path, kind, looks, running, lambda db: bulk.put_run(db, run, latest))
    if kind is LOGGED_MODEL:
        model, measured = _read_logged_model(folder)
        return Found(path, kind, looks, put=lambda db: bulk.put_logged_model(db, model, measured))
    registered = registry_reader.read_registered_model(folder)
    versions = [
        registry_reader.read_model_version(version_dir, registered.aliases)
        for version_dir in contents.model_version_dirs(folder)
    ]
    return Found(
        path, kind, looks, put=lambda db: bulk.put_registered_model(db, registered, versions)
    )


def _read_run(folder: str, tails: Tails) -> tuple[Run, list[Metric]]:
    meta = contents.read_meta(folder, "run")
    tags = contents.read_texts(f"{folder}/{layout.TAGS}")
    info = reader.run_info(folder, meta, tags)
    if info.status == "RUNNING" and leases.is_lost(folder):
        info = reader.lost_info(info, folder)
        tags.setdefault(liveness.END_REASON_TAG, liveness.LOST)
    latest = tails.latest(folder, remember=info.status == "RUNNING")
    data = RunData({}, contents.read_texts(f"{folder}/{layout.PARAMS}"), tags)
    run = Run(info, data, reader.read_inputs(folder), reader.read_outputs(folder))
    return run, latest


def _read_logged_model(folder: str) -> tuple[LoggedModel, list[Metric]]:
    model = reader.read_logged_model(folder)
    measured: list[Metric] = []
    for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            measured += points.parse_model_points(file.read(), key, model.model_id).points
    return model, measured
