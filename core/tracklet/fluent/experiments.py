"""The active experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracklet import settings
from tracklet.entities import LifecycleStage
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active
from tracklet.state import ProcessState
from tracklet.validation import as_strings, validate_experiment_name, validate_key

if TYPE_CHECKING:
    from tracklet.entities import Experiment


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
    if experiment_id is not None:
        experiment = active.store().get_experiment(experiment_id)
    else:
        experiment = _named(experiment_name)
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise InvalidParameterValue(
            f"experiment {experiment.name!r} (id {experiment.experiment_id}) was deleted; restore "
            f"it with tracklet.restore_experiment({experiment.experiment_id!r}) or choose another "
            "name"
        )
    _active.by_uri[settings.tracking_uri()] = experiment.experiment_id
    chosen = [experiment.experiment_id, settings.tracking_uri(), *_configured()]
    settings.hand_down("ACTIVE_EXPERIMENT", "\n".join(chosen))
    return experiment


def _configured() -> list[str]:
    """The experiment that the user's configuration names, if it does: its name, its id."""
    return [settings.option(f"EXPERIMENT_{each}") or "" for each in ("NAME", "ID")]


def active_experiment_id() -> str | None:
    """The id of the experiment that was made active for the store in use, if any was."""
    return _active.by_uri.get(settings.tracking_uri())


def experiment_for_new_run() -> str:
    """The experiment that a run goes to which names none.

    The active one, then that which was active in the process that started this one, unless this
    one was given another store or experiment, then the configured one, then ``0``.

    Raises:
        InvalidParameterValue: Name and id are both configured and do not agree.
    """
    chosen = active_experiment_id() or _inherited()
    if chosen is not None:
        return chosen
    name = settings.option("EXPERIMENT_NAME")
    configured = settings.option("EXPERIMENT_ID")
    if name is None:
        return configured or "0"
    found = _named(name).experiment_id
    if configured is not None and configured != found:
        raise InvalidParameterValue(
            f"EXPERIMENT_NAME={name!r} is experiment {found}, but EXPERIMENT_ID={configured!r} is "
            "configured too; unset one of them"
        )
    return found


def _inherited() -> str | None:
    experiment_id, *chosen = (settings.option("ACTIVE_EXPERIMENT") or "").split("\n")
    given = [settings.tracking_uri(), *_configured()]
    overruled = [each for each in given if each and each not in chosen]
    return None if overruled else experiment_id or None


def create_experiment(
    name: str,
    artifact_location: str | None = None,
    tags: Mapping[str, Any] | None = None,
    trace_location: Any = None,
) -> str:
    """Create an experiment and return its id; see :meth:`TrackletClient.create_experiment`."""
    return active.store().create_experiment(name, artifact_location, tags)


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the active experiment."""
    key = validate_key("experiment tag", key)
    active.store().set_experiment_tag(experiment_for_new_run(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the active experiment."""
    for key, value in as_strings(tags).items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the active experiment."""
    active.store().delete_experiment_tag(experiment_for_new_run(), key)


def _named(name: str | None) -> Experiment:
    return active.store().ensure_experiment(validate_experiment_name(name))
