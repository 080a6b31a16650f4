"""Entities are frozen values that iterate, compare and show themselves safely."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklet.entities import (
    Dataset,
    DatasetInput,
    Entity,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    ModelVersionStatus,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    SourceType,
    TraceLocation,
    ViewType,
)
from tracklet.errors import InvalidParameterValue, TrackletException

INFO = RunInfo("r" * 32, "0", "ann", "FINISHED", 1_790_000_000_000, None, run_name="n")


def test_an_entity_iterates_as_its_fields() -> None:
    assert dict(INFO)["user_id"] == "ann"
    run = Run(INFO, RunData({"m": 1.0}, {"p": "1"}, {}))
    assert run.to_dictionary()["data"] == {"metrics": {"m": 1.0}, "params": {"p": "1"}, "tags": {}}
    assert run.info.run_uuid == INFO.run_id


@pytest.mark.parametrize(
    "entity",
    [
        Run(
            INFO,
            RunData({"m": 1.0}, {"p": "1"}, {}),
            RunInputs(
                [DatasetInput(Dataset("d", "1", "local", "{}"), [InputTag("a", "b")])],
                [LoggedModelInput("m-1")],
            ),
            RunOutputs([LoggedModelOutput("m-2", 3)]),
        ),
        RegisteredModel("r", 1, 2, latest_versions=[ModelVersion("r", 1, 1, aliases=["best"])]),
        LoggedModel("0", "m-1", "m", "/there", 1, 2, metrics=[Metric("loss", 0.5, 3)]),
        TraceLocation.from_experiment_id("7"),
    ],
    ids=lambda entity: type(entity).__name__,
)
def test_an_entity_comes_back_from_its_dictionary(entity: Entity) -> None:
    document = json.loads(json.dumps(entity.to_dictionary()))
    assert type(entity).from_dictionary({**document, "of later versions": 1}) == entity


@pytest.mark.parametrize("words", [RunStatus, SourceType, ModelVersionStatus])
def test_words_and_their_numbers_lead_to_each_other(words: type[RunStatus]) -> None:
    names = [words.to_string(number) for number in words.all_status()]
    assert [words.from_string(name) for name in names] == [*range(1, 1 + len(names))]
    for wrong in (words.from_string, words.to_string):
        with pytest.raises(InvalidParameterValue, match="choose from"):
            wrong("DONE")  # type: ignore[arg-type]


def test_a_view_shows_the_stages_of_its_name() -> None:
    assert LifecycleStage.view_type_to_stages() == ["active", "deleted"]
    assert LifecycleStage.matches_view_type(ViewType.DELETED_ONLY, LifecycleStage.DELETED)
    assert not LifecycleStage.matches_view_type(ViewType.ACTIVE_ONLY, LifecycleStage.DELETED)
    assert not LifecycleStage.is_valid("gone")


def test_an_entity_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        INFO.status = "FAILED"  # type: ignore[misc]


def test_a_metric_names_its_dataset_by_name_and_digest_or_not_at_all() -> None:
    with pytest.raises(InvalidParameterValue, match="together"):
        Metric("m", 1.0, 0, 0, dataset_name="d")


def test_a_point_read_in_bulk_is_the_same_as_one_made_alone() -> None:
    from tracklet.stores.files.points import parse_run_points

    (point,) = parse_run_points(b"1790000000000 0.5 3\n", "loss").points
    made = Metric("loss", 0.5, 1_790_000_000_000, 3)
    assert point == made
    assert hash(point) == hash(made)
    assert repr(point) == repr(made)
    assert dict(point) == dict(made)
    assert pickle.loads(pickle.dumps(point)) == made
    assert copy.deepcopy(point) == made
    assert replace(point, run_id="r").run_id == "r"
    with pytest.raises(AttributeError, match="modelid"):
        point.modelid  # type: ignore[attr-defined]  # noqa: B018


def test_states_and_views_go_from_names_to_numbers_and_back() -> None:
    for number in RunStatus.all_status():
        assert RunStatus.from_string(RunStatus.to_string(number)) == number
    assert not RunStatus.is_terminated("RUNNING")
    assert RunStatus.is_terminated(RunStatus.KILLED)
    assert ViewType.from_string("ALL") == ViewType.ALL
    for status in LoggedModelStatus:
        assert LoggedModelStatus.from_int(status.to_int()) is status


def test_errors_survive_pickling_with_their_code() -> None:
    error = pickle.loads(pickle.dumps(InvalidParameterValue("why", hint="so")))
    assert isinstance(error, InvalidParameterValue)
    assert (error.message, error.error_code) == ("why", "INVALID_PARAMETER_VALUE")
    assert error.get_http_status_code() == 400
    assert '"hint": "so"' in error.serialize_as_json()
    assert isinstance(TrackletException.invalid_parameter_value("x"), InvalidParameterValue)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not attrs


@given(st.text(min_size=1), st.text())
def test_nothing_recorded_becomes_markup_in_a_notebook(key: str, value: str) -> None:
    payload = f"<script>{value}</script><img src=x onerror={key}>"
    run = Run(INFO, RunData({payload: 1.0}, {payload: payload}, {payload: payload}))
    parser = _Tags()
    parser.feed(run._repr_html_())
    assert parser.seen <= {"p", "b", "code", "table", "caption", "tr", "td"}
