"""Registered models and their versions from folders: pure functions that write nothing."""

from __future__ import annotations

import os
from typing import Final

from tracklet.entities import ModelVersion, RegisteredModel
from tracklet.stores.files import contents, fields, layout
from tracklet.stores.files.layout import Path
from tracklet.stores.files.relocation import rerooted

DELETED_STAGE: Final = "Deleted_Internal"
"""The stage of a deleted model version; its folder stays, so that its number is not used again."""


def read_registered_model(model_dir: Path) -> RegisteredModel:
    """The registered model of a folder, with the newest version of each stage."""
    folder = os.fspath(model_dir)
    meta = contents.read_meta(folder, "registered model")
    aliases = read_aliases(folder)
    newest: dict[str, ModelVersion] = {}
    for version_dir in contents.model_version_dirs(folder):
        version = read_model_version(version_dir, aliases)
        if version.current_stage != DELETED_STAGE:
            newest[version.current_stage] = version
    created = fields.integer(meta.get("creation_timestamp")) or 0
    return RegisteredModel(
        name=fields.text(meta.get("name"), os.path.basename(folder)),
        creation_timestamp=created,
        last_updated_timestamp=fields.integer(meta.get("last_updated_timestamp")) or created,
        description=fields.optional(meta.get("description")),
        latest_versions=list(newest.values()),
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        aliases=aliases,
    )


def read_aliases(model_dir: Path) -> dict[str, int]:
    """The aliases of a registered model and the versions that they point at."""
    texts = contents.read_texts(f"{os.fspath(model_dir)}/{layout.ALIASES}")
    return {alias: int(text) for alias, text in texts.items() if text.strip().isdecimal()}


def read_model_version(version_dir: Path, aliases: dict[str, int] | None = None) -> ModelVersion:
    """The model version of a folder; a deleted one has the stage :data:`DELETED_STAGE`.

    Args:
        version_dir: The folder ``version-<n>``.
        aliases: The aliases of its registered model; read when left out.
    """
    folder = os.fspath(version_dir)
    meta = contents.read_meta(folder, "model version")
    model_dir = os.path.dirname(folder)
    number = int(os.path.basename(folder).removeprefix(layout.VERSION_PREFIX))
    if aliases is None:
        aliases = read_aliases(model_dir)
    root = os.path.dirname(os.path.dirname(model_dir))
    return ModelVersion(
        name=fields.text(meta.get("name"), os.path.basename(model_dir)),
        version=number,
        creation_timestamp=fields.integer(meta.get("creation_timestamp")) or 0,
        last_updated_timestamp=fields.integer(meta.get("last_updated_timestamp")),
        description=fields.optional(meta.get("description")),
        user_id=fields.optional(meta.get("user_id")),
        current_stage=fields.text(meta.get("current_stage"), "None"),
        source=rerooted(fields.optional(meta.get("source")), root),
        run_id=fields.optional(meta.get("run_id")),
        status=fields.text(meta.get("status"), "READY"),
        status_message=fields.optional(meta.get("status_message")),
        tags=contents.read_texts(f"{folder}/{layout.TAGS}"),
        run_link=fields.optional(meta.get("run_link")),
        aliases=sorted(alias for alias, version in aliases.items() if version == number),
        model_id=fields.optional(meta.get("model_id")),
        storage_location=rerooted(fields.optional(meta.get("storage_location")), root),
    )
