"""What the values in MLflow's tables stand for."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from tracklet.entities import Dataset, LifecycleStage, LoggedModelStatus, Metric, RunStatus
from tracklet.errors import InvalidParameterValue

Row = Mapping[str, Any]


def double(value: Any, is_nan: Any) -> float:
    """The value that was logged: MLflow writes NaN as 0 with a flag, and ±inf as ±DBL_MAX."""
    if is_nan or value is None:
        return math.nan
    number = float(value)
    if abs(number) >= sys.float_info.max:
        return math.copysign(math.inf, number)
    return number


def rank(point: Metric) -> tuple[int, int, float]:
    """What orders points; the greatest is the latest."""
    value = point.value
    return point.step, point.timestamp, -math.inf if value != value else value


def dataset(row: Row) -> Dataset:
    """The dataset of a row of ``datasets``."""
    return Dataset(
        name=str(row["name"]),
        digest=str(row["digest"]),
        source_type=str(row["dataset_source_type"]),
        source=string(row["dataset_source"]),
        schema=row["dataset_schema"],
        profile=row["dataset_profile"],
    )


def dataset_of(row: Row) -> tuple[str | None, str | None]:
    """The dataset that a point was measured on."""
    name, digest = row["dataset_name"], row["dataset_digest"]
    return (str(name), str(digest)) if name and digest else (None, None)


def stage(value: Any) -> str:
    """The life-cycle stage."""
    deleted = value == LifecycleStage.DELETED
    return LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE


def status(value: Any, end_time: Any) -> str:
    """The name of a run's status; one that is unknown is decided by the end time."""
    try:
        return RunStatus.to_string(RunStatus.from_string(value))
    except InvalidParameterValue:
        return "RUNNING" if end_time is None else "FINISHED"


def model_status(value: Any) -> LoggedModelStatus:
    """The status of a logged model."""
    if isinstance(value, int) and 0 <= value < len(LoggedModelStatus):
        return LoggedModelStatus.from_int(value)
    return LoggedModelStatus.UNSPECIFIED


def string(value: Any) -> str:
    """A text; NULL is an empty one."""
    return "" if value is None else str(value)
