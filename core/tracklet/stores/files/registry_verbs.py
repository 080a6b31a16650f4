"""The file store's registry: registered models and their versions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tracklet import entities, names, validation
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.stores import creation, disk
from tracklet.stores.files import contents, documents, key_values, layout, reader
from tracklet.stores.files.folder import Folder, announce
from tracklet.stores.files.reader import DELETED_STAGE
from tracklet.stores.registry_store import RegistryStore

if TYPE_CHECKING:
    from tracklet.entities import ModelVersion, RegisteredModel


@disk.reported
class Registry(Folder, RegistryStore):
    """Registered models: folders below ``models`` of the root, one folder inside per version.

    Changes are ordered by the store's lock.
    """

    # -- registered models ---------------------------------------------------------------------

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> RegisteredModel:
        _check_name(name)
        _check_description(description)
        data = _encoded(tags or {})
        folder = layout.registered_model(self.root, name)
        key_values.check_free("model tag", f"{folder}/-", data)
        disk.make_dirs(layout.registry(self.root))
        with disk.locked(layout.lock_file(self.root)):
            if os.path.exists(layout.meta(folder)):
                raise creation.taken_name(name)
            now = names.now()
            made = entities.RegisteredModel(name, now, now, description)
            document = documents.registered_model(made)
            try:
                disk.make_dir(folder)
                key_values.put_tags("model tag", f"{folder}/{layout.TAGS}", data, folder)
                disk.publish(layout.meta(folder), documents.dumps(document), folder)
            except BaseException:
                disk.remove_quietly(folder)
                raise
        self._announce_name(name)
        return reader.read_registered_model(folder)

    def get_registered_model(self, name: str) -> RegisteredModel:
        return reader.read_registered_model(self._registered_dir(name))

    def update_registered_model(self, name: str, description: str | None) -> RegisteredModel:
        _check_description(description)
        folder = self._registered_dir(name)
        self._edit(folder, description=description)
        return reader.read_registered_model(folder)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        folder = self._registered_dir(name)
        _check_name(new_name)
        target = layout.registered_model(self.root, new_name)
        with disk.locked(layout.lock_file(self.root)):
            if os.path.exists(layout.meta(target)):
                raise creation.taken_name(new_name)
            disk.rename(folder, target)
            # Renamed by its place from here on; readers of the documents follow.
            now = names.now()
            values = {"name": new_name, "last_updated_timestamp": now}
            for version_dir in contents.undamaged(contents.model_version_dirs(target)):
                self._rewrite(version_dir, "model version", values)
            self._rewrite(target, "registered model", values)
        self._announce_name(name)
        self._announce_name(new_name)
        return reader.read_registered_model(target)

    def delete_registered_model(self, name: str) -> None:
        folder = self._registered_dir(name)
        with disk.locked(layout.lock_file(self.root)):
            disk.unlink(layout.meta(folder))  # gone for readers from here on
            disk.remove_tree(folder)
        self._announce_name(name)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        data = _encoded({key: value})
        folder = self._registered_dir(name)
        key_values.put_tags("model tag", f"{folder}/{layout.TAGS}", data, folder)
        self._edit(folder)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        folder = self._registered_dir(name)
        if _removed("model tag", f"{folder}/{layout.TAGS}", key):
            self._edit(folder)

    def set_registered_model_alias(self, name: str, alias: str, version: int) -> None:
        validation.validate_alias(alias)
        folder = self._registered_dir(name)
        number = validation.validate_version(version)
        self._version_dir(name, number)
        disk.publish(f"{folder}/{layout.ALIASES}/{alias}", str(number).encode(), folder)
        self._edit(folder)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        validation.validate_alias(alias)
        folder = self._registered_dir(name)
        if _removed("alias", f"{folder}/{layout.ALIASES}", alias):
            self._edit(folder)

    # -- versions ------------------------------------------------------------------------------

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
        validation.validate_model_source(source)
        _check_description(description)
        data = _encoded(tags or {})
        folder = self._registered_dir(name)
        key_values.check_free("model version tag", f"{folder}/-", data)
        with disk.locked(layout.lock_file(self.root)):
            number = self._new_version(folder)
            now = names.now()
            document = documents.model_version(
                entities.ModelVersion(
                    name,
                    number,
                    now,
                    now,
                    description,
                    user_id,
                    source=source,
                    run_id=run_id,
                    run_link=run_link,
                    model_id=model_id,
                    storage_location=storage_location or source,
                )
            )
            version_dir = layout.version(folder, number)
            try:
                if data:
                    tags_dir = f"{version_dir}/{layout.TAGS}"
                    key_values.put_tags("model version tag", tags_dir, data, version_dir)
                disk.publish(layout.meta(version_dir), documents.dumps(document), version_dir)
            except BaseException:
                disk.remove_quietly(version_dir)
                raise
        self._edit(folder)
        return reader.read_model_version(version_dir)

    def get_model_version(self, name: str, version: int) -> ModelVersion:
        return reader.read_model_version(self._version_dir(name, version))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        validation.validate_alias(alias)
        number = reader.read_aliases(self._registered_dir(name)).get(alias)
        if number is None:
            raise creation.unknown_alias(name, alias)
        return self.get_model_version(name, number)

    def update_model_version(
        self, name: str, version: int, description: str | None
    ) -> ModelVersion:
        _check_description(description)
        folder = self._version_dir(name, version)
        self._edit(folder, description=description)
        return reader.read_model_version(folder)

    def transition_model_version_stage(
        self, name: str, version: int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        canonical = creation.version_stage(stage, archive_existing_versions)
        folder = self._version_dir(name, version)
        model_dir = os.path.dirname(folder)
        with disk.locked(layout.lock_file(self.root)):  # or two at once would archive each other
            self._edit(folder, current_stage=canonical)
            others = reader.read_model_versions(model_dir, {}) if archive_existing_versions else []
            for other in others:
                if other.version != int(version) and other.current_stage == canonical:
                    other_dir = layout.version(model_dir, other.version)
                    self._edit(other_dir, current_stage="Archived")
        return reader.read_model_version(folder)

    def delete_model_version(self, name: str, version: int) -> None:
        folder = self._version_dir(name, version)
        model_dir = os.path.dirname(folder)
        for alias in reader.read_model_version(folder).aliases:
            _removed("alias", f"{model_dir}/{layout.ALIASES}", alias)
        self._edit(folder, current_stage=DELETED_STAGE)
        disk.remove_tree(f"{folder}/{layout.TAGS}")

    def set_model_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        data = _encoded({key: value})
        folder = self._version_dir(name, version)
        key_values.put_tags("model version tag", f"{folder}/{layout.TAGS}", data, folder)
        self._edit(folder)

    def delete_model_version_tag(self, name: str, version: int, key: str) -> None:
        folder = self._version_dir(name, version)
        if _removed("model version tag", f"{folder}/{layout.TAGS}", key):
            self._edit(folder)

    # -- parts ---------------------------------------------------------------------------------

    def _registered_dir(self, name: str) -> str:
        _check_name(name)
        folder = layout.registered_model(self.root, name)
        if not os.path.exists(layout.meta(folder)):
            raise creation.unknown_name(name, self.root)
        return folder

    def _version_dir(self, name: str, version: object) -> str:
        number = validation.validate_version(version)
        folder = layout.version(self._registered_dir(name), number)
        if os.path.exists(layout.meta(folder)):
            meta = contents.read_meta(folder, "model version")
            if meta.get("current_stage") != DELETED_STAGE:
                return folder
        raise ResourceDoesNotExist(f"the registered model {name!r} has no version {number}")

    def _new_version(self, folder: str) -> int:
        """The number of a new version, whose folder is made; lost documents keep theirs."""
        prefix = layout.VERSION_PREFIX
        while True:
            numbers = [
                number
                for name in os.listdir(folder)
                if name.startswith(prefix)
                and (number := layout.version_number(name.removeprefix(prefix))) is not None
            ]
            number = 1 + max(numbers, default=0)
            with suppress(FileExistsError):  # made by a handler that came in between
                disk.mkdir(layout.version(folder, number))
                return number

    def _edit(self, folder: str, **values: Any) -> None:
        """Change a document; a version's registered model counts as updated too."""
        is_version = os.path.dirname(folder) != layout.registry(self.root)
        model_dir = os.path.dirname(folder) if is_version else folder
        now = names.now()
        with disk.locked(layout.lock_file(self.root)):
            if is_version:
                self._rewrite(folder, "model version", {**values, "last_updated_timestamp": now})
                values = {}
            self._rewrite(model_dir, "registered model", {**values, "last_updated_timestamp": now})
        self._announce_name(os.path.basename(model_dir))

    def _rewrite(self, folder: str, kind: str, values: dict[str, Any]) -> None:
        def change(meta: dict[str, Any]) -> None:
            meta.update(values)
            if kind == "registered model":
                aliases = reader.read_aliases(folder).items()
                meta["aliases"] = {alias: str(version) for alias, version in aliases}

        lock = layout.lock_file(self.root)
        contents.edit_meta(folder, kind, change, lock=lock, staging=folder)

    def _announce_name(self, name: str) -> None:
        announce(self.root, f"{layout.MODELS}/{name}")


def _check_name(name: object) -> None:
    text = validation.validate_registered_model_name(name)
    key_values.encoded("registered model", "name", text)
    if len(text.encode()) > validation.MAX_PATH_COMPONENT_BYTES:
        raise InvalidParameterValue(
            f"{text[:60]!r}… cannot name a registered model: a name has at most "
            f"{validation.MAX_PATH_COMPONENT_BYTES} bytes in UTF-8"
        )
    if text.startswith(layout.PRIVATE) or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InvalidParameterValue(
            f"{text!r} cannot name a registered model: names have no control characters and do "
            f"not start with {layout.PRIVATE!r}"
        )


def _check_description(description: object) -> None:
    if description is not None:
        key_values.encoded("registered model", "description", description)


def _encoded(tags: Mapping[str, object]) -> dict[str, bytes]:
    return key_values.encoded_all("model tag", tags, validation.MAX_REGISTRY_TAG_LENGTH)


def _removed(kind: str, folder: str, key: str) -> bool:
    try:
        key_values.remove(kind, folder, key, "it")
    except ResourceDoesNotExist:
        return False
    return True
