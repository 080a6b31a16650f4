"""Verbs on the model registry."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import run_context, validation
from tracklet.client.verbs import Verbs, registered
from tracklet.errors import (
    InvalidArgument,
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from tracklet.frozen import replace
from tracklet.record import Store
from tracklet.validation import as_list

if TYPE_CHECKING:
    from tracklet.entities import ModelVersion, RegisteredModel


class RegistryVerbs(Verbs):
    """Register, find, change and delete models under a name and their versions."""

    get_registered_model = registered(Store.get_registered_model)
    rename_registered_model = registered(Store.rename_registered_model)
    delete_registered_model = registered(Store.delete_registered_model)
    search_registered_models = registered(Store.search_registered_models)
    set_registered_model_tag = registered(Store.set_registered_model_tag)
    delete_registered_model_tag = registered(Store.delete_registered_model_tag)
    set_registered_model_alias = registered(Store.set_registered_model_alias)
    delete_registered_model_alias = registered(Store.delete_registered_model_alias)
    update_model_version = registered(Store.update_model_version)
    transition_model_version_stage = registered(Store.transition_model_version_stage)
    delete_model_version = registered(Store.delete_model_version)
    search_model_versions = registered(Store.search_model_versions)

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a name to register versions under. ``deployment_job_id`` is not kept."""
        return self.registry.create_registered_model(name, tags, description)

    def update_registered_model(
        self, name: str, description: str | None = None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Set the description."""
        return self.registry.update_registered_model(name, description)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = 300,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Add the next version of a registered model.

        Args:
            name: The registered model.
            source: The URI of the model's files, or ``models:/m-…`` of a logged model.
            run_id: The run that made it; taken from the logged model if left out.
            tags: Tags of the version.
            run_link: A link to the run, if it is kept elsewhere.
            description: A text.
            await_creation_for: Accepted for compatibility; a version is ready at once.
            model_id: The logged model; taken from ``source`` if that names one.
        """
        storage_location = None
        if model_id is None and str(source).startswith("models:/m-"):
            model_id = source.removeprefix("models:/")
        if model_id is not None:
            model = self.store.get_logged_model(model_id)
            storage_location = model.artifact_location
            run_id = run_id or model.source_run_id
        version = self.registry.create_model_version(
            name,
            source,
            run_id,
            tags,
            run_link,
            description,
            model_id,
            storage_location,
            run_context.user(),
        )
        return self._described(version)

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Register a version's model under another name, which is created if need be.

        Args:
            src_model_uri: ``models:/name/version`` or ``models:/name@alias``.
            dst_name: The other name.
        """
        source = self.resolve_model_version(src_model_uri)
        with contextlib.suppress(ResourceAlreadyExists):
            self.create_registered_model(dst_name)
        return self.registry.create_model_version(
            dst_name,
            f"models:/{source.name}/{source.version}",
            source.run_id,
            source.tags,
            source.run_link,
            source.description,
            source.model_id,
            source.storage_location or source.source,
            run_context.user(),
        )

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """A version, with the params and metrics of its logged model.

        Raises:
            ResourceDoesNotExist: There is none.
        """
        return self._described(self.registry.get_model_version(name, version))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias points at, with its logged model's params and metrics."""
        return self._described(self.registry.get_model_version_by_alias(name, alias))

    def _described(self, version: ModelVersion) -> ModelVersion:
        if version.model_id is None:
            return version
        try:
            model = self.store.get_logged_model(version.model_id)
        except ResourceDoesNotExist:  # deleted, or of another record
            return version
        return replace(version, params=model.params or {}, metrics=model.metrics or [])

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Where a version's files are."""
        found = self.get_model_version(name, version)
        return found.storage_location or found.source or ""

    def get_model_version_stages(self, name: str, version: int | str) -> list[str]:
        """The stages that there are."""
        return list(validation.STAGES)

    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """The newest version of each stage, or of the given stages."""
        given = as_list("stages", stages) or validation.STAGES
        wanted = {validation.canonical_stage(stage) for stage in given}
        versions = self.get_registered_model(name).latest_versions
        return [version for version in versions if version.current_stage in wanted]

    def set_model_version_tag(
        self,
        name: str,
        version: int | str | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version, named by its number or as the newest of a stage."""
        number = self._version_of(name, version, stage)
        key = validation.validate_key("model tag", key)
        self.registry.set_model_version_tag(name, number, key, value)

    def delete_model_version_tag(
        self,
        name: str,
        version: int | str | None = None,
        key: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Remove a tag of a version; a missing one is no error."""
        number = self._version_of(name, version, stage)
        self.registry.delete_model_version_tag(name, number, key or "")

    def resolve_model_version(self, model_uri: str) -> ModelVersion:
        """The version that ``models:/name/version``, ``/latest``, ``/Stage`` or ``@alias`` names.

        Raises:
            InvalidParameterValue: The URI is not of this form, or the alias is unknown.
            ResourceDoesNotExist: There is no such model or version.
        """
        if not isinstance(model_uri, str):
            raise InvalidArgument(
                f"a model's URI is text, such as models:/name/1; got {model_uri!r}"
            )
        path = model_uri.removeprefix("models:/").strip("/")
        name, at, alias = path.partition("@")
        if model_uri.startswith("models:/") and at and name and alias:
            return self.get_model_version_by_alias(name, alias)
        name, slash, version = path.partition("/")
        if not model_uri.startswith("models:/") or not slash or not name or "/" in version:
            raise InvalidParameterValue(
                f"{model_uri!r} names no model version; write models:/name/1, models:/name/latest, "
                "models:/name/Production or models:/name@alias"
            )
        if version.isdigit():
            return self.get_model_version(name, version)
        if version.lower() == "latest":
            candidates = self.get_registered_model(name).latest_versions
        else:
            candidates = self.get_latest_versions(name, [version])
        if not candidates:
            raise InvalidParameterValue(f"{model_uri!r}: model {name!r} has no such version yet")
        return max(candidates, key=lambda found: found.version)

    def _version_of(self, name: str, version: int | str | None, stage: str | None) -> int:
        if (version is None) == (stage is None):
            raise InvalidParameterValue(
                f"name a version of {name!r} by version or by stage; got version={version!r}, "
                f"stage={stage!r}"
            )
        if version is not None:
            return validation.validate_version(version)
        found = self.get_latest_versions(name, [str(stage)])
        if not found:
            raise InvalidParameterValue(f"model {name!r} has no version in stage {stage!r}")
        return found[0].version


def model_location(client: RegistryVerbs, model_uri: str) -> str:
    """Where the files of ``models:/…`` are, itself perhaps a model URI; "" if that is not known."""
    model_id = model_id_of(model_uri)
    if model_id is not None:
        return client.store.get_logged_model(model_id).artifact_location
    version = client.resolve_model_version(model_uri)
    return version.storage_location or version.source or ""


def model_id_of(uri: str) -> str | None:
    """The id in ``models:/m-…``; None for every other URI."""
    if not uri.startswith("models:/"):
        return None
    path = uri.removeprefix("models:/").strip("/")
    return path if path.startswith("m-") and "/" not in path and "@" not in path else None
