"""Endpoints of experiments."""

from __future__ import annotations

from typing import Final

from tracklet.entities import ViewType
from tracklet.errors import ResourceDoesNotExist, brief
from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served

CONTEXT: Final = "mlflow.data.context"


def create(
    at: Served, name: str, artifact_location: str | None = None, tags: requests.Pairs = ()
) -> replies.ExperimentId:
    """Create one; a place for its artifacts is none of this machine's."""
    location = at.places.new_location(artifact_location)
    return at.store.create_experiment(name, location, requests.by_key(tags))


def get(at: Served, experiment_id: str) -> replies.OneExperiment:
    """The experiment of an id."""
    return replies.experiment(at.store.get_experiment(experiment_id), at.places)


def get_by_name(at: Served, experiment_name: str) -> replies.OneExperiment:
    """The experiment of a name."""
    found = at.store.get_experiment_by_name(experiment_name)
    if found is None:
        raise ResourceDoesNotExist(f"there is no experiment named {brief(experiment_name)}")
    return replies.experiment(found, at.places)


def search(
    at: Served,
    filter: str | None = None,
    order_by: requests.Texts = (),
    page_token: str | None = None,
    view_type: requests.View = "ACTIVE_ONLY",
    max_results: requests.Int64 = 1000,
) -> replies.Experiments:
    """A page of experiments."""
    page = at.store.search_experiments(
        ViewType.from_string(view_type),
        max_results,
        filter,
        order_by,
        page_token or None,
    )
    found = [replies.experiment(one, at.places) for one in page]
    return replies.Experiments(experiments=found, next_page_token=page.token)


def update(at: Served, experiment_id: str, new_name: str | None = None) -> None:
    """Rename one."""
    if new_name is not None:
        at.store.rename_experiment(experiment_id, new_name)


def delete(at: Served, experiment_id: str) -> None:
    """Move one to the trash."""
    at.store.delete_experiment(experiment_id)


def restore(at: Served, experiment_id: str) -> None:
    """Take one back."""
    at.store.restore_experiment(experiment_id)


def set_tag(at: Served, experiment_id: str, key: str, value: str) -> None:
    """Set a tag."""
    at.store.set_experiment_tag(experiment_id, key, value)


def delete_tag(at: Served, experiment_id: str, key: str) -> None:
    """Remove a tag."""
    at.store.delete_experiment_tag(experiment_id, key)


def search_datasets(at: Served, experiment_ids: requests.Texts = ()) -> replies.DatasetSummaries:
    """The datasets of the latest thousand runs."""
    found: dict[tuple[str, ...], replies.DatasetSummary] = {}
    for run in at.store.search_runs(experiment_ids, max_results=1000):
        for given in run.inputs.dataset_inputs:
            context = next((tag.value for tag in given.tags if tag.key == CONTEXT), None)
            key = run.info.experiment_id, given.dataset.name, given.dataset.digest, context or ""
            found[key] = replies.DatasetSummary(
                experiment_id=key[0], name=key[1], digest=key[2], context=context
            )
    return replies.DatasetSummaries(dataset_summaries=list(found.values()))


ENDPOINTS: Final = (
    Endpoint("POST", "experiments/create", "log", "new experiment", create),
    Endpoint("GET", "experiments/get", "read", "experiment", get),
    Endpoint("GET", "experiments/get-by-name", "read", "experiment", get_by_name),
    Endpoint("POST", "experiments/search", "read", "experiments", search),
    Endpoint("GET", "experiments/search", "read", "experiments", search),
    Endpoint("POST", "experiments/update", "log", "experiment", update),
    Endpoint("POST", "experiments/delete", "admin", "experiment", delete),
    Endpoint("POST", "experiments/restore", "admin", "experiment", restore),
    Endpoint("POST", "experiments/set-experiment-tag", "log", "experiment", set_tag),
    Endpoint("POST", "experiments/delete-experiment-tag", "log", "experiment", delete_tag),
    Endpoint("POST", "experiments/search-datasets", "read", "experiments", search_datasets),
)
