"""Endpoints of traces, and of what is thought of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec

from tracklet import entities
from tracklet.entities.trace import RUN_METADATA
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.frozen import replace
from tracklet.record.traces import LOCATION_TAG
from tracklet_services.server import otlp, replies, requests
from tracklet_services.server.places import SCHEME
from tracklet_services.server.table import Endpoint, Served

T = TypeVar("T")
_Some: TypeAlias = Annotated[Sequence[str], msgspec.Meta(max_length=100)]
_PROMPTS_TAG: Final = "mlflow.linkedPrompts"


def _made(make: Callable[[Any], T], asked: msgspec.Struct) -> T:
    """An entity of a document that has the right form; what it says may still make no sense."""
    try:
        return make(msgspec.to_builtins(asked))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise InvalidParameterValue(f"the document makes no sense: {error}") from error


def info_of(info: entities.TraceInfo) -> dict[str, Any]:
    """What is known of a trace, as the protocol has it."""
    document = info.to_dict()
    took = document.pop("execution_duration_ms", None)
    if took is not None:
        document["execution_duration"] = f"{took / 1000:.3f}s"
    place = f"{SCHEME}{info.experiment_id}/traces/{info.trace_id}/artifacts"
    document["tags"] = {**document.get("tags", {}), LOCATION_TAG: place}
    return document


def start(at: Served, trace: requests.NewTrace) -> replies.OneTrace:
    """Keep a trace; one whose spans came first gets what is known beside them."""
    info = _made(entities.TraceInfo.from_dict, trace.trace_info)
    at.store.traces.put_trace(info)
    kept = at.store.traces.get_trace_info(info.trace_id)
    return replies.TraceReply(trace_info=info_of(kept))


def get_info(at: Served, trace_id: str) -> replies.OneTrace:
    """What is known of a trace."""
    info = at.store.traces.get_trace_info(trace_id)
    return replies.TraceReply(trace_info=info_of(info))


def get(at: Served, trace_id: str) -> replies.OneTrace:
    """A trace with its spans."""
    return _whole(at.store.traces.get_trace(trace_id))


def _whole(trace: entities.Trace) -> replies.TraceReply:
    spans = [otlp.document(span) for span in trace.data.spans]
    return replies.TraceReply(trace_info=info_of(trace.info), spans=spans)


def _those(call: Callable[[str], T], ids: Iterable[str]) -> list[T]:
    """What is there of some traces."""
    found: list[T] = []
    for trace_id in dict.fromkeys(ids):
        try:
            found.append(call(trace_id))
        except ResourceDoesNotExist:
            continue
    return found


def batch_get(at: Served, trace_ids: requests.Texts = ()) -> replies.Traces:
    """Traces with their spans; those that are not there are left out."""
    return replies.Traces(traces=list(map(_whole, _those(at.store.traces.get_trace, trace_ids))))


def batch_get_infos(at: Served, trace_ids: requests.Texts = ()) -> replies.TraceInfos:
    """What is known of traces."""
    found = _those(at.store.traces.get_trace_info, trace_ids)
    return replies.TraceInfos(trace_infos=list(map(info_of, found)))


def search(
    at: Served,
    filter: str | None = None,
    order_by: requests.Texts = (),
    page_token: str | None = None,
    locations: Sequence[requests.TracePlace] = (),
    experiment_ids: requests.Texts = (),
    max_results: requests.Int32 = 100,
) -> replies.FoundTraces:
    """A page of traces."""
    places = [place.mlflow_experiment for place in locations]
    ids = [place.experiment_id for place in places if place is not None]
    page = infos(at, [*ids, *experiment_ids], filter, max_results, order_by, page_token)
    return replies.FoundTraces(traces=list(map(info_of, page)), next_page_token=page.token)


def infos(
    at: Served,
    ids: Sequence[str],
    filter: str | None,
    most: int,
    order_by: Sequence[str],
    token: str | None,
) -> entities.PagedList[entities.TraceInfo]:
    """A page of what is known of traces."""
    search = at.store.traces.search_traces
    page = search(ids, filter, most, order_by, token or None, include_spans=False)
    return entities.PagedList((trace.info for trace in page), page.token)


def set_tag(at: Served, trace_id: str, key: str, value: str) -> None:
    """Set a tag."""
    at.store.traces.set_trace_tag(trace_id, key, value)


def delete_tag(at: Served, trace_id: str, key: str) -> None:
    """Remove a tag."""
    at.store.traces.delete_trace_tag(trace_id, key)


def delete(
    at: Served,
    experiment_id: str,
    max_timestamp_millis: requests.Int64 | None = None,
    max_traces: requests.Int32 | None = None,
    request_ids: list[str] | None = None,
) -> replies.Deleted:
    """Remove traces for good."""
    gone = at.store.traces.delete_traces(
        experiment_id,
        max_timestamp_millis,
        max_traces,
        request_ids,
    )
    return gone


def link(at: Served, run_id: str, trace_ids: _Some = ()) -> None:
    """Say that traces belong to a run."""
    at.store.get_run(run_id)
    for trace_id in trace_ids:
        info = at.store.traces.get_trace_info(trace_id)
        metadata = {**info.trace_metadata, RUN_METADATA: run_id}
        at.store.traces.put_trace(replace(info, trace_metadata=metadata))


def link_prompts(at: Served, trace_id: str, prompt_versions: list[requests.PromptOfTrace]) -> None:
    """Say that a trace used prompts; they are a tag of it, as MLflow's clients read them."""
    kept = at.store.traces.get_trace_info(trace_id).tags.get(_PROMPTS_TAG, "[]")
    try:
        known = [one for one in json.loads(kept) if isinstance(one, dict)]
    except (ValueError, TypeError):
        known = []  # somebody's own text
    known += [{"name": one.name, "version": one.version} for one in prompt_versions]
    each = {(one.get("name"), one.get("version")): one for one in known}
    at.store.traces.set_trace_tag(trace_id, _PROMPTS_TAG, json.dumps([*each.values()]))


def create_assessment(
    at: Served, trace_id: str, assessment: requests.Assessment
) -> replies.OneAssessment:
    """Keep an assessment."""
    made = _made(entities.Assessment.from_dictionary, assessment)
    kept = at.store.traces.create_assessment(made.with_changes(trace_id=trace_id))
    return kept.to_dictionary()


def get_assessment(at: Served, trace_id: str, assessment_id: str) -> replies.OneAssessment:
    """An assessment."""
    found = at.store.traces.get_assessment(trace_id, assessment_id)
    return found.to_dictionary()


def update_assessment(
    at: Served,
    trace_id: str,
    assessment_id: str,
    assessment: requests.Assessment,
    update_mask: str | None = None,
) -> replies.OneAssessment:
    """Change what is given of an assessment."""
    traces = at.store.traces
    document = traces.get_assessment(trace_id, assessment_id).to_dictionary()
    document |= msgspec.to_builtins(assessment)
    if assessment.expectation is not None and assessment.feedback is None:
        document.pop("feedback", None)
    try:
        made = entities.Assessment.from_dictionary(document)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidParameterValue(f"the assessment makes no sense: {error}") from error
    kept = traces.update_assessment(trace_id, assessment_id, made)
    return kept.to_dictionary()


def delete_assessment(at: Served, trace_id: str, assessment_id: str) -> None:
    """Remove an assessment."""
    at.store.traces.delete_assessment(trace_id, assessment_id)


_ID = "traces/{trace_id}"
_ASSESSMENT = f"{_ID}/assessments/{{assessment_id}}"
_NEW = ("3.0",)
_BOTH = ("2.0", "3.0")
ENDPOINTS: Final = (
    Endpoint("POST", "traces", "log", "experiment", start, _NEW),
    Endpoint("GET", "traces/get", "read", "trace", get, _NEW),
    Endpoint("GET", "traces/batchGet", "read", "traces", batch_get, _NEW),
    Endpoint("POST", "traces/batchGetInfos", "read", "traces", batch_get_infos, _NEW),
    Endpoint("POST", "traces/search", "read", "experiments", search, _NEW),
    Endpoint("POST", "traces/delete-traces", "admin", "experiment", delete, _BOTH),
    Endpoint("POST", "traces/link-to-run", "log", "run", link, _BOTH),
    Endpoint("POST", "traces/link-prompts", "log", "trace", link_prompts, _BOTH),
    Endpoint("GET", _ID, "read", "trace", get_info, _NEW),
    Endpoint("PATCH", f"{_ID}/tags", "log", "trace", set_tag, _BOTH),
    Endpoint("DELETE", f"{_ID}/tags", "log", "trace", delete_tag, _BOTH),
    Endpoint("POST", f"{_ID}/assessments", "log", "trace", create_assessment, _NEW),
    Endpoint("GET", _ASSESSMENT, "read", "trace", get_assessment, _NEW),
    Endpoint("PATCH", _ASSESSMENT, "log", "trace", update_assessment, _NEW),
    Endpoint("DELETE", _ASSESSMENT, "log", "trace", delete_assessment, _NEW),
)
