"""Verbs on experiments, runs and logged models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, run_context, settings, validation
from tracklet.client.active_model import get_active_model_id
from tracklet.client.artifacts import path_of
from tracklet.client.operations import RunOperations, carried_out
from tracklet.client.verbs import Verbs
from tracklet.entities import Metric, RunStatus, ViewType
from tracklet.errors import InvalidArgument, InvalidParameterValue
from tracklet.frozen import replace
from tracklet.repositories import repository
from tracklet.validation import (
    as_experiment_id,
    as_experiment_ids,
    as_list,
    as_pair,
    as_strings,
    optional_text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tracklet.entities import (
        DatasetInput,
        Experiment,
        FileInfo,
        LoggedModel,
        LoggedModelInput,
        LoggedModelOutput,
        LoggedModelStatus,
        PagedList,
        Param,
        Run,
        RunTag,
    )


class TrackingVerbs(Verbs):
    """Create, find, change, fill and delete experiments, runs and logged models."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> str:
        """Create an experiment and return its id.

        Raises:
            InvalidParameterValue: The name is no text, blank or longer than 500 characters.
            ResourceAlreadyExists: An experiment has this name, perhaps a deleted one.
        """
        place = optional_text("artifact_location", artifact_location)
        return self.store.create_experiment(name, place, as_strings(tags))

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment, also a deleted one; ResourceDoesNotExist if there is none."""
        return self.store.get_experiment(as_experiment_id(experiment_id))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, also a deleted one; None if there is none."""
        return self.store.get_experiment_by_name(name)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """A page of experiments; by default newest first."""
        size = 1000 if max_results is None else max_results
        return self.store.search_experiments(view_type, size, filter_string, order_by, page_token)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename an active experiment."""
        self.store.rename_experiment(as_experiment_id(experiment_id), new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment and its runs to the trash."""
        self.store.delete_experiment(as_experiment_id(experiment_id))

    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment and its runs back."""
        self.store.restore_experiment(as_experiment_id(experiment_id))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment; the value is kept as text."""
        key = validation.validate_key("experiment tag", key)
        self.store.set_experiment_tag(as_experiment_id(experiment_id), key, str(value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment; ResourceDoesNotExist if it has none of that key."""
        self.store.delete_experiment_tag(as_experiment_id(experiment_id), key)

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
        kept = as_strings(tags)
        user = kept.get("mlflow.user") or run_context.user()
        experiment = as_experiment_id(experiment_id)
        return self.store.create_run(experiment, user, start_time, kept, run_name)

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
        self.store.update_run(run_id, _status_name(status or "FINISHED"), end_time or names.now())

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
        return self.store.search_runs(
            as_experiment_ids(experiment_ids),
            filter_string,
            run_view_type,
            max_results,
            order_by,
            page_token,
        )

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Record the datasets and models that a run uses."""
        self.store.log_inputs(
            run_id,
            as_list("datasets", datasets, entities.DatasetInput),
            as_list("models", models, entities.LoggedModelInput),
        )

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record the logged models that a run produced."""
        self.store.log_outputs(run_id, as_list("models", models, entities.LoggedModelOutput))

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a PENDING model in an experiment."""
        return self.store.create_logged_model(
            as_experiment_id(experiment_id),
            name,
            optional_text("source_run_id", source_run_id),
            as_strings(tags),
            as_strings(params),
            optional_text("model_type", model_type),
        )

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """The model; a missing or deleted one is ResourceDoesNotExist."""
        return self.store.get_logged_model(model_id)

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Set the final status: ``READY`` or ``FAILED``.

        Raises:
            InvalidArgument: The status is another one.
        """
        if status not in ("READY", "FAILED"):
            raise InvalidArgument(f"{status!r} is no final status; choose READY or FAILED")
        return self.store.finalize_logged_model(model_id, entities.LoggedModelStatus(status))

    def delete_logged_model(self, model_id: str) -> None:
        """Move a model to the trash."""
        self.store.delete_logged_model(model_id)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Add params to a model; a key keeps the value that it got first."""
        self.store.log_logged_model_params(model_id, as_strings(params))

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model."""
        self.store.set_logged_model_tags(model_id, as_strings(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag; ResourceDoesNotExist if the model has none of that key."""
        self.store.delete_logged_model_tag(model_id, key)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """A page of models; by default newest first, 100 a page."""
        ids = as_experiment_ids(experiment_ids)
        size = 100 if max_results is None else max_results
        return self.store.search_logged_models(
            ids, filter_string, as_list("datasets", datasets), size, order_by, page_token
        )

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
