"""Runs as files for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import IO, Any

from tracklet.entities import Run
from tracklet_services.cli import output

_INFO = ("run_id", "run_name", "experiment_id", "status", "user_id", "artifact_uri")
_TIMES = ("start_time", "end_time")


def as_csv(runs: Sequence[Run], target: IO[str]) -> None:
    """One row per run; columns as ``search_runs`` names them, floats exact, times in ms."""
    columns: dict[str, list[str]] = {
        kind: sorted({key for run in runs for key in getattr(run.data, kind)})
        for kind in ("metrics", "params", "tags")
    }
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(
        [*_INFO, *_TIMES, *(f"{kind}.{key}" for kind, keys in columns.items() for key in keys)]
    )
    for run in runs:
        writer.writerow(
            [
                *(getattr(run.info, name) for name in (*_INFO, *_TIMES)),
                *(
                    _cell(getattr(run.data, kind).get(key))
                    for kind, keys in columns.items()
                    for key in keys
                ),
            ]
        )


def as_json(runs: Sequence[Run], target: IO[str]) -> None:
    """A list of whole runs."""
    document = output.finite([run.to_dictionary() for run in runs])
    json.dump(document, target, indent=2, ensure_ascii=False, allow_nan=False)
    target.write("\n")


def _cell(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value
