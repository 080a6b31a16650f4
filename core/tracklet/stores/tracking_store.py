"""The contract of a store: what a place that keeps the record must be able to do.

A store validates what it is given (:mod:`tracklet.validation`), raises the exceptions of
:mod:`tracklet.errors`, and leaves nothing half-written when it refuses. All times are
milliseconds since the epoch. Plugins register a store by URI scheme in the entry-point group
``tracklet.stores``; the class is called with the URI. ``tracklet_testing.StoreContract`` is the
test suite that every store passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tracklet.entities import (
    DatasetInput,
    Experiment,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    PagedList,
    Run,
    RunInfo,
    ViewType,
)
from tracklet.stores.run_writer import RunWriter


class TrackingStore(ABC):
    """Experiments, runs and logged models."""

    uri: str
    """Where the record is kept, as an absolute URI or path."""

    # -- experiments ---------------------------------------------------------------------------

    @abstractmethod
    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Create an experiment and return its id.

        Raises:
            InvalidParameterValue: The name is no text, blank or longer than 500 characters.
            ResourceAlreadyExists: An experiment has this name, perhaps a deleted one.
        """

    @abstractmethod
    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment, also when it is deleted.

        Raises:
            InvalidParameterValue: The id is malformed.
            ResourceDoesNotExist: There is none.
        """

    @abstractmethod
    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, also when it is deleted; None if there is none."""

    @abstractmethod
    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """A page of experiments; by default newest first."""

    @abstractmethod
    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename; a deleted experiment is an InvalidState, a taken name ResourceAlreadyExists."""

    @abstractmethod
    def delete_experiment(self, experiment_id: str) -> None:
        """Move an active experiment and its runs to the trash; ``0`` is refused."""

    @abstractmethod
    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment and its runs back."""

    @abstractmethod
    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an active experiment."""

    @abstractmethod
    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an active experiment; a missing one is ResourceDoesNotExist."""

    # -- runs ----------------------------------------------------------------------------------

    @abstractmethod
    def create_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a RUNNING run in an active experiment.

        A missing name is invented; the name is also the tag ``mlflow.runName``.
        """

    @abstractmethod
    def get_run(self, run_id: str) -> Run:
        """The run with all that was recorded, also when it is deleted.

        A run whose process died without a word is KILLED here, whatever its files still say.

        Raises:
            InvalidParameterValue: The id is malformed.
            ResourceDoesNotExist: There is none.
        """

    @abstractmethod
    def open_run(self, run_id: str, *, live: bool = True) -> RunWriter:
        """A writer on an active run.

        Args:
            run_id: The run.
            live: Whether this process now carries the run on: its status turns to RUNNING, and
                it counts as lost if the process dies before ``close``.
        """

    def start_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> tuple[Run, RunWriter]:
        """Create a run that this process carries: ``create_run``, then ``open_run``.

        Stores whose leases outlive a process override this, so that no reader ever sees the run
        without its lease: killed in between, the process would leave it RUNNING for ever.
        """
        run = self.create_run(experiment_id, user_id, start_time, tags, run_name)
        return run, self.open_run(run.info.run_id)

    @abstractmethod
    def update_run(
        self,
        run_id: str,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> RunInfo:
        """Change what is given of an active run's status (a name), end time and name."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Move a run to the trash; again is no error."""

    @abstractmethod
    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""

    @abstractmethod
    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record all of it on an active run; everything is checked before the first write."""

    @abstractmethod
    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of an active run; a missing one is ResourceDoesNotExist."""

    @abstractmethod
    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """All points of a metric in the order in which they were logged; [] if there are none."""

    def get_params(self, run_id: str) -> dict[str, str]:
        """The params of a run; stores that need not read all of it override this."""
        return self.get_run(run_id).data.params

    def last_points(self, run_id: str) -> list[Metric]:
        """The point of each metric that was logged last, in no order.

        Stores that need not read whole histories override this.
        """
        histories = (self.get_metric_history(run_id, k) for k in self.get_run(run_id).data.metrics)
        return [history[-1] for history in histories if history]

    @abstractmethod
    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """A page of runs of these experiments; by default latest start first.

        Raises:
            InvalidParameterValue: The filter or the order is malformed; the message points at
                the offending token.
        """

    @abstractmethod
    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] = (),
        models: Sequence[LoggedModelInput] = (),
    ) -> None:
        """Record what an active run uses; the same dataset again changes nothing."""

    @abstractmethod
    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record which logged models an active run produced."""

    # -- logged models -------------------------------------------------------------------------

    @abstractmethod
    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a PENDING model; a missing name is invented."""

    @abstractmethod
    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """The model; a deleted one only when asked for."""

    @abstractmethod
    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """Set the final status."""

    @abstractmethod
    def delete_logged_model(self, model_id: str) -> None:
        """Move a model to the trash."""

    @abstractmethod
    def log_logged_model_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add params; a key that is set already must keep its value."""

    @abstractmethod
    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values."""

    @abstractmethod
    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag; a missing one is ResourceDoesNotExist."""

    @abstractmethod
    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int = 100,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """A page of active models; by default newest first."""

    # -- the trash -----------------------------------------------------------------------------

    @abstractmethod
    def deletion_time(self, run_id: str) -> int | None:
        """When a run was deleted; None for an active one, or if that was not noted."""

    @abstractmethod
    def purge_run(self, run_id: str) -> None:
        """Remove a deleted run for good; an active one is InvalidParameterValue."""

    @abstractmethod
    def purge_experiment(self, experiment_id: str) -> None:
        """Remove a deleted experiment and all in it for good."""

    @abstractmethod
    def purge_logged_model(self, model_id: str) -> None:
        """Remove a deleted logged model for good."""
