"""Verbs on logged models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage
from tracklet.record import rules
from tracklet.record.backend import Verbs, reported, touch

if TYPE_CHECKING:
    from tracklet.entities import LoggedModel, LoggedModelStatus


@reported
class LoggedModels(Verbs):
    """Create, find, change and delete logged models.

    A verb that names one that is not there, or deleted, raises ResourceDoesNotExist.
    """

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a PENDING model in an experiment; a missing name is invented."""
        name = names.run_name() if name is None else validation.validate_logged_model_name(name)
        rules.field("name", name)
        rules.field("source_run_id", source_run_id)
        rules.field("model_type", model_type)
        checked_tags = rules.as_texts("logged model", "tags", tags)
        checked_params = rules.as_texts("logged model", "params", params)
        with self.backend.writing() as at:
            experiment = self._active(at, "experiment", experiment_id, "create a model in")
            model_id, now = names.model_id(), names.now()
            model = entities.LoggedModel(
                experiment.key,
                model_id,
                name,
                rules.below(experiment.info.artifact_location, f"models/{model_id}/artifacts"),
                now,
                now,
                model_type,
                source_run_id,
                entities.LoggedModelStatus.PENDING,
                tags=checked_tags,
                params=checked_params,
            )
            at.create(model)
        return model

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """The model; a deleted one only when asked for."""
        with self.backend.reading() as at:
            find = self._found if deleted else self._active
            return at.load(find(at, "logged model", model_id))

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Set the final status: ``READY`` or ``FAILED``.

        Raises:
            InvalidArgument: The status is another one.
        """
        status = rules.final_status(status)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            touch(at, entry, status=status)
            return at.load(entry)

    def delete_logged_model(self, model_id: str) -> None:
        """Move a model to the trash."""
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            touch(at, entry, lifecycle_stage=LifecycleStage.DELETED)

    def log_logged_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Add params; a key that is set already must keep its value."""
        checked = rules.as_texts("logged model", "params", params)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            at.record(entry, params=checked)
            touch(at, entry)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model, replacing earlier values."""
        checked = rules.as_texts("logged model", "tags", tags)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            at.record(entry, tags=checked)
            touch(at, entry)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag; ResourceDoesNotExist if the model has none of that key."""
        self._drop_tag("logged model", model_id, key)

    def purge_logged_model(self, model_id: str) -> None:
        """Remove a deleted logged model for good."""
        self._purge("logged model", model_id)
