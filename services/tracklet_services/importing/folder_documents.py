"""The files of whole entities, as an import writes them into a folder that nobody reads yet.

What a file cannot carry (a key that is no path, or that is the beginning of another one) is left
out, and a text that says so is added to ``refused``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tracklet import validation
from tracklet.entities import Experiment, LifecycleStage, Metric
from tracklet.errors import InvalidParameterValue
from tracklet.stores import disk
from tracklet.stores.files import documents, key_values, layout
from tracklet.stores.files.folder import now_ms
from tracklet_services.importing.merge import RunRecord

_NOT_A_FILE: Final = (FileExistsError, IsADirectoryError, NotADirectoryError)


# -- keys and their files ----------------------------------------------------------------------


def encoded(kind: str, values: Mapping[str, str], refused: list[str]) -> dict[str, bytes]:
    """The keys and texts that files can carry."""
    data: dict[str, bytes] = {}
    for key, value in values.items():
        try:
            data[key] = key_values.encoded(kind, key, value)
        except InvalidParameterValue as error:
            refused.append(error.message)
    return data


def write_texts(kind: str, folder: str, values: Mapping[str, str], refused: list[str]) -> None:
    """Write params, tags or aliases, a file each."""
    for key, data in sorted(encoded(kind, values, refused).items()):
        write_key(kind, folder, key, data, refused)


def write_key(kind: str, folder: str, key: str, data: bytes, refused: list[str]) -> bool:
    """Write the file of a key; say whether that was possible."""
    path = f"{folder}/{key}"
    try:
        try:
            disk.write_new(path, data)
        except FileNotFoundError:
            disk.make_dirs(os.path.dirname(path))
            disk.write_new(path, data)
    except _NOT_A_FILE:
        refused.append(
            f"{kind} {key!r} cannot be a file beside the other keys: one is the beginning of "
            "another"
        )
        return False
    return True


def put_tags(
    kind: str, folder: str, values: Mapping[str, str], staging: str, refused: list[str]
) -> None:
    """Set tags of an entity that is in place already."""
    for key, data in encoded(kind, values, refused).items():
        try:
            key_values.put_tags(kind, folder, {key: data}, staging)
        except InvalidParameterValue as error:
            refused.append(error.message)


def put_params(
    kind: str, folder: str, values: Mapping[str, str], staging: str, refused: list[str]
) -> None:
    """Set params, new ones, of an entity that is in place already."""
    for key, data in encoded(kind, values, refused).items():
        try:
            key_values.put_params(kind, folder, {key: data}, staging, "it")
        except InvalidParameterValue as error:
            refused.append(error.message)


# -- points ------------------------------------------------------------------------------------


def lines(points: Sequence[Metric], *, model: bool = False) -> bytes:
    """Points as the lines of a metric file, of a run or of a logged model.

    Raises:
        InvalidParameterValue: A line cannot carry the name of the dataset.
    """
    if not model and not any(point.dataset_name for point in points):
        return b"".join(b"%d %a %d\n" % (p.timestamp, float(p.value), p.step) for p in points)
    return b"".join(_line(point, model=model) for point in points)


def _line(point: Metric, *, model: bool) -> bytes:
    fields = [str(point.timestamp), repr(float(point.value)), str(point.step)]
    if model and (point.run_id or point.dataset_name):
        fields.append(point.run_id or "-")
    if point.dataset_name is not None and point.dataset_digest is not None:
        name, digest = point.dataset_name, point.dataset_digest
        if not name.isprintable() or not digest.isprintable() or " " in digest or not digest:
            raise InvalidParameterValue(
                f"the dataset {name!r} with the digest {digest!r} of metric {point.key!r} does "
                "not fit the line of a point"
            )
        fields += [name, digest]
    return (" ".join(fields) + "\n").encode()


def is_key(key: str, refused: list[str]) -> bool:
    """Whether a metric's key can be a file."""
    try:
        validation.validate_key("metric", key)
    except InvalidParameterValue as error:
        refused.append(error.message)
        return False
    return True


def write_histories(
    folder: str,
    histories: Mapping[str, Sequence[Metric]],
    refused: list[str],
    *,
    model: bool = False,
) -> int:
    """Write metric files and return how many points they hold."""
    count = 0
    for key in sorted(histories):
        if not is_key(key, refused):
            continue
        points = histories[key]
        try:
            data = lines(points, model=model)
        except InvalidParameterValue as error:
            refused.append(error.message)
            continue
        if data and write_key("metric", folder, key, data, refused):
            count += len(points)
    return count


# -- documents ---------------------------------------------------------------------------------


def write_document(folder: str, document: Mapping[str, Any]) -> None:
    """Write the document that makes a folder an entity."""
    disk.write_new(layout.meta(folder), documents.dumps(dict(document)))


def experiment_document(
    experiment: Experiment, experiment_id: str, location: str, stage: str
) -> dict[str, Any]:
    """What an experiment's ``meta.yaml`` says."""
    created = experiment.creation_time
    created = now_ms() if created is None else created
    updated = experiment.last_update_time
    here = replace(
        experiment,
        experiment_id=experiment_id,
        artifact_location=location,
        lifecycle_stage=stage,
        creation_time=created,
        last_update_time=created if updated is None else updated,
    )
    return documents.experiment(here)


def run_document(record: RunRecord, experiment_id: str, artifact_uri: str) -> dict[str, Any]:
    """What a run's ``meta.yaml`` says."""
    info = record.run.info
    here = replace(
        info,
        experiment_id=experiment_id,
        artifact_uri=artifact_uri,
        run_name=info.run_name or "",
    )
    document = documents.run(here)
    if info.lifecycle_stage == LifecycleStage.DELETED:
        document["deleted_time"] = record.deleted_time or info.end_time or now_ms()
    return document
