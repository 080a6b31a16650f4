"""The contract of a store of registered models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tracklet.stores.query import RegistrySearches

if TYPE_CHECKING:
    from tracklet.entities import ModelVersion, RegisteredModel


class RegistryStore(RegistrySearches, ABC):
    """Registered models and their versions; it implements the searches or ``search``."""

    uri: str

    @abstractmethod
    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> RegisteredModel:
        """Create a name to register versions under; a taken one is ResourceAlreadyExists."""

    @abstractmethod
    def get_registered_model(self, name: str) -> RegisteredModel:
        """The registered model with its tags, aliases and the newest version of each stage."""

    @abstractmethod
    def update_registered_model(self, name: str, description: str | None) -> RegisteredModel:
        """Set the description."""

    @abstractmethod
    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename; versions, tags and aliases follow."""

    @abstractmethod
    def delete_registered_model(self, name: str) -> None:
        """Delete it with its versions, tags and aliases."""

    @abstractmethod
    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag."""

    @abstractmethod
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag; a missing one is no error."""

    @abstractmethod
    def set_registered_model_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version, taking it from the one that has it."""

    @abstractmethod
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; a missing one is no error."""

    @abstractmethod
    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        model_id: str | None = None,
        storage_location: str | None = None,
        user_id: str | None = None,
    ) -> ModelVersion:
        """Add the next version; numbers are never used twice."""

    @abstractmethod
    def get_model_version(self, name: str, version: int) -> ModelVersion:
        """The version; a missing or deleted one is ResourceDoesNotExist."""

    @abstractmethod
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias points at; an unknown alias is InvalidParameterValue."""

    @abstractmethod
    def update_model_version(
        self, name: str, version: int, description: str | None
    ) -> ModelVersion:
        """Set the description."""

    @abstractmethod
    def transition_model_version_stage(
        self, name: str, version: int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version to None, Staging, Production or Archived, in any case."""

    @abstractmethod
    def delete_model_version(self, name: str, version: int) -> None:
        """Delete a version, its tags and its aliases."""

    @abstractmethod
    def set_model_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set a tag."""

    @abstractmethod
    def delete_model_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove a tag; a missing one is no error."""
