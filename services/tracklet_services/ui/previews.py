"""Files of runs and models: listed, described, and sent so that a browser runs none of them."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tracklet import settings
from tracklet.entities import FileInfo
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.repositories import ArtifactRepository, repository
from tracklet_services.ui import archive, tables
from tracklet_services.ui.place import LIMITS, Place

POLICY: Final = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
PAGE_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
_MEDIA_POLICY: Final = "default-src 'none'; media-src 'self'; frame-ancestors 'none'"

_SHOWN: Final = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/bmp",
        "image/svg+xml",
        "audio/mpeg",
        "audio/wav",
        "audio/x-wav",
        "audio/ogg",
        "audio/flac",
        "video/mp4",
        "video/webm",
        "video/ogg",
    }
)
_PAGES: Final = (".html", ".htm")
_LONGEST_TREE: Final = 20_000
_HEAD: Final = 8_192
_fetched: Final[ContextVar[list[TemporaryDirectory[str]]]] = ContextVar("fetched")


def tree(place: Place, run_id: str, path: str) -> dict[str, Any]:
    """What is in a folder of a run's artifacts."""
    return _listed(path, place.client.list_artifacts(run_id, path or None))


def model_tree(place: Place, model_id: str, path: str) -> dict[str, Any]:
    """What is in a folder of a logged model."""
    return _listed(path, place.client.list_logged_model_artifacts(model_id, path or None))


def _listed(path: str, files: list[FileInfo]) -> dict[str, Any]:
    shown = [
        {"path": info.path, "is_dir": info.is_dir, "size": info.file_size}
        for info in files[:_LONGEST_TREE]
    ]
    return {"path": path, "files": shown, "count": len(files)}


def about_model(folder: Path) -> dict[str, Any]:
    """What an ``MLmodel`` folder says of itself, without loading anything of the model."""
    from tracklet.models import trust
    from tracklet.models.model import Model

    about = Model.load(folder)
    document = about.to_dict()
    requirements = folder / "requirements.txt"
    try:
        runs = trust.what_would_run(folder)
    except (TrackletException, OSError, ValueError) as error:
        runs = [f"unknown: {error}"]
    schemas = {
        "inputs": about.get_input_schema(),
        "outputs": about.get_output_schema(),
        "params": about.get_params_schema(),
    }
    return {
        "flavors": document.get("flavors", {}),
        "model_id": about.model_id,
        "run_id": about.run_id,
        "created": about.utc_time_created,
        "size": document.get("model_size_bytes"),
        "signature": {
            name: None if schema is None else schema.to_dict() for name, schema in schemas.items()
        },
        "requirements": head_of(requirements) if requirements.is_file() else None,
        "runs": runs,
    }


def head_of(path: Path) -> str:
    """The beginning of a text, as much as is shown."""
    with path.open("rb") as file:
        return file.read(LIMITS["preview_bytes"]).decode("utf-8", "replace")


def local_file(place: Place, kind: str, owner: str, path: str) -> Path:
    """Where a file or folder of a run or logged model lies on this machine, while :func:`fetching`.

    Raises:
        ResourceDoesNotExist: There is none.
        InvalidParameterValue: The path leads out of it.
    """
    root, scratch = _root(place, kind, owner), None
    if settings.local_path(root) is None:
        fetched = TemporaryDirectory(prefix="tracklet-")
        _fetched.get().append(fetched)
        scratch = fetched.name
    if kind == "models":
        files: ArtifactRepository = repository(root)
        return files.fetch(path, None if scratch is None else Path(scratch))
    return Path(place.client.download_artifacts(owner, path, scratch))


@contextmanager
def fetching() -> Iterator[list[TemporaryDirectory[str]]]:
    """What is fetched from elsewhere goes at the end, unless it is taken out of the list."""
    folders: list[TemporaryDirectory[str]] = []
    token = _fetched.set(folders)
    try:
        yield folders
    finally:
        _fetched.reset(token)
        for folder in folders:
            folder.cleanup()


def check_zip(place: Place, kind: str, owner: str, path: str) -> None:
    """Refuse a folder elsewhere that is too large to be packed, before any of it is fetched.

    Raises:
        InvalidParameterValue: It is.
    """
    root = _root(place, kind, owner)
    if settings.local_path(root) is not None:
        return
    files: ArtifactRepository = repository(root)
    size, waiting = 0, [path]
    while waiting:
        for info in files.list(waiting.pop()):
            if info.is_dir:
                waiting.append(info.path)
            size += info.file_size or 0
        archive.check(size)


def _root(place: Place, kind: str, owner: str) -> str:
    if kind == "models":
        return place.client.get_logged_model(owner).artifact_location
    return place.client.get_run(owner).info.artifact_uri or ""


def response(path: Path, request: Request) -> Response:
    """A file as an answer: shown by the browser if it is harmless there, else a download.

    A folder is one with ``?zip=NAME``.
    """
    headers = {"content-security-policy": POLICY}
    if path.is_dir() and "zip" in request.query_params:
        return archive.response(path, request.query_params["zip"] or "artifacts", headers)
    if not path.is_file():
        raise ResourceDoesNotExist("this is no file")
    if path.suffix.lower() in (*_PAGES, ".ipynb") and request.query_params.get("as") == "page":
        headers |= {"content-security-policy": PAGE_POLICY, "x-frame-options": "SAMEORIGIN"}
        if path.suffix.lower() == ".ipynb":
            return tables.notebook_page(path, request.query_params.get("output", ""), headers)
        return FileResponse(path, headers=headers, media_type="text/html; charset=utf-8")
    media_type = mimetypes.guess_type(path.name)[0]
    if request.query_params.get("download") is not None:
        media_type = None
    elif media_type not in _SHOWN:
        media_type = "text/plain; charset=utf-8" if is_text(path) else None
    if media_type is None:
        media_type = "application/octet-stream"
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(path.name)}"
    elif media_type.startswith(("audio/", "video/")):
        headers["content-security-policy"] = _MEDIA_POLICY
    return FileResponse(path, headers=headers, media_type=media_type)


def is_text(path: Path) -> bool:
    """Whether a file counts as text: its beginning holds no NUL."""
    with open(path, "rb") as file:
        return b"\0" not in file.read(_HEAD)


def describe(place: Place, kind: str, owner: str, name: str) -> dict[str, Any]:
    """What there is to say of a file or folder before any of it is sent.

    How much a folder holds is not said where it would have to be fetched from elsewhere first.
    """
    if settings.local_path(_root(place, kind, owner)) is None:
        inside = tree(place, owner, name) if kind == "runs" else model_tree(place, owner, name)
        paths = {str(file["path"]) for file in inside["files"]}
        if not name or any(path.startswith(f"{name}/") for path in paths):
            return {"is_dir": True, "model": f"{name}/MLmodel".lstrip("/") in paths}
    path = local_file(place, kind, owner, name)
    status = os.stat(path)
    if path.is_dir():
        return {"is_dir": True, "model": (path / "MLmodel").is_file(), **archive.size_of(path)}
    return {
        "is_dir": False,
        "size": status.st_size,
        "changed": int(status.st_mtime * 1000),
        "type": mimetypes.guess_type(path.name)[0],
        "text": is_text(path),
        "model": path.name == "MLmodel",
    }
