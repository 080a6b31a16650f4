"""Verbs on registered models and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, validation
from tracklet.errors import InvalidParameterValue
from tracklet.record import rules
from tracklet.record.backend import Entry, Session, Verbs, reported, touch

if TYPE_CHECKING:
    from tracklet.entities import ModelVersion, RegisteredModel


@reported
class RegisteredModels(Verbs):
    """Register models under names, in numbered versions with tags, aliases and stages.

    A verb that names a model or version that is not there raises ResourceDoesNotExist.
    """

    # -- registered models ---------------------------------------------------------------------

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> RegisteredModel:
        """Create a name to register versions under; a taken one is ResourceAlreadyExists."""
        rules.registered_model_name(name)
        rules.field("a description", description)
        checked = rules.as_texts("registered model", "tags", tags)
        with self.backend.writing(exclusive=True) as at:
            _check_free(at, name)
            now = names.now()
            made = entities.RegisteredModel(name, now, now, description, tags=checked)
            at.create(made)
        return made

    def get_registered_model(self, name: str) -> RegisteredModel:
        """The registered model with its tags, aliases and the newest version of each stage."""
        with self.backend.reading() as at:
            return at.load(self._found(at, "registered model", name))

    def update_registered_model(self, name: str, description: str | None) -> RegisteredModel:
        """Set the description."""
        rules.field("a description", description)
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "registered model", name, lock=True)
            touch(at, entry, description=description)
            return at.load(entry)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename; versions, tags and aliases follow."""
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "registered model", name, lock=True)
            _check_free(at, rules.registered_model_name(new_name))
            touch(at, entry, name=new_name)
            return at.load(self._found(at, "registered model", new_name))

    def delete_registered_model(self, name: str) -> None:
        """Delete it with its versions, tags and aliases."""
        with self.backend.writing(exclusive=True) as at:
            at.remove(self._found(at, "registered model", name, lock=True))

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model."""
        checked = rules.tag("registered model", key, value)
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "registered model", name, lock=True)
            at.record(entry, tags=checked)
            touch(at, entry)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a registered model; a missing one is no error."""
        validation.validate_key("model tag", key)
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "registered model", name, lock=True)
            if at.drop(entry, "tags", key):
                touch(at, entry)

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Point an alias at a version, taking it from the one that has it."""
        validation.validate_alias(alias)
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            at.record(model, aliases={alias: str(found.key[1])})
            touch(at, model)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; a missing one is no error."""
        validation.validate_alias(alias)
        with self.backend.writing(exclusive=True) as at:
            entry = self._found(at, "registered model", name, lock=True)
            if at.drop(entry, "aliases", alias):
                touch(at, entry)

    # -- versions ------------------------------------------------------------------------------

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        model_id: str | None = None,
        storage_location: str | None = None,
        user_id: str | None = None,
    ) -> ModelVersion:
        """Add the next version; numbers are never used twice."""
        rules.field("source", source)
        validation.validate_model_source(source)
        rules.field("run_id", run_id)
        rules.field("run_link", run_link)
        for value in (description, model_id, storage_location, user_id):
            rules.field("a field of a model version", value)
        checked = rules.as_texts("model version", "tags", tags)
        with self.backend.writing(exclusive=True) as at:
            model = self._found(at, "registered model", name, lock=True)
            now = names.now()
            made = entities.ModelVersion(
                name,
                at.next_version(model),
                now,
                now,
                description,
                user_id,
                source=source,
                run_id=run_id,
                tags=checked,
                run_link=run_link,
                model_id=model_id,
                storage_location=storage_location or source,
            )
            at.create(made)
            touch(at, model)
        return made

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """The version; a missing or deleted one is ResourceDoesNotExist."""
        with self.backend.reading() as at:
            return at.load(self._version(at, name, version)[1])

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias points at; an unknown alias is InvalidParameterValue."""
        validation.validate_alias(alias)
        with self.backend.reading() as at:
            number = at.load(self._found(at, "registered model", name)).aliases.get(alias)
            if number is None:
                raise InvalidParameterValue(
                    f"the registered model {name!r} has no alias {alias!r}; "
                    "set_registered_model_alias sets one"
                )
            return at.load(self._version(at, name, number)[1])

    def update_model_version(
        self, name: str, version: int | str, description: str | None = None
    ) -> ModelVersion:
        """Set a version's description."""
        rules.field("a description", description)
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            touch(at, found, description=description)
            touch(at, model)
            return at.load(found)

    def transition_model_version_stage(
        self,
        name: str,
        version: int | str,
        stage: str,
        archive_existing_versions: bool = False,
    ) -> ModelVersion:
        """Move a version to a stage: None, Staging, Production or Archived, in any case."""
        canonical = rules.version_stage(stage, archive_existing_versions)
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            touch(at, found, current_stage=canonical)
            if archive_existing_versions:
                for other in at.children(model, "model version"):
                    if other.key != found.key and other.info.current_stage == canonical:
                        touch(at, other, current_stage="Archived")
            touch(at, model)
            return at.load(found)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Delete a version, its tags and its aliases."""
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            whole = at.load(found)
            for alias in whole.aliases:
                at.drop(model, "aliases", alias)
            for key in whole.tags:
                at.drop(found, "tags", key)
            touch(at, found, current_stage=rules.DELETED_STAGE)
            touch(at, model)

    def set_model_version_tag(self, name: str, version: int | str, key: str, value: Any) -> None:
        """Set a tag."""
        checked = rules.tag("model version", key, value)
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            at.record(found, tags=checked)
            touch(at, found)
            touch(at, model)

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        """Remove a tag; a missing one is no error."""
        validation.validate_key("model version tag", key)
        with self.backend.writing(exclusive=True) as at:
            model, found = self._version(at, name, version, lock=True)
            if at.drop(found, "tags", key):
                touch(at, found)
                touch(at, model)

    # -- parts ---------------------------------------------------------------------------------

    def _version(
        self, at: Session, name: str, version: object, *, lock: bool = False
    ) -> tuple[Entry, Entry]:
        """The registered model, and its version of that number, which is not deleted.

        Whoever changes a version locks its model.
        """
        key = name, validation.validate_version(version)
        model = self._found(at, "registered model", name, lock=lock)
        found = at.find("model version", key)
        if found is None or found.info.current_stage == rules.DELETED_STAGE:
            raise rules.missing("model version", key, self.backend.where)
        return model, found


def _check_free(at: Session, name: str) -> None:
    known = at.find("registered model", name)
    if known is not None:
        raise rules.taken(known)
