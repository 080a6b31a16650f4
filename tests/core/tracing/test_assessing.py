"""Feedback and expectations: kept, read, changed, replaced and removed."""

from __future__ import annotations

from typing import Any

import pytest

import tracklet
from tracklet.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
)
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist


@pytest.fixture
def trace_id(tracklet_home: Any) -> str:
    with tracklet.start_span() as span:
        pass
    return span.trace_id


def assessments(trace_id: str) -> list[Assessment]:
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    return trace.info.assessments


@pytest.mark.parametrize("value", [True, 0, 0.5, "good", [1, "x"], {"a": 1.5}])
def test_feedback_is_kept_as_it_is(value: Any, trace_id: str) -> None:
    source = AssessmentSource("HUMAN", "me")
    made = tracklet.log_feedback(
        trace_id=trace_id,
        name="good",
        value=value,
        source=source,
        rationale="because",
        metadata={"n": 1},
        span_id="ab" * 8,
    )
    assert made.assessment_id is not None
    read = tracklet.get_assessment(trace_id, made.assessment_id)
    assert read == made
    assert isinstance(read, Feedback)
    assert (read.value, read.feedback.value) == (value, value)
    assert (read.rationale, read.metadata, read.span_id) == ("because", {"n": "1"}, "ab" * 8)
    assert read.source == source
    assert assessments(trace_id) == [made]


@pytest.mark.parametrize("value", [True, 3, "Paris", {"a": [1]}, [1, None]])
def test_an_expectation_is_kept_as_it_is(value: Any, trace_id: str) -> None:
    made = tracklet.log_expectation(trace_id=trace_id, name="answer", value=value)
    (read,) = assessments(trace_id)
    assert read == made
    assert isinstance(read, Expectation)
    assert read.value == value
    assert read.source == AssessmentSource("HUMAN", "default")


def test_an_error_stands_for_feedback_that_there_is_not(trace_id: str) -> None:
    for error in (ValueError("no"), "no", AssessmentError("C", "no")):
        made = tracklet.log_feedback(trace_id=trace_id, name="judge", error=error)
        assert made.error is not None
        assert made.error.error_message == "no"
        assert made.source.source_type == "CODE"
        assert tracklet.get_assessment(trace_id, str(made.assessment_id)) == made


def test_feedback_can_be_replaced_and_is_valid_again_when_the_other_goes(trace_id: str) -> None:
    first = tracklet.log_feedback(trace_id=trace_id, name="good", value=False)
    second = tracklet.override_feedback(
        trace_id=trace_id, assessment_id=str(first.assessment_id), value=True, rationale="looked"
    )
    assert (second.name, second.value, second.overrides) == ("good", True, first.assessment_id)
    assert {a.assessment_id: a.valid for a in assessments(trace_id)} == {
        first.assessment_id: False,
        second.assessment_id: True,
    }
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    assert trace.search_assessments("good", type="feedback") == [second]
    tracklet.delete_assessment(trace_id, str(second.assessment_id))
    assert [(a.assessment_id, a.valid) for a in assessments(trace_id)] == [
        (first.assessment_id, True)
    ]


def test_an_assessment_can_be_changed_but_not_its_kind(trace_id: str) -> None:
    made = tracklet.log_expectation(trace_id=trace_id, name="answer", value="Paris")
    changed = tracklet.update_assessment(
        trace_id, str(made.assessment_id), Expectation("capital", "Rome")
    )
    assert (changed.name, changed.value) == ("capital", "Rome")
    assert assessments(trace_id) == [changed]
    with pytest.raises(InvalidParameterValue, match="cannot"):
        tracklet.update_assessment(trace_id, str(made.assessment_id), Feedback("f", 1))
    with pytest.raises(InvalidParameterValue, match="no feedback"):
        tracklet.override_feedback(
            trace_id=trace_id, assessment_id=str(made.assessment_id), value=1
        )


def test_what_cannot_be_is_refused_and_nothing_is_kept(trace_id: str) -> None:
    missing = "tr-" + "0" * 32
    with pytest.raises(ResourceDoesNotExist):
        tracklet.log_feedback(trace_id=missing, value=1)
    with pytest.raises(ResourceDoesNotExist):
        tracklet.get_assessment(trace_id, "a-1")
    with pytest.raises(InvalidParameterValue):
        tracklet.get_assessment(trace_id, "../../trace_info")
    with pytest.raises(InvalidParameterValue):
        tracklet.log_feedback(trace_id=trace_id)
    with pytest.raises(InvalidParameterValue):
        tracklet.log_expectation(trace_id=trace_id, name="x", value=object())
    with pytest.raises(InvalidParameterValue, match="source"):
        AssessmentSource("DOG")
    with pytest.raises(ResourceDoesNotExist):
        tracklet.log_assessment(trace_id, Feedback("f", 1, overrides="a-1"))
    assert assessments(trace_id) == []


def test_an_assessment_inside_of_the_running_trace_is_kept_with_it(tracklet_home: Any) -> None:
    with tracklet.start_span() as span:
        given = (Feedback("fast", True, rationale="it was"), Expectation("answer", {"a": 1}))
        for each in given:
            tracklet.log_assessment(span.trace_id, each)
        tracklet.log_feedback(trace_id=span.trace_id, name="slow", value=False)
        with pytest.raises(InvalidParameterValue, match="cannot be kept"):
            tracklet.log_feedback(trace_id=span.trace_id, value=object())
        with pytest.raises(InvalidParameterValue, match="JSON cannot hold"):
            tracklet.log_expectation(trace_id=span.trace_id, name="e", value=object())
    kept = assessments(span.trace_id)
    assert {a.name: a.value for a in kept} == {"fast": True, "answer": {"a": 1}, "slow": False}
    for each in kept:
        assert tracklet.get_assessment(span.trace_id, str(each.assessment_id)) == each


def test_a_change_of_an_assessment_leaves_whose_it_is_and_what_it_does_not_name(
    trace_id: str,
) -> None:
    mine = AssessmentSource("HUMAN", "me")
    made = tracklet.log_feedback(
        trace_id=trace_id, value=1, source=mine, rationale="r", metadata={"a": 1, "b": 2}
    )
    judge = AssessmentSource("LLM_JUDGE", "judge")
    for change, rationale in (
        (Feedback("feedback", 2, source=judge, metadata={"b": "3", "c": "4"}), "r"),
        (Feedback("feedback", 2, rationale=""), ""),
    ):
        tracklet.update_assessment(trace_id, str(made.assessment_id), change)
        found = tracklet.get_assessment(trace_id, str(made.assessment_id))
        assert (found.value, found.source, found.rationale) == (2, mine, rationale)
        assert found.metadata == {"a": "1", "b": "3", "c": "4"}
