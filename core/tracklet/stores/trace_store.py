"""The contract of a store that keeps traces; a tracking store has one as ``traces``, or none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tracklet.errors import TrackletException

if TYPE_CHECKING:
    from tracklet.entities import Assessment, PagedList, Span, Trace, TraceInfo


class TraceStore(ABC):
    """Traces, their tags and what is thought of them.

    Times are ms since the epoch. A method that names a trace which is not there raises
    ResourceDoesNotExist.
    """

    uri: str

    @abstractmethod
    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        """Keep a trace that is over, whole or not at all.

        Raises:
            InvalidParameterValue: The id is malformed, or the experiment is deleted.
            ResourceDoesNotExist: There is no such experiment.
            ResourceAlreadyExists: A trace has this id.
        """

    @abstractmethod
    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        """Replace the spans of a trace, for one of them ended after the root."""

    @abstractmethod
    def get_trace_info(self, trace_id: str) -> TraceInfo:
        """What is known of a trace beside its spans."""

    @abstractmethod
    def get_trace(self, trace_id: str) -> Trace:
        """A trace with its spans."""

    @abstractmethod
    def search_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        include_spans: bool = True,
    ) -> PagedList[Trace]:
        """A page of traces of these experiments; by default the latest first.

        Raises:
            InvalidParameterValue: The filter or the order is malformed.
        """

    @abstractmethod
    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        """Remove traces for good and say how many there were.

        Args:
            experiment_id: Whose traces.
            max_timestamp_millis: Those that began no later; or
            trace_ids: those of these ids.
            max_traces: With a time only: at most so many, the oldest first.

        Raises:
            InvalidParameterValue: Not exactly one of time and ids is given.
        """

    @abstractmethod
    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Set a tag; those that say who made the trace and where it lies stay as they are."""

    @abstractmethod
    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; a missing one is ResourceDoesNotExist."""

    @abstractmethod
    def create_assessment(self, assessment: Assessment) -> Assessment:
        """Keep an assessment under a new id; the one that it overrides is valid no more."""

    @abstractmethod
    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """An assessment; a missing one is ResourceDoesNotExist."""

    @abstractmethod
    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """Take over name, value, rationale and metadata from another of the same kind."""

    @abstractmethod
    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Remove an assessment; the one that it replaced is valid again."""


def traces_of(store: object) -> TraceStore:
    """The traces of a tracking store.

    Raises:
        TrackletException: It keeps none; the code is ``NOT_IMPLEMENTED``.
    """
    traces = getattr(store, "traces", None)
    if isinstance(traces, TraceStore):
        return traces
    raise TrackletException(
        f"the store at {getattr(store, 'uri', store)!r} keeps no traces so far; a folder does: "
        "choose one with set_tracking_uri, for example './mlruns'",
        "NOT_IMPLEMENTED",
    )
