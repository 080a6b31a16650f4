"""Metrics of the machine, recorded beside those of the training."""

from __future__ import annotations

import sys
import threading
import time

import pytest

import tracklet
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("tracklet_home")

NAMES = {
    "cpu_utilization_percentage",
    "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
    "disk_usage_percentage",
    "disk_usage_megabytes",
    "disk_available_megabytes",
    "network_receive_megabytes",
    "network_transmit_megabytes",
}


def steps(run_id: str, key: str) -> list[int]:
    return [point.step for point in tracklet.TrackletClient().get_metric_history(run_id, key)]


def test_even_a_short_run_has_a_sample_at_its_start_and_one_at_its_end() -> None:
    with tracklet.start_run(log_system_metrics=True) as run:
        pass
    stored = tracklet.get_run(run.info.run_id)
    assert set(stored.data.metrics) == {f"system/{name}" for name in NAMES}
    assert 0 < stored.data.metrics["system/system_memory_usage_percentage"] <= 100
    assert steps(run.info.run_id, "system/disk_usage_percentage") == [0, 1]
    assert stored.info.status == "FINISHED"


def test_samples_go_on_with_the_interval_and_over_resumed_runs() -> None:
    tracklet.set_system_metrics_sampling_interval(0.02)
    tracklet.set_system_metrics_node_id("n1")
    tracklet.enable_system_metrics_logging()
    key = "system/n1/cpu_utilization_percentage"
    with tracklet.start_run() as run:
        while len(steps(run.info.run_id, key)) <= 4:  # however busy the machine is
            time.sleep(0.02)
    first = steps(run.info.run_id, key)
    with tracklet.start_run(run_id=run.info.run_id):
        pass
    tracklet.disable_system_metrics_logging()
    assert steps(run.info.run_id, key) == list(range(len(first) + 2))
    with tracklet.start_run() as other:
        pass
    assert tracklet.get_run(other.info.run_id).data.metrics == {}


def test_no_thread_is_left_behind() -> None:
    with tracklet.start_run(log_system_metrics=True):
        assert "tracklet-system-metrics" in {thread.name for thread in threading.enumerate()}
    assert "tracklet-system-metrics" not in {thread.name for thread in threading.enumerate()}


def test_without_psutil_the_run_goes_on_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with tracklet.start_run(log_system_metrics=True) as run:
        tracklet.log_metric("m", 1.0)
    assert tracklet.get_run(run.info.run_id).data.metrics == {"m": 1.0}
    assert "psutil" in caplog.text


def test_bad_options_are_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="-1"):
        tracklet.set_system_metrics_sampling_interval(-1)
    with pytest.raises(InvalidParameterValue, match="0"):
        tracklet.set_system_metrics_samples_before_logging(0)
