"""Models as their pages show them: those that runs logged, registered ones and their versions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request

from tracklet.entities import (
    LoggedModel,
    Metric,
    ModelVersion,
    PagedList,
    RegisteredModel,
    Run,
)
from tracklet.errors import ResourceDoesNotExist
from tracklet.reading import columns
from tracklet.record.query import all_of
from tracklet_services.ui.answers import experiments_of, number, page_of, without_user
from tracklet_services.ui.place import Place
from tracklet_services.ui.rights import may

_MOST_VERSIONS: Final = 10_000
_MOST_MEASURED: Final = 500


# -- logged models -----------------------------------------------------------------------------


def logged(place: Place, request: Request) -> Any:
    """A page of the models of some experiments, or of all."""
    asked = request.query_params
    ids = experiments_of(place, request)
    found = place.client.search_logged_models(
        ids, asked.get("filter") or None, max_results=page_of(request), page_token=asked.get("page")
    )
    runs = Runs(place, request, (model.source_run_id for model in found))
    models = [_brief(model) | {"run": runs.brief(model.source_run_id)} for model in found]
    return {"models": models, "next": found.token}


def model(place: Place, request: Request) -> Any:
    """All that the page of a logged model needs."""
    found = place.client.get_logged_model(request.path_params["model_id"])
    experiment = place.client.get_experiment(found.experiment_id)
    known = place.ask(lambda reader: columns.runs_of_model(reader, found.model_id))
    came_of = found.source_run_id or next((id_ for id_, came_out in known if came_out), None)
    runs = Runs(place, request, [came_of, *(id_ for id_, _ in known)])
    made = place.client.get_run(came_of) if came_of and came_of in runs else None
    inputs = [] if made is None else made.inputs.dataset_inputs
    return {
        **_brief(found),
        "experiment": {"id": experiment.experiment_id, "name": experiment.name},
        "run": runs.brief(came_of),
        "others": [runs.brief(id_) for id_, _ in known if id_ != came_of and id_ in runs],
        "location": without_user(found.artifact_location),
        "message": found.status_message,
        "tags": found.tags,
        "datasets": [
            {
                "name": used.dataset.name,
                "digest": used.dataset.digest,
                "tags": {tag.key: tag.value for tag in used.tags},
            }
            for used in inputs
        ],
        "versions": [
            {"name": one.name, "version": str(one.version), "stage": one.current_stage}
            for one in versions_of(place, found)
            if may(request, "registered", one.name)
        ],
    }


def versions_of(place: Place, model: LoggedModel) -> list[ModelVersion]:
    """The versions that came of a logged model."""
    sources = {model.model_uri, model.artifact_location}
    filters = [f"source_path = {quoted(source)}" for source in sources if "'" not in source]
    if model.source_run_id:
        filters.append(f"run_id = {quoted(model.source_run_id)}")
    found: dict[tuple[str, str], ModelVersion] = {}
    for filter in filters:
        for one in place.client.search_model_versions(filter):
            if one.model_id == model.model_id or one.source in sources:
                found[one.name, str(one.version)] = one
    return sorted(found.values(), key=lambda one: (one.name, int(one.version)))


def quoted(text: str) -> str:
    """A text in a filter, by the quotes that it does not hold."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _brief(model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.model_id,
        "name": model.name,
        "experiment_id": model.experiment_id,
        "type": model.model_type,
        "status": str(model.status),
        "created": model.creation_timestamp,
        "params": model.params,
        "metrics": [_measured(metric) for metric in _last(model.metrics)],
    }


def _measured(metric: Metric) -> list[Any]:
    digest = metric.dataset_digest
    return [metric.key, number(metric.value), metric.step, metric.dataset_name, digest]


def _last(metrics: Iterable[Metric]) -> list[Metric]:
    """The last point of each metric on each data set."""
    found: dict[tuple[str, str, str], Metric] = {}
    for point in sorted(metrics, key=lambda one: (one.step, one.timestamp)):
        found[point.key, point.dataset_name or "", point.dataset_digest or ""] = point
    return [found[key] for key in sorted(found)]


class Runs:
    """The runs that an answer mentions, of those that who asks may read.

    Args:
        place: Where they are.
        request: Who asks.
        run_ids: Their ids; what is None is no run's.
    """

    def __init__(self, place: Place, request: Request, run_ids: Iterable[str | None]) -> None:
        ids = [run_id for run_id in dict.fromkeys(run_ids) if run_id]
        found = place.ask(lambda reader: columns.runs_named(reader, ids)) if ids else {}
        self._known = {
            run_id: row
            for run_id, row in found.items()
            if may(request, "experiment", row.experiment_id)
        }

    def __contains__(self, run_id: str | None) -> bool:
        return run_id in self._known

    def brief(self, run_id: str | None) -> dict[str, Any] | None:
        """What a link to a run shows."""
        if not run_id:
            return None
        row = self._known.get(run_id)
        if row is None:
            return {"id": run_id, "name": None, "status": None, "experiment_id": None}
        return {
            "id": run_id,
            "name": row.name,
            "status": row.status,
            "experiment_id": row.experiment_id,
        }


# -- the registry ------------------------------------------------------------------------------


def registry(place: Place, request: Request) -> Any:
    """All registered models."""
    search = place.client.search_registered_models

    def page(size: int, token: str | None) -> PagedList[RegisteredModel]:
        return search(max_results=size, page_token=token)

    return {
        "models": [
            _registered(one) for one in all_of(page, 1000) if may(request, "registered", one.name)
        ]
    }


def registered(place: Place, request: Request) -> Any:
    """All that the page of a registered model needs."""
    name = request.query_params.get("name", "")
    found = place.client.get_registered_model(name)
    versions = _versions(place, name)
    runs = Runs(place, request, (one.run_id for one in versions))
    return {
        **_registered(found),
        "versions": [_version(one) | {"run": runs.brief(one.run_id)} for one in versions],
    }


def over_versions(place: Place, request: Request) -> Any:
    """Each metric over the newest versions of a registered model, oldest first.

    A version has what was measured of the logged model that it came of, else of its run.
    """
    versions = _versions(place, request.query_params.get("name", ""))
    shown = versions[:_MOST_MEASURED][::-1]
    runs = Runs(place, request, (one.run_id for one in shown))
    found: dict[str, list[Any]] = {}
    for one in shown:
        for point in _measures(place, request, one, runs):
            digest = point.dataset_digest
            value = [str(one.version), number(point.value), point.dataset_name, digest]
            found.setdefault(point.key, []).append(value)
    return {"of": len(versions), "shown": len(shown), "metrics": sorted(found.items())}


def _measures(
    place: Place, request: Request, version: ModelVersion, runs: Runs
) -> Iterable[Metric]:
    """What was last measured of a version, of which who asks may read."""
    model = _logged(place, version.model_id)
    if model is not None and may(request, "experiment", model.experiment_id) and model.metrics:
        return _last(model.metrics)
    if version.run_id and version.run_id in runs:
        return _last(place.client.store.last_points(version.run_id))
    return []


def version(place: Place, request: Request) -> Any:
    """All that the page of a version needs."""
    name = request.query_params.get("name", "")
    found = place.client.get_model_version(name, request.query_params.get("version", ""))
    others = [str(one.version) for one in _versions(place, name)]
    run = Runs(place, request, [found.run_id])
    made = place.client.get_run(found.run_id) if found.run_id and found.run_id in run else None
    model = _logged(place, found.model_id)
    if model is not None and not may(request, "experiment", model.experiment_id):
        model = None
    return {
        **_version(found),
        "description": found.description or "",
        "tags": found.tags,
        "source": without_user(found.source or ""),
        "message": found.status_message,
        "run": run.brief(found.run_id),
        "params": {} if model is None else model.params,
        "metrics": [_measured(metric) for metric in _measures(place, request, found, run)],
        "files": _files(found, made, model),
        "versions": others,
        "aliases_of_all": place.client.get_registered_model(name).aliases,
    }


def _versions(place: Place, name: str) -> list[ModelVersion]:
    """The versions of a registered model, newest first."""
    both = "'" in name and '"' in name
    filter = None if both else f"name = {quoted(name)}"
    found = place.client.search_model_versions(filter, max_results=_MOST_VERSIONS)
    return sorted((one for one in found if one.name == name), key=lambda one: -int(one.version))


def _registered(one: RegisteredModel) -> dict[str, Any]:
    newest = max((int(each.version) for each in one.latest_versions), default=0)
    return {
        "name": one.name,
        "description": one.description or "",
        "tags": one.tags,
        "aliases": {alias: str(number) for alias, number in one.aliases.items()},
        "created": one.creation_timestamp,
        "updated": one.last_updated_timestamp,
        "newest": str(newest) if newest else None,
    }


def _version(one: ModelVersion) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": str(one.version),
        "stage": one.current_stage,
        "status": str(one.status),
        "aliases": list(one.aliases),
        "created": one.creation_timestamp,
        "updated": one.last_updated_timestamp,
        "user": one.user_id,
        "model_id": one.model_id,
        "line": (one.description or "").partition("\n")[0],
    }


def _logged(place: Place, model_id: str | None) -> LoggedModel | None:
    if not model_id:
        return None
    try:
        return place.client.get_logged_model(model_id)
    except ResourceDoesNotExist:
        return None


def _files(
    version: ModelVersion, run: Run | None, model: LoggedModel | None
) -> dict[str, str] | None:
    """Where the files of a version are among what the UI shows; None if they are elsewhere."""
    source = version.source or ""
    if model is not None:
        return {"kind": "models", "owner": model.model_id, "path": "MLmodel"}
    scheme, _, rest = source.partition(":/")
    owner, _, path = rest.strip("/").partition("/")
    if scheme == "runs" and owner and path:
        return {"kind": "runs", "owner": owner, "path": path}
    if scheme == "models" and owner.startswith("m-"):
        return {"kind": "models", "owner": owner, "path": "MLmodel"}
    if run is not None:
        root, at = (urlsplit(uri).path for uri in (run.info.artifact_uri or "", source))
        below = PurePosixPath(at)
        if root and below.is_relative_to(root) and str(below) != root:
            inside = str(below.relative_to(root))
            return {"kind": "runs", "owner": run.info.run_id, "path": inside}
    return None
