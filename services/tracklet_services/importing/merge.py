"""What is taken over from a source, and what becomes of an entity that is here already."""

from __future__ import annotations

import enum
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tracklet import entities, names, validation
from tracklet.errors import InvalidParameterValue
from tracklet.record.rules import DELETED_STAGE as DELETED_VERSION_STAGE

_CHANGING: Final = (
    "current_stage",
    "description",
    "last_updated_timestamp",
    "status",
    "status_message",
)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with every point of its metrics.

    Attributes:
        run: The run; ``artifact_uri`` says where its artifacts lie, ``experiment_id`` where it
            belongs in the store that takes it.
        histories: All points by key, in the order to keep.
        deleted_time: When it was deleted, in ms, if it was and that is known.
    """

    run: entities.Run
    histories: Mapping[str, Sequence[entities.Metric]]
    deleted_time: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedModelRecord:
    """A logged model with every point measured on it; ``model.metrics`` is not looked at."""

    model: entities.LoggedModel
    points: Sequence[entities.Metric] = ()


@dataclass(frozen=True, slots=True)
class RegisteredModelRecord:
    """A registered model with all versions, the deleted ones included.

    Deleted versions have the stage :data:`DELETED_VERSION_STAGE`.
    """

    model: entities.RegisteredModel
    versions: Sequence[entities.ModelVersion] = ()


class Change(enum.Enum):
    """What became of a record."""

    TAKEN = "taken"
    """It is new here."""
    UPDATED = "updated"
    """It was here, and the source knew more."""
    UNCHANGED = "already there"
    """It was here already."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What became of a record, and of which parts the store could keep nothing.

    Attributes:
        change: The outcome.
        points: How many points of metrics were written.
        artifacts: How many artifact files were copied.
        refused: Why parts of the record were left out, one text for each.
    """

    change: Change
    points: int = 0
    artifacts: int = 0
    refused: list[str] = field(default_factory=list)


# -- what is decided --------------------------------------------------------------------------


@contextmanager
def noting(refused: list[str]) -> Iterator[None]:
    """Leave out what a store cannot keep, and note why."""
    try:
        yield
    except InvalidParameterValue as error:
        refused.append(error.message)


def free_id(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """The id that an experiment gets: its own if that is one and is free."""
    try:
        validation.validate_experiment_id(wanted)
    except InvalidParameterValue:
        return names.experiment_id()
    return names.experiment_id() if is_taken(wanted) else wanted


def dated(experiment: entities.Experiment) -> entities.Experiment:
    """An experiment with the times that its source does not know: now, and never changed since."""
    created = experiment.creation_time
    created = names.now() if created is None else created
    updated = experiment.last_update_time
    updated = created if updated is None else updated
    return replace(experiment, creation_time=created, last_update_time=updated)


def missing_tags(here: entities.Experiment, there: entities.Experiment) -> dict[str, str]:
    """The tags to be set on an experiment that is here."""
    same = here.experiment_id == there.experiment_id and here.creation_time == there.creation_time
    return merged_texts(here.tags, there.tags, overwrite=same)


def run_changes(
    here: entities.Run, there: entities.Run, refused: list[str]
) -> tuple[dict[str, str], dict[str, str], entities.RunInputs, entities.RunOutputs, dict[str, Any]]:
    """What a run that is here lacks of what the source knows, besides points.

    Args:
        here: The run as it is here.
        there: The run in the source.
        refused: Gets a reason for every param that holds another value here; they are set once.

    Returns:
        The params and tags to be set, what it is to be linked to, and the fields that change.
    """
    for key, value in there.data.params.items():
        if here.data.params.get(key, value) != value:
            refused.append(f"param {key!r} holds another value here")
    used = {(one.dataset.name, one.dataset.digest) for one in here.inputs.dataset_inputs}
    produced = {output.model_id for output in here.outputs.model_outputs}
    info = _merged_info(here.info, there.info)
    datasets = [
        one
        for one in there.inputs.dataset_inputs
        if (one.dataset.name, one.dataset.digest) not in used
    ]
    models = [one for one in there.inputs.model_inputs if one not in here.inputs.model_inputs]
    outputs = [one for one in there.outputs.model_outputs if one.model_id not in produced]
    return (
        merged_texts(here.data.params, there.data.params, overwrite=False),
        merged_texts(here.data.tags, there.data.tags, overwrite=True),
        entities.RunInputs(datasets, models),
        entities.RunOutputs(outputs),
        {name: value for name, value in info if value != getattr(here.info, name)},
    )


def model_changes(
    here: entities.LoggedModel, there: entities.LoggedModel
) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """The params and tags to be set on a logged model that is here, and the fields that change.

    Args:
        here: The model as it is here.
        there: The model in the source.
    """
    is_newer = there.last_updated_timestamp >= here.last_updated_timestamp
    fields: dict[str, Any] = {}
    if there.status.is_finalized and not here.status.is_finalized:
        fields.update(status=there.status, status_message=there.status_message)
    return (
        merged_texts(here.params, there.params, overwrite=False),
        merged_texts(here.tags, there.tags, overwrite=is_newer),
        fields,
    )


def missing_points(
    known: Iterable[entities.Metric], given: Sequence[entities.Metric]
) -> list[entities.Metric]:
    """The points that are not known yet; a point logged twice is two points."""
    left = Counter(map(_identity, known))
    if not left:
        return list(given)
    missing: list[entities.Metric] = []
    for point in given:
        identity = _identity(point)
        if left[identity] > 0:
            left[identity] -= 1
        else:
            missing.append(point)
    return missing


def _merged_info(here: entities.RunInfo, there: entities.RunInfo) -> entities.RunInfo:
    """How a run that is here stands after a look at the source.

    An end that only the source knows is taken, and so is a later one: the run was resumed there.
    """
    over_there = entities.RunStatus.is_terminated(there.status)
    over_here = entities.RunStatus.is_terminated(here.status)
    later = (there.end_time or 0) > (here.end_time or 0)
    if over_there and (not over_here or later):
        here = replace(here, status=there.status, end_time=there.end_time)
    if there.run_name and not here.run_name:
        here = replace(here, run_name=there.run_name)
    return here


def merged_texts(
    here: Mapping[str, str], there: Mapping[str, str], *, overwrite: bool
) -> dict[str, str]:
    """The keys to be written here so that nothing of the source is missing."""
    return {
        key: value
        for key, value in there.items()
        if (overwrite and here.get(key) != value) or key not in here
    }


def merged_registered_model(
    model: entities.RegisteredModel,
    versions: Mapping[int, entities.ModelVersion],
    record: RegisteredModelRecord,
    refused: list[str],
) -> tuple[
    entities.RegisteredModel,
    list[entities.ModelVersion],
    list[tuple[entities.ModelVersion, entities.ModelVersion]],
]:
    """What a registered model that is here becomes by a look at the source.

    Args:
        model: The model as it is here.
        versions: Its versions here, by number.
        record: What the source has.
        refused: Gets a reason for every version that is another model here.

    Returns:
        The model, the versions that are new, and those that change, as they are and will be.
    """
    new: list[entities.ModelVersion] = []
    changed: list[tuple[entities.ModelVersion, entities.ModelVersion]] = []
    others: set[int] = set()
    for version in record.versions:
        here = versions.get(version.version)
        if here is None:
            new.append(version)
        elif here.creation_timestamp != version.creation_timestamp:
            others.add(version.version)
            refused.append(f"version {version.version} is another model here")
        elif DELETED_VERSION_STAGE not in (here.current_stage, version.current_stage):
            merged = _merged_version(here, version)
            if merged != here:
                changed.append((here, merged))
    aliases = {a: number for a, number in record.model.aliases.items() if number not in others}
    return _merged_model(model, replace(record.model, aliases=aliases)), new, changed


def version_changes(version: entities.ModelVersion) -> dict[str, Any]:
    """The fields in which a version may follow the source, besides its tags."""
    return {name: getattr(version, name) for name in _CHANGING}


def _merged_version(
    here: entities.ModelVersion, there: entities.ModelVersion
) -> entities.ModelVersion:
    """A version that is here after a look at the source: whoever changed it last is right."""
    if (here.last_updated_timestamp or 0) > (there.last_updated_timestamp or 0):
        return replace(here, tags={**there.tags, **here.tags})
    return replace(here, **version_changes(there), tags={**here.tags, **there.tags})


def _merged_model(
    here: entities.RegisteredModel, there: entities.RegisteredModel
) -> entities.RegisteredModel:
    """A registered model that is here after a look at the source."""
    same = here.creation_timestamp == there.creation_timestamp
    if same and there.last_updated_timestamp >= here.last_updated_timestamp:
        return replace(
            here,
            description=there.description,
            last_updated_timestamp=there.last_updated_timestamp,
            tags={**here.tags, **there.tags},
            aliases={**here.aliases, **there.aliases},
        )
    return replace(
        here,
        description=here.description or there.description,
        tags={**there.tags, **here.tags},
        aliases={**there.aliases, **here.aliases},
    )


def by_key(points: Iterable[entities.Metric]) -> dict[str, list[entities.Metric]]:
    """Points sorted into their metrics."""
    histories: dict[str, list[entities.Metric]] = {}
    for point in points:
        histories.setdefault(point.key, []).append(point)
    return histories


def _identity(point: entities.Metric) -> tuple[object, ...]:
    return (
        struct.pack("d", point.value) if point.value == point.value else b"nan",
        point.timestamp,
        point.step,
        point.dataset_name,
        point.dataset_digest,
        point.run_id,
    )
