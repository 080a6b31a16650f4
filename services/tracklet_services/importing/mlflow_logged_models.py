"""The logged models in a database of MLflow's."""

from __future__ import annotations

from sqlalchemy import Connection

from tracklet.entities import LoggedModel, Metric
from tracklet_services.importing.adopting import LoggedModelRecord
from tracklet_services.importing.mlflow_values import (
    dataset_of,
    double,
    model_status,
    stage,
    string,
)
from tracklet_services.importing.places import ArtifactPlaces
from tracklet_services.importing.tables import Tables


def logged_model(
    tables: Tables, connection: Connection, model_id: str, places: ArtifactPlaces
) -> LoggedModelRecord | None:
    """A logged model with its points; None if it was removed since.

    Args:
        tables: The tables of the database.
        connection: The transaction.
        model_id: The model.
        places: Where artifacts are found.
    """
    rows = tables.rows(connection, "logged_models", model_id=model_id)
    if not rows:
        return None
    row = rows[0]
    experiment_id = str(row["experiment_id"])
    tail = f"{experiment_id}/models/{model_id}/artifacts"
    model = LoggedModel(
        experiment_id=experiment_id,
        model_id=model_id,
        name=str(row["name"]),
        artifact_location=places.find(row["artifact_location"], tail) or "",
        creation_timestamp=row["creation_timestamp_ms"] or 0,
        last_updated_timestamp=row["last_updated_timestamp_ms"] or 0,
        model_type=row["model_type"],
        source_run_id=row["source_run_id"],
        status=model_status(row["status"]),
        status_message=row["status_message"],
        tags=_texts(tables, connection, "tag", model_id),
        params=_texts(tables, connection, "param", model_id),
        lifecycle_stage=stage(row["lifecycle_stage"]),
    )
    return LoggedModelRecord(model, _points(tables, connection, model_id))


def _texts(tables: Tables, connection: Connection, kind: str, model_id: str) -> dict[str, str]:
    """The params or tags of a model."""
    key, value = f"{kind}_key", f"{kind}_value"
    rows = tables.rows(connection, f"logged_model_{kind}s", order=(key,), model_id=model_id)
    return {str(row[key]): string(row[value]) for row in rows}


def _points(tables: Tables, connection: Connection, model_id: str) -> list[Metric]:
    order = ("metric_name", "metric_step", "metric_timestamp_ms")
    rows = tables.rows(connection, "logged_model_metrics", order=order, model_id=model_id)
    # MLflow turns NaN into 0 here, and says so only in the metrics of the run.
    nans = {
        (run_id, nan["key"], nan["timestamp"], nan["step"])
        for run_id in {row["run_id"] for row in rows if row["metric_value"] == 0}
        for nan in tables.rows(connection, "metrics", run_uuid=run_id)
        if nan["is_nan"]
    }
    points: list[Metric] = []
    for row in rows:
        key, timestamp, step = (
            str(row["metric_name"]),
            row["metric_timestamp_ms"] or 0,
            row["metric_step"] or 0,
        )
        value = double(row["metric_value"], (row["run_id"], key, timestamp, step) in nans)
        points.append(
            Metric(key, value, timestamp, step, model_id, *dataset_of(row), row["run_id"])
        )
    return points
