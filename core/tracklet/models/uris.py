"""Model URIs: where a model's folder is on this machine.

===============================  ==========================================================
``models:/m-<32 hex>``           a logged model, by its id
``models:/<name>/<version>``     a registered version: a number, ``latest`` or a stage
``models:/<name>@<alias>``       a registered version, by alias
``runs:/<run id>/<path>``        a run's artifact, or a model that the run logged by that name
a path, ``file:``                a folder
any other scheme                 what the artifact repository of the scheme fetches
===============================  ==========================================================
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tracklet import settings
from tracklet.client import TrackletClient
from tracklet.client.registry import model_location
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.repositories import repository


def resolve(uri: str | Path, dst_path: str | Path | None = None) -> Path:
    """The local folder (or file) that a model URI names; remote ones are fetched.

    Args:
        uri: The URI.
        dst_path: A folder to put a copy into; by default nothing local is copied.

    Raises:
        InvalidParameterValue: The URI is malformed.
        ResourceDoesNotExist: There is nothing at it.
    """
    text = str(uri)
    destination = None if dst_path is None else Path(dst_path)
    if destination is not None and not destination.is_dir():
        raise InvalidParameterValue(f"dst_path {str(dst_path)!r} is no folder; create it first")
    if text.startswith("runs:"):
        run_id, path = split_runs_uri(text)
        return Path(
            TrackletClient().download_artifacts(
                run_id, path, None if destination is None else str(destination)
            )
        )
    location = location_of(text)
    local = settings.local_path(location)
    if local is not None and destination is None:
        if not local.exists():
            raise ResourceDoesNotExist(f"{text!r} names {local}, where there is nothing")
        return local
    return repository(location).fetch(
        "", destination or Path(tempfile.mkdtemp(prefix="tracklet-model-"))
    )


def location_of(uri: str) -> str:
    """The path or URI under which the files of a model URI are kept (not for ``runs:``)."""
    seen = 0
    while uri.startswith("models:"):
        seen += 1
        if seen > 32:
            raise InvalidParameterValue(f"{uri!r} refers to versions that refer to each other")
        location = model_location(TrackletClient(), uri)
        if not location:
            raise ResourceDoesNotExist(f"{uri!r} has no source to load from")
        uri = location
    if uri.startswith("runs:"):
        return str(resolve(uri))
    return uri


def split_runs_uri(uri: str) -> tuple[str, str]:
    """The run id and the artifact path of ``runs:/<run id>/<path>``.

    Raises:
        InvalidParameterValue: The URI is malformed.
    """
    run_id, _, path = uri.removeprefix("runs:").lstrip("/").partition("/")
    if not uri.startswith("runs:/") or not run_id or not path.strip("/"):
        raise InvalidParameterValue(
            f"{uri!r} is malformed; a run's model is 'runs:/<run id>/<name>'"
        )
    return run_id, path.strip("/")
