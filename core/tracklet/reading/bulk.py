"""Whole entities put into a SQLite database, replacing what it knew of them.

This is how the index takes folders in, so it speaks to the driver directly: a first look at a
large store writes millions of rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from tracklet.entities import (
    DatasetInput,
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
)


def _insert(table: str, *columns: str) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


_EXPERIMENT = _insert(
    "experiments",
    "experiment_id",
    "name",
    "artifact_location",
    "lifecycle_stage",
    "creation_time",
    "last_update_time",
)
_RUN = _insert(
    "runs",
    "run_id",
    "experiment_id",
    "name",
    "user_id",
    "status",
    "start_time",
    "end_time",
    "lifecycle_stage",
    "artifact_uri",
)
_LATEST = _insert("latest_metrics", "run", "key", "value", "timestamp", "step")
_DATASET = (
    _insert(
        "datasets", "experiment_id", "name", "digest", "source_type", "source", "schema", "profile"
    )
    + " ON CONFLICT (experiment_id, name, digest) DO UPDATE SET source_type = "
    "excluded.source_type, source = excluded.source, schema = excluded.schema, "
    "profile = excluded.profile RETURNING id"
)
_LOGGED_MODEL = _insert(
    "logged_models",
    "model_id",
    "experiment_id",
    "name",
    "artifact_location",
    "creation_timestamp",
    "last_updated_timestamp",
    "model_type",
    "source_run_id",
    "status",
    "status_message",
    "lifecycle_stage",
)
_MODEL_METRIC = _insert(
    "logged_model_metrics",
    "model",
    "key",
    "value",
    "timestamp",
    "step",
    "run_id",
    "dataset_name",
    "dataset_digest",
)
_REGISTERED_MODEL = _insert(
    "registered_models", "name", "creation_timestamp", "last_updated_timestamp", "description"
)
_VERSION = _insert(
    "model_versions",
    "model",
    "version",
    "creation_timestamp",
    "last_updated_timestamp",
    "description",
    "user_id",
    "current_stage",
    "source",
    "run_id",
    "status",
    "status_message",
    "run_link",
    "model_id",
    "storage_location",
)


def _inserted(db: sqlite3.Connection, statement: str, values: Sequence[object]) -> int:
    row = db.execute(statement, values).lastrowid
    assert row is not None
    return row


def put_experiment(db: sqlite3.Connection, experiment: Experiment) -> int:
    """Take an experiment in and return its row."""
    db.execute("DELETE FROM experiments WHERE experiment_id = ?", (experiment.experiment_id,))
    row = _inserted(
        db,
        _EXPERIMENT,
        (
            experiment.experiment_id,
            experiment.name,
            experiment.artifact_location,
            experiment.lifecycle_stage,
            experiment.creation_time,
            experiment.last_update_time,
        ),
    )
    _put_texts(db, "experiment_tags", "experiment", row, experiment.tags.items())
    return row


def put_run(db: sqlite3.Connection, run: Run, latest: Iterable[Metric]) -> int:
    """Take a run in, with the latest point of each metric, and return its row."""
    info = run.info
    db.execute("DELETE FROM runs WHERE run_id = ?", (info.run_id,))
    row = _inserted(
        db,
        _RUN,
        (
            info.run_id,
            info.experiment_id,
            info.run_name,
            info.user_id,
            info.status,
            info.start_time,
            info.end_time,
            info.lifecycle_stage,
            info.artifact_uri,
        ),
    )
    _put_texts(db, "params", "run", row, run.data.params.items())
    _put_texts(db, "tags", "run", row, run.data.tags.items())
    db.executemany(
        _LATEST, [(row, point.key, point.value, point.timestamp, point.step) for point in latest]
    )
    for used in run.inputs.dataset_inputs:
        _put_input(db, row, info.experiment_id, used)
    if run.inputs.model_inputs:
        db.executemany(
            "INSERT OR IGNORE INTO model_inputs (run, model_id) VALUES (?, ?)",
            [(row, model.model_id) for model in run.inputs.model_inputs],
        )
    if run.outputs.model_outputs:
        db.executemany(
            "INSERT OR IGNORE INTO model_outputs (run, model_id, step) VALUES (?, ?, ?)",
            [(row, model.model_id, model.step) for model in run.outputs.model_outputs],
        )
    return row


def _put_input(db: sqlite3.Connection, run: int, experiment_id: str, used: DatasetInput) -> None:
    data = used.dataset
    ((dataset,),) = db.execute(
        _DATASET,
        (
            experiment_id,
            data.name,
            data.digest,
            data.source_type,
            data.source,
            data.schema,
            data.profile,
        ),
    ).fetchall()
    link = _inserted(db, "INSERT INTO inputs (run, dataset) VALUES (?, ?)", (run, dataset))
    _put_texts(db, "input_tags", "input", link, [(tag.key, tag.value) for tag in used.tags])


def put_logged_model(db: sqlite3.Connection, model: LoggedModel, points: Iterable[Metric]) -> int:
    """Take a logged model in, with all points measured on it, and return its row."""
    db.execute("DELETE FROM logged_models WHERE model_id = ?", (model.model_id,))
    row = _inserted(
        db,
        _LOGGED_MODEL,
        (
            model.model_id,
            model.experiment_id,
            model.name,
            model.artifact_location,
            model.creation_timestamp,
            model.last_updated_timestamp,
            model.model_type,
            model.source_run_id,
            model.status.value,
            model.status_message,
            model.lifecycle_stage,
        ),
    )
    _put_texts(db, "logged_model_params", "model", row, model.params.items())
    _put_texts(db, "logged_model_tags", "model", row, model.tags.items())
    db.executemany(
        _MODEL_METRIC,
        [
            (
                row,
                point.key,
                point.value,
                point.timestamp,
                point.step,
                point.run_id,
                point.dataset_name,
                point.dataset_digest,
            )
            for point in points
        ],
    )
    return row


def put_registered_model(
    db: sqlite3.Connection, model: RegisteredModel, versions: Iterable[ModelVersion]
) -> int:
    """Take a registered model in, with all of its versions, and return its row."""
    db.execute("DELETE FROM registered_models WHERE name = ?", (model.name,))
    row = _inserted(
        db,
        _REGISTERED_MODEL,
        (
            model.name,
            model.creation_timestamp,
            model.last_updated_timestamp,
            model.description,
        ),
    )
    _put_texts(db, "registered_model_tags", "model", row, model.tags.items())
    db.executemany(
        "INSERT INTO registered_model_aliases (model, alias, version) VALUES (?, ?, ?)",
        [(row, alias, version) for alias, version in model.aliases.items()],
    )
    for version in versions:
        version_row = _inserted(
            db,
            _VERSION,
            (
                row,
                version.version,
                version.creation_timestamp,
                version.last_updated_timestamp,
                version.description,
                version.user_id,
                version.current_stage,
                version.source,
                version.run_id,
                version.status,
                version.status_message,
                version.run_link,
                version.model_id,
                version.storage_location,
            ),
        )
        _put_texts(db, "model_version_tags", "version", version_row, version.tags.items())
    return row


def remove(db: sqlite3.Connection, table: str, row: int) -> None:
    """Forget an entity and what belongs to it."""
    db.execute(f"DELETE FROM {table} WHERE id = ?", (row,))


def _put_texts(
    db: sqlite3.Connection, table: str, owner: str, row: int, texts: Iterable[tuple[str, str]]
) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO {table} ({owner}, key, value) VALUES (?, ?, ?)",
        [(row, key, value) for key, value in texts],
    )
