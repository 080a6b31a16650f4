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

from tracklet import entities
from tracklet.stores.query import TrackingSearches


class RunWriter(ABC):
    """The open record of one run, made for the training path.

    Calls may come from any thread. When one returns, the record is with the operating system:
    it survives the death of the process.
    """

    run_id: str

    @abstractmethod
    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        """Append one point. ``value`` is a float already, ``step`` an int."""

    @abstractmethod
    def log_metrics(self, metrics: Sequence[entities.Metric]) -> None:
        """Append points; all keys are checked before the first is written."""

    def log_values(self, values: Mapping[str, float], step: int, timestamp: int) -> None:
        """Append one point to each of several metrics; all keys are checked first.

        Stores that can do better than making :class:`Metric` objects override this.
        """
        self.log_metrics([entities.Metric(key, values[key], timestamp, step) for key in values])

    @abstractmethod
    def link_metrics(self, metrics: Sequence[entities.Metric]) -> None:
        """Add points that this run has already to the record of the models that they name."""

    @abstractmethod
    def log_params(self, params: Mapping[str, str]) -> None:
        """Set params; a key that is set already must keep its value. All or nothing is written.

        Raises:
            InvalidParameterValue: A key is malformed, or holds another value already.
        """

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values."""

    @abstractmethod
    def flush(self) -> None:
        """Return when everything written would survive a power cut."""

    @abstractmethod
    def close(self) -> None:
        """Release descriptors and the claim that the run is alive. Idempotent."""


class TrackingStore(TrackingSearches, ABC):
    """Experiments, runs and logged models; it implements the searches or ``search``."""

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
    def get_experiment(self, experiment_id: str) -> entities.Experiment:
        """The experiment, also when it is deleted.

        Raises:
            InvalidParameterValue: The id is malformed.
            ResourceDoesNotExist: There is none.
        """

    @abstractmethod
    def get_experiment_by_name(self, name: str) -> entities.Experiment | None:
        """The experiment of that name, also when it is deleted; None if there is none."""

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
    ) -> entities.Run:
        """Create a RUNNING run in an active experiment.

        A missing name is invented; the name is also the tag ``mlflow.runName``.
        """

    @abstractmethod
    def get_run(self, run_id: str) -> entities.Run:
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
    ) -> tuple[entities.Run, RunWriter]:
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
    ) -> entities.RunInfo:
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
        metrics: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record all of it on an active run; everything is checked before the first write."""

    @abstractmethod
    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of an active run; a missing one is ResourceDoesNotExist."""

    @abstractmethod
    def get_metric_history(self, run_id: str, key: str) -> list[entities.Metric]:
        """All points of a metric in the order in which they were logged; [] if there are none."""

    def get_params(self, run_id: str) -> dict[str, str]:
        """The params of a run; stores that need not read all of it override this."""
        return self.get_run(run_id).data.params

    def last_points(self, run_id: str) -> list[entities.Metric]:
        """The point of each metric that was logged last, in no order.

        Stores that need not read whole histories override this.
        """
        histories = (self.get_metric_history(run_id, k) for k in self.get_run(run_id).data.metrics)
        return [history[-1] for history in histories if history]

    @abstractmethod
    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[entities.DatasetInput] = (),
        models: Sequence[entities.LoggedModelInput] = (),
    ) -> None:
        """Record what an active run uses; the same dataset again changes nothing."""

    @abstractmethod
    def log_outputs(self, run_id: str, models: Sequence[entities.LoggedModelOutput]) -> None:
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
    ) -> entities.LoggedModel:
        """Create a PENDING model; a missing name is invented."""

    @abstractmethod
    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> entities.LoggedModel:
        """The model; a deleted one only when asked for."""

    @abstractmethod
    def finalize_logged_model(
        self, model_id: str, status: entities.LoggedModelStatus
    ) -> entities.LoggedModel:
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

    def left_out(self) -> list[tuple[str, str]]:
        """The parts of the record that cannot be read and no search finds, and the reasons.

        Stores whose record others can damage override this.
        """
        return []

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
