"""Endpoints of logged models."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served

_STATUS: Final = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}


def create(at: Served, asked: requests.CreateModel) -> replies.OneModel:
    """Create one."""
    made = at.store.create_logged_model(
        asked.experiment_id,
        asked.name or None,
        asked.source_run_id or None,
        {pair.key: pair.value for pair in asked.tags},
        {pair.key: pair.value for pair in asked.params},
        asked.model_type or None,
    )
    return replies.OneModel(model=replies.model(made, at.places))


def get(at: Served, asked: requests.OfModel) -> replies.OneModel:
    """The model of an id."""
    found = at.store.get_logged_model(asked.model_id)
    return replies.OneModel(model=replies.model(found, at.places))


def finalize(at: Served, asked: requests.FinalizeModel) -> replies.OneModel:
    """Say how it ended up."""
    status = _STATUS.get(asked.status, asked.status)
    made = at.store.finalize_logged_model(asked.model_id, status)
    return replies.OneModel(model=replies.model(made, at.places))


def delete(at: Served, asked: requests.OfModel) -> replies.Nothing:
    """Move one to the trash."""
    at.store.delete_logged_model(asked.model_id)
    return replies.Nothing()


def set_tags(at: Served, asked: requests.ModelTags) -> replies.OneModel:
    """Set tags."""
    at.store.set_logged_model_tags(asked.model_id, {p.key: p.value for p in asked.tags})
    return get(at, requests.OfModel(model_id=asked.model_id))


def delete_tag(at: Served, asked: requests.ModelTagKey) -> replies.Nothing:
    """Remove a tag."""
    at.store.delete_logged_model_tag(asked.model_id, asked.tag_key)
    return replies.Nothing()


def log_params(at: Served, asked: requests.ModelParams) -> replies.OneModel:
    """Add params."""
    at.store.log_logged_model_params(asked.model_id, {p.key: p.value for p in asked.params})
    return get(at, requests.OfModel(model_id=asked.model_id))


def search(at: Served, asked: requests.SearchModels) -> replies.Models:
    """A page of models."""
    page = at.store.search_logged_models(
        asked.experiment_ids,
        asked.filter,
        [_given(one) for one in asked.datasets] or None,
        asked.max_results,
        [_given(one) for one in asked.order_by] or None,
        asked.page_token or None,
    )
    found = [replies.model(one, at.places) for one in page]
    return replies.Models(models=found, next_page_token=page.token)


def _given(asked: msgspec.Struct) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(asked).items() if value is not None}


def list_artifacts(at: Served, asked: requests.ModelFolder) -> replies.Files:
    """A folder of a model's files."""
    place = at.places.of_model(asked.model_id, asked.artifact_directory_path)
    path = f"{place.experiment_id}/models/{asked.model_id}/artifacts"
    found = place.files.list(place.path or None)
    return replies.Files(
        root_uri=at.places.shown(place.uri, path), files=list(map(replies.file, found))
    )


_ID = "logged-models/{model_id}"
_MODEL = replies.OneModel
_NONE = replies.Nothing
ENDPOINTS: Final = (
    Endpoint("POST", "logged-models", "log", "experiment", requests.CreateModel, create, _MODEL),
    Endpoint("POST", "logged-models/search", "read", "experiments", requests.SearchModels, search,
             replies.Models),
    Endpoint("GET", _ID, "read", "model", requests.OfModel, get, _MODEL),
    Endpoint("PATCH", _ID, "log", "model", requests.FinalizeModel, finalize, _MODEL),
    Endpoint("DELETE", _ID, "admin", "model", requests.OfModel, delete, _NONE),
    Endpoint("PATCH", f"{_ID}/tags", "log", "model", requests.ModelTags, set_tags, _MODEL),
    Endpoint("DELETE", f"{_ID}/tags/{{tag_key}}", "log", "model", requests.ModelTagKey,
             delete_tag, _NONE),
    Endpoint("POST", f"{_ID}/params", "log", "model", requests.ModelParams, log_params, _MODEL),
    Endpoint("GET", f"{_ID}/artifacts/directories", "read", "model", requests.ModelFolder,
             list_artifacts, replies.Files),
)  # fmt: skip
