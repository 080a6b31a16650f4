"""Traces: one request through a program, as a tree of spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tracklet.entities.assessment import Assessment
from tracklet.entities.entity import Entity
from tracklet.entities.span import INPUTS_ATTRIBUTE, OUTPUTS_ATTRIBUTE, Span
from tracklet.entities.trace_info import TraceInfo
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import field


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
    def from_dict(cls, document: Mapping[str, Any]) -> TraceData:
        """The spans of a document."""
        return cls([Span.from_dict(span) for span in document.get("spans") or ()])


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
    def from_dict(cls, document: Mapping[str, Any]) -> Trace:
        """The trace of what ``to_dict`` gave.

        Raises:
            InvalidParameterValue: ``info`` or ``data`` is missing.
        """
        if "info" not in document or "data" not in document:
            raise InvalidParameterValue(
                f"a trace's document has 'info' and 'data'; got {sorted(document)}"
            )
        return cls(TraceInfo.from_dict(document["info"]), TraceData.from_dict(document["data"]))

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """The trace of what ``to_json`` gave."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidParameterValue(f"{text[:100]!r} is no JSON: {error}") from error
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
            span_id: The id.
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
            name: The name.
            span_id: The span.
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
