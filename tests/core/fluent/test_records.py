"""Recording params, metrics and tags, and what is refused."""

from __future__ import annotations

import decimal
import math
import struct
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracklet
from tracklet.entities import Metric, Param, RunTag
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")

shared_home = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def history(run: Any, key: str) -> list[tuple[int, float]]:
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
    return [(point.step, point.value) for point in points]


@shared_home
@given(value=st.floats(allow_nan=True, allow_infinity=True), step=st.integers(-(2**63), 2**63 - 1))
def test_every_double_and_every_64_bit_step_comes_back_exactly(value: float, step: int) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric("m", value, step=step)
        tracklet.log_metrics({"n": value}, step=step)
    for key in ("m", "n"):
        ((stored_step, stored),) = history(run, key)
        assert stored_step == step
        if math.isnan(value):
            assert math.isnan(stored)
        else:
            assert struct.pack("<d", stored) == struct.pack("<d", value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, 1.0),
        (True, 1.0),
        ("1.5", 1.5),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.array(2.5), 2.5),
        (np.array([2.5]), 2.5),
        (np.int64(-3), -3.0),
        (decimal.Decimal("0.25"), 0.25),
    ],
)
def test_whatever_is_one_number_is_a_value(value: Any, stored: float) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric("m", value)
        tracklet.log_metrics({"n": value})
    assert history(run, "m") == history(run, "n") == [(0, stored)]


@pytest.mark.parametrize("value", ["x", None, np.array([1.0, 2.0]), 10**400])
def test_what_is_no_number_is_refused_with_the_value_in_the_message(value: Any) -> None:
    with tracklet.start_run() as run:
        with pytest.raises(InvalidParameterValue, match="value of metric 'm' must be one number"):
            tracklet.log_metric("m", value)
        with pytest.raises(InvalidParameterValue, match="value of metric 'm'"):
            tracklet.log_metrics({"good": 1.0, "m": value})
    assert tracklet.get_run(run.info.run_id).data.metrics == {}


@pytest.mark.parametrize("value", [1j, [1.0], {}])
def test_what_cannot_hold_a_number_is_a_type_error(value: Any) -> None:
    with tracklet.start_run(), pytest.raises(TypeError, match="value of metric 'm'"):
        tracklet.log_metric("m", value)


@pytest.mark.parametrize("step", [1.5, "a", 2**63, -(2**63) - 1, True, float("nan")])
def test_a_step_that_is_no_64_bit_integer_is_refused(step: Any) -> None:
    with tracklet.start_run() as run:
        with pytest.raises(InvalidParameterValue, match="step of metric"):
            tracklet.log_metric("m", 1.0, step=step)
        with pytest.raises(InvalidParameterValue, match="step of metric"):
            tracklet.log_metrics({"m": 1.0}, step=step)
    assert tracklet.get_run(run.info.run_id).data.metrics == {}


@pytest.mark.parametrize("step", [np.int32(7), 7.0])
def test_an_integral_step_of_another_type_is_taken(step: Any) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1.0, step=step)
    assert history(run, "m") == [(7, 1.0)]


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/", "a\nb", "x" * 251, "\ud800"]
)
def test_a_key_that_is_no_canonical_path_is_refused_and_nothing_is_written(key: str) -> None:
    with tracklet.start_run() as run:
        for record in (
            lambda: tracklet.log_metric(key, 1.0),
            lambda: tracklet.log_metrics({"good": 1.0, key: 1.0}),
            lambda: tracklet.log_params({"good": 1, key: 1}),
            lambda: tracklet.set_tags({"good": 1, key: 1}),
        ):
            with pytest.raises(InvalidParameterValue, match="cannot be a"):
                record()
    stored = tracklet.get_run(run.info.run_id)
    assert stored.data.metrics == {}
    assert stored.data.params == {}
    assert "good" not in stored.data.tags


@pytest.mark.parametrize(
    "key", ["a/b", "a b-c_d.e:f", "中文", "loss 📉", "$HOME", "a.tmp", "é" * 9]
)
def test_any_key_that_a_path_can_carry_is_kept(key: str) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric(key, 1.0)
        tracklet.log_param(key, "p")
        tracklet.set_tag(key, "t")
    data = tracklet.get_run(run.info.run_id).data
    assert (data.metrics[key], data.params[key], data.tags[key]) == (1.0, "p", "t")


@shared_home
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_texts_come_back_exactly(text: str) -> None:
    with tracklet.start_run() as run:
        tracklet.log_param("p", text)
        tracklet.set_tag("t", text)
    data = tracklet.get_run(run.info.run_id).data
    assert data.params["p"] == text
    assert data.tags["t"] == text


def test_long_values_are_kept_whole() -> None:
    value = "x" * 100_000
    with tracklet.start_run() as run:
        tracklet.log_param("p", value)
        tracklet.set_tag("t", value)
    data = tracklet.get_run(run.info.run_id).data
    assert data.params["p"] == data.tags["t"] == value


def test_a_param_keeps_its_first_value() -> None:
    with tracklet.start_run() as run:
        assert tracklet.log_param("lr", 0.1) == 0.1
        tracklet.log_param("lr", "0.1")
        with pytest.raises(InvalidParameterValue, match=r"lr.*0\.1.*0\.2") as caught:
            tracklet.log_params({"new": 1, "lr": 0.2})
        assert run.info.run_id in str(caught.value)
    assert tracklet.get_run(run.info.run_id).data.params == {"lr": "0.1"}


def test_a_tag_takes_its_last_value_and_the_name_tag_renames_the_run() -> None:
    with tracklet.start_run(run_name="old") as run:
        tracklet.set_tag("stage", None)
        tracklet.set_tags({"stage": 2, "mlflow.runName": "new"})
        tracklet.set_tag("gone", 1)
        tracklet.delete_tag("gone")
        with pytest.raises(ResourceDoesNotExist, match="gone"):
            tracklet.delete_tag("gone")
    stored = tracklet.get_run(run.info.run_id)
    assert stored.data.tags["stage"] == "2"
    assert stored.info.run_name == "new"
    assert "gone" not in stored.data.tags


def test_the_latest_value_is_the_greatest_by_step_then_time_then_value() -> None:
    client = tracklet.TrackletClient()
    run_id = client.create_run("0").info.run_id
    for step, timestamp, value in [(5, 10, 1.0), (5, 20, 2.0), (5, 20, 1.5), (-9, 99, 7.0)]:
        client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    assert client.get_run(run_id).data.metrics == {"m": 2.0}
    assert [p.value for p in client.get_metric_history(run_id, "m")] == [1.0, 2.0, 1.5, 7.0]


def test_a_timestamp_is_kept_and_a_missing_one_is_now() -> None:
    client = tracklet.TrackletClient()
    before = time.time_ns() // 1_000_000
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1.0, timestamp=1234)
        tracklet.log_metric("now", 1.0)
        with pytest.raises(InvalidParameterValue, match="timestamp of metric"):
            tracklet.log_metric("m", 1.0, timestamp=-1)
    (point,) = client.get_metric_history(run.info.run_id, "m")
    (now,) = client.get_metric_history(run.info.run_id, "now")
    assert point.timestamp == 1234
    assert before <= now.timestamp <= time.time_ns() // 1_000_000


def test_a_batch_is_recorded_whole_or_not_at_all() -> None:
    client = tracklet.TrackletClient()
    run_id = client.create_run("0").info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric("a", 1.0, 5, 0), Metric("a", 2.0, 6, 1)],
        params=[Param("p", "1")],
        tags=[RunTag("t", "1")],
    )
    with pytest.raises(InvalidParameterValue, match="'p'"):
        client.log_batch(
            run_id,
            metrics=[Metric("b", 1.0, 5, 0)],
            params=[Param("p", "2")],
            tags=[RunTag("u", "1")],
        )
    with pytest.raises(InvalidParameterValue, match="given twice"):
        client.log_batch(run_id, params=[Param("q", "1"), Param("q", "1")])
    data = client.get_run(run_id).data
    assert data.metrics == {"a": 2.0}
    assert data.params == {"p": "1"}
    assert data.tags["t"] == "1"
    assert "u" not in data.tags


def test_many_params_and_metrics_go_in_one_call() -> None:
    with tracklet.start_run() as run:
        tracklet.log_params({f"p{i}": i for i in range(500)})
        tracklet.log_metrics({f"m{i}": i for i in range(1500)})
    data = tracklet.get_run(run.info.run_id).data
    assert len(data.params) == 500
    assert data.metrics == {f"m{i}": float(i) for i in range(1500)}


def test_asynchronous_calls_answer_at_once_and_raise_when_waited_for() -> None:
    with tracklet.start_run() as run:
        good = tracklet.log_metric("m", 1.0, synchronous=False)
        bad = tracklet.log_metric("m", "x", synchronous=False)
        params = tracklet.log_params({"a": 1}, synchronous=False)
    assert good is not None
    assert bad is not None
    assert params is not None
    good.wait()
    params.wait()
    with pytest.raises(InvalidParameterValue, match="one number"):
        bad.wait()
    assert tracklet.get_run(run.info.run_id).data.metrics == {"m": 1.0}


def test_threads_lose_no_point() -> None:
    def work(run_id: str, number: int) -> None:
        for step in range(500):
            tracklet.log_metric(f"m{number % 4}", number, step=step, run_id=run_id)

    with tracklet.start_run() as run:
        threads = [threading.Thread(target=work, args=(run.info.run_id, n)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [len(history(run, f"m{number}")) for number in range(4)] == [2000] * 4


def test_more_metrics_than_open_files_are_kept() -> None:
    with tracklet.start_run() as run:
        for step in range(3):
            for number in range(400):
                tracklet.log_metric(f"m{number}", step, step=step)
    assert history(run, "m0") == history(run, "m399") == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_another_run_is_recorded_into_by_its_id() -> None:
    other = tracklet.TrackletClient().create_run("0").info.run_id
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1.0, run_id=other)
        tracklet.log_params({"p": 1}, run_id=other)
    assert tracklet.get_run(other).data.metrics == {"m": 1.0}
    assert tracklet.get_run(other).data.params == {"p": "1"}
    assert tracklet.get_run(run.info.run_id).data.metrics == {}
