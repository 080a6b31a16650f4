"""Spans: the steps of a trace, each with what went in, what came out and how long it took.

Times are nanoseconds since the epoch. Attribute values are kept as JSON texts, the form in which
files and servers hold them; they are decoded when they are looked at.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracklet.entities.entity import Entity, renamed
from tracklet.entities.json_text import json_text
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import field

TRACE_ID_PREFIX: Final = "tr-"
NO_OP_TRACE_ID: Final = "MLFLOW_NO_OP_SPAN_TRACE_ID"

REQUEST_ID_ATTRIBUTE: Final = "mlflow.traceRequestId"
TYPE_ATTRIBUTE: Final = "mlflow.spanType"
DESCRIPTION_ATTRIBUTE: Final = "mlflow.spanDescription"
FUNCTION_ATTRIBUTE: Final = "mlflow.spanFunctionName"
INPUTS_ATTRIBUTE: Final = "mlflow.spanInputs"
OUTPUTS_ATTRIBUTE: Final = "mlflow.spanOutputs"

_logger = logging.getLogger(__name__)


class SpanType:
    """Words for what a step does; any other text is fine too."""

    LLM: Final = "LLM"
    CHAIN: Final = "CHAIN"
    AGENT: Final = "AGENT"
    TOOL: Final = "TOOL"
    CHAT_MODEL: Final = "CHAT_MODEL"
    RETRIEVER: Final = "RETRIEVER"
    PARSER: Final = "PARSER"
    EMBEDDING: Final = "EMBEDDING"
    RERANKER: Final = "RERANKER"
    MEMORY: Final = "MEMORY"
    UNKNOWN: Final = "UNKNOWN"
    WORKFLOW: Final = "WORKFLOW"
    TASK: Final = "TASK"
    GUARDRAIL: Final = "GUARDRAIL"
    EVALUATOR: Final = "EVALUATOR"


class SpanStatusCode(enum.StrEnum):
    """How a step ended."""

    UNSET = "UNSET"
    OK = "OK"
    ERROR = "ERROR"


class SpanStatus(Entity):
    """How a step ended, and a sentence on it.

    Raises:
        InvalidParameterValue: The code is none of ``UNSET``, ``OK`` and ``ERROR``.
    """

    status_code: SpanStatusCode
    description: str = ""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "status_code", SpanStatusCode(self.status_code))
        except ValueError:
            raise InvalidParameterValue(
                f"{self.status_code!r} is not a span's status; choose from "
                f"{', '.join(SpanStatusCode)}"
            ) from None


class SpanEvent(Entity):
    """Something that happened during a step; ``timestamp`` in ns."""

    name: str
    timestamp: int = field(default_factory=lambda: time.time_ns())
    attributes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_exception(cls, exception: BaseException) -> SpanEvent:
        """The event ``exception`` with its message, type and stack trace."""
        try:
            message = str(exception)
        except Exception:  # noqa: BLE001 - an exception whose text fails still has a type
            message = ""
        try:
            stack = "".join(traceback.format_exception(exception))
        except Exception:  # noqa: BLE001
            stack = ""
        return cls(
            "exception",
            attributes={
                "exception.message": message,
                "exception.type": type(exception).__name__,
                "exception.stacktrace": stack,
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """The event as files hold it."""
        return {
            "name": self.name,
            "time_unix_nano": self.timestamp,
            "attributes": self.attributes,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> SpanEvent:
        """The event of a document."""
        at = document.get("time_unix_nano", document.get("timestamp"))
        return cls(
            str(document.get("name", "")),
            int(at) if at is not None else 0,
            dict(document.get("attributes") or {}),
        )


class Document(Entity):
    """A piece of text that a retriever found; the outputs of a ``RETRIEVER`` span."""

    page_content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None

    to_dict = Entity.to_dictionary


class Span:
    """A step that is over.

    Args:
        trace_id: The trace, ``tr-`` and 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: The span that this one is a part of; None for the root.
        name: What it is called.
        start_time_ns: When it began.
        end_time_ns: When it ended; None while it goes on.
        status: How it ended.
        attributes: JSON texts by key.
        events: What happened meanwhile.
        links: Documents of links to other spans, as files hold them.
    """

    __slots__ = (
        "_attributes",
        "_end_time_ns",
        "_events",
        "_links",
        "_name",
        "_parent_id",
        "_span_id",
        "_start_time_ns",
        "_status",
        "_trace_id",
    )

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        parent_id: str | None,
        name: str,
        start_time_ns: int,
        end_time_ns: int | None = None,
        status: SpanStatus | None = None,
        attributes: Mapping[str, str] | None = None,
        events: Sequence[SpanEvent] = (),
        links: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._trace_id = trace_id
        self._span_id = span_id
        self._parent_id = parent_id
        self._name = name
        self._start_time_ns = start_time_ns
        self._end_time_ns = end_time_ns
        self._status = status or SpanStatus(SpanStatusCode.UNSET)
        self._attributes: dict[str, str] = dict(attributes or {})
        self._events: list[SpanEvent] = list(events)
        self._links = list(links)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self._name!r}, trace_id={self._trace_id!r}, "
            f"span_id={self._span_id!r}, parent_id={self._parent_id!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and (self is other or self.to_dict() == other.to_dict())

    def __hash__(self) -> int:
        return hash((self._trace_id, self._span_id))

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self._trace_id

    request_id = renamed("trace_id")

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return self._span_id

    @property
    def parent_id(self) -> str | None:
        """The id of the span that this one is a part of; None for the root."""
        return self._parent_id

    @property
    def name(self) -> str:
        """What it is called; several spans may share a name."""
        return self._name

    @property
    def start_time_ns(self) -> int:
        """When it began."""
        return self._start_time_ns

    @property
    def end_time_ns(self) -> int | None:
        """When it ended; None while it goes on."""
        return self._end_time_ns

    @property
    def status(self) -> SpanStatus:
        """How it ended."""
        return self._status

    @property
    def inputs(self) -> Any:
        """What went in; None if nothing was recorded."""
        return self.get_attribute(INPUTS_ATTRIBUTE)

    @property
    def outputs(self) -> Any:
        """What came out; None if nothing was recorded."""
        return self.get_attribute(OUTPUTS_ATTRIBUTE)

    @property
    def span_type(self) -> str:
        """What it does, such as ``SpanType.LLM``."""
        return self.get_attribute(TYPE_ATTRIBUTE) or SpanType.UNKNOWN

    @property
    def description(self) -> str | None:
        """What it is for, in words; None if nobody said so."""
        return self.get_attribute(DESCRIPTION_ATTRIBUTE)

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes, decoded; a copy."""
        return {key: _decoded(text) for key, text in list(self._attributes.items())}

    @property
    def attribute_texts(self) -> dict[str, str]:
        """All attributes as JSON texts; a copy."""
        return dict(self._attributes)

    @property
    def events(self) -> list[SpanEvent]:
        """What happened meanwhile; a copy."""
        return list(self._events)

    @property
    def links(self) -> list[Mapping[str, Any]]:
        """Links to other spans, as files hold them; a copy."""
        return list(self._links)

    def get_attribute(self, key: str) -> Any:
        """One attribute, decoded; None if there is none."""
        text = self._attributes.get(key)
        return None if text is None else _decoded(text)

    def to_dict(self) -> dict[str, Any]:
        """The span as files hold it: ids in base64, attributes as JSON texts."""
        return {
            "trace_id": _base64(self._trace_id.removeprefix(TRACE_ID_PREFIX)),
            "span_id": _base64(self._span_id),
            "parent_span_id": _base64(self._parent_id) if self._parent_id else None,
            "name": self._name,
            "start_time_unix_nano": self._start_time_ns,
            "end_time_unix_nano": self._end_time_ns,
            "events": [event.to_dict() for event in self._events],
            "status": {
                "code": f"STATUS_CODE_{self._status.status_code}",
                "message": self._status.description,
            },
            "attributes": dict(self._attributes),
            "links": list(self._links),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Span:
        """The span of a document, in today's form or in that of older schemas.

        Raises:
            InvalidParameterValue: It is no span.
        """
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidParameterValue(
                f"{str(data)[:200]!r} is no span's document: {type(error).__name__}: {error}"
            ) from error


class LiveSpan(Span):
    """A step in progress.

    Values are taken down when they are set, so changing them later changes nothing here. A value
    that JSON has no form for is kept as its text. Once the span has ended it changes no more.

    Args:
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

    def set_description(self, description: str) -> None:
        """Say what the step is for, in words."""
        self.set_attribute(DESCRIPTION_ATTRIBUTE, description)

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
        if not isinstance(status, SpanStatus):
            status = SpanStatus(status)  # type: ignore[arg-type] (it makes a code of a text)
        if self.is_open:
            self._status = status

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
        kind, message = event.attributes["exception.type"], event.attributes["exception.message"]
        self.set_status(SpanStatus(SpanStatusCode.ERROR, f"{kind}: {message}"))
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


# -- documents ---------------------------------------------------------------------------------


def _read(document: Mapping[str, Any]) -> Span:
    is_old = "context" in document
    ids, digits = (document["context"], _without_0x) if is_old else (document, _hex)
    parent = document.get("parent_id" if is_old else "parent_span_id")
    unit = "" if is_old else "_unix_nano"
    end = document.get(f"end_time{unit}")
    status = document.get("status") or {}
    if is_old:
        status = {"code": document.get("status_code"), "message": document.get("status_message")}
    attributes = _texts(document.get("attributes"))
    request_id = _decoded(attributes.get(REQUEST_ID_ATTRIBUTE, "null"))
    return Span(
        str(request_id or TRACE_ID_PREFIX + digits(ids["trace_id"])),
        digits(ids["span_id"]),
        digits(parent) if parent else None,
        str(document["name"]),
        int(document[f"start_time{unit}"]),
        int(end) if end else None,
        SpanStatus(_status_code(status.get("code")), str(status.get("message") or "")),
        attributes,
        [SpanEvent.from_dict(event) for event in document.get("events") or ()],
        document.get("links") or (),
    )


def _status_code(value: object) -> SpanStatusCode:
    numbers = {0: SpanStatusCode.UNSET, 1: SpanStatusCode.OK, 2: SpanStatusCode.ERROR}
    if isinstance(value, int):
        return numbers.get(value, SpanStatusCode.UNSET)
    return SpanStatusCode(str(value or "UNSET").removeprefix("STATUS_CODE_"))


def _texts(attributes: object) -> dict[str, str]:
    if not isinstance(attributes, Mapping):
        return {}
    return {
        str(key): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in attributes.items()
    }


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _base64(digits: str) -> str:
    try:
        raw = bytes.fromhex(digits)
    except ValueError:  # an id of somebody's own; the attribute mlflow.traceRequestId has it too
        raw = digits.encode()
    return binascii.b2a_base64(raw, newline=False).decode()


def _hex(text: str) -> str:
    return base64.b64decode(text, validate=True).hex()


def _without_0x(text: object) -> str:
    return str(text).removeprefix("0x")
