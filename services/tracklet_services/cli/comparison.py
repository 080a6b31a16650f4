"""What differs between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracklet.entities import Run
from tracklet_services.cli import output

Sections = Mapping[str, Mapping[str, Sequence[Any]]]


def differences(runs: Sequence[Run], *, everything: bool = False) -> Sections:
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
            {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")} for run in runs
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


def document(runs: Sequence[Run], sections: Sections) -> dict[str, Any]:
    """The differences as one JSON-serialisable document."""
    return {
        "runs": [{"run_id": run.info.run_id, "run_name": run.info.run_name} for run in runs],
        **{subject: dict(rows) for subject, rows in sections.items()},
    }


def _same(values: Sequence[Any]) -> bool:
    # NaN equals NaN here: two runs that both diverged do not differ in that.
    first = values[0]
    return all(value == first or (value != value and first != first) for value in values)
