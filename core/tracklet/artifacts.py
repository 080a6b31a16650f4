"""Artifacts by URI: fetch, list and read what runs and models left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklet import settings
from tracklet.client import TrackletClient
from tracklet.client.images import Image
from tracklet.client.registry import model_location
from tracklet.entities import FileInfo
from tracklet.errors import BadRequest, InvalidParameterValue
from tracklet.repositories import repository

if TYPE_CHECKING:
    import PIL.Image

__all__ = [
    "download_artifacts",
    "list_artifacts",
    "load_dict",
    "load_image",
    "load_text",
    "repository",
]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Bring a file or folder here and return its local path.

    Without ``dst_path``, what is on this machine already is not copied.

    Args:
        artifact_uri: ``runs:/<run>/<path>``, ``models:/…``, a path or a repository's URI; or
        run_id: a run, with
        artifact_path: the path below its artifacts.
        dst_path: An existing folder to copy to.
        tracking_uri: Where runs are kept; what the settings say by default.
        registry_uri: Where registered models are kept; likewise.

    Raises:
        InvalidParameterValue: Not exactly one of ``artifact_uri`` and ``run_id`` is given.
        ResourceDoesNotExist: There is nothing there.
    """
    client = TrackletClient(tracking_uri, registry_uri)
    run, root, path = _located(client, artifact_uri, run_id, artifact_path)
    if run is not None:
        return client.download_artifacts(run, path, dst_path)
    destination = None if dst_path is None else Path(dst_path)
    return str(repository(root).fetch(path, destination))


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """What is in a folder, sorted by path; [] for a file and for what is not there.

    Arguments are those of :func:`download_artifacts`.
    """
    client = TrackletClient(tracking_uri)
    run, root, path = _located(client, artifact_uri, run_id, artifact_path)
    if run is not None:
        return client.list_artifacts(run, path or None)
    return repository(root).list(path or None)


def load_text(artifact_uri: str, dst_path: str | None = None) -> str:
    """A text artifact's content."""
    return Path(download_artifacts(artifact_uri, dst_path=dst_path)).read_text(encoding="utf-8")


def load_dict(artifact_uri: str, dst_path: str | None = None) -> Any:
    """A JSON artifact's content; BadRequest if it is not JSON."""
    text = load_text(artifact_uri, dst_path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"the artifact at {artifact_uri!r} is not JSON: {error}") from error


def load_image(artifact_uri: str, dst_path: str | None = None) -> PIL.Image.Image:
    """An image artifact, as a PIL image."""
    return Image(download_artifacts(artifact_uri, dst_path=dst_path)).to_pil()


def _located(
    client: TrackletClient,
    artifact_uri: str | None,
    run_id: str | None,
    artifact_path: str | None,
) -> tuple[str | None, str, str]:
    """The run, if one keeps it, else the repository's root; and the path below."""
    if (artifact_uri is None) == (run_id is None):
        raise InvalidParameterValue(
            "give exactly one of artifact_uri and run_id; got "
            f"artifact_uri={artifact_uri!r}, run_id={run_id!r}"
        )
    if run_id is not None:
        return run_id, "", artifact_path or ""
    uri = str(artifact_uri)
    if uri.startswith("runs:/"):
        run, _, path = uri.removeprefix("runs:/").lstrip("/").partition("/")
        return run, "", path
    if uri.startswith("models:/"):
        return None, model_location(client, uri), artifact_path or ""
    local = settings.local_path(uri)
    if local is not None:
        # Who names a link means what it leads to; below what is named none is followed.
        local = local.resolve() if local.is_symlink() else local
        return None, str(local.parent), local.name
    root, _, name = uri.rstrip("/").rpartition("/")
    return None, root, name
