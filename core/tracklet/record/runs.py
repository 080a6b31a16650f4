"""Verbs on runs, and on what is recorded in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage, Metric, Run
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists
from tracklet.frozen import replace
from tracklet.record import rules
from tracklet.record.backend import Entry, Rivals, RunWriter, Session, Verbs, reported
from tracklet.record.rules import RUN_NAME_TAG

if TYPE_CHECKING:
    from tracklet.entities import DatasetInput, LoggedModelInput, LoggedModelOutput


@reported
class Runs(Verbs):
    """Create, find, change, fill and delete runs.

    A verb that names one that is not there raises ResourceDoesNotExist, and a malformed id is
    InvalidParameterValue; so is a deleted one that is to be changed.
    """

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        *,
        run_id: str | None = None,
    ) -> Run:
        """Create a RUNNING run in an active experiment.

        A missing name is invented; the name is also the tag ``mlflow.runName``.

        Args:
            run_id: The id that another record knows it by, 32 hexadecimal digits; None makes one.

        Raises:
            ResourceAlreadyExists: A run of that id is here, maybe in the trash.
        """
        given = experiment_id, user_id, start_time, tags, run_name
        return self._create_run(False, *given, run_id)[0]

    def start_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> tuple[Run, RunWriter]:
        """Create a run that this process carries, and what writes it.

        No reader ever sees it without its lease: killed in between, the process would leave it
        RUNNING for ever.
        """
        run, entry = self._create_run(True, experiment_id, user_id, start_time, tags, run_name)
        try:
            return run, self.backend.writer(entry)
        except BaseException:  # nobody gets to know of the run, so nobody would end it
            with self.backend.writing() as at:
                at.remove(entry)
            raise

    def _create_run(
        self,
        carried: bool,
        experiment_id: str,
        user_id: str | None,
        start_time: int | None,
        tags: Mapping[str, Any] | None,
        run_name: str | None,
        run_id: str | None = None,
    ) -> tuple[Run, Entry]:
        given = validation.as_strings(tags)
        given[RUN_NAME_TAG] = rules.run_name(run_name, given)
        checked = rules.texts("run", "tags", given)
        started = names.now() if start_time is None else rules.time("start time", start_time)
        user = rules.field("a user id", rules.user(user_id, checked))
        if run_id is not None:
            rules.new_run_id(run_id)
        with self.backend.writing(exclusive=run_id is not None) as at:
            experiment = self._active(at, "experiment", experiment_id, "create a run in")
            if run_id is not None and at.find("run", run_id) is not None:
                raise ResourceAlreadyExists(f"there is a run {run_id} already")
            run_id = run_id or names.run_id()
            info = entities.RunInfo(
                run_id,
                experiment.key,
                user,
                "RUNNING",
                started,
                None,
                artifact_uri=rules.below(experiment.info.artifact_location, f"{run_id}/artifacts"),
                run_name=checked[RUN_NAME_TAG],
            )
            run = Run(info, entities.RunData(tags=checked))
            return run, at.create(run, carried=carried)

    def get_run(self, run_id: str) -> Run:
        """The run with all that was recorded, also when it is deleted.

        A run whose process died without a word is KILLED here, and the record then says so too.
        """
        with self.backend.reading() as at:
            entry = self._found(at, "run", run_id)
            if not at.is_lost(entry):
                return at.load(entry)
        with self.backend.writing() as at:
            at.settle(entry)
            return at.load(self._found(at, "run", run_id))

    def place_for_artifacts(self, run_id: str, info: entities.RunInfo | None = None) -> str:
        """Where new artifacts of a run are written, which may be on the way to where they are kept.

        Args:
            info: What is known of the run, so that nobody has to be asked.

        Raises:
            InvalidParameterValue: It has no place for artifacts.
        """
        place = (info or self.get_run(run_id).info).artifact_uri
        if place is None:
            raise InvalidParameterValue(f"run {run_id!r} has no place for artifacts")
        return place

    def open_run(
        self,
        run_id: str,
        *,
        live: bool = True,
        rivals: Rivals | None = None,
    ) -> RunWriter:
        """A writer on an active run.

        Args:
            live: Whether this process now carries the run on: its status turns to RUNNING, and
                it counts as lost if the process dies before ``close``.
            rivals: Which other processes that carry the run are in the way: those that certainly
                live, or also those of which that cannot be said; None is nobody.

        Raises:
            InvalidState: A rival carries the run.
        """
        with self.backend.writing() as at:
            entry = self._active(at, "run", run_id, "log to", lock=True)
            if live:
                at.carry(entry, rivals)
        return self.backend.writer(entry)

    def update_run(
        self,
        run_id: str,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> entities.RunInfo:
        """Change what is given of an active run's status (a name), end time and name.

        A run that goes on again has no end time.
        """
        changes: dict[str, Any] = {}
        if status is not None:
            entities.RunStatus.from_string(status)
            changes["status"] = status
            if not entities.RunStatus.is_terminated(status):
                changes["end_time"] = None
        if end_time is not None:
            changes["end_time"] = rules.time("end time", end_time)
        named = rules.texts("run", "tags", {RUN_NAME_TAG: run_name}) if run_name else {}
        if run_name:
            changes["run_name"] = run_name
        told: list[entities.RunInfo] = []

        def change(at: Session) -> None:
            entry = self._active(at, "run", run_id, "update", lock=True)
            if changes:
                at.change(entry, **changes)
            if named:
                at.record(entry, tags=named)
            told.append(replace(entry.info, **changes))

        self.backend.write(change)
        if told:
            return told[0]
        with self.backend.reading() as at:  # a signal handler ends the run: it is written later
            return replace(self._active(at, "run", run_id, "update").info, **changes)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the trash; again is no error."""
        with self.backend.writing() as at:
            entry = self._found(at, "run", run_id, lock=True)
            if not entry.is_deleted:
                now = names.now()
                at.change(entry, lifecycle_stage=LifecycleStage.DELETED, deleted_time=now)

    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back; one in a deleted experiment is InvalidParameterValue."""
        with self.backend.writing() as at:
            entry = self._found(at, "run", run_id, lock=True)
            experiment_id = entry.info.experiment_id
            if self._found(at, "experiment", experiment_id).is_deleted:
                raise InvalidParameterValue(
                    f"cannot restore {entry}: its experiment {experiment_id} is deleted; "
                    "restore_experiment takes both back"
                )
            at.change(entry, lifecycle_stage=LifecycleStage.ACTIVE, deleted_time=None)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record all of it on an active run; everything is checked before the first write."""
        points = rules.points(metrics)
        checked = rules.texts("run", "params", params), rules.texts("run", "tags", tags)
        with self.backend.writing() as at:
            entry = self._active(at, "run", run_id, "log to", lock=True)
            at.record(entry, points, *checked)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of an active run; a missing one is ResourceDoesNotExist."""
        self._drop_tag("run", run_id, key)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """All points of a metric in the order in which they were logged; [] if there are none."""
        with self.backend.reading() as at:
            entry = self._found(at, "run", run_id)
            return at.history(entry, validation.validate_key("metric", key))

    def set_history(self, run_id: str, key: str, points: Sequence[entities.Metric]) -> None:
        """Let a metric of an active run have these points of its own and no others.

        Nobody else may write the metric meanwhile.
        """
        checked = rules.points(points)
        with self.backend.writing() as at:
            entry = self._active(at, "run", run_id, "change a metric of", lock=True)
            at.set_history(entry, validation.validate_key("metric", key), checked)

    def get_params(self, run_id: str) -> dict[str, str]:
        """The params of a run."""
        with self.backend.reading() as at:
            return at.params(self._found(at, "run", run_id))

    def last_points(self, run_id: str) -> list[Metric]:
        """The point of each metric that was logged last, in no order."""
        with self.backend.reading() as at:
            return at.last_points(self._found(at, "run", run_id))

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Record the datasets and models that a run uses; the same again changes nothing."""
        inputs = entities.RunInputs(
            validation.as_list("datasets", datasets, entities.DatasetInput),
            validation.as_list("models", models, entities.LoggedModelInput),
        )
        for given in inputs.dataset_inputs:
            validation.validate_dataset_input(given)
        for model in inputs.model_inputs:
            validation.validate_model_id(model.model_id)
        with self.backend.writing() as at:
            entry = self._active(at, "run", run_id, "log inputs of", lock=True)
            at.connect(entry, inputs, entities.RunOutputs())

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record the logged models that a run produced; the last step given counts."""
        made = validation.as_list("models", models, entities.LoggedModelOutput)
        for model in made:
            validation.validate_model_id(model.model_id)
            validation.validate_step(f"output {model.model_id}", model.step)
        with self.backend.writing() as at:
            entry = self._active(at, "run", run_id, "log outputs of", lock=True)
            at.connect(entry, entities.RunInputs(), entities.RunOutputs(made))

    def deletion_time(self, run_id: str) -> int | None:
        """When a run was deleted, ms; None for an active one, or if that was not noted."""
        with self.backend.reading() as at:
            return at.deletion_time(self._found(at, "run", run_id))

    def purge_run(self, run_id: str) -> None:
        """Remove a deleted run for good; an active one is InvalidParameterValue."""
        self._purge("run", run_id)
