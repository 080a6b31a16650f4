"""Endpoints of traces, and of what is thought of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

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


def start(at: Served, asked: requests.StartTrace) -> replies.OneTrace:
    """Keep a trace; one whose spans came first gets what is known beside them."""
    info = _made(entities.TraceInfo.from_dict, asked.trace.trace_info)
    at.store.traces.put_trace(info)
    kept = at.store.traces.get_trace_info(info.trace_id)
    return replies.OneTrace(trace=replies.TraceReply(trace_info=info_of(kept)))


def get_info(at: Served, asked: requests.OfTrace) -> replies.OneTrace:
    """What is known of a trace."""
    info = at.store.traces.get_trace_info(asked.trace_id)
    return replies.OneTrace(trace=replies.TraceReply(trace_info=info_of(info)))


def get(at: Served, asked: requests.OfTrace) -> replies.OneTrace:
    """A trace with its spans."""
    return replies.OneTrace(trace=_whole(at.store.traces.get_trace(asked.trace_id)))


def _whole(trace: entities.Trace) -> replies.TraceReply:
    spans = [otlp.document(span) for span in trace.data.spans]
    return replies.TraceReply(trace_info=info_of(trace.info), spans=spans)


def _those(call: Callable[[str], T], ids: list[str]) -> list[T]:
    """What is there of some traces."""
    found: list[T] = []
    for trace_id in dict.fromkeys(ids):
        try:
            found.append(call(trace_id))
        except ResourceDoesNotExist:
            continue
    return found


def batch_get(at: Served, asked: requests.OfTraces) -> replies.Traces:
    """Traces with their spans; those that are not there are left out."""
    return replies.Traces(
        traces=list(map(_whole, _those(at.store.traces.get_trace, asked.trace_ids)))
    )


def batch_get_infos(at: Served, asked: requests.OfTraces) -> replies.TraceInfos:
    """What is known of traces."""
    infos = _those(at.store.traces.get_trace_info, asked.trace_ids)
    return replies.TraceInfos(trace_infos=list(map(info_of, infos)))


def search(at: Served, asked: requests.SearchTraces) -> replies.FoundTraces:
    """A page of traces."""
    places = [place.mlflow_experiment for place in asked.locations]
    ids = [place.experiment_id for place in places if place is not None]
    page = at.store.traces.search_traces(
        [*ids, *asked.experiment_ids],
        asked.filter,
        asked.max_results,
        asked.order_by,
        asked.page_token or None,
        include_spans=False,
    )
    found = [info_of(trace.info) for trace in page]
    return replies.FoundTraces(traces=found, next_page_token=page.token)


def set_tag(at: Served, asked: requests.TracePair) -> replies.Nothing:
    """Set a tag."""
    at.store.traces.set_trace_tag(asked.trace_id, asked.key, asked.value)
    return replies.Nothing()


def delete_tag(at: Served, asked: requests.TraceKey) -> replies.Nothing:
    """Remove a tag."""
    at.store.traces.delete_trace_tag(asked.trace_id, asked.key)
    return replies.Nothing()


def delete(at: Served, asked: requests.DeleteTraces) -> replies.Deleted:
    """Remove traces for good."""
    gone = at.store.traces.delete_traces(
        asked.experiment_id,
        asked.max_timestamp_millis,
        asked.max_traces,
        asked.request_ids,
    )
    return replies.Deleted(traces_deleted=gone)


def link(at: Served, asked: requests.LinkTraces) -> replies.Nothing:
    """Say that traces belong to a run."""
    at.store.get_run(asked.run_id)
    for trace_id in asked.trace_ids:
        info = at.store.traces.get_trace_info(trace_id)
        metadata = {**info.trace_metadata, RUN_METADATA: asked.run_id}
        at.store.traces.put_trace(replace(info, trace_metadata=metadata))
    return replies.Nothing()


def link_prompts(at: Served, asked: requests.LinkPrompts) -> replies.Nothing:
    """Say that a trace used prompts; they are a tag of it, as MLflow's clients read them."""
    kept = at.store.traces.get_trace_info(asked.trace_id).tags.get(_PROMPTS_TAG, "[]")
    try:
        known = [one for one in json.loads(kept) if isinstance(one, dict)]
    except (ValueError, TypeError):
        known = []  # somebody's own text
    known += [{"name": one.name, "version": one.version} for one in asked.prompt_versions]
    each = {(one.get("name"), one.get("version")): one for one in known}
    at.store.traces.set_trace_tag(asked.trace_id, _PROMPTS_TAG, json.dumps([*each.values()]))
    return replies.Nothing()


def create_assessment(at: Served, asked: requests.CreateAssessment) -> replies.OneAssessment:
    """Keep an assessment."""
    made = _made(entities.Assessment.from_dictionary, asked.assessment)
    kept = at.store.traces.create_assessment(made.with_changes(trace_id=asked.trace_id))
    return replies.OneAssessment(assessment=kept.to_dictionary())


def get_assessment(at: Served, asked: requests.OfAssessment) -> replies.OneAssessment:
    """An assessment."""
    found = at.store.traces.get_assessment(asked.trace_id, asked.assessment_id)
    return replies.OneAssessment(assessment=found.to_dictionary())


def update_assessment(at: Served, asked: requests.UpdateAssessment) -> replies.OneAssessment:
    """Change what is given of an assessment."""
    traces = at.store.traces
    document = traces.get_assessment(asked.trace_id, asked.assessment_id).to_dictionary()
    document |= msgspec.to_builtins(asked.assessment)
    if asked.assessment.expectation is not None and asked.assessment.feedback is None:
        document.pop("feedback", None)
    try:
        made = entities.Assessment.from_dictionary(document)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidParameterValue(f"the assessment makes no sense: {error}") from error
    kept = traces.update_assessment(asked.trace_id, asked.assessment_id, made)
    return replies.OneAssessment(assessment=kept.to_dictionary())


def delete_assessment(at: Served, asked: requests.OfAssessment) -> replies.Nothing:
    """Remove an assessment."""
    at.store.traces.delete_assessment(asked.trace_id, asked.assessment_id)
    return replies.Nothing()


_ID = "traces/{trace_id}"
_ASSESSMENT = f"{_ID}/assessments/{{assessment_id}}"
_NEW = ("3.0",)
_BOTH = ("2.0", "3.0")
_NONE = replies.Nothing
ENDPOINTS: Final = (
    Endpoint("POST", "traces", "log", "experiment", requests.StartTrace, start, replies.OneTrace,
             _NEW),
    Endpoint("GET", "traces/get", "read", "trace", requests.OfTrace, get, replies.OneTrace, _NEW),
    Endpoint("GET", "traces/batchGet", "read", "traces", requests.OfTraces, batch_get,
             replies.Traces, _NEW),
    Endpoint("POST", "traces/batchGetInfos", "read", "traces", requests.OfTraces,
             batch_get_infos, replies.TraceInfos, _NEW),
    Endpoint("POST", "traces/search", "read", "experiments", requests.SearchTraces, search,
             replies.FoundTraces, _NEW),
    Endpoint("POST", "traces/delete-traces", "admin", "experiment", requests.DeleteTraces, delete,
             replies.Deleted, _BOTH),
    Endpoint("POST", "traces/link-to-run", "log", "run", requests.LinkTraces, link, _NONE, _BOTH),
    Endpoint("POST", "traces/link-prompts", "log", "trace", requests.LinkPrompts, link_prompts,
             _NONE, _BOTH),
    Endpoint("GET", _ID, "read", "trace", requests.OfTrace, get_info, replies.OneTrace, _NEW),
    Endpoint("PATCH", f"{_ID}/tags", "log", "trace", requests.TracePair, set_tag, _NONE, _BOTH),
    Endpoint("DELETE", f"{_ID}/tags", "log", "trace", requests.TraceKey, delete_tag, _NONE, _BOTH),
    Endpoint("POST", f"{_ID}/assessments", "log", "trace", requests.CreateAssessment,
             create_assessment, replies.OneAssessment, _NEW),
    Endpoint("GET", _ASSESSMENT, "read", "trace", requests.OfAssessment, get_assessment,
             replies.OneAssessment, _NEW),
    Endpoint("PATCH", _ASSESSMENT, "log", "trace", requests.UpdateAssessment, update_assessment,
             replies.OneAssessment, _NEW),
    Endpoint("DELETE", _ASSESSMENT, "log", "trace", requests.OfAssessment, delete_assessment,
             _NONE, _NEW),
)  # fmt: skip
