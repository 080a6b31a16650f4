"""Endpoints of logged models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served

_STATUS: Final = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}


def create(
    at: Served,
    experiment_id: str,
    name: str | None = None,
    model_type: str | None = None,
    source_run_id: str | None = None,
    params: requests.Pairs = (),
    tags: requests.Pairs = (),
) -> replies.OneModel:
    """Create one."""
    made = at.store.create_logged_model(
        experiment_id,
        name or None,
        source_run_id or None,
        requests.by_key(tags),
        requests.by_key(params),
        model_type or None,
    )
    return replies.model(made, at.places)


def get(at: Served, model_id: str) -> replies.OneModel:
    """The model of an id."""
    return replies.model(at.store.get_logged_model(model_id), at.places)


def finalize(at: Served, model_id: str, status: requests.ModelStatus) -> replies.OneModel:
    """Say how it ended up."""
    made = at.store.finalize_logged_model(model_id, _STATUS.get(status, status))
    return replies.model(made, at.places)


def delete(at: Served, model_id: str) -> None:
    """Move one to the trash."""
    at.store.delete_logged_model(model_id)


def set_tags(at: Served, model_id: str, tags: requests.Pairs = ()) -> replies.OneModel:
    """Set tags."""
    at.store.set_logged_model_tags(model_id, requests.by_key(tags))
    return get(at, model_id)


def delete_tag(at: Served, model_id: str, tag_key: str) -> None:
    """Remove a tag."""
    at.store.delete_logged_model_tag(model_id, tag_key)


def log_params(at: Served, model_id: str, params: requests.Pairs = ()) -> replies.OneModel:
    """Add params."""
    at.store.log_logged_model_params(model_id, requests.by_key(params))
    return get(at, model_id)


def search(
    at: Served,
    experiment_ids: requests.Texts = (),
    filter: str | None = None,
    datasets: Sequence[requests.MeasuredOn] = (),
    max_results: requests.Int32 | None = None,
    order_by: Sequence[requests.ModelOrder] = (),
    page_token: str | None = None,
) -> replies.Models:
    """A page of models."""
    page = at.store.search_logged_models(
        experiment_ids,
        filter,
        [_given(one) for one in datasets] or None,
        max_results,
        [_given(one) for one in order_by] or None,
        page_token or None,
    )
    found = [replies.model(one, at.places) for one in page]
    return replies.Models(models=found, next_page_token=page.token)


def _given(asked: msgspec.Struct) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(asked).items() if value is not None}


def list_artifacts(
    at: Served, model_id: str, artifact_directory_path: str = "", page_token: str | None = None
) -> replies.Files:
    """A folder of a model's files."""
    place = at.places.of_model(model_id, artifact_directory_path)
    path = f"{place.experiment_id}/models/{model_id}/artifacts"
    found = place.files.list(place.path or None)
    return replies.Files(
        root_uri=at.places.shown(place.uri, path), files=list(map(replies.file, found))
    )


_ID = "logged-models/{model_id}"
ENDPOINTS: Final = (
    Endpoint("POST", "logged-models", "log", "experiment", create),
    Endpoint("POST", "logged-models/search", "read", "experiments", search),
    Endpoint("GET", _ID, "read", "model", get),
    Endpoint("PATCH", _ID, "log", "model", finalize),
    Endpoint("DELETE", _ID, "admin", "model", delete),
    Endpoint("PATCH", f"{_ID}/tags", "log", "model", set_tags),
    Endpoint("DELETE", f"{_ID}/tags/{{tag_key}}", "log", "model", delete_tag),
    Endpoint("POST", f"{_ID}/params", "log", "model", log_params),
    Endpoint("GET", f"{_ID}/artifacts/directories", "read", "model", list_artifacts),
)
