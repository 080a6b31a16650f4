"""Putting a model into the registry under a name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from tracklet.client import TrackletClient
from tracklet.client.registry import model_id_of
from tracklet.entities import ModelVersion
from tracklet.errors import ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.models import uris
from tracklet.validation import validate_registered_model_name


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
        run_id, path = uris.split_runs_uri(model_uri)
        source, model_id = _of_run(client, run_id, path)
    with contextlib.suppress(ResourceAlreadyExists):
        client.create_registered_model(name)
    return client.create_model_version(
        name, source, run_id, tags, await_creation_for=await_registration_for, model_id=model_id
    )


def _of_run(client: TrackletClient, run_id: str, path: str) -> tuple[str, str | None]:
    """The source and, if it is one, the logged model's id of what a run has at a path."""
    run = client.get_run(run_id)
    for output in reversed(run.outputs.model_outputs):
        try:
            model = client.get_logged_model(output.model_id)
        except ResourceDoesNotExist:
            continue
        if model.name == path:
            return model.model_uri, model.model_id
    return str(uris.resolve(f"runs:/{run_id}/{path}")), None
