"""The verbs on traces as requests: what is known of one is the server's, its spans are a file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tracklet import validation
from tracklet.entities import Assessment, PagedList, Span, Trace, TraceData, TraceInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.record import rules
from tracklet.record.traces import LOCATION_TAG, Traces, check_trace_id, spans_json, spans_of
from tracklet.repositories import repository
from tracklet.stores.rest.messages import absolute
from tracklet.wire import Server, quoted

SPANS: Final = "traces.json"


class RestTraces(Traces):
    """The traces behind a server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        document = info.to_dict()
        duration = document.pop("execution_duration_ms", None)
        if duration is not None:
            document["execution_duration"] = f"{duration / 1000:.3f}s"
        answer = self._call("POST", "traces", {"trace": {"trace_info": document}}, again=False)
        self._put_spans(TraceInfo.from_dict(answer["trace"]["trace_info"]), spans)

    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        self._put_spans(self.get_trace_info(trace_id), spans)

    def _put_spans(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
            file = Path(scratch, SPANS)
            file.write_bytes(spans_json(spans)[0])
            repository(self._place(info)).put_file(file)

    def _place(self, info: TraceInfo) -> str:
        place = absolute(info.tags.get(LOCATION_TAG), self.server.uri)
        if place is None:
            raise ResourceDoesNotExist(f"trace {info.trace_id} has no place for its spans")
        return place

    def set_trace_tag(self, trace_id: str, key: str, value: Any) -> None:
        ((key, text),) = rules.tag("trace", key, value).items()
        self._call("PATCH", f"{_path(trace_id)}/tags", {"key": key, "value": text})

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        validation.validate_key("trace tag", key)
        self._call("DELETE", f"{_path(trace_id)}/tags", {"key": key}, again=False)

    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        body = {
            "experiment_id": validation.as_experiment_id(experiment_id),
            "max_timestamp_millis": max_timestamp_millis,
            "max_traces": max_traces,
            "request_ids": trace_ids,
        }
        answer = self._call("POST", "traces/delete-traces", body, again=False)
        return int(answer.get("traces_deleted", 0))

    def get_trace_info(self, trace_id: str) -> TraceInfo:
        answer = self._call("GET", _path(trace_id))
        return TraceInfo.from_dict(answer["trace"]["trace_info"])

    def get_trace(self, trace_id: str) -> Trace:
        return self._whole(self.get_trace_info(trace_id))

    def _whole(self, info: TraceInfo) -> Trace:
        return Trace(info, TraceData(self._spans(info)))

    def _spans(self, info: TraceInfo) -> list[Span]:
        """The spans, from where the trace says that they are; none if they are not there yet."""
        if LOCATION_TAG in info.tags:
            try:
                with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
                    file = repository(self._place(info)).fetch(SPANS, Path(scratch))
                    return spans_of(file.read_bytes())
            except ResourceDoesNotExist:
                pass
        try:
            query = {"trace_id": info.trace_id, "allow_partial": "true"}
            answer = self._call("GET", "traces/get", query=query)
        except TrackletException:
            return []
        found = answer.get("trace", {}).get("spans") or ()
        return spans_of(json.dumps({"spans": [_filed(span) for span in found]}))

    def search_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        include_spans: bool = True,
    ) -> PagedList[Trace]:
        ids = validation.as_experiment_ids(experiment_ids)
        body = {
            "locations": [
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": each}}
                for each in ids
            ],
            "filter": filter_string or None,
            "max_results": validation.validate_max_results(max_results),
            "order_by": list(order_by) if order_by else None,
            "page_token": page_token,
        }
        answer = self._call("POST", "traces/search", body)
        infos = [TraceInfo.from_dict(each) for each in answer.get("traces") or ()]
        found = [self._whole(i) if include_spans else Trace(i, TraceData()) for i in infos]
        return PagedList(found, answer.get("next_page_token") or None)

    def create_assessment(self, assessment: Assessment) -> Assessment:
        path = f"{_path(str(assessment.trace_id))}/assessments"
        body = {"assessment": assessment.to_dictionary()}
        return _assessment(self._call("POST", path, body, again=False))

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        return _assessment(self._call("GET", _assessed(trace_id, assessment_id)))

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        given = assessment.to_dictionary()
        kinds = "feedback", "expectation", "rationale", "metadata"
        changed = ["assessmentName", *(each for each in kinds if each in given)]
        body = {"assessment": given, "update_mask": ",".join(changed)}
        return _assessment(self._call("PATCH", _assessed(trace_id, assessment_id), body))

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        self._call("DELETE", _assessed(trace_id, assessment_id), {}, again=False)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        *,
        again: bool = True,
    ) -> dict[str, Any]:
        return self.server.call(method, path, body, query, version="3.0", again=again)


def _path(trace_id: str) -> str:
    return f"traces/{quoted(check_trace_id(trace_id))}"


def _assessed(trace_id: str, assessment_id: str) -> str:
    if not isinstance(assessment_id, str):
        raise InvalidParameterValue(f"an assessment is named by its id; got {assessment_id!r}")
    return f"{_path(trace_id)}/assessments/{quoted(assessment_id)}"


def _assessment(answer: Mapping[str, Any]) -> Assessment:
    return Assessment.from_dictionary(answer["assessment"])


def _filed(span: Mapping[str, Any]) -> dict[str, Any]:
    """A span as files hold it, of one whose attributes carry their types."""
    return {
        **span,
        "attributes": _texts(span.get("attributes")),
        "events": [
            {**each, "attributes": _texts(each.get("attributes"))}
            for each in span.get("events") or ()
        ],
    }


def _texts(attributes: Any) -> Any:
    if isinstance(attributes, Mapping):
        return attributes
    return {each["key"]: _text(each.get("value") or {}) for each in attributes or ()}


def _text(value: Mapping[str, Any]) -> str:
    ((kind, content),) = value.items() or [("string_value", "null")]
    return content if kind == "string_value" else json.dumps(content)
