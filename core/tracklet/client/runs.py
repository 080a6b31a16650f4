"""Verbs on runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracklet import run_context
from tracklet.client import numbers
from tracklet.client.operations import RunOperations, carried_out
from tracklet.client.verbs import Verbs, texts
from tracklet.entities import (
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    PagedList,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from tracklet.errors import InvalidParameterValue


class RunVerbs(Verbs):
    """Create, find, change, fill and delete runs."""

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a RUNNING run; only the given tags are set.

        Args:
            experiment_id: An active experiment.
            start_time: Milliseconds since the epoch; now by default.
            tags: Tags to set; ``mlflow.user`` also says who runs it.
            run_name: A name; one is invented if it is left out.
        """
        kept = texts(tags)
        user = kept.get("mlflow.user") or run_context.user()
        return self.store.create_run(str(experiment_id), user, start_time, kept, run_name)

    def get_run(self, run_id: str) -> Run:
        """The run with all that was recorded, also a deleted one."""
        return self.store.get_run(run_id)

    def get_parent_run(self, run_id: str) -> Run | None:
        """The run that this one is nested in; None if it is not nested."""
        parent = self.get_run(run_id).data.tags.get("mlflow.parentRunId")
        return None if parent is None else self.get_run(parent)

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run.

        Args:
            run_id: The run.
            status: ``FINISHED`` (the default), ``FAILED`` or ``KILLED``.
            end_time: Milliseconds since the epoch; now by default.
        """
        self.store.update_run(run_id, _status_name(status or "FINISHED"), end_time or numbers.now())

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change a run's status, its name, or both."""
        self.store.update_run(run_id, _status_name(status) if status else None, None, name)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the trash."""
        self.store.delete_run(run_id)

    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""
        self.store.restore_run(run_id)

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> RunOperations | None:
        """Append one point to a metric; see :func:`tracklet.log_metric`."""

        def record() -> None:
            metric = Metric(
                key,
                numbers.metric_value(key, value),
                numbers.metric_timestamp(key, timestamp),
                numbers.metric_step(key, step),
                model_id,
                dataset_name,
                dataset_digest,
                run_id,
            )
            self.store.log_batch(run_id, metrics=[metric])

        return carried_out(record, synchronous)

    def log_param(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | Any:
        """Set a param, kept as text; setting another value later is refused."""
        answer = carried_out(
            lambda: self.store.log_batch(run_id, params={key: str(value)}), synchronous
        )
        return value if answer is None else answer

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | None:
        """Set a tag, kept as text."""
        return carried_out(
            lambda: self.store.log_batch(run_id, tags={key: str(value)}), synchronous
        )

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag; ResourceDoesNotExist if the run has none of that key."""
        self.store.delete_tag(run_id, key)

    def log_batch(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Iterable[Param] | Mapping[str, Any] = (),
        tags: Iterable[RunTag] | Mapping[str, Any] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Record metrics, params and tags together; all are checked before the first is written.

        Params and tags may be entities or mappings.
        """

        def record() -> None:
            self.store.log_batch(
                run_id, list(metrics), _texts("param", params), _texts("tag", tags)
            )

        return carried_out(record, synchronous)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """All points of a metric, in the order in which they were logged."""
        return self.store.get_metric_history(run_id, key)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """A page of runs of these experiments; by default latest start first."""
        if isinstance(experiment_ids, str | int):
            experiment_ids = [str(experiment_ids)]
        ids = [str(experiment_id) for experiment_id in experiment_ids]
        return self.store.search_runs(
            ids, filter_string, run_view_type, max_results, order_by, page_token
        )

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Record the datasets and models that a run uses."""
        self.store.log_inputs(run_id, datasets or (), models or ())

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record the logged models that a run produced."""
        self.store.log_outputs(run_id, models)


def _status_name(status: str | int) -> str:
    name = RunStatus.to_string(status) if isinstance(status, int) else status
    RunStatus.from_string(name)
    return name


def _texts(kind: str, values: Iterable[Any] | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(values, Mapping):
        return texts(values)
    found: dict[str, str] = {}
    for entity in values:
        if entity.key in found and kind == "param":
            raise InvalidParameterValue(
                f"param {entity.key!r} is given twice in one batch; give each key once"
            )
        found[entity.key] = str(entity.value)
    return found
