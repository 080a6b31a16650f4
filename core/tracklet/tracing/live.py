"""Traces in progress: spans are gathered here until the root ends, and then kept in the store."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tracklet import run_context, settings
from tracklet.client import TrackletClient
from tracklet.client.active_model import asked_model, get_active_model_id
from tracklet.entities import (
    Assessment,
    LiveSpan,
    NoOpSpan,
    Span,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from tracklet.entities.span import INPUTS_ATTRIBUTE, OUTPUTS_ATTRIBUTE, TRACE_ID_PREFIX
from tracklet.entities.trace import MODEL_METADATA, NAME_TAG, RUN_METADATA
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active, experiments
from tracklet.state import ProcessState, remembered
from tracklet.tracing import context
from tracklet.validation import validate_key

if TYPE_CHECKING:
    from tracklet.record.traces import Traces

SCHEMA_METADATA: Final = "mlflow.trace_schema.version"
INPUTS_METADATA: Final = "mlflow.traceInputs"
OUTPUTS_METADATA: Final = "mlflow.traceOutputs"
PREVIEW_LENGTH: Final = 1000
METADATA_PREVIEW_LENGTH: Final = 250
_WHENCE: Final = ("mlflow.user", "mlflow.source.", "mlflow.notebook")


class _Traces(ProcessState):
    """The traces in progress, by id."""

    def begin(self) -> None:
        self.in_progress: weakref.WeakValueDictionary[str, LiveTrace]
        self.in_progress = weakref.WeakValueDictionary()


_traces = _Traces()


class LiveTrace:
    """A trace of which the root goes on.

    Args:
        store: Where it will be kept.
        metadata: Texts that stay as they are.
    """

    def __init__(
        self, trace_id: str, store: Traces, experiment_id: str, metadata: dict[str, str]
    ) -> None:
        self.trace_id = trace_id
        self.store = store
        self.experiment_id = experiment_id
        self.metadata = metadata
        self.tags: dict[str, str] = {}
        self.request_preview: str | None = None
        self.response_preview: str | None = None
        self.client_request_id: str | None = None
        self.state: TraceState | None = None
        self.spans: list[LiveSpan] = []
        self.assessments: list[Assessment] = []
        self.is_kept = False
        self._pid = os.getpid()
        self._lock = threading.RLock()

    def ended(self, span: LiveSpan) -> None:
        """Called when one of the spans has ended; never raises, but in strict mode."""
        try:
            if self._pid != os.getpid():
                return  # a forked child: the trace is its parent's
            with self._lock:
                if span.parent_id is None:
                    context.note_last(self.trace_id)
                    self.store.log_trace(self.info(span), self.present())
                    self.is_kept = True
                    while self.assessments:
                        self.store.create_assessment(self.assessments.pop(0))
                elif self.is_kept:  # it outlived the root
                    self.store.log_spans(self.trace_id, self.present())
                if self.is_kept and not any(other.is_open for other in self.spans):
                    self.spans.clear()  # or spans and trace would keep one another
        except Exception as error:  # noqa: BLE001 - the traced code goes on
            context.contain("keep a trace", error)
        finally:
            if span.parent_id is None:
                _traces.in_progress.pop(self.trace_id, None)

    def assess(self, assessment: Assessment) -> Assessment:
        """Keep an assessment with the trace; it gets its id from the store, when that is kept.

        Raises:
            InvalidParameterValue: It holds what no document can.
        """
        try:
            json.dumps(assessment.to_dictionary())
        except (TypeError, ValueError) as error:
            raise InvalidParameterValue(
                f"the assessment {assessment.name!r} cannot be kept: {error}"
            ) from error
        with self._lock:
            if self.is_kept:
                return self.store.create_assessment(assessment)
            self.assessments.append(assessment)
            return assessment

    def present(self) -> list[Span]:
        """The spans as they are now, in the order in which they began."""
        return [span.to_immutable_span() for span in list(self.spans)]

    def info(self, root: LiveSpan) -> TraceInfo:
        """What is known beside the spans."""
        texts = root.attribute_texts
        inputs, outputs = texts.get(INPUTS_ATTRIBUTE), texts.get(OUTPUTS_ATTRIBUTE)
        end = root.end_time_ns
        metadata = dict(self.metadata)
        for key, text in ((INPUTS_METADATA, inputs), (OUTPUTS_METADATA, outputs)):
            if text is not None:
                metadata[key] = _cut(text, METADATA_PREVIEW_LENGTH)
        failed = root.status.status_code == "ERROR"
        state = TraceState.IN_PROGRESS if end is None else TraceState("ERROR" if failed else "OK")
        preview = self.request_preview if self.request_preview is not None else inputs
        answer = self.response_preview if self.response_preview is not None else outputs
        return TraceInfo(
            trace_id=self.trace_id,
            trace_location=TraceLocation.from_experiment_id(self.experiment_id),
            request_time=root.start_time_ns // 1_000_000,
            state=self.state or state,
            request_preview=None if preview is None else _cut(preview, PREVIEW_LENGTH),
            response_preview=None if answer is None else _cut(answer, PREVIEW_LENGTH),
            client_request_id=self.client_request_id,
            execution_duration=None if end is None else (end - root.start_time_ns) // 1_000_000,
            trace_metadata=metadata,
            tags={**self.tags, NAME_TAG: self.tags.get(NAME_TAG, root.name)},
        )


def in_progress(trace_id: str) -> LiveTrace | None:
    """The trace of that id, if its root goes on in this process."""
    trace = _traces.in_progress.get(trace_id) if isinstance(trace_id, str) else None
    return trace if trace is not None and trace._pid == os.getpid() else None


def begin(
    name: str,
    span_type: str | None,
    attributes: Mapping[str, Any] | None,
    *,
    parent: LiveSpan | None = None,
    experiment_id: str | None = None,
    start_time_ns: int | None = None,
    sampling_ratio: float | None = None,
) -> LiveSpan:
    """A new span: a part of ``parent``, or the root of a trace of its own.

    It records nothing if tracing is off, the trace is not sampled, or its place cannot be found.
    Never raises, but in strict mode.
    """
    if not context.is_enabled() or isinstance(parent, NoOpSpan):
        return NoOpSpan()
    try:
        trace: LiveTrace | None = getattr(parent, "trace", None)
        if trace is None or trace.is_kept:  # what goes on after its root is another request
            parent = None
            if not _sampled(sampling_ratio):
                return NoOpSpan()
            trace = _new_trace(experiment_id)
        span = LiveSpan(
            trace.trace_id,
            os.urandom(8).hex(),
            parent.span_id if parent is not None else None,
            name,
            span_type,
            start_time_ns,
            trace.ended,
        )
        span.trace = trace
        if attributes:
            span.set_attributes(attributes)
        trace.spans.append(span)
        return span
    except Exception as error:  # noqa: BLE001 - the traced code goes on
        context.contain("begin a trace", error)
        return NoOpSpan()


def texts(kind: str, values: Mapping[str, Any] | None) -> dict[str, str]:
    """The texts of tags or metadata that can be kept; what cannot is warned of and left out."""
    kept: dict[str, str] = {}
    if values is not None and not isinstance(values, Mapping):
        problem = InvalidParameterValue(f"a {kind} is an item of a dictionary; got {values!r}")
        context.contain(f"keep a {kind}", problem)
        return kept
    for key, value in (values or {}).items():
        try:
            kept[validate_key(kind, key)] = value if type(value) is str else str(value)
        except Exception as error:  # noqa: BLE001 - the rest can be kept
            context.contain(f"keep a {kind}", error)
    return kept


def _new_trace(experiment_id: str | None) -> LiveTrace:
    client = TrackletClient()
    run = active.to_record()
    metadata = {SCHEMA_METADATA: "3", **_whence()}
    store = client.store if run is None else run.store
    if run is not None:
        metadata[RUN_METADATA] = run.info.run_id
    model_id = asked_model.get() or get_active_model_id()
    if model_id is not None:
        metadata[MODEL_METADATA] = model_id
    if experiment_id is None:
        if run is not None:
            experiment_id = run.info.experiment_id
        else:
            experiment_id = experiments.experiment_for_new_run()
    trace_id = TRACE_ID_PREFIX + os.urandom(16).hex()
    trace = LiveTrace(trace_id, store.traces, experiment_id, metadata)
    _traces.in_progress[trace_id] = trace
    return trace


@remembered
def _whence() -> dict[str, str]:
    """Who runs what, taken down once: asking the plugins for each trace would cost too much."""
    return {k: v for k, v in run_context.resolve_tags().items() if k.startswith(_WHENCE)}


def _sampled(ratio: float | None) -> bool:
    if ratio is None:
        configured = settings.option("TRACE_SAMPLING_RATIO")
        if configured is None:
            return True
        ratio = float(configured)
    if not 0 <= ratio <= 1:
        raise InvalidParameterValue(f"a sampling ratio is a number from 0 to 1; got {ratio!r}")
    # Not the user's generators: drawing from them would change the training.
    return ratio >= 1 or int.from_bytes(os.urandom(6)) < ratio * 2**48


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
