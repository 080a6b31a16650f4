"""Verbs on experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage
from tracklet.errors import (
    InvalidParameterValue,
    InvalidState,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet.frozen import replace
from tracklet.record import rules
from tracklet.record.backend import Session, Verbs, reported, touch

if TYPE_CHECKING:
    from tracklet.entities import Experiment

DEFAULT_ID: Final = "0"
DEFAULT_NAME: Final = "Default"


@reported
class Experiments(Verbs):
    """Create, find, change and delete experiments.

    A verb that names one that is not there raises ResourceDoesNotExist, and a malformed id is
    InvalidParameterValue.
    """

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
        rules.experiment_name(name)
        location = rules.artifact_location(artifact_location)
        checked = rules.as_texts("experiment", "tags", tags)
        with self.backend.writing(exclusive=True) as at:
            _check_free(at, name)
            experiment_id = names.experiment_id()
            place = location or f"{self.backend.artifact_root}/{experiment_id}"
            now = names.now()
            made = entities.Experiment(experiment_id, name, place, tags=checked)
            at.create(replace(made, creation_time=now, last_update_time=now))
        return experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment, also a deleted one; ResourceDoesNotExist if there is none."""
        with self.backend.reading() as at:
            return at.load(self._found(at, "experiment", experiment_id))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, also a deleted one; None if there is none."""
        with self.backend.reading() as at:
            entry = at.experiment_named(str(name))
            return None if entry is None else at.load(entry)

    def ensure_experiment(self, name: str) -> Experiment:
        """The experiment of that name, also a deleted one; one is made if there is none."""
        known = self.get_experiment_by_name(name)
        if known is not None:
            return known
        try:
            return self.get_experiment(self.create_experiment(name))
        except ResourceAlreadyExists:  # another process was quicker
            known = self.get_experiment_by_name(name)
        if known is None:
            raise ResourceDoesNotExist(f"experiment {name!r} was created and removed at once")
        return known

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename; a deleted experiment is an InvalidState, a taken name ResourceAlreadyExists."""
        rules.experiment_name(new_name)
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "experiment", experiment_id, lock=True)
            if entry.is_deleted:
                raise InvalidState(
                    f"cannot rename {entry}: it is deleted; restore_experiment takes it back"
                )
            if entry.info.name != new_name:
                _check_free(at, new_name)
                touch(at, entry, name=new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an active experiment and its runs to the trash; ``0`` is refused."""
        if validation.as_experiment_id(experiment_id) == DEFAULT_ID:
            raise InvalidParameterValue(
                "the default experiment '0' cannot be deleted: runs go there when no other "
                "experiment is set; delete its runs instead"
            )
        self._move(
            experiment_id,
            LifecycleStage.DELETED,
            "is deleted already; restore_experiment takes it back",
        )

    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment and its runs back."""
        problem = "is not deleted, so there is nothing to restore"
        self._move(experiment_id, LifecycleStage.ACTIVE, problem)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an active experiment; the value is kept as text."""
        checked = rules.tag("experiment", key, value)
        with self.backend.writing() as at:
            entry = self._active(at, "experiment", experiment_id, "set a tag of", lock=True)
            at.record(entry, tags=checked)
            touch(at, entry)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an active experiment; a missing one is ResourceDoesNotExist."""
        self._drop_tag("experiment", experiment_id, key)

    def purge_experiment(self, experiment_id: str) -> None:
        """Remove a deleted experiment and all in it for good."""
        self._purge("experiment", experiment_id)

    def _move(self, experiment_id: str, stage: str, problem: str) -> None:
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "experiment", experiment_id, lock=True)
            if not at.move(entry, stage, names.now()):
                raise ResourceDoesNotExist(f"{entry} {problem}")


def _check_free(at: Session, name: str) -> None:
    known = at.experiment_named(name)
    if known is not None:
        raise rules.taken(known)
