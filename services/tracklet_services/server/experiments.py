"""Endpoints of experiments."""

from __future__ import annotations

from typing import Final

from tracklet.entities import ViewType
from tracklet.errors import ResourceDoesNotExist, brief
from tracklet_services.server import replies, requests
from tracklet_services.server.places import check_remote
from tracklet_services.server.table import Endpoint, Served

CONTEXT: Final = "mlflow.data.context"


def create(at: Served, asked: requests.CreateExperiment) -> replies.ExperimentId:
    """Create one; a place for its artifacts is none of this machine's."""
    if asked.artifact_location:
        check_remote(asked.artifact_location, "an experiment's artifact_location")
    tags = {pair.key: pair.value for pair in asked.tags}
    made = at.store.create_experiment(asked.name, asked.artifact_location or None, tags)
    return replies.ExperimentId(experiment_id=made)


def get(at: Served, asked: requests.OfExperiment) -> replies.OneExperiment:
    """The experiment of an id."""
    found = at.store.get_experiment(asked.experiment_id)
    return replies.OneExperiment(experiment=replies.experiment(found, at.places))


def get_by_name(at: Served, asked: requests.ExperimentNamed) -> replies.OneExperiment:
    """The experiment of a name."""
    found = at.store.get_experiment_by_name(asked.experiment_name)
    if found is None:
        raise ResourceDoesNotExist(f"there is no experiment named {brief(asked.experiment_name)}")
    return replies.OneExperiment(experiment=replies.experiment(found, at.places))


def search(at: Served, asked: requests.SearchExperiments) -> replies.Experiments:
    """A page of experiments."""
    page = at.store.search_experiments(
        ViewType.from_string(asked.view_type),
        asked.max_results,
        asked.filter,
        asked.order_by,
        asked.page_token or None,
    )
    found = [replies.experiment(one, at.places) for one in page]
    return replies.Experiments(experiments=found, next_page_token=page.token)


def update(at: Served, asked: requests.UpdateExperiment) -> replies.Nothing:
    """Rename one."""
    if asked.new_name is not None:
        at.store.rename_experiment(asked.experiment_id, asked.new_name)
    return replies.Nothing()


def delete(at: Served, asked: requests.OfExperiment) -> replies.Nothing:
    """Move one to the trash."""
    at.store.delete_experiment(asked.experiment_id)
    return replies.Nothing()


def restore(at: Served, asked: requests.OfExperiment) -> replies.Nothing:
    """Take one back."""
    at.store.restore_experiment(asked.experiment_id)
    return replies.Nothing()


def set_tag(at: Served, asked: requests.ExperimentTag) -> replies.Nothing:
    """Set a tag."""
    at.store.set_experiment_tag(asked.experiment_id, asked.key, asked.value)
    return replies.Nothing()


def delete_tag(at: Served, asked: requests.ExperimentKey) -> replies.Nothing:
    """Remove a tag."""
    at.store.delete_experiment_tag(asked.experiment_id, asked.key)
    return replies.Nothing()


def search_datasets(at: Served, asked: requests.OfExperiments) -> replies.DatasetSummaries:
    """The datasets of the latest thousand runs."""
    found: dict[tuple[str, ...], replies.DatasetSummary] = {}
    for run in at.store.search_runs(asked.experiment_ids, max_results=1000):
        for given in run.inputs.dataset_inputs:
            context = next((tag.value for tag in given.tags if tag.key == CONTEXT), None)
            key = run.info.experiment_id, given.dataset.name, given.dataset.digest, context or ""
            found[key] = replies.DatasetSummary(
                experiment_id=key[0], name=key[1], digest=key[2], context=context
            )
    return replies.DatasetSummaries(dataset_summaries=list(found.values()))


_ONE = requests.OfExperiment
_NONE = replies.Nothing
ENDPOINTS: Final = (
    Endpoint("POST", "experiments/create", "log", "new experiment", requests.CreateExperiment,
             create, replies.ExperimentId),
    Endpoint("GET", "experiments/get", "read", "experiment", _ONE, get, replies.OneExperiment),
    Endpoint("GET", "experiments/get-by-name", "read", "experiment", requests.ExperimentNamed,
             get_by_name, replies.OneExperiment),
    Endpoint("POST", "experiments/search", "read", "experiments", requests.SearchExperiments,
             search, replies.Experiments),
    Endpoint("GET", "experiments/search", "read", "experiments", requests.SearchExperiments,
             search, replies.Experiments),
    Endpoint("POST", "experiments/update", "log", "experiment", requests.UpdateExperiment,
             update, _NONE),
    Endpoint("POST", "experiments/delete", "admin", "experiment", _ONE, delete, _NONE),
    Endpoint("POST", "experiments/restore", "admin", "experiment", _ONE, restore, _NONE),
    Endpoint("POST", "experiments/set-experiment-tag", "log", "experiment",
             requests.ExperimentTag, set_tag, _NONE),
    Endpoint("POST", "experiments/delete-experiment-tag", "log", "experiment",
             requests.ExperimentKey, delete_tag, _NONE),
    Endpoint("POST", "experiments/search-datasets", "read", "experiments",
             requests.OfExperiments, search_datasets, replies.DatasetSummaries),
)  # fmt: skip
