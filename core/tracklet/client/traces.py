"""Verbs on traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tracklet import entities
from tracklet.client.verbs import Verbs
from tracklet.errors import InvalidParameterValue
from tracklet.validation import as_list

if TYPE_CHECKING:
    from tracklet.entities import Assessment, LiveSpan, PagedList, SpanStatus, Trace


class TraceVerbs(Verbs):
    """Make, find, tag, assess and delete traces."""

    def start_trace(
        self,
        name: str,
        span_type: str = "UNKNOWN",
        inputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        experiment_id: str | None = None,
        start_time_ns: int | None = None,
        run_id: str | None = None,
    ) -> LiveSpan:
        """Begin a trace and return its root, which :meth:`end_trace` ends; then it is kept.

        Args:
            name: What the root is called.
            span_type: What it does, such as ``"CHAIN"``.
            inputs: What goes in, unless it is None.
            attributes: Facts.
            tags: Texts on the trace.
            experiment_id: The experiment, if not that of the active run or the active one.
            start_time_ns: When it began, in ns since the epoch; now by default.
            run_id: The run that it belongs to, if not the active one.
        """
        return _by_id().start_trace(
            self.store,
            name,
            run_id,
            span_type=span_type,
            inputs=inputs,
            attributes=attributes,
            tags=tags,
            experiment_id=experiment_id,
            start_time_ns=start_time_ns,
        )

    def start_span(
        self,
        name: str,
        trace_id: str,
        parent_id: str,
        span_type: str = "UNKNOWN",
        inputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        start_time_ns: int | None = None,
    ) -> LiveSpan:
        """Begin a part of a span of a trace that :meth:`start_trace` began here.

        Raises:
            ResourceDoesNotExist: No such trace or span goes on.
        """
        begun = {"inputs": inputs, "attributes": attributes, "start_time_ns": start_time_ns}
        return _by_id().start_span(name, trace_id, parent_id, span_type=span_type, **begun)

    def end_span(
        self,
        trace_id: str,
        span_id: str,
        outputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
    ) -> None:
        """End a span that :meth:`start_span` began; ResourceDoesNotExist if none goes on."""
        _by_id().end_span(trace_id, span_id, outputs, attributes, status, end_time_ns)

    def end_trace(
        self,
        trace_id: str,
        outputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
    ) -> None:
        """End the root of a trace that :meth:`start_trace` began, and keep the trace."""
        _by_id().end_span(trace_id, None, outputs, attributes, status, end_time_ns)

    def get_trace(self, trace_id: str, display: bool = True, flush: bool = False) -> Trace:
        """The trace; a missing one is ResourceDoesNotExist.

        Args:
            display: Accepted for compatibility.
            flush: Accepted for compatibility: a trace is kept when its root has ended.
        """
        return self.store.traces.get_trace(trace_id)

    def search_traces(
        self,
        experiment_ids: Sequence[str] | None = None,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        run_id: str | None = None,
        include_spans: bool = True,
        model_id: str | None = None,
        locations: Sequence[str] | None = None,
        flush: bool = False,
    ) -> PagedList[Trace]:
        """A page of traces; by default the latest first, 100 a page.

        Args:
            experiment_ids: Where to search.
            filter_string: Such as ``status = 'ERROR' AND tags.team = 'growth'``.
            max_results: How many a page has.
            order_by: Such as ``["execution_time DESC"]``.
            page_token: The ``token`` of the page before.
            run_id: Only traces of this run.
            include_spans: Whether the traces have their spans.
            model_id: Only traces of this logged model.
            locations: The same as ``experiment_ids``.
            flush: Accepted for compatibility.

        Raises:
            InvalidParameterValue: The filter or order is malformed, or no experiment is given.
        """
        ids = experiment_ids if experiment_ids is not None else locations
        if ids is None:
            raise InvalidParameterValue(
                "search_traces of a client needs experiment_ids, such as ['0']"
            )
        condition = narrowed(filter_string, run_id, model_id)
        return self.store.traces.search_traces(
            ids, condition, max_results, order_by, page_token, include_spans
        )

    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        """Remove traces of an experiment for good, by time or by ids, and count them."""
        return self.store.traces.delete_traces(
            experiment_id, max_timestamp_millis, max_traces, trace_ids
        )

    def set_trace_tag(self, trace_id: str, key: str, value: Any) -> None:
        """Set a tag."""
        self.store.traces.set_trace_tag(trace_id, key, value)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; a missing one is ResourceDoesNotExist."""
        self.store.traces.delete_trace_tag(trace_id, key)

    def log_assessment(self, trace_id: str, assessment: Assessment) -> Assessment:
        """Keep feedback or an expectation; the answer has its id."""
        as_list("assessments", [assessment], entities.Assessment)
        return self.store.traces.create_assessment(assessment.with_changes(trace_id=trace_id))

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """An assessment; a missing one is ResourceDoesNotExist."""
        return self.store.traces.get_assessment(trace_id, assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """Change an assessment's name, value, error and rationale to those of another.

        Its metadata is added to, and whose it is stays.

        Raises:
            ResourceDoesNotExist: There is none of that id.
            InvalidParameterValue: One is feedback and the other an expectation.
        """
        return self.store.traces.update_assessment(trace_id, assessment_id, assessment)

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Remove an assessment; the one that it replaced is valid again."""
        self.store.traces.delete_assessment(trace_id, assessment_id)


def _by_id() -> Any:
    # By name: tracing stands on the client.
    return import_module("tracklet.tracing.by_id")


def narrowed(filter_string: str | None, run_id: str | None, model_id: str | None) -> str | None:
    """The filter that asks for one run or model too."""
    clauses = [f"({filter_string})"] if filter_string else []
    if run_id is not None:
        clauses.append(f"attributes.run_id = {_quoted(run_id)}")
    if model_id is not None:
        clauses.append(f"request_metadata.`mlflow.modelId` = {_quoted(model_id)}")
    return filter_string if len(clauses) <= 1 and filter_string else " AND ".join(clauses) or None


def _quoted(value: str) -> str:
    if not isinstance(value, str) or "'" in value:
        raise InvalidParameterValue(f"{value!r} is no id of a run or model")
    return f"'{value}'"
