"""What every store must do with traces."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tracklet.entities import (
    AssessmentSource,
    Feedback,
    Span,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.record.traces import spans_of
from tracklet_testing.store.fixtures import StoreFixtures

MISSING_TRACE = "tr-" + "0" * 32


def span_of(trace_id: str, name: str) -> Span:
    """A span as files hold it."""
    attributes = {"mlflow.traceRequestId": json.dumps(trace_id), "n": "5"}
    (span,) = spans_of(
        json.dumps(
            {
                "spans": [
                    {
                        "trace_id": "ABEiM0RVZneImaq7zN3u/w==",
                        "span_id": "ABEiM0RVZnc=",
                        "parent_span_id": None,
                        "name": name,
                        "start_time_unix_nano": 1_000_000_000,
                        "end_time_unix_nano": 2_000_000_000,
                        "events": [],
                        "status": {"code": "STATUS_CODE_OK", "message": ""},
                        "attributes": attributes,
                    }
                ]
            }
        )
    )
    return span


class TraceContract(StoreFixtures):
    """Traces are kept whole, found, tagged, assessed and removed."""

    def keep(self, store: Any, experiment_id: str, at: int = 1, **tags: str) -> str:
        """Keep a trace of one span and return its id."""
        trace_id = "tr-" + os.urandom(16).hex()
        info = TraceInfo(
            trace_id,
            TraceLocation.from_experiment_id(experiment_id),
            at,
            TraceState.OK,
            request_preview="why?",
            execution_duration=7,
            trace_metadata={"m": "1"},
            tags={"mlflow.traceName": "t", **tags},
        )
        store.traces.log_trace(info, [span_of(trace_id, "root")])
        return trace_id

    def test_a_trace_comes_back_whole(self, store: Any, experiment_id: str) -> None:
        """Its times, previews, texts and spans; and where it is."""
        trace_id = self.keep(store, experiment_id, at=123)
        trace = store.traces.get_trace(trace_id)
        assert (trace.info.request_time, trace.info.execution_duration) == (123, 7)
        assert (trace.info.state, trace.info.request_preview) == (TraceState.OK, "why?")
        assert trace.info.experiment_id == experiment_id
        assert trace.info.trace_metadata["m"] == "1"
        assert int(trace.info.trace_metadata["mlflow.trace.sizeBytes"]) > 10
        assert trace.info.tags["mlflow.traceName"] == "t"
        assert trace.info.tags["mlflow.artifactLocation"]
        assert [span.name for span in trace.data.spans] == ["root"]
        assert store.traces.get_trace_info(trace_id) == trace.info

    def test_a_trace_is_kept_once(self, store: Any, experiment_id: str) -> None:
        """A second one of the same id is refused, and the first stays."""
        trace_id = self.keep(store, experiment_id)
        info = store.traces.get_trace_info(trace_id)
        with pytest.raises(ResourceAlreadyExists):
            store.traces.log_trace(info, [])
        assert store.traces.get_trace(trace_id).data.spans

    def test_what_is_not_there_is_said(self, store: Any, experiment_id: str) -> None:
        """By every verb."""
        traces = store.traces
        for ask in (
            lambda: traces.get_trace(MISSING_TRACE),
            lambda: traces.get_trace_info(MISSING_TRACE),
            lambda: traces.log_spans(MISSING_TRACE, []),
            lambda: traces.set_trace_tag(MISSING_TRACE, "a", "b"),
            lambda: traces.delete_trace_tag(MISSING_TRACE, "a"),
            lambda: traces.get_assessment(MISSING_TRACE, "a-1"),
            lambda: traces.delete_trace_tag(self.keep(store, experiment_id), "a"),
            lambda: traces.get_assessment(self.keep(store, experiment_id), "a-1"),
            lambda: self.keep(store, "404"),
        ):
            with pytest.raises(ResourceDoesNotExist):
                ask()
        with pytest.raises(InvalidParameterValue):
            traces.get_trace("../x")

    def test_tags_of_traces_are_set_and_removed(self, store: Any, experiment_id: str) -> None:
        """Those that say whence a trace is stay as they are."""
        trace_id = self.keep(store, experiment_id)
        store.traces.set_trace_tag(trace_id, "team", "a")
        store.traces.set_trace_tag(trace_id, "team", "b")
        store.traces.set_trace_tag(trace_id, "gone", "1")
        store.traces.delete_trace_tag(trace_id, "gone")
        tags = store.traces.get_trace_info(trace_id).tags
        assert tags["team"] == "b"
        assert "gone" not in tags
        with pytest.raises(InvalidParameterValue):
            store.traces.set_trace_tag(trace_id, "mlflow.user", "me")

    def test_spans_are_replaced(self, store: Any, experiment_id: str) -> None:
        """A span that outlived the root comes later."""
        trace_id = self.keep(store, experiment_id)
        store.traces.log_spans(trace_id, [span_of(trace_id, "a"), span_of(trace_id, "b")])
        assert [s.name for s in store.traces.get_trace(trace_id).data.spans] == ["a", "b"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "210"),
            ("tags.team = 'x'", "0"),
            ("tags.team IS NULL", "21"),
            ("metadata.m = '1' AND timestamp_ms >= 20", "21"),
            ("span.name = 'root' AND span.attributes.n = '5'", "210"),
            ("trace.text LIKE '%root%'", "210"),
            ("execution_time_ms > 7", ""),
            ("feedback.good = 'true'", "1"),
        ],
    )
    def test_traces_are_found(
        self, store: Any, experiment_id: str, text: str, expected: str
    ) -> None:
        """By what is known of them, their texts, spans and assessments; the latest first."""
        ids = [self.keep(store, experiment_id, 10 * (1 + n)) for n in range(3)]
        self.keep(store, store.create_experiment("another"))
        store.traces.set_trace_tag(ids[0], "team", "x")
        store.traces.create_assessment(Feedback("good", True, trace_id=ids[1]))
        found = store.traces.search_traces([experiment_id], text)
        assert [t.info.trace_id for t in found] == [ids[int(n)] for n in expected]

    def test_traces_come_in_pages(self, store: Any, experiment_id: str) -> None:
        """In any order."""
        ids = [self.keep(store, experiment_id, n) for n in range(1, 6)]
        seen, token = [], None
        while True:
            asked = [experiment_id], None, 2, ["timestamp_ms ASC"], token, False
            page = store.traces.search_traces(*asked)
            seen += [t.info.trace_id for t in page]
            assert not any(t.data.spans for t in page)
            token = page.token
            if token is None:
                break
        assert seen == ids

    def test_assessments_are_kept_replaced_and_removed(
        self, store: Any, experiment_id: str
    ) -> None:
        """One that overrides another makes that invalid, until it is removed."""
        trace_id = self.keep(store, experiment_id)
        human = AssessmentSource("HUMAN", "me")
        first = store.traces.create_assessment(
            Feedback("good", 0.5, source=human, trace_id=trace_id)
        )
        second = store.traces.create_assessment(
            Feedback("good", 1.0, source=human, trace_id=trace_id, overrides=first.assessment_id)
        )
        assert not store.traces.get_assessment(trace_id, first.assessment_id).valid
        kept = store.traces.get_trace_info(trace_id).assessments
        assert {a.assessment_id for a in kept} == {first.assessment_id, second.assessment_id}
        changed = store.traces.update_assessment(
            trace_id, second.assessment_id, Feedback("good", 0.0, rationale="so")
        )
        assert store.traces.get_assessment(trace_id, second.assessment_id) == changed
        store.traces.delete_assessment(trace_id, second.assessment_id)
        assert store.traces.get_trace_info(trace_id).assessments == [
            store.traces.get_assessment(trace_id, first.assessment_id)
        ]
        assert store.traces.get_assessment(trace_id, first.assessment_id).valid

    def test_traces_are_removed_by_time_or_id(self, store: Any, experiment_id: str) -> None:
        """At most as many as is said, the oldest first; those of other experiments stay."""
        ids = [self.keep(store, experiment_id, n) for n in range(1, 6)]
        other = self.keep(store, store.create_experiment("another"))
        delete = store.traces.delete_traces
        assert delete(experiment_id, max_timestamp_millis=3, max_traces=2) == 2
        assert delete(experiment_id, trace_ids=[ids[4], MISSING_TRACE, other]) == 1
        left = store.traces.search_traces([experiment_id])
        assert [t.info.trace_id for t in left] == [ids[3], ids[2]]
        assert store.traces.get_trace(other)
        with pytest.raises(InvalidParameterValue):
            delete(experiment_id)

    def test_a_deleted_experiment_takes_no_traces(self, store: Any, experiment_id: str) -> None:
        """It keeps those that it has, and comes back with them."""
        trace_id = self.keep(store, experiment_id)
        store.delete_experiment(experiment_id)
        with pytest.raises(InvalidParameterValue):
            self.keep(store, experiment_id)
        assert store.traces.get_trace(trace_id).info.trace_id == trace_id
        store.restore_experiment(experiment_id)
        assert len(store.traces.search_traces([experiment_id])) == 1
        store.delete_experiment(experiment_id)
        store.purge_experiment(experiment_id)
        with pytest.raises(ResourceDoesNotExist):
            store.traces.get_trace(trace_id)
