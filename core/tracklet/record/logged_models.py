"""Verbs on logged models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage
from tracklet.record import rules
from tracklet.record.backend import Entry, Session, Verbs, reported


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
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        model_type: str | None = None,
    ) -> entities.LoggedModel:
        """Create a PENDING model; a missing name is invented."""
        name = names.run_name() if name is None else validation.validate_logged_model_name(name)
        for what, value in (("name", name), ("type", model_type), ("run", source_run_id)):
            rules.field(f"the {what} of a logged model", value)
        checked_tags = rules.texts("logged model", "tags", tags)
        checked_params = rules.texts("logged model", "params", params)
        with self.backend.writing() as at:
            experiment = self._active(at, "experiment", experiment_id, "create a model in")
            model_id, now = names.model_id(), names.now()
            model = entities.LoggedModel(
                experiment_id,
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

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> entities.LoggedModel:
        """The model; a deleted one only when asked for."""
        with self.backend.reading() as at:
            find = self._found if deleted else self._active
            return at.load(find(at, "logged model", model_id))

    def finalize_logged_model(
        self, model_id: str, status: entities.LoggedModelStatus
    ) -> entities.LoggedModel:
        """Set the final status."""
        status = rules.model_status(status)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            _touch(at, entry, status=status)
            return at.load(entry)

    def delete_logged_model(self, model_id: str) -> None:
        """Move a model to the trash."""
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            _touch(at, entry, lifecycle_stage=LifecycleStage.DELETED)

    def log_logged_model_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add params; a key that is set already must keep its value."""
        checked = rules.texts("logged model", "params", params)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            at.record(entry, params=checked)
            _touch(at, entry)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values."""
        checked = rules.texts("logged model", "tags", tags)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            at.record(entry, tags=checked)
            _touch(at, entry)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag; a missing one is ResourceDoesNotExist."""
        validation.validate_key("model tag", key)
        with self.backend.writing() as at:
            entry = self._active(at, "logged model", model_id, lock=True)
            if not at.drop(entry, "tags", key):
                raise rules.no_text(entry, "tags", key)
            _touch(at, entry)

    def purge_logged_model(self, model_id: str) -> None:
        """Remove a deleted logged model for good."""
        self._purge("logged model", model_id)


def _touch(at: Session, entry: Entry, **changes: Any) -> None:
    at.change(entry, last_updated_timestamp=names.now(), **changes)
