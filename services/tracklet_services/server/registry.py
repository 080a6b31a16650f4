"""Endpoints of registered models and their versions."""

from __future__ import annotations

import re
from typing import Final

from tracklet import validation
from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served


def create(at: Served, asked: requests.CreateRegistered) -> replies.OneRegistered:
    """Create one."""
    tags = {pair.key: pair.value for pair in asked.tags}
    made = at.store.create_registered_model(asked.name, tags, asked.description)
    return replies.OneRegistered(registered_model=replies.registered(made, at.places))


def get(at: Served, asked: requests.Named) -> replies.OneRegistered:
    """The registered model of a name."""
    found = at.store.get_registered_model(asked.name)
    return replies.OneRegistered(registered_model=replies.registered(found, at.places))


def rename(at: Served, asked: requests.Rename) -> replies.OneRegistered:
    """Rename one."""
    made = at.store.rename_registered_model(asked.name, asked.new_name)
    return replies.OneRegistered(registered_model=replies.registered(made, at.places))


def update(at: Served, asked: requests.Described) -> replies.OneRegistered:
    """Describe one."""
    made = at.store.update_registered_model(asked.name, asked.description)
    return replies.OneRegistered(registered_model=replies.registered(made, at.places))


def delete(at: Served, asked: requests.Named) -> replies.Nothing:
    """Delete one with its versions."""
    at.store.delete_registered_model(asked.name)
    return replies.Nothing()


# Clients hide prompts by a clause that also finds what lacks the tag; here they are hidden anyway.
_NO_PROMPTS: Final = re.compile(
    r"""(?:^|\s+AND\s+)\s*tags?\.[`"]?mlflow\.prompt\.is_prompt[`"]?\s*!=\s*'true'\s*$""",
    re.IGNORECASE,
)


def _filter(asked: requests.SearchRegistered) -> str | None:
    return _NO_PROMPTS.sub("", asked.filter) if asked.filter else asked.filter


def search(at: Served, asked: requests.SearchRegistered) -> replies.Registered:
    """A page of registered models."""
    size = 100 if asked.max_results is None else asked.max_results
    page = at.store.search_registered_models(
        _filter(asked), size, asked.order_by, asked.page_token or None
    )
    found = [replies.registered(one, at.places) for one in page]
    return replies.Registered(registered_models=found, next_page_token=page.token)


def latest_versions(at: Served, asked: requests.LatestVersions) -> replies.Versions:
    """The newest version of each stage, or of some."""
    wanted = {validation.canonical_stage(stage) for stage in asked.stages}
    versions = at.store.get_registered_model(asked.name).latest_versions
    found = [one for one in versions if not wanted or one.current_stage in wanted]
    return replies.Versions(model_versions=[replies.version(one, at.places) for one in found])


def set_tag(at: Served, asked: requests.NamedPair) -> replies.Nothing:
    """Set a tag."""
    at.store.set_registered_model_tag(asked.name, asked.key, asked.value)
    return replies.Nothing()


def delete_tag(at: Served, asked: requests.NamedKey) -> replies.Nothing:
    """Remove a tag."""
    at.store.delete_registered_model_tag(asked.name, asked.key)
    return replies.Nothing()


def set_alias(at: Served, asked: requests.SetAlias) -> replies.Nothing:
    """Point an alias at a version."""
    at.store.set_registered_model_alias(asked.name, asked.alias, asked.version)
    return replies.Nothing()


def delete_alias(at: Served, asked: requests.Alias) -> replies.Nothing:
    """Remove an alias."""
    at.store.delete_registered_model_alias(asked.name, asked.alias)
    return replies.Nothing()


def by_alias(at: Served, asked: requests.Alias) -> replies.OneVersion:
    """The version that an alias points at."""
    found = at.store.get_model_version_by_alias(asked.name, asked.alias)
    return replies.OneVersion(model_version=replies.version(found, at.places))


def create_version(at: Served, asked: requests.CreateVersion) -> replies.OneVersion:
    """Add the next version."""
    run_id, model_id = asked.run_id or None, asked.model_id or None
    made = at.store.create_model_version(
        asked.name,
        at.places.kept_source(asked.source, run_id),
        run_id,
        {pair.key: pair.value for pair in asked.tags},
        asked.run_link,
        asked.description,
        model_id,
    )
    return replies.OneVersion(model_version=replies.version(made, at.places))


def get_version(at: Served, asked: requests.OfVersion) -> replies.OneVersion:
    """A version."""
    found = at.store.get_model_version(asked.name, asked.version)
    return replies.OneVersion(model_version=replies.version(found, at.places))


def update_version(at: Served, asked: requests.DescribedVersion) -> replies.OneVersion:
    """Describe a version."""
    made = at.store.update_model_version(asked.name, asked.version, asked.description)
    return replies.OneVersion(model_version=replies.version(made, at.places))


def transition(at: Served, asked: requests.Transition) -> replies.OneVersion:
    """Move a version to a stage."""
    made = at.store.transition_model_version_stage(
        asked.name, asked.version, asked.stage, asked.archive_existing_versions
    )
    return replies.OneVersion(model_version=replies.version(made, at.places))


def delete_version(at: Served, asked: requests.OfVersion) -> replies.Nothing:
    """Delete a version."""
    at.store.delete_model_version(asked.name, asked.version)
    return replies.Nothing()


def search_versions(at: Served, asked: requests.SearchRegistered) -> replies.Versions:
    """A page of versions."""
    size = 10_000 if asked.max_results is None else asked.max_results
    page = at.store.search_model_versions(
        _filter(asked), size, asked.order_by, asked.page_token or None
    )
    found = [replies.version(one, at.places) for one in page]
    return replies.Versions(model_versions=found, next_page_token=page.token)


def download_uri(at: Served, asked: requests.OfVersion) -> replies.DownloadUri:
    """Where the files of a version are."""
    found = at.store.get_model_version(asked.name, asked.version)
    source = found.storage_location or found.source or ""
    uri = at.places.download_uri(source, found.run_id, found.model_id)
    return replies.DownloadUri(artifact_uri=uri)


def set_version_tag(at: Served, asked: requests.VersionPair) -> replies.Nothing:
    """Set a tag of a version."""
    at.store.set_model_version_tag(asked.name, asked.version, asked.key, asked.value)
    return replies.Nothing()


def delete_version_tag(at: Served, asked: requests.VersionKey) -> replies.Nothing:
    """Remove a tag of a version."""
    at.store.delete_model_version_tag(asked.name, asked.version, asked.key)
    return replies.Nothing()


_R = "registered-models/"
_V = "model-versions/"
_MODEL = replies.OneRegistered
_VERSION = replies.OneVersion
_NONE = replies.Nothing
ENDPOINTS: Final = (
    Endpoint("POST", f"{_R}create", "log", "new registered", requests.CreateRegistered, create,
             _MODEL),
    Endpoint("GET", f"{_R}get", "read", "registered", requests.Named, get, _MODEL),
    Endpoint("POST", f"{_R}rename", "log", "registered", requests.Rename, rename, _MODEL),
    Endpoint("PATCH", f"{_R}update", "log", "registered", requests.Described, update, _MODEL),
    Endpoint("DELETE", f"{_R}delete", "admin", "registered", requests.Named, delete, _NONE),
    Endpoint("GET", f"{_R}search", "read", "registry", requests.SearchRegistered, search,
             replies.Registered),
    Endpoint("GET", f"{_R}get-latest-versions", "read", "registered", requests.LatestVersions,
             latest_versions, replies.Versions),
    Endpoint("POST", f"{_R}get-latest-versions", "read", "registered", requests.LatestVersions,
             latest_versions, replies.Versions),
    Endpoint("POST", f"{_R}set-tag", "log", "registered", requests.NamedPair, set_tag, _NONE),
    Endpoint("DELETE", f"{_R}delete-tag", "log", "registered", requests.NamedKey, delete_tag,
             _NONE),
    Endpoint("POST", f"{_R}alias", "log", "registered", requests.SetAlias, set_alias, _NONE),
    Endpoint("DELETE", f"{_R}alias", "log", "registered", requests.Alias, delete_alias, _NONE),
    Endpoint("GET", f"{_R}alias", "read", "registered", requests.Alias, by_alias, _VERSION),
    Endpoint("POST", f"{_V}create", "log", "registered", requests.CreateVersion, create_version,
             _VERSION),
    Endpoint("GET", f"{_V}get", "read", "registered", requests.OfVersion, get_version, _VERSION),
    Endpoint("PATCH", f"{_V}update", "log", "registered", requests.DescribedVersion,
             update_version, _VERSION),
    Endpoint("POST", f"{_V}transition-stage", "log", "registered", requests.Transition,
             transition, _VERSION),
    Endpoint("DELETE", f"{_V}delete", "admin", "registered", requests.OfVersion, delete_version,
             _NONE),
    Endpoint("GET", f"{_V}search", "read", "registry", requests.SearchRegistered,
             search_versions, replies.Versions),
    Endpoint("GET", f"{_V}get-download-uri", "read", "registered", requests.OfVersion,
             download_uri, replies.DownloadUri),
    Endpoint("POST", f"{_V}set-tag", "log", "registered", requests.VersionPair, set_version_tag,
             _NONE),
    Endpoint("DELETE", f"{_V}delete-tag", "log", "registered", requests.VersionKey,
             delete_version_tag, _NONE),
)  # fmt: skip
