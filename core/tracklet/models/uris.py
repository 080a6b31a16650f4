"""Model URIs: where a model's folder is on this machine, and which name it has in the registry.

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

import contextlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracklet import settings
from tracklet.client import TrackletClient
from tracklet.client.artifacts import models_of
from tracklet.client.registry import model_id_of, model_location
from tracklet.entities import ModelVersion
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.repositories import repository
from tracklet.validation import validate_registered_model_name

_VERSIONS_TAG: Final = "mlflow.modelVersions"


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
        copied_to = None if destination is None else str(destination)
        return Path(TrackletClient().download_artifacts(run_id, path, copied_to))
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


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = 300,
    *,
    tags: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Make a model the next version of a registered model, which is created if need be.

    Args:
        model_uri: ``runs:/<run id>/<name>``, ``models:/m-…``, a path or another URI.
        name: The registered model.
        await_registration_for: Accepted for compatibility; a version is ready at once.
        tags: Tags of the version.

    Raises:
        ResourceDoesNotExist: The run or the logged model is not there.
        InvalidParameterValue: The name breaks a rule.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
        >>> with tracklet.start_run():
        ...     info = tracklet.log_model(model, "line")
        >>> tracklet.register_model(info.model_uri, "forecast").version
        1
        >>> tracklet.load_model("models:/forecast/1")
        LinearRegression()
    """
    validate_registered_model_name(name)
    client = TrackletClient()
    source, run_id = model_uri, None
    model_id = model_id_of(model_uri)
    if model_id is not None:
        run_id = client.get_logged_model(model_id).source_run_id
    elif model_uri.startswith("runs:"):
        run_id, path = split_runs_uri(model_uri)
        source, model_id = _of_run(client, run_id, path)
    with contextlib.suppress(ResourceAlreadyExists):
        client.create_registered_model(name)
    version = client.create_model_version(
        name, source, run_id, tags, await_creation_for=await_registration_for, model_id=model_id
    )
    if model_id is not None:
        _note_version(client, model_id, version)
    return version


def _note_version(client: TrackletClient, model_id: str, version: ModelVersion) -> None:
    """Have a logged model tell of one more version that it is registered as."""
    try:
        known = json.loads(client.get_logged_model(model_id).tags[_VERSIONS_TAG])
    except (KeyError, ValueError):
        known = []
    versions = [*known, {"name": version.name, "version": version.version}]
    client.set_logged_model_tags(model_id, {_VERSIONS_TAG: json.dumps(versions)})


def _of_run(client: TrackletClient, run_id: str, path: str) -> tuple[str, str | None]:
    """The source and, if it is one, the logged model's id of what a run has at a path."""
    model = models_of(client.store, run_id).get(
        path
    )  # of several the last, as for whoever loads it
    if model is not None:
        return model.model_uri, model.model_id
    return str(resolve(f"runs:/{run_id}/{path}")), None
