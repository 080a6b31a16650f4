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
    validation.encoded(kind, value)
    assert isinstance(value, str)
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
    value, *_ = validation.metric_numbers(point.key, point.value, point.step, point.timestamp)
    validation.validate_metric_dataset(point)
    if point.model_id is not None:
        validation.validate_model_id(point.model_id)
    return point if value is point.value else replace(point, value=value)


def dataset(given: DatasetInput, *, nul: bool = True) -> None:
    """Check a dataset and the tags of its use."""
    validation.validate_dataset_input(given)
    for texts in (given.dataset, *given.tags):
        for what, value in texts:
            text(f"the {what} of a dataset or of a tag of its use", value or "", nul=nul)
