"""The active experiment, and verbs on experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracklet import settings
from tracklet.client import TrackletClient
from tracklet.client.pages import all_of
from tracklet.entities import Experiment, LifecycleStage, ViewType
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.state import ProcessState


class _Active(ProcessState):
    """The active experiments, by tracking URI."""

    def begin(self) -> None:
        self.by_uri: dict[str, str] = {}


_active = _Active()


def set_experiment(
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    trace_location: Any = None,
) -> Experiment:
    """Make an experiment the active one of this process; one of a new name is created.

    Args:
        experiment_name: Its name; or
        experiment_id: its id.
        trace_location: Accepted for compatibility.

    Raises:
        InvalidParameterValue: Not exactly one of name and id is given, or it was deleted.
        ResourceDoesNotExist: There is no experiment of that id.
    """
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidParameterValue(
            "give set_experiment exactly one of experiment_name and experiment_id; got "
            f"experiment_name={experiment_name!r}, experiment_id={experiment_id!r}"
        )
    client = TrackletClient()
    if experiment_id is not None:
        experiment = client.get_experiment(experiment_id)
    else:
        experiment = _named(client, str(experiment_name))
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise InvalidParameterValue(
            f"experiment {experiment.name!r} (id {experiment.experiment_id}) was deleted; restore "
            f"it with tracklet.restore_experiment({experiment.experiment_id!r}) or choose another "
            "name"
        )
    _active.by_uri[client.tracking_uri] = experiment.experiment_id
    return experiment


def active_experiment_id(client: TrackletClient) -> str | None:
    """The id of the experiment that was made active for the client's store, if any was."""
    return _active.by_uri.get(client.tracking_uri)


def experiment_for_new_run(client: TrackletClient) -> str:
    """The experiment that a run goes to which names none: active, then configured, then ``0``.

    Raises:
        InvalidParameterValue: Name and id are both configured and do not agree.
    """
    active = active_experiment_id(client)
    if active is not None:
        return active
    name = settings.option("EXPERIMENT_NAME")
    configured = settings.option("EXPERIMENT_ID")
    if name is None:
        return configured or "0"
    found = _named(client, name).experiment_id
    if configured is not None and configured != found:
        raise InvalidParameterValue(
            f"EXPERIMENT_NAME={name!r} is experiment {found}, but EXPERIMENT_ID={configured!r} is "
            "configured too; unset one of them"
        )
    return found


def create_experiment(
    name: str,
    artifact_location: str | None = None,
    tags: Mapping[str, Any] | None = None,
    trace_location: Any = None,
) -> str:
    """Create an experiment and return its id; see :meth:`TrackletClient.create_experiment`."""
    return TrackletClient().create_experiment(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """The experiment, also a deleted one; ResourceDoesNotExist if there is none."""
    return TrackletClient().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """The experiment of that name, also a deleted one; None if there is none."""
    return TrackletClient().get_experiment_by_name(name)


def delete_experiment(experiment_id: str) -> None:
    """Move an experiment and its runs to the trash."""
    TrackletClient().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Take a deleted experiment and its runs back."""
    TrackletClient().restore_experiment(experiment_id)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """All matching experiments, or the first ``max_results``; by default newest first."""
    search = TrackletClient().search_experiments
    found = all_of(
        lambda size, token: search(view_type, size, filter_string, order_by, token),
        1000,
        max_results,
    )
    return list(found)


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the active experiment."""
    client = TrackletClient()
    client.set_experiment_tag(experiment_for_new_run(client), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the active experiment."""
    for key, value in tags.items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the active experiment."""
    client = TrackletClient()
    client.delete_experiment_tag(experiment_for_new_run(client), key)


def _named(client: TrackletClient, name: str) -> Experiment:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return experiment
    try:
        return client.get_experiment(client.create_experiment(name))
    except ResourceAlreadyExists:  # another process was quicker
        experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise ResourceDoesNotExist(f"experiment {name!r} was created and removed at once")
    return experiment
