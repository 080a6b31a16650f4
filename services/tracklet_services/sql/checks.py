"""Checks of texts before they are stored, so that nothing is refused half-way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tracklet import validation
from tracklet.entities import DatasetInput, Metric
from tracklet.errors import InvalidParameterValue


def text(kind: str, value: object, *, nul: bool = True) -> str:
    """Check that a value is text that every reader can decode.

    Args:
        kind: What it is, for the message: ``"the value of param 'lr'"``.
        value: The value.
        nul: Whether the database keeps the character NUL.
    """
    if not isinstance(value, str):
        raise InvalidParameterValue(
            f"{kind} must be text; got {value!r} of type {type(value).__name__}"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidParameterValue(
            f"{kind} contains a lone surrogate, which UTF-8 cannot carry; replace it, for example "
            "with text.encode('utf-8', 'replace').decode()"
        ) from None
    if not nul and "\x00" in value:
        raise InvalidParameterValue(
            f"{kind} contains the character NUL, which PostgreSQL cannot keep; replace it"
        )
    return value


def texts(
    kind: str, values: Mapping[str, object], limit: int | None = None, *, nul: bool = True
) -> dict[str, str]:
    """Check keys and values of params or tags, and return them."""
    checked: dict[str, str] = {}
    for key, value in values.items():
        validation.validate_key(kind, key)
        validation.validate_text(kind, key, value, limit)
        checked[key] = text(f"the value of {kind} {key!r}", value, nul=nul)
    return checked


def metric(point: Metric) -> Metric:
    """Check a point, its model and its dataset, and return it with a float for a value."""
    validation.validate_metric(point)
    try:
        value = float(point.value)
    except OverflowError:
        raise InvalidParameterValue(
            f"the value of metric {point.key!r} must fit a double; the given integer is too large"
        ) from None
    if point.model_id is not None:
        validation.validate_model_id(point.model_id)
    for part in (point.dataset_name, point.dataset_digest):
        if part is not None:
            text(f"the dataset of metric {point.key!r}", part)
    if value is point.value:
        return point
    return replace(point, value=value)


def dataset(given: DatasetInput, *, nul: bool = True) -> None:
    """Check a dataset and the tags of its use."""
    validation.validate_dataset_input(given)
    data = given.dataset
    for value in (data.name, data.digest, data.source, data.schema or "", data.profile or ""):
        text(f"a field of dataset {data.name!r}", value, nul=nul)
    for tag in given.tags:
        text(f"the value of input tag {tag.key!r}", tag.value, nul=nul)
