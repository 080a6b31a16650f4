"""Runs below a training's run, for the candidates that it tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracklet import run_context
from tracklet.entities import DatasetInput, InputTag, Metric
from tracklet.fluent.active import ActiveRun
from tracklet.names import now
from tracklet.validation import metric_value


@dataclass(frozen=True, slots=True)
class ChildRun:
    """What one candidate leaves on the record.

    Args:
        name: The run's name.
        params: Its params, as text.
        metrics: Its metrics.
        tags: Its tags, beside those of the process.
        dataset: The dataset entity that it was trained on.
        model_id: The logged model that its metrics belong to.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: Any = None
    model_id: str | None = None


def write(parent: ActiveRun, child: ChildRun, tags: Mapping[str, str]) -> str:
    """Write a finished run below ``parent``; its id comes back."""
    store, info = parent.store, parent.info
    all_tags = {
        **run_context.tags(),
        **tags,
        **child.tags,
        "mlflow.parentRunId": info.run_id,
    }
    run, writer = store.start_run(
        info.experiment_id, info.user_id, info.start_time, all_tags, child.name
    )
    run_id = run.info.run_id
    timestamp = now()
    name, digest = (None, None)
    if child.dataset is not None:
        name, digest = child.dataset.name, child.dataset.digest
    metrics = [
        Metric(key, metric_value(key, value), timestamp, 0, child.model_id, name, digest, run_id)
        for key, value in child.metrics.items()
    ]
    store.log_batch(run_id, metrics, child.params)
    if child.dataset is not None:
        tag = InputTag("mlflow.data.context", "train")
        store.log_inputs(run_id, [DatasetInput(child.dataset, [tag])])
    store.update_run(run_id, "FINISHED", now())
    writer.close()  # only now: a child that is cut off is known as lost by its lease
    return run_id
