"""Frozen values: what the record consists of, independent of where it is kept.

Field names are MLflow's. Times are milliseconds since the epoch (UTC). Entities iterate as
``(name, value)`` pairs, so ``dict(run.info)`` works. Each is looked up when it is first used.
"""

# ruff: noqa: F403 - what type checkers see under TYPE_CHECKING is resolved lazily at run time
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracklet import lazy

if TYPE_CHECKING:
    # For type checkers, which do not run the table below.
    from tracklet.entities.assessment import *
    from tracklet.entities.dataset import *
    from tracklet.entities.entity import *
    from tracklet.entities.experiment import *
    from tracklet.entities.file_info import *
    from tracklet.entities.logged_model import *
    from tracklet.entities.model_registry import *
    from tracklet.entities.run import *
    from tracklet.entities.span import *
    from tracklet.entities.trace import *

_HOMES: Final = {
    "assessment": (
        "Assessment AssessmentError AssessmentSource AssessmentSourceType Expectation Feedback"
    ),
    "dataset": "Dataset DatasetInput InputTag LoggedModelInput LoggedModelOutput",
    "entity": "Entity LifecycleStage PagedList ViewType",
    "experiment": "Experiment ExperimentTag",
    "file_info": "FileInfo",
    "logged_model": "LoggedModel LoggedModelParameter LoggedModelStatus LoggedModelTag",
    "model_registry": (
        "ModelVersion ModelVersionTag RegisteredModel RegisteredModelAlias RegisteredModelTag"
    ),
    "run": "Metric Param Run RunData RunInfo RunInputs RunOutputs RunStatus RunTag SourceType",
    "span": "Document LiveSpan NoOpSpan Span SpanEvent SpanStatus SpanStatusCode SpanType",
    "trace": (
        "MlflowExperimentLocation Trace TraceData TraceInfo TraceLocation TraceLocationType "
        "TraceState"
    ),
}
"""The modules of this package, and what each is home to."""

if not TYPE_CHECKING:
    _homes = {
        name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names.split()
    }
    __all__ = sorted(_homes)
    __getattr__ = lazy.lookup(__name__, _homes)
