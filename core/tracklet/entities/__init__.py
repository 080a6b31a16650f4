"""Frozen values: what the record consists of, independent of where it is kept.

Field names are MLflow's. Times are milliseconds since the epoch (UTC). Entities iterate as
``(name, value)`` pairs, so ``dict(run.info)`` works. Each is looked up when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet.entities.assessment import Assessment as Assessment
    from tracklet.entities.assessment import AssessmentError as AssessmentError
    from tracklet.entities.assessment import AssessmentSource as AssessmentSource
    from tracklet.entities.assessment import AssessmentSourceType as AssessmentSourceType
    from tracklet.entities.assessment import Expectation as Expectation
    from tracklet.entities.assessment import Feedback as Feedback
    from tracklet.entities.dataset import Dataset as Dataset
    from tracklet.entities.dataset import DatasetInput as DatasetInput
    from tracklet.entities.dataset import InputTag as InputTag
    from tracklet.entities.dataset import LoggedModelInput as LoggedModelInput
    from tracklet.entities.dataset import LoggedModelOutput as LoggedModelOutput
    from tracklet.entities.entity import Entity as Entity
    from tracklet.entities.entity import LifecycleStage as LifecycleStage
    from tracklet.entities.entity import PagedList as PagedList
    from tracklet.entities.entity import ViewType as ViewType
    from tracklet.entities.logged_model import LoggedModel as LoggedModel
    from tracklet.entities.logged_model import LoggedModelParameter as LoggedModelParameter
    from tracklet.entities.logged_model import LoggedModelStatus as LoggedModelStatus
    from tracklet.entities.logged_model import LoggedModelTag as LoggedModelTag
    from tracklet.entities.model_registry import ModelVersion as ModelVersion
    from tracklet.entities.model_registry import ModelVersionStatus as ModelVersionStatus
    from tracklet.entities.model_registry import ModelVersionTag as ModelVersionTag
    from tracklet.entities.model_registry import RegisteredModel as RegisteredModel
    from tracklet.entities.model_registry import RegisteredModelAlias as RegisteredModelAlias
    from tracklet.entities.model_registry import RegisteredModelTag as RegisteredModelTag
    from tracklet.entities.run import Experiment as Experiment
    from tracklet.entities.run import ExperimentTag as ExperimentTag
    from tracklet.entities.run import FileInfo as FileInfo
    from tracklet.entities.run import Metric as Metric
    from tracklet.entities.run import Param as Param
    from tracklet.entities.run import Run as Run
    from tracklet.entities.run import RunData as RunData
    from tracklet.entities.run import RunInfo as RunInfo
    from tracklet.entities.run import RunInputs as RunInputs
    from tracklet.entities.run import RunOutputs as RunOutputs
    from tracklet.entities.run import RunStatus as RunStatus
    from tracklet.entities.run import RunTag as RunTag
    from tracklet.entities.run import SourceType as SourceType
    from tracklet.entities.span import Document as Document
    from tracklet.entities.span import LiveSpan as LiveSpan
    from tracklet.entities.span import NoOpSpan as NoOpSpan
    from tracklet.entities.span import Span as Span
    from tracklet.entities.span import SpanEvent as SpanEvent
    from tracklet.entities.span import SpanStatus as SpanStatus
    from tracklet.entities.span import SpanStatusCode as SpanStatusCode
    from tracklet.entities.span import SpanType as SpanType
    from tracklet.entities.trace import MlflowExperimentLocation as MlflowExperimentLocation
    from tracklet.entities.trace import Trace as Trace
    from tracklet.entities.trace import TraceData as TraceData
    from tracklet.entities.trace import TraceInfo as TraceInfo
    from tracklet.entities.trace import TraceLocation as TraceLocation
    from tracklet.entities.trace import TraceLocationType as TraceLocationType
    from tracklet.entities.trace import TraceState as TraceState

_HOMES: Final = {
    "assessment": (
        "Assessment AssessmentError AssessmentSource AssessmentSourceType Expectation Feedback"
    ),
    "dataset": "Dataset DatasetInput InputTag LoggedModelInput LoggedModelOutput",
    "entity": "Entity LifecycleStage PagedList ViewType",
    "logged_model": "LoggedModel LoggedModelParameter LoggedModelStatus LoggedModelTag",
    "model_registry": (
        "ModelVersion ModelVersionStatus ModelVersionTag RegisteredModel RegisteredModelAlias "
        "RegisteredModelTag"
    ),
    "run": (
        "Experiment ExperimentTag FileInfo Metric Param Run RunData RunInfo RunInputs RunOutputs "
        "RunStatus RunTag SourceType"
    ),
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
