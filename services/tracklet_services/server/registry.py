"""Endpoints of registered models and their versions."""

from __future__ import annotations

import re
from typing import Final

from tracklet import validation
from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served


def create(
    at: Served, name: str, tags: requests.Pairs = (), description: str | None = None
) -> replies.OneRegistered:
    """Create one."""
    made = at.store.create_registered_model(name, requests.by_key(tags), description)
    return replies.registered(made, at.places)


def get(at: Served, name: str) -> replies.OneRegistered:
    """The registered model of a name."""
    return replies.registered(at.store.get_registered_model(name), at.places)


def rename(at: Served, name: str, new_name: str) -> replies.OneRegistered:
    """Rename one."""
    return replies.registered(at.store.rename_registered_model(name, new_name), at.places)


def update(at: Served, name: str, description: str | None = None) -> replies.OneRegistered:
    """Describe one."""
    return replies.registered(at.store.update_registered_model(name, description), at.places)


def delete(at: Served, name: str) -> None:
    """Delete one with its versions."""
    at.store.delete_registered_model(name)


# Clients hide prompts by a clause that also finds what lacks the tag; here they are hidden anyway.
_NO_PROMPTS: Final = re.compile(
    r"""(?:^|\s+AND\s+)\s*tags?\.[`"]?mlflow\.prompt\.is_prompt[`"]?\s*!=\s*'true'\s*$""",
    re.IGNORECASE,
)


def _without_prompts(filter: str | None) -> str | None:
    return _NO_PROMPTS.sub("", filter) if filter else filter


def search(
    at: Served,
    filter: str | None = None,
    order_by: requests.Texts = (),
    page_token: str | None = None,
    max_results: requests.Int64 | None = None,
) -> replies.Registered:
    """A page of registered models."""
    size = 100 if max_results is None else max_results
    page = at.store.search_registered_models(
        _without_prompts(filter), size, order_by, page_token or None
    )
    found = [replies.registered(one, at.places) for one in page]
    return replies.Registered(registered_models=found, next_page_token=page.token)


def latest_versions(at: Served, name: str, stages: requests.Texts = ()) -> replies.Versions:
    """The newest version of each stage, or of some."""
    wanted = {validation.canonical_stage(stage) for stage in stages}
    versions = at.store.get_registered_model(name).latest_versions
    found = [one for one in versions if not wanted or one.current_stage in wanted]
    return replies.Versions(model_versions=[replies.version(one, at.places) for one in found])


def set_tag(at: Served, name: str, key: str, value: str) -> None:
    """Set a tag."""
    at.store.set_registered_model_tag(name, key, value)


def delete_tag(at: Served, name: str, key: str) -> None:
    """Remove a tag."""
    at.store.delete_registered_model_tag(name, key)


def set_alias(at: Served, name: str, alias: str, version: str) -> None:
    """Point an alias at a version."""
    at.store.set_registered_model_alias(name, alias, version)


def delete_alias(at: Served, name: str, alias: str) -> None:
    """Remove an alias."""
    at.store.delete_registered_model_alias(name, alias)


def by_alias(at: Served, name: str, alias: str) -> replies.OneVersion:
    """The version that an alias points at."""
    return replies.version(at.store.get_model_version_by_alias(name, alias), at.places)


def create_version(
    at: Served,
    name: str,
    source: str,
    run_id: str | None = None,
    tags: requests.Pairs = (),
    run_link: str | None = None,
    description: str | None = None,
    model_id: str | None = None,
) -> replies.OneVersion:
    """Add the next version."""
    run_id, model_id = run_id or None, model_id or None
    made = at.store.create_model_version(
        name,
        at.places.kept_source(source, run_id),
        run_id,
        requests.by_key(tags),
        run_link,
        description,
        model_id,
    )
    return replies.version(made, at.places)


def get_version(at: Served, name: str, version: str) -> replies.OneVersion:
    """A version."""
    return replies.version(at.store.get_model_version(name, version), at.places)


def update_version(
    at: Served, name: str, version: str, description: str | None = None
) -> replies.OneVersion:
    """Describe a version."""
    return replies.version(at.store.update_model_version(name, version, description), at.places)


def transition(
    at: Served, name: str, version: str, stage: str, archive_existing_versions: bool = False
) -> replies.OneVersion:
    """Move a version to a stage."""
    made = at.store.transition_model_version_stage(name, version, stage, archive_existing_versions)
    return replies.version(made, at.places)


def delete_version(at: Served, name: str, version: str) -> None:
    """Delete a version."""
    at.store.delete_model_version(name, version)


def search_versions(
    at: Served,
    filter: str | None = None,
    order_by: requests.Texts = (),
    page_token: str | None = None,
    max_results: requests.Int64 | None = None,
) -> replies.Versions:
    """A page of versions."""
    size = 10_000 if max_results is None else max_results
    page = at.store.search_model_versions(
        _without_prompts(filter), size, order_by, page_token or None
    )
    found = [replies.version(one, at.places) for one in page]
    return replies.Versions(model_versions=found, next_page_token=page.token)


def download_uri(at: Served, name: str, version: str) -> replies.DownloadUri:
    """Where the files of a version are."""
    found = at.store.get_model_version(name, version)
    source = found.storage_location or found.source or ""
    return at.places.download_uri(source, found.run_id, found.model_id)


def set_version_tag(at: Served, name: str, version: str, key: str, value: str) -> None:
    """Set a tag of a version."""
    at.store.set_model_version_tag(name, version, key, value)


def delete_version_tag(at: Served, name: str, version: str, key: str) -> None:
    """Remove a tag of a version."""
    at.store.delete_model_version_tag(name, version, key)


_R = "registered-models/"
_V = "model-versions/"
ENDPOINTS: Final = (
    Endpoint("POST", f"{_R}create", "log", "new registered", create),
    Endpoint("GET", f"{_R}get", "read", "registered", get),
    Endpoint("POST", f"{_R}rename", "log", "registered", rename),
    Endpoint("PATCH", f"{_R}update", "log", "registered", update),
    Endpoint("DELETE", f"{_R}delete", "admin", "registered", delete),
    Endpoint("GET", f"{_R}search", "read", "registry", search),
    Endpoint("GET", f"{_R}get-latest-versions", "read", "registered", latest_versions),
    Endpoint("POST", f"{_R}get-latest-versions", "read", "registered", latest_versions),
    Endpoint("POST", f"{_R}set-tag", "log", "registered", set_tag),
    Endpoint("DELETE", f"{_R}delete-tag", "log", "registered", delete_tag),
    Endpoint("POST", f"{_R}alias", "log", "registered", set_alias),
    Endpoint("DELETE", f"{_R}alias", "log", "registered", delete_alias),
    Endpoint("GET", f"{_R}alias", "read", "registered", by_alias),
    Endpoint("POST", f"{_V}create", "log", "registered", create_version),
    Endpoint("GET", f"{_V}get", "read", "registered", get_version),
    Endpoint("PATCH", f"{_V}update", "log", "registered", update_version),
    Endpoint("POST", f"{_V}transition-stage", "log", "registered", transition),
    Endpoint("DELETE", f"{_V}delete", "admin", "registered", delete_version),
    Endpoint("GET", f"{_V}search", "read", "registry", search_versions),
    Endpoint("GET", f"{_V}get-download-uri", "read", "registered", download_uri),
    Endpoint("POST", f"{_V}set-tag", "log", "registered", set_version_tag),
    Endpoint("DELETE", f"{_V}delete-tag", "log", "registered", delete_version_tag),
)
