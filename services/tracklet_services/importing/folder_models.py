"""Logged and registered models from another store into folders."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from tracklet import validation
from tracklet.entities import ModelVersion
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout, reader, registry_reader
from tracklet.stores.files.registry import _check_name
from tracklet_services.importing import folder_documents
from tracklet_services.importing.adopting import (
    DELETED_VERSION_STAGE,
    Adoption,
    Change,
    LoggedModelRecord,
    RegisteredModelRecord,
    merged_model,
    merged_texts,
    merged_version,
    same_version,
)
from tracklet_services.importing.folder_parts import TargetFolder, check_absent, found


class ModelTarget(TargetFolder):
    """Takes logged models and registered models."""

    # -- logged models -------------------------------------------------------------------------

    @disk.reported("import a logged model")
    def adopt_logged_model(
        self, record: LoggedModelRecord, *, copy_artifacts: bool = False
    ) -> Adoption:
        model = record.model
        model_id = validation.validate_model_id(model.model_id)
        known = found(self.store._model_dir, model_id)
        if known is not None:
            return self._update_model(known, record, copy_artifacts)
        experiment_dir = self.store._experiment_dir(model.experiment_id)
        final = layout.logged_model(experiment_dir, model_id)
        check_absent(final)
        refused: list[str] = []
        with self._staging.folder() as folder:
            for part in (layout.METRICS, layout.PARAMS, layout.TAGS):
                disk.mkdir(f"{folder}/{part}")
            written = folder_documents.write_histories(
                f"{folder}/{layout.METRICS}",
                folder_documents.by_key(record.points),
                refused,
                model=True,
            )
            params, tags = f"{folder}/{layout.PARAMS}", f"{folder}/{layout.TAGS}"
            folder_documents.write_texts("model param", params, model.params, refused)
            folder_documents.write_texts("model tag", tags, model.tags, refused)
            uri, files = self._artifacts(
                model.artifact_location, copy_artifacts, experiment_dir, final, folder, refused
            )
            folder_documents.write_document(
                folder,
                folder_documents.model_document(model, os.path.basename(experiment_dir), uri),
            )
            disk.make_dirs(os.path.dirname(final))
            disk.rename(folder, final)
        self.store._announce_model(final)
        return Adoption(Change.TAKEN, written, files, refused)

    def _update_model(
        self, folder: str, record: LoggedModelRecord, copy_artifacts: bool
    ) -> Adoption:
        there, here = record.model, reader.read_logged_model(folder)
        refused: list[str] = []
        histories = folder_documents.by_key(record.points)
        written = self._add_points(folder, histories, refused, here.model_id)
        params = merged_texts(here.params, there.params, overwrite=False)
        is_newer = there.last_updated_timestamp >= here.last_updated_timestamp
        tags = merged_texts(here.tags, there.tags, overwrite=is_newer)
        written_texts = self._put_texts(folder, params, tags, refused)
        values: dict[str, Any] = {}
        if there.status.is_finalized and not here.status.is_finalized:
            values.update(status=there.status.to_int(), status_message=there.status_message)
        files = 0
        if copy_artifacts:
            experiment_dir = os.path.dirname(os.path.dirname(folder))
            uri, files = self._artifacts(
                there.artifact_location, True, experiment_dir, folder, folder, refused
            )
            if here.artifact_location == there.artifact_location != uri:
                values["artifact_location"] = uri
        changed = bool(written or written_texts or values or files)
        if changed:
            values["last_updated_timestamp"] = max(
                here.last_updated_timestamp, there.last_updated_timestamp
            )
            with disk.locked(f"{layout.private(folder)}/lock"):
                meta = contents.read_meta(folder, "logged model")
                meta.update(values)
                staging = layout.private(folder)
                disk.publish(layout.meta(folder), documents.dumps(meta), staging)
            self.store._announce_model(folder)
        return Adoption(Change.UPDATED if changed else Change.UNCHANGED, written, files, refused)

    # -- registered models ---------------------------------------------------------------------

    @disk.reported("import a registered model")
    def adopt_registered_model(self, record: RegisteredModelRecord) -> Adoption:
        name = record.model.name
        _check_name(name)
        folder = layout.registered_model(self.root, name)
        disk.make_dirs(layout.registry(self.root))
        with disk.locked(layout.lock_file(self.root)):
            if os.path.exists(layout.meta(folder)):
                adoption = self._update_registered_model(folder, record)
            else:
                adoption = self._put_registered_model(folder, record)
        if adoption.change is not Change.UNCHANGED:
            self.store._announce_name(name)
        return adoption

    def _put_registered_model(self, final: str, record: RegisteredModelRecord) -> Adoption:
        check_absent(final)
        refused: list[str] = []
        with self._staging.folder() as folder:
            for version in record.versions:
                _write_version(layout.version(folder, version.version), version, refused)
            tags, aliases = f"{folder}/{layout.TAGS}", f"{folder}/{layout.ALIASES}"
            folder_documents.write_texts("model tag", tags, record.model.tags, refused)
            numbers = {alias: str(number) for alias, number in record.model.aliases.items()}
            folder_documents.write_texts("alias", aliases, numbers, refused)
            folder_documents.write_document(
                folder, folder_documents.registered_document(record.model)
            )
            disk.rename(folder, final)
        return Adoption(Change.TAKEN, refused=refused)

    def _update_registered_model(self, folder: str, record: RegisteredModelRecord) -> Adoption:
        refused: list[str] = []
        changed = False
        others: set[int] = set()
        for version in record.versions:
            version_dir = layout.version(folder, version.version)
            if not os.path.exists(layout.meta(version_dir)):
                check_absent(version_dir)
                with self._staging.folder() as staged:
                    _write_version(staged, version, refused)
                    disk.rename(staged, version_dir)
                changed = True
                continue
            here = registry_reader.read_model_version(version_dir)
            if not same_version(here, version):
                others.add(version.version)
                refused.append(f"version {version.version} is another model here")
            elif DELETED_VERSION_STAGE not in (here.current_stage, version.current_stage):
                merged = merged_version(here, version)
                if merged != here:
                    _change_version(version_dir, here, merged, refused)
                    changed = True
        here_model = registry_reader.read_registered_model(folder)
        aliases = {a: v for a, v in record.model.aliases.items() if v not in others}
        merged_here = merged_model(here_model, replace(record.model, aliases=aliases))
        if merged_here != here_model:
            changed = True
            tags = merged_texts(here_model.tags, merged_here.tags, overwrite=True)
            tags_dir = f"{folder}/{layout.TAGS}"
            folder_documents.put_tags("model tag", tags_dir, tags, folder, refused)
            numbers = {alias: str(number) for alias, number in merged_here.aliases.items()}
            aliases_dir = f"{folder}/{layout.ALIASES}"
            folder_documents.put_tags("alias", aliases_dir, numbers, folder, refused)
            meta = contents.read_meta(folder, "registered model")
            meta.update(
                aliases=numbers,
                description=merged_here.description,
                last_updated_timestamp=merged_here.last_updated_timestamp,
            )
            disk.publish(layout.meta(folder), documents.dumps(meta), folder)
        return Adoption(Change.UPDATED if changed else Change.UNCHANGED, refused=refused)


def _write_version(folder: str, version: ModelVersion, refused: list[str]) -> None:
    disk.make_dir(folder)
    tags = f"{folder}/{layout.TAGS}"
    folder_documents.write_texts("model version tag", tags, version.tags, refused)
    folder_documents.write_document(folder, folder_documents.version_document(version))


def _change_version(
    folder: str, here: ModelVersion, merged: ModelVersion, refused: list[str]
) -> None:
    tags = merged_texts(here.tags, merged.tags, overwrite=True)
    tags_dir = f"{folder}/{layout.TAGS}"
    folder_documents.put_tags("model version tag", tags_dir, tags, folder, refused)
    meta = contents.read_meta(folder, "model version")
    meta.update(
        current_stage=merged.current_stage,
        description=merged.description,
        last_updated_timestamp=merged.last_updated_timestamp,
        status=merged.status,
        status_message=merged.status_message,
    )
    disk.publish(layout.meta(folder), documents.dumps(meta), folder)
