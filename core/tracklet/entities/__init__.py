"""Frozen values: what the record consists of, independent of where it is kept.

Field names are MLflow's. Times are milliseconds since the epoch (UTC). Entities iterate as
``(name, value)`` pairs, so ``dict(run.info)`` works.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from tracklet.entities.dataset import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
)
from tracklet.entities.entity import Entity, LifecycleStage, PagedList, ViewType
from tracklet.entities.experiment import Experiment, ExperimentTag
from tracklet.entities.file_info import FileInfo
from tracklet.entities.logged_model import (
    LoggedModel,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
)
from tracklet.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from tracklet.entities.run import (
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    SourceType,
)

if TYPE_CHECKING:
    from tracklet.entities.assessment import (
        Assessment,
        AssessmentError,
        AssessmentSource,
        AssessmentSourceType,
        Expectation,
        Feedback,
    )
    from tracklet.entities.live_span import LiveSpan, NoOpSpan
    from tracklet.entities.span import (
        Document,
        Span,
        SpanEvent,
        SpanStatus,
        SpanStatusCode,
        SpanType,
    )
    from tracklet.entities.trace import Trace, TraceData
    from tracklet.entities.trace_info import (
        MlflowExperimentLocation,
        TraceInfo,
        TraceLocation,
        TraceLocationType,
        TraceState,
    )

_LAZY: Final = {
    **dict.fromkeys(
        (
            "Assessment",
            "AssessmentError",
            "AssessmentSource",
            "AssessmentSourceType",
            "Expectation",
            "Feedback",
        ),
        "assessment",
    ),
    **dict.fromkeys(("LiveSpan", "NoOpSpan"), "live_span"),
    **dict.fromkeys(
        ("Document", "Span", "SpanEvent", "SpanStatus", "SpanStatusCode", "SpanType"), "span"
    ),
    **dict.fromkeys(("Trace", "TraceData"), "trace"),
    **dict.fromkeys(
        (
            "MlflowExperimentLocation",
            "TraceInfo",
            "TraceLocation",
            "TraceLocationType",
            "TraceState",
        ),
        "trace_info",
    ),
}
"""What only traces need, and the module of this package that has it; a training without traces
does not pay for it."""

__all__ = [
    "Assessment",
    "AssessmentError",
    "AssessmentSource",
    "AssessmentSourceType",
    "Dataset",
    "DatasetInput",
    "Document",
    "Entity",
    "Expectation",
    "Experiment",
    "ExperimentTag",
    "Feedback",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "LiveSpan",
    "LoggedModel",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelParameter",
    "LoggedModelStatus",
    "LoggedModelTag",
    "Metric",
    "MlflowExperimentLocation",
    "ModelVersion",
    "ModelVersionTag",
    "NoOpSpan",
    "PagedList",
    "Param",
    "RegisteredModel",
    "RegisteredModelAlias",
    "RegisteredModelTag",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "Span",
    "SpanEvent",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceLocation",
    "TraceLocationType",
    "TraceState",
    "ViewType",
]


def _resolve(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:
    __getattr__ = _resolve
