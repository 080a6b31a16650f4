"""Artifacts by URI: fetch, list and read what runs and models left."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklet import settings
from tracklet.client import TrackletClient
from tracklet.client.artifacts import folder_to_fill, path_of
from tracklet.client.images import Image
from tracklet.client.registry import model_location
from tracklet.entities import FileInfo
from tracklet.errors import BadRequest, InvalidParameterValue
from tracklet.repositories import repository, validate_artifact_path

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


_MODEL_ID = re.compile("m-[0-9a-f]{32}")


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
        dst_path: The folder to copy to, created if it is not there. Of a folder whose URI or path
            ends in ``/``, only the contents are copied.
        tracking_uri: Where runs are kept; what the settings say by default.
        registry_uri: Where registered models are kept; likewise.

    Raises:
        InvalidParameterValue: Not exactly one of ``artifact_uri`` and ``run_id`` is given, or a
            path beside the former.
        ResourceDoesNotExist: There is nothing there.
    """
    client = TrackletClient(tracking_uri, registry_uri)
    run, root, path = _located(client, artifact_uri, run_id, artifact_path)
    if run is not None:
        return client.download_artifacts(run, path, dst_path)
    return str(repository(root).fetch(path, folder_to_fill(dst_path)))


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """What is in a folder, sorted by path; [] for a file and for what is not there.

    Arguments are those of :func:`download_artifacts`. The paths are relative to the run's
    artifacts; of an ``artifact_uri``, to the folder above what it names, or to that itself if it
    ends in ``/``.
    """
    client = TrackletClient(tracking_uri)
    run, root, path = _located(client, artifact_uri, run_id, artifact_path)
    if run is None:
        return repository(root).list(path or None)
    found = client.list_artifacts(run, path or None)
    above = 0 if artifact_uri is None else path.rfind("/") + 1
    return [FileInfo(info.path[above:], info.is_dir, info.file_size) for info in found]


def load_text(artifact_uri: str, dst_path: str | None = None) -> str:
    """A text artifact's content; BadRequest if it is no text in UTF-8."""
    try:
        return _content(artifact_uri, dst_path).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the artifact at {artifact_uri!r} is no text: {error}") from error


def load_dict(artifact_uri: str, dst_path: str | None = None) -> Any:
    """A JSON artifact's content, or a YAML one's by its name; BadRequest if it is neither."""
    text = load_text(artifact_uri, dst_path)
    if artifact_uri.endswith((".yml", ".yaml")):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadRequest(f"the artifact at {artifact_uri!r} is not YAML: {error}") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"the artifact at {artifact_uri!r} is not JSON: {error}") from error


def load_image(artifact_uri: str, dst_path: str | None = None) -> PIL.Image.Image:
    """An image artifact, as a PIL image; BadRequest if it is none."""
    path = download_artifacts(artifact_uri, dst_path=dst_path)
    try:
        return Image(path).to_pil()
    except OSError as error:
        raise BadRequest(f"the artifact at {artifact_uri!r} is no image: {error}") from error


def _content(artifact_uri: str, dst_path: str | None) -> bytes:
    path = Path(download_artifacts(artifact_uri, dst_path=dst_path))
    if path.is_dir():
        raise BadRequest(f"the artifact at {artifact_uri!r} is a folder, not a file")
    return path.read_bytes()


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
    if artifact_path is not None:
        raise InvalidParameterValue(
            f"artifact_path={artifact_path!r} is below a run_id; write what is below an "
            "artifact_uri into the URI itself"
        )
    uri = path_of("artifact_uri", artifact_uri)
    ending = "/" if uri.endswith("/") else ""
    if uri.startswith("runs:/"):
        run, _, path = uri.removeprefix("runs:/").lstrip("/").partition("/")
        canonical = validate_artifact_path(path.lstrip("/"))
        return run, "", canonical and canonical + ending
    if uri.startswith("models:/"):
        parts = uri.removeprefix("models:/").strip("/").split("/")
        own = 1 if "@" in parts[0] or _MODEL_ID.fullmatch(parts[0]) else 2
        model = model_location(client, f"models:/{'/'.join(parts[:own])}")
        return None, model, "/".join(parts[own:])
    local = settings.local_path(uri)
    if local is not None:
        # Who names a link means what it leads to; below what is named none is followed.
        local = local.resolve() if local.is_symlink() or local.name == ".." else local
        return (None, str(local), "") if ending else (None, str(local.parent), local.name)
    base, mark, query = uri.partition("?")
    root, _, name = base.rstrip("/").rpartition("/")
    if ending:
        return None, uri, ""
    return None, f"{root}{mark}{query}", name
