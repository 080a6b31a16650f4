"""Spans in progress: what code inside a step can add to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tracklet.entities.json_text import json_text
from tracklet.entities.span import (
    INPUTS_ATTRIBUTE,
    OUTPUTS_ATTRIBUTE,
    REQUEST_ID_ATTRIBUTE,
    TYPE_ATTRIBUTE,
    Span,
    SpanEvent,
    SpanStatus,
    SpanStatusCode,
    SpanType,
)
from tracklet.errors import InvalidParameterValue

_logger = logging.getLogger(__name__)

NO_OP_TRACE_ID: Final = "MLFLOW_NO_OP_SPAN_TRACE_ID"


class LiveSpan(Span):
    """A step in progress.

    Values are taken down when they are set, so changing them later changes nothing here. A value
    that JSON has no form for is kept as its text. Once the span has ended it changes no more.

    Args:
        trace_id: The trace.
        span_id: 16 hexadecimal digits.
        parent_id: The span that this one is a part of.
        name: What it is called.
        span_type: What it does.
        start_time_ns: When it began; now by default.
        on_end: Called once, when the span has ended.
    """

    __slots__ = ("__weakref__", "_on_end", "trace")

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        parent_id: str | None,
        name: str,
        span_type: str | None = SpanType.UNKNOWN,
        start_time_ns: int | None = None,
        on_end: Callable[[LiveSpan], None] | None = None,
    ) -> None:
        super().__init__(
            trace_id, span_id, parent_id, str(name), start_time_ns or time.time_ns(), status=_UNSET
        )
        self._attributes[REQUEST_ID_ATTRIBUTE] = f'"{trace_id}"'
        self._attributes[TYPE_ATTRIBUTE] = json_text(span_type or SpanType.UNKNOWN)
        self._on_end = on_end
        self.trace: Any = None

    @property
    def is_open(self) -> bool:
        """Whether the step goes on."""
        return self._end_time_ns is None

    def set_inputs(self, inputs: Any) -> None:
        """Take down what went in."""
        self.set_attribute(INPUTS_ATTRIBUTE, inputs)

    def set_outputs(self, outputs: Any) -> None:
        """Take down what came out."""
        self.set_attribute(OUTPUTS_ATTRIBUTE, outputs)

    def set_span_type(self, span_type: str) -> None:
        """Say what the step does, such as ``SpanType.LLM``."""
        self.set_attribute(TYPE_ATTRIBUTE, span_type)

    def set_attribute(self, key: str, value: Any) -> None:
        """Take down one fact; a key that is no text is warned of and left out."""
        if not isinstance(key, str):
            _logger.warning("span %r: an attribute's key is text; %r is left out", self._name, key)
        elif key == REQUEST_ID_ATTRIBUTE:
            _logger.warning("span %r: %r is tracklet's and stays as it is", self._name, key)
        elif self.is_open:
            self._attributes[key] = json_text(value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Take down several facts."""
        if not isinstance(attributes, Mapping):
            _logger.warning(
                "span %r: attributes are a dictionary; %r is left out", self._name, attributes
            )
            return
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute_text(self, key: str, text: str) -> None:
        """Take down a fact that is JSON already."""
        if self.is_open:
            self._attributes[key] = text

    def set_status(self, status: SpanStatus | SpanStatusCode | str) -> None:
        """Say how the step went.

        Raises:
            InvalidParameterValue: The status is none of ``OK``, ``ERROR`` and ``UNSET``.
        """
        made = (
            status if isinstance(status, SpanStatus) else SpanStatus(SpanStatusCode(_code(status)))
        )
        if self.is_open:
            self._status = made

    def add_event(self, event: SpanEvent) -> None:
        """Take down something that happened.

        Raises:
            InvalidParameterValue: It is no :class:`SpanEvent`.
        """
        if not isinstance(event, SpanEvent):
            raise InvalidParameterValue(
                f"add_event takes a SpanEvent; got {event!r} of type {type(event).__name__}"
            )
        if self.is_open:
            self._events.append(event)

    def record_exception(self, exception: BaseException | str) -> None:
        """Take down an error: the status turns to ERROR, and an event ``exception`` is added."""
        error = Exception(exception) if isinstance(exception, str) else exception
        event = SpanEvent.from_exception(error)
        self.set_status(SpanStatus(SpanStatusCode.ERROR, _described(event)))
        self.add_event(event)

    def end(
        self,
        outputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        status: SpanStatus | SpanStatusCode | str | None = None,
        end_time_ns: int | None = None,
    ) -> None:
        """End the step; doing so again changes nothing.

        Args:
            outputs: What came out, unless it is None.
            attributes: Further facts.
            status: How it went; ``OK`` by default, unless it was set before.
            end_time_ns: When it ended; now by default.
        """
        if not self.is_open:
            return
        if attributes:
            self.set_attributes(attributes)
        if outputs is not None:
            self.set_outputs(outputs)
        if status is not None:
            self.set_status(status)
        if self._status.status_code == SpanStatusCode.UNSET:
            self._status = _OK
        self._end_time_ns = end_time_ns or max(time.time_ns(), self._start_time_ns)
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)

    def to_immutable_span(self) -> Span:
        """The span as it is now."""
        return Span(
            self._trace_id,
            self._span_id,
            self._parent_id,
            self._name,
            self._start_time_ns,
            self._end_time_ns,
            self._status,
            self._attributes,
            self._events,
            self._links,
        )


class NoOpSpan(LiveSpan):
    """What code gets to write into where nothing is recorded: it forgets everything."""

    __slots__ = ()

    def __init__(self, name: str = "") -> None:
        super().__init__(NO_OP_TRACE_ID, "0" * 16, None, name)

    @property
    def is_open(self) -> bool:
        """Never: what is set is forgotten."""
        return False


_UNSET: Final = SpanStatus(SpanStatusCode.UNSET)
_OK: Final = SpanStatus(SpanStatusCode.OK)


def _code(status: object) -> str:
    return SpanStatus(status).status_code  # type: ignore[arg-type]


def _described(event: SpanEvent) -> str:
    kind, message = event.attributes["exception.type"], event.attributes["exception.message"]
    return f"{kind}: {message}"
