"""Verbs on experiments, runs and logged models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, settings, validation
from tracklet.client.active_model import get_active_model_id
from tracklet.client.artifacts import path_of
from tracklet.client.operations import RunOperations, carried_out
from tracklet.client.verbs import Verbs, tracked
from tracklet.entities import Metric, RunStatus
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import replace
from tracklet.record import Store
from tracklet.repositories import repository
from tracklet.validation import (
    as_list,
    as_pair,
    as_strings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.entities import (
        FileInfo,
        LoggedModel,
        Param,
        Run,
        RunTag,
    )


class TrackingVerbs(Verbs):
    """Create, find, change, fill and delete experiments, runs and logged models."""

    create_experiment = tracked(Store.create_experiment)
    get_experiment = tracked(Store.get_experiment)
    get_experiment_by_name = tracked(Store.get_experiment_by_name)
    search_experiments = tracked(Store.search_experiments)
    rename_experiment = tracked(Store.rename_experiment)
    delete_experiment = tracked(Store.delete_experiment)
    restore_experiment = tracked(Store.restore_experiment)
    set_experiment_tag = tracked(Store.set_experiment_tag)
    delete_experiment_tag = tracked(Store.delete_experiment_tag)

    get_run = tracked(Store.get_run)
    delete_run = tracked(Store.delete_run)
    restore_run = tracked(Store.restore_run)
    delete_tag = tracked(Store.delete_tag)
    get_metric_history = tracked(Store.get_metric_history)
    search_runs = tracked(Store.search_runs)
    log_inputs = tracked(Store.log_inputs)
    log_outputs = tracked(Store.log_outputs)

    create_logged_model = tracked(Store.create_logged_model)
    finalize_logged_model = tracked(Store.finalize_logged_model)
    delete_logged_model = tracked(Store.delete_logged_model)
    set_logged_model_tags = tracked(Store.set_logged_model_tags)
    delete_logged_model_tag = tracked(Store.delete_logged_model_tag)
    search_logged_models = tracked(Store.search_logged_models)

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
        return self.store.create_run(experiment_id, None, start_time, tags, run_name)

    def get_parent_run(self, run_id: str) -> Run | None:
        """The run that this one is nested in; None if it is not nested."""
        parent = self.get_run(run_id).data.tags.get("mlflow.parentRunId")
        return None if parent is None else self.get_run(parent)

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run.

        Args:
            status: ``FINISHED`` (the default), ``FAILED`` or ``KILLED``.
            end_time: Milliseconds since the epoch; now by default.
        """
        self.store.update_run(run_id, _status_name(status or "FINISHED"), end_time or names.now())

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change a run's status, its name, or both."""
        self.store.update_run(run_id, _status_name(status) if status else None, None, name)

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
        """Append one point to a metric; see :func:`tracklet.log_metric`.

        Without ``model_id`` it belongs to the active model; which models the run uses is recorded
        by :meth:`log_inputs` alone.
        """

        def record() -> None:
            metric = Metric(
                key,
                validation.metric_value(key, value),
                validation.metric_timestamp(key, timestamp),
                validation.metric_step(key, step),
                model_id or self._active_model_id(),
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
            lambda: self.store.log_batch(run_id, params=as_pair("param", key, value)), synchronous
        )
        return value if answer is None else answer

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | None:
        """Set a tag, kept as text."""
        return carried_out(
            lambda: self.store.log_batch(run_id, tags=as_pair("tag", key, value)), synchronous
        )

    def log_batch(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Iterable[Param] | Mapping[str, Any] = (),
        tags: Iterable[RunTag] | Mapping[str, Any] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Record metrics, params and tags together; all are checked before the first is written.

        Params and tags may be entities or mappings. Metrics that name no model belong to the
        active one.
        """

        def record() -> None:
            points = as_list("metrics", metrics, Metric)
            model_id = self._active_model_id()
            if model_id is not None:
                points = [replace(p, model_id=p.model_id or model_id) for p in points]
            self.store.log_batch(run_id, points, _batch_of("param", params), _batch_of("tag", tags))

        return carried_out(record, synchronous)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """The model; a missing or deleted one is ResourceDoesNotExist."""
        return self.store.get_logged_model(model_id)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Add params to a model; a key keeps the value that it got first."""
        self.store.log_logged_model_params(model_id, params)

    def log_model_artifact(
        self, model_id: str, local_path: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a file with a model."""
        from pathlib import Path

        location = self.get_logged_model(model_id).artifact_location
        repository(location).put_file(Path(path_of("local_path", local_path)), artifact_path)

    def log_model_artifacts(
        self, model_id: str, local_dir: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a folder's contents with a model."""
        from pathlib import Path

        location = self.get_logged_model(model_id).artifact_location
        repository(location).put_tree(Path(path_of("local_dir", local_dir)), artifact_path)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """The files of a model."""
        return repository(self.get_logged_model(model_id).artifact_location).list(path)

    def _active_model_id(self) -> str | None:
        """The active model, if this client records where it is."""
        model_id = get_active_model_id()
        return model_id if self.tracking_uri == settings.tracking_uri() else None


def _status_name(status: str | int) -> str:
    name = RunStatus.to_string(status) if isinstance(status, int) else status
    RunStatus.from_string(name)
    return name


def _batch_of(kind: str, values: Iterable[Any] | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(values, Mapping):
        return as_strings(values)
    found: dict[str, str] = {}
    for entity in as_list(f"{kind}s", values, (entities.Param, entities.RunTag)):
        if entity.key in found and kind == "param":
            raise InvalidParameterValue(
                f"param {entity.key!r} is given twice in one batch; give each key once"
            )
        found[entity.key] = str(entity.value)
    return found
