"""Traces: one request through a program, as a tree of spans, and what is known beside them."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from tracklet.entities.assessment import Assessment, iso_time, ms_of
from tracklet.entities.entity import Entity, renamed
from tracklet.entities.span import INPUTS_ATTRIBUTE, OUTPUTS_ATTRIBUTE, Span
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import field

NAME_TAG: Final = "mlflow.traceName"
RUN_METADATA: Final = "mlflow.sourceRun"
MODEL_METADATA: Final = "mlflow.modelId"
TOKENS_METADATA: Final = "mlflow.trace.tokenUsage"


class TraceState(enum.StrEnum):
    """How a trace ended, or that it goes on."""

    STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"


class TraceLocationType(enum.StrEnum):
    """What kind of place a trace is kept in."""

    TRACE_LOCATION_TYPE_UNSPECIFIED = "TRACE_LOCATION_TYPE_UNSPECIFIED"
    MLFLOW_EXPERIMENT = "MLFLOW_EXPERIMENT"


class TraceLocationBase(Entity):
    """Base of the places of traces."""

    def to_dict(self) -> dict[str, Any]:
        """The place as servers send it."""
        return self.to_dictionary()

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """The place of a document."""
        return cls.from_dictionary(d)


class MlflowExperimentLocation(TraceLocationBase):
    """The experiment that a trace belongs to."""

    experiment_id: str


class TraceLocation(TraceLocationBase):
    """Where a trace is kept."""

    type: TraceLocationType
    mlflow_experiment: MlflowExperimentLocation | None = None

    @classmethod
    def from_experiment_id(cls, experiment_id: str) -> TraceLocation:
        """The place of an experiment."""
        return cls(TraceLocationType.MLFLOW_EXPERIMENT, MlflowExperimentLocation(experiment_id))


class TraceInfo(Entity):
    """What is known of a trace beside its spans.

    Attributes:
        request_time: When it began, in ms since the epoch.
        execution_duration: How long it took, in ms.
        request_preview: The beginning of the root's inputs, as JSON.
        response_preview: The beginning of its outputs.
        trace_metadata: Texts that stay as they are.
        tags: Texts that may be set again.
    """

    trace_id: str
    trace_location: TraceLocation
    request_time: int
    state: TraceState
    request_preview: str | None = None
    response_preview: str | None = None
    client_request_id: str | None = None
    execution_duration: int | None = None
    trace_metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    assessments: list[Assessment] = field(default_factory=list)

    request_id = renamed("trace_id")
    timestamp_ms = renamed("request_time")
    execution_time_ms = renamed("execution_duration")
    status = renamed("state")
    request_metadata = renamed("trace_metadata")

    @property
    def experiment_id(self) -> str | None:
        """The experiment that the trace belongs to."""
        place = self.trace_location.mlflow_experiment
        return None if place is None else place.experiment_id

    @property
    def token_usage(self) -> dict[str, int] | None:
        """How many tokens were used, if that was recorded."""
        text = self.trace_metadata.get(TOKENS_METADATA)
        return None if text is None else json.loads(text)

    def to_dict(self) -> dict[str, Any]:
        """The info as servers send it; what is not set is left out."""
        experiment_id = self.experiment_id
        location: dict[str, Any] = {"type": str(self.trace_location.type)}
        if experiment_id is not None:
            location["mlflow_experiment"] = {"experiment_id": experiment_id}
        document: dict[str, Any] = {
            "trace_id": self.trace_id,
            "trace_location": location,
            "request_time": iso_time(self.request_time),
            "state": str(self.state),
            "trace_metadata": dict(self.trace_metadata),
            "assessments": [a.to_dictionary() for a in self.assessments] or None,
            "tags": dict(self.tags),
            "request_preview": self.request_preview,
            "response_preview": self.response_preview,
            "client_request_id": self.client_request_id,
            "execution_duration_ms": self.execution_duration,
        }
        return {key: value for key, value in document.items() if value is not None}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> TraceInfo:
        """The info of a document, in today's form or in that of older schemas.

        Raises:
            InvalidParameterValue: It has no id.
        """
        trace_id = d.get("trace_id") or d.get("request_id")
        if not trace_id:
            raise InvalidParameterValue(
                f"{str(dict(d))[:200]!r} is no trace's document: it has no trace_id"
            )
        place = d.get("trace_location") or {}
        experiment = place.get("mlflow_experiment") or {}
        experiment_id = experiment.get("experiment_id", d.get("experiment_id"))
        location = (
            TraceLocation(TraceLocationType.TRACE_LOCATION_TYPE_UNSPECIFIED)
            if experiment_id is None
            else TraceLocation.from_experiment_id(str(experiment_id))
        )
        metadata = d.get("trace_metadata", d.get("request_metadata"))
        return cls(
            trace_id=str(trace_id),
            trace_location=location,
            request_time=ms_of(d.get("request_time", d.get("timestamp_ms"))) or 0,
            state=_state(d.get("state", d.get("status"))),
            request_preview=_text(d.get("request_preview")),
            response_preview=_text(d.get("response_preview")),
            client_request_id=_text(d.get("client_request_id")),
            execution_duration=_duration(d),
            trace_metadata=_texts(metadata),
            tags=_texts(d.get("tags")),
            assessments=[Assessment.from_dictionary(a) for a in d.get("assessments") or ()],
        )


class TraceData(Entity):
    """The spans of a trace, in the order in which they began."""

    spans: list[Span] = field(default_factory=list)

    @property
    def root(self) -> Span | None:
        """The span that is part of no other."""
        return next((span for span in self.spans if span.parent_id is None), None)

    @property
    def request(self) -> str | None:
        """What went into the root, as JSON."""
        root = self.root
        return None if root is None else root.attribute_texts.get(INPUTS_ATTRIBUTE)

    @property
    def response(self) -> str | None:
        """What came out of the root, as JSON."""
        root = self.root
        return None if root is None else root.attribute_texts.get(OUTPUTS_ATTRIBUTE)

    @property
    def intermediate_outputs(self) -> dict[str, Any] | None:
        """What came out of the other spans, by name; None if there is nothing."""
        found: dict[str, Any] = {}
        for span in self.spans:
            if span.parent_id is not None and span.outputs is not None:
                name, number = span.name, 1
                while name in found:
                    number += 1
                    name = f"{span.name}_{number}"
                found[name] = span.outputs
        return found or None

    def to_dict(self) -> dict[str, Any]:
        """The spans as files hold them."""
        return {"spans": [span.to_dict() for span in self.spans]}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> TraceData:
        """The spans of a document."""
        return cls([Span.from_dict(span) for span in d.get("spans") or ()])


class Trace(Entity):
    """One request through a program."""

    info: TraceInfo
    data: TraceData

    def __repr__(self) -> str:
        return f"Trace(trace_id={self.info.trace_id!r})"

    @property
    def trace_id(self) -> str:
        """``tr-`` and 32 hexadecimal digits."""
        return self.info.trace_id

    def to_dict(self) -> dict[str, Any]:
        """The trace in plain dictionaries and lists."""
        return {"info": self.info.to_dict(), "data": self.data.to_dict()}

    def to_json(self, pretty: bool = False) -> str:
        """The trace as JSON, on one line unless ``pretty``."""
        return json.dumps(self.to_dict(), indent=2 if pretty else None)

    @classmethod
    def from_dict(cls, trace_dict: Mapping[str, Any]) -> Trace:
        """The trace of what ``to_dict`` gave.

        Raises:
            InvalidParameterValue: ``info`` or ``data`` is missing.
        """
        if "info" not in trace_dict or "data" not in trace_dict:
            raise InvalidParameterValue(
                f"a trace's document has 'info' and 'data'; got {sorted(trace_dict)}"
            )
        info, data = TraceInfo.from_dict(trace_dict["info"]), trace_dict["data"]
        return cls(info, TraceData.from_dict(data))

    @classmethod
    def from_json(cls, trace_json: str) -> Trace:
        """The trace of what ``to_json`` gave."""
        try:
            document = json.loads(trace_json)
        except ValueError as error:
            raise InvalidParameterValue(f"{trace_json[:100]!r} is no JSON: {error}") from error
        return cls.from_dict(document)

    def search_spans(
        self,
        span_type: str | None = None,
        name: str | None = None,
        span_id: str | None = None,
    ) -> list[Span]:
        """The spans of this type, name and id; what is None is not asked for.

        Args:
            span_type: Such as ``SpanType.LLM``.
            name: The name, or a compiled regular expression that matches in it.
        """

        def wanted(span: Span) -> bool:
            return (
                (span_type is None or span.span_type == span_type)
                and (span_id is None or span.span_id == span_id)
                and (name is None or _named(span.name, name))
            )

        return [span for span in self.data.spans if wanted(span)]

    def search_assessments(
        self,
        name: str | None = None,
        *,
        span_id: str | None = None,
        all: bool = False,
        type: str | None = None,
    ) -> list[Assessment]:
        """The assessments of this name, span and type (``feedback`` or ``expectation``).

        Args:
            all: Those too that were replaced by others.
            type: ``"feedback"`` or ``"expectation"``.
        """
        return [
            assessment
            for assessment in self.info.assessments
            if (all or assessment.valid is not False)
            and (name is None or assessment.name == name)
            and (span_id is None or assessment.span_id == span_id)
            and (type is None or assessment.__class__.__name__.lower() == type.lower())
        ]

    def to_pandas_dataframe_row(self) -> dict[str, Any]:
        """The row of a data frame of traces."""
        return {name: value_of(self) for name, value_of in COLUMNS.items()}

    @staticmethod
    def pandas_dataframe_columns() -> list[str]:
        """The columns of a data frame of traces."""
        return list(COLUMNS)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _state(value: object) -> TraceState:
    try:
        return TraceState(str(value))
    except ValueError:
        return TraceState.STATE_UNSPECIFIED


def _duration(document: Mapping[str, Any]) -> int | None:
    value = document.get("execution_duration_ms", document.get("execution_time_ms"))
    if value is not None:
        return int(value)
    text = document.get("execution_duration")  # seconds, as protocol buffers spell them: "0.058s"
    if isinstance(text, str) and text.endswith("s"):
        try:
            return round(float(text[:-1]) * 1000)
        except ValueError:
            return None
    return None


def _texts(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): str(text) for key, text in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):  # v2: [{key, value}]
        return {str(pair["key"]): str(pair["value"]) for pair in value}
    return {}


def _named(name: str, wanted: Any) -> bool:
    search = getattr(wanted, "search", None)
    return name == wanted if search is None else bool(search(name))


def _of_root(trace: Trace, name: str) -> Any:
    return getattr(trace.data.root, name, None)


COLUMNS: Final[Mapping[str, Callable[[Trace], Any]]] = {
    "trace_id": lambda trace: trace.info.trace_id,
    "trace": lambda trace: trace.to_json(),
    "client_request_id": lambda trace: trace.info.client_request_id,
    "state": lambda trace: str(trace.info.state),
    "request_time": lambda trace: trace.info.request_time,
    "execution_duration": lambda trace: trace.info.execution_duration,
    "request": lambda trace: _of_root(trace, "inputs"),
    "response": lambda trace: _of_root(trace, "outputs"),
    "trace_metadata": lambda trace: trace.info.trace_metadata,
    "tags": lambda trace: trace.info.tags,
    "spans": lambda trace: trace.data.to_dict()["spans"],
    "assessments": lambda trace: [each.to_dictionary() for each in trace.info.assessments],
}
"""The columns of a data frame of traces, and what each holds."""
