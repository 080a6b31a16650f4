"""Verbs on traces, and on what is thought of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from tracklet import names, validation
from tracklet.entities import (
    Assessment,
    PagedList,
    Span,
    Trace,
    TraceData,
    TraceInfo,
    TraceState,
)
from tracklet.entities.json_text import json_text
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.frozen import replace
from tracklet.record import rules
from tracklet.record.backend import Session, TraceEntry, Verbs, reported
from tracklet.search import TRACES, Key, OrderBy, Page, parse_filter, parse_order_by
from tracklet.search.syntax import matches

LOCATION_TAG: Final = "mlflow.artifactLocation"
SIZE_METADATA: Final = "mlflow.trace.sizeBytes"
STATISTICS_METADATA: Final = "mlflow.trace.sizeStats"

_ID: Final = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_FIXED_TAGS: Final = frozenset({"mlflow.user", LOCATION_TAG})


@reported
class Traces(Verbs):
    """Keep, find, tag, assess and delete traces.

    Times are ms since the epoch. A verb that names a trace which is not there raises
    ResourceDoesNotExist, and a malformed id is InvalidParameterValue.
    """

    # -- writing -------------------------------------------------------------------------------

    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        """Keep a trace that is over, whole or not at all.

        Raises:
            InvalidParameterValue: The id is malformed, or the experiment is deleted.
            ResourceDoesNotExist: There is no such experiment.
            ResourceAlreadyExists: A trace has this id.
        """
        self._keep(info, spans, again=False)

    def put_trace(
        self, info: TraceInfo, spans: Sequence[Span] = (), *, guessed: bool = False
    ) -> None:
        """Keep a trace, of which some may be there: spans that came first, or an earlier try.

        Spans replace those of the same ids; tags, metadata and assessments are added.

        Args:
            info: What is known of it.
            spans: Spans of it.
            guessed: Whether that is known from these spans only: what was said of a trace that is
                over then stays as it is.

        Raises:
            InvalidParameterValue: The id is malformed, or the trace is another experiment's.
            ResourceDoesNotExist: There is no such experiment.
        """
        if guessed:
            with self.backend.writing() as at:
                earlier = at.find("trace", check_trace_id(info.trace_id))
                if (
                    isinstance(earlier, TraceEntry)
                    and earlier.info.state != TraceState.IN_PROGRESS
                    and earlier.info.experiment_id == info.experiment_id
                ):
                    at.put_spans(earlier, spans_json(_merged(earlier, info, spans)[1])[0])
                    return
        self._keep(info, spans, again=True)

    def _keep(self, info: TraceInfo, spans: Sequence[Span], *, again: bool) -> None:
        check_trace_id(info.trace_id)
        for key in (*info.tags, *info.trace_metadata):
            validation.validate_key("trace tag", key)
        with self.backend.writing() as at:
            experiment = self._active(at, "experiment", str(info.experiment_id), "log a trace in")
            earlier = at.find("trace", info.trace_id) if again else None
            if isinstance(earlier, TraceEntry):
                info, spans = _merged(earlier, info, spans)
                at.remove(earlier)
            content, sizes = spans_json(spans)
            metadata = {**info.trace_metadata, **_sizes(len(content), sizes)}
            at.keep_trace(experiment, replace(info, trace_metadata=metadata), content)
            for assessment in info.assessments:
                at.put_assessment(self._trace(at, info.trace_id), assessment)

    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        """Replace the spans of a trace, for one of them ended after the root."""
        with self.backend.writing() as at:
            at.put_spans(self._trace(at, trace_id), spans_json(spans)[0])

    def set_trace_tag(self, trace_id: str, key: str, value: Any) -> None:
        """Set a tag; those that say who made the trace and where it lies stay as they are."""
        checked = rules.tag("trace", key, value)
        if key in _FIXED_TAGS:
            raise InvalidParameterValue(
                f"the tag {key!r} of a trace says where it comes from and cannot be set; choose "
                "another key"
            )
        with self.backend.writing() as at:
            at.record(self._trace(at, trace_id), tags=checked)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; a missing one is ResourceDoesNotExist."""
        validation.validate_key("trace tag", key)
        with self.backend.writing() as at:
            entry = self._trace(at, trace_id)
            if not at.drop(entry, "tags", key):
                raise rules.no_text(entry, "tags", key)

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
        _check_deletion(max_timestamp_millis, max_traces, trace_ids)
        ids = validation.as_list("trace_ids", trace_ids)
        wanted = list(dict.fromkeys(map(check_trace_id, ids)))
        with self.backend.writing() as at:
            experiment = self._found(at, "experiment", experiment_id)
            if trace_ids is not None:
                found = [at.find("trace", trace_id) for trace_id in wanted]
                home = experiment.key
                gone = [e for e in found if e is not None and e.info.experiment_id == home]
            else:
                limit = max_timestamp_millis or 0
                traces = at.children(experiment, "trace")
                timed = at.readable(lambda e: (e.info.request_time, e.key, e), traces)
                timed.sort(key=lambda found: found[:2])
                gone = [entry for began, _, entry in timed if began <= limit][:max_traces]
            for entry in gone:
                at.remove(entry)
        return len(gone)

    # -- reading -------------------------------------------------------------------------------

    def get_trace_info(self, trace_id: str) -> TraceInfo:
        """What is known of a trace beside its spans."""
        with self.backend.reading() as at:
            return _info(self._trace(at, trace_id))

    def get_trace(self, trace_id: str) -> Trace:
        """A trace with its spans."""
        with self.backend.reading() as at:
            return _whole(self._trace(at, trace_id))

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

        Of each trace, the parts are read that the filter and the order ask for.

        Raises:
            InvalidParameterValue: The filter or the order is malformed.
        """
        ids = dict.fromkeys(validation.as_experiment_ids(experiment_ids))
        validation.validate_max_results(max_results)
        tree = parse_filter(filter_string, TRACES)
        orders = parse_order_by(order_by, TRACES)
        page = Page.decode(page_token)

        def read(entry: TraceEntry) -> TraceEntry | None:
            entry.info  # noqa: B018 - now, so that what cannot be read is left out
            for order in orders:
                next(iter(_values(entry, order.key)), None)
            return entry if matches(tree, partial(_values, entry)) else None

        with self.backend.reading() as at:
            found: list[TraceEntry] = []
            for experiment_id in ids:
                experiment = at.find("experiment", experiment_id)
                if experiment is not None and not experiment.is_deleted:
                    read_ones = at.readable(read, at.children(experiment, "trace"))
                    found += [entry for entry in read_ones if entry is not None]
            _sort(found, orders)
            traces: list[Trace] = []
            position = page.offset
            while position < len(found) and len(traces) < max_results:
                traces += at.readable(partial(_whole, spans=include_spans), [found[position]])
                position += 1
        more = position < len(found)
        return PagedList(traces, page.after(position - page.offset) if more else None)

    # -- assessments ---------------------------------------------------------------------------

    def create_assessment(self, assessment: Assessment) -> Assessment:
        """Keep an assessment under a new id; the one that it overrides is valid no more."""
        now = names.now()
        created = assessment.with_changes(
            assessment_id=f"a-{os.urandom(16).hex()}",
            create_time_ms=assessment.create_time_ms or now,
            last_update_time_ms=assessment.last_update_time_ms or now,
            valid=True,
        )
        with self.backend.writing() as at:
            trace = self._trace(at, str(assessment.trace_id))
            overrides = created.overrides
            earlier = None if overrides is None else _assessment(trace, overrides)
            at.put_assessment(trace, created)
            if earlier is not None:
                at.put_assessment(trace, earlier.with_changes(valid=False))
        return created

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """An assessment; a missing one is ResourceDoesNotExist."""
        with self.backend.reading() as at:
            return _assessment(self._trace(at, trace_id), assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """Take over name, value, rationale and metadata from another of the same kind."""
        with self.backend.writing() as at:
            trace = self._trace(at, trace_id)
            earlier = _assessment(trace, assessment_id)
            if type(earlier) is not type(assessment):
                raise InvalidParameterValue(
                    f"assessment {assessment_id} is {type(earlier).__name__.lower()} and cannot "
                    f"become {type(assessment).__name__.lower()}; log a new one instead"
                )
            updated = earlier.with_changes(
                name=assessment.name,
                value=assessment.value,
                error=assessment.error,
                rationale=(
                    earlier.rationale if assessment.rationale is None else assessment.rationale
                ),
                metadata={**(earlier.metadata or {}), **(assessment.metadata or {})} or None,
                last_update_time_ms=names.now(),
            )
            at.put_assessment(trace, updated)
        return updated

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Remove an assessment; the one that it replaced is valid again."""
        with self.backend.writing() as at:
            trace = self._trace(at, trace_id)
            earlier = _assessment(trace, assessment_id)
            at.drop_assessment(trace, assessment_id)
            for other in trace.assessments if earlier.overrides is not None else ():
                if other.assessment_id == earlier.overrides:
                    at.put_assessment(trace, other.with_changes(valid=True))

    def _trace(self, at: Session, trace_id: str) -> TraceEntry:
        entry = at.find("trace", check_trace_id(trace_id))
        if entry is None:
            raise rules.missing("trace", trace_id, self.backend.where)
        assert isinstance(entry, TraceEntry)
        return entry


def check_trace_id(given: object, what: str = "trace", prefix: str = "tr-") -> str:
    """Check the form of the id of a trace, or of an assessment."""
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise InvalidParameterValue(
            f"{given!r} is not a valid {what} id: it is text such as {prefix!r} and 32 "
            "hexadecimal digits"
        )
    return given


def _check_deletion(
    max_timestamp_millis: int | None, max_traces: int | None, trace_ids: Sequence[str] | None
) -> None:
    if (max_timestamp_millis is None) == (trace_ids is None):
        raise InvalidParameterValue(
            "give delete_traces exactly one of max_timestamp_millis and trace_ids; got "
            f"max_timestamp_millis={max_timestamp_millis!r}, trace_ids={trace_ids!r}"
        )
    if max_traces is not None and (trace_ids is not None or max_traces < 1):
        raise InvalidParameterValue(
            f"max_traces goes with max_timestamp_millis and is at least 1; got {max_traces!r}"
        )


def _assessment(trace: TraceEntry, assessment_id: str) -> Assessment:
    found = trace.assessment(check_trace_id(assessment_id, "assessment", "a-"))
    if found is None:
        raise ResourceDoesNotExist(
            f"trace {trace.key} has no assessment with the id {assessment_id!r}"
        )
    return found


def _merged(
    earlier: TraceEntry, info: TraceInfo, spans: Sequence[Span]
) -> tuple[TraceInfo, list[Span]]:
    """A trace and what is there of it already."""
    if earlier.info.experiment_id != info.experiment_id:
        raise InvalidParameterValue(
            f"trace {earlier.key} is of experiment {earlier.info.experiment_id}, not of "
            f"{info.experiment_id}"
        )
    tags = {**earlier.tags, **info.tags}
    tags.pop(LOCATION_TAG, None)  # the backend says where it lies
    whole = replace(
        info,
        tags=tags,
        trace_metadata={**earlier.metadata, **info.trace_metadata},
        assessments=[*earlier.assessments, *info.assessments],
    )
    by_id = {span.span_id: span for span in (*earlier.spans, *spans)}
    return whole, sorted(by_id.values(), key=lambda span: span.start_time_ns)


def _info(entry: TraceEntry) -> TraceInfo:
    return replace(
        entry.info,
        trace_metadata=entry.metadata,
        tags=entry.tags,
        assessments=sorted(
            entry.assessments, key=lambda a: (a.create_time_ms or 0, a.assessment_id or "")
        ),
    )


def _whole(entry: TraceEntry, spans: bool = True) -> Trace:
    return Trace(_info(entry), TraceData(list(entry.spans) if spans else []))


# -- spans -------------------------------------------------------------------------------------


def spans_json(spans: Sequence[Span]) -> tuple[bytes, list[int]]:
    """The document of a trace's spans, and the size of each in bytes."""
    texts = [_encoded(span.to_dict()) for span in spans]
    return b'{"spans": [' + b", ".join(texts) + b"]}", [len(text) for text in texts]


def spans_of(document: bytes | str) -> list[Span]:
    """The spans of a document."""
    return TraceData.from_dict(json.loads(document)).spans


def _encoded(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return json.dumps(document).encode()


def _sizes(total: int, sizes: list[int]) -> dict[str, str]:
    ordered = sorted(sizes)
    statistics: dict[str, int] = {"total_size_bytes": total, "num_spans": len(sizes)}
    if ordered:
        statistics["max"] = ordered[-1]
        for percent in (25, 50, 75):
            statistics[f"p{percent}"] = _quantile(ordered, percent / 100)
    return {SIZE_METADATA: str(total), STATISTICS_METADATA: json.dumps(statistics)}


def _quantile(ordered: list[int], fraction: float) -> int:
    place = (len(ordered) - 1) * fraction
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return int(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


# -- searching ---------------------------------------------------------------------------------


def _values(entry: TraceEntry, key: Key) -> Iterable[Any]:
    """The values that a trace has for a filter's key."""
    if key.kind == "tag":
        return (entry.tags.get(key.name),)
    if key.kind == "metadata":
        return (entry.metadata.get(key.name),)
    if key.kind == "span":
        return _span_values(entry.spans, key.name)
    if key.kind in ("feedback", "expectation"):
        return (
            _spelled(assessment.value)
            for assessment in entry.assessments
            if assessment.name == key.name
            and type(assessment).__name__.lower() == key.kind
            and assessment.valid is not False
        )
    return (_attribute(entry, key.name),)


def _attribute(entry: TraceEntry, name: str) -> Any:
    if name == "text":
        return spans_json(entry.spans)[0].decode()
    if name == "name":
        return entry.tags.get("mlflow.traceName")
    if name == "run_id":
        return entry.metadata.get("mlflow.sourceRun")
    info = entry.info
    if name == "end_time_ms":
        duration = info.execution_duration
        return None if duration is None else info.request_time + duration
    return {
        "request_id": info.trace_id,
        "client_request_id": info.client_request_id,
        "status": str(info.state),
        "timestamp_ms": info.request_time,
        "execution_time_ms": info.execution_duration,
    }[name]


def _span_values(spans: Sequence[Span], name: str) -> Iterator[Any]:
    for span in spans:
        if name == "name":
            yield span.name
        elif name == "type":
            yield span.span_type
        elif name == "status":
            yield str(span.status.status_code)
        elif name == "content":
            yield spans_json([span])[0].decode()
        elif name.startswith("attributes."):
            value = span.get_attribute(name.removeprefix("attributes.").strip('`"'))
            if value is not None:
                yield _spelled(value)
        else:
            raise InvalidParameterValue(
                f"a span has no {name!r} to filter by; choose from name, type, status, content "
                "and attributes.<key>"
            )


def _spelled(value: Any) -> str:
    """A value as filters write it: texts as they are, all else as JSON, ``true`` for example."""
    return value if isinstance(value, str) else json_text(value)


def _sort(found: list[TraceEntry], orders: Sequence[OrderBy]) -> None:
    found.sort(key=lambda e: (-e.info.request_time, e.key))
    for order in reversed(orders):
        keyed: list[tuple[Any, TraceEntry]] = [
            (next(iter(_values(entry, order.key)), None), entry) for entry in found
        ]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: pair[0], reverse=not order.ascending)
        missing = [entry for value, entry in keyed if value is None]
        found[:] = [entry for _, entry in there] + missing
