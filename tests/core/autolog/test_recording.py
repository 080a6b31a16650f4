"""Runs around watched trainings: whose they are, how they end, what they say of us."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest

import tracklet
from tracklet import autolog
from tracklet.autolog import disable_autologging, disable_discrete_autologging
from tracklet_testing.integration import faults


@pytest.fixture
def framework(toy):
    tracklet.autolog(extra_tags={"team": "a"})
    return import_module("toy_framework")


@pytest.fixture
def integration(framework):
    return import_module("toy_integration")


def runs():
    return tracklet.search_runs(output_format="list", search_all_experiments=True)


def test_s11_4_training_becomes_one_finished_run(framework):
    model = framework.Model(0.5)
    assert model.fit([1, 2, 3]) is model
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rate": "0.5"}
    assert run.data.metrics == {"mean": 2.0}
    assert run.data.tags["mlflow.autologging"] == "toy"
    assert run.data.tags["team"] == "a"
    overhead = json.loads(run.data.tags["tracklet.overhead_ms"])
    assert overhead["total"] > 0
    assert {"start", "params", "metrics"} <= set(overhead)
    assert tracklet.active_run() is None
    assert tracklet.last_active_run().info.run_id == run.info.run_id


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("x"), "FAILED", "exception: ValueError"),
        (KeyboardInterrupt(), "KILLED", "signal: SIGINT"),
        (SystemExit(3), "FAILED", "exit code: 3"),
    ],
)
def test_s11_4_how_the_training_ends_is_how_the_run_ends(framework, error, status, reason):
    with pytest.raises(type(error)) as caught:
        framework.Model().fit(error)
    assert caught.value is error
    (run,) = runs()
    assert run.info.status == status
    assert run.data.tags["tracklet.end_reason"] == reason
    assert run.data.params == {"rate": "0.1"}


@pytest.mark.parametrize("fault", ["before", "step", "after"])
def test_w3_fault_of_ours_is_counted_and_the_run_is_finished(framework, integration, fault):
    integration.fault = fault
    framework.Model().fit([1, 2, 3])
    (run,) = runs()
    assert run.info.status == "FINISHED"
    faults = json.loads(run.data.tags["tracklet.faults"])
    assert faults["count"] == 1
    assert "RuntimeError" in faults["first"]
    assert ("after" in run.data.tags) == (fault == "step")
    assert tracklet.active_run() is None


def test_silent_says_nothing_of_faults_but_counts_them(framework, integration, caplog):
    autolog.enable("toy", silent=True)
    integration.fault = "step"
    caplog.clear()
    framework.Model().fit([1, 2, 3])
    assert caplog.records == []
    assert "tracklet.faults" in runs()[0].data.tags


def test_s11_5_run_of_the_user_is_added_to_and_left_active(framework):
    with tracklet.start_run(tags={"mine": "yes"}) as run:
        framework.Model().fit([1, 2, 3])
        framework.Model(0.7).fit([4])
        assert tracklet.active_run() is run
    (found,) = runs()
    assert found.data.tags["mine"] == "yes"
    assert "mlflow.autologging" not in found.data.tags
    assert "team" not in found.data.tags
    assert found.data.params == {"rate": "0.1", "fit_2.rate": "0.7"}
    assert found.data.metrics == {"mean": 4.0}
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, "mean")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 4.0)]
    assert "tracklet.faults" not in found.data.tags


def test_s11_5_failed_training_does_not_end_the_users_run(framework):
    with tracklet.start_run() as run:
        with pytest.raises(ValueError, match="x"):
            framework.Model().fit(ValueError("x"))
        assert tracklet.active_run() is run
    assert runs()[0].info.status == "FINISHED"


def test_s11_5_exclusive_keeps_out_of_the_users_run(framework):
    autolog.enable("toy", exclusive=True)
    with tracklet.start_run():
        framework.Model().fit([1])
    framework.Model().fit([1])
    recorded = [run for run in runs() if run.data.params]
    assert len(runs()) == 2
    assert len(recorded) == 1
    assert recorded[0].data.tags["mlflow.autologging"] == "toy"


def test_nested_training_is_recorded_once(framework):
    outer = framework.Model(0.5)
    outer.inner = framework.Model(0.25)
    outer.fit([1])
    (run,) = runs()
    assert run.data.params == {"rate": "0.5"}


def test_w4_threads_have_sessions_and_runs_of_their_own(framework):
    barrier = threading.Barrier(4)

    class Rows(list):
        def __len__(self):
            barrier.wait(100)  # all four are inside of their fit at once
            return super().__len__()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: framework.Model(n).fit(Rows([n])), range(4)))
    found = runs()
    assert sorted(run.data.params["rate"] for run in found) == ["0", "1", "2", "3"]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all(float(run.data.params["rate"]) == run.data.metrics["mean"] for run in found)


def test_w5_muting_nests_and_leaves_other_threads_alone(framework):
    with disable_autologging():
        with disable_autologging():
            framework.Model().fit([1])
        framework.Model().fit([1])
        assert autolog.autologging_is_disabled("toy")
        thread = threading.Thread(target=lambda: framework.Model(0.9).fit([1]))
        thread.start()
        thread.join()
    assert [run.data.params["rate"] for run in runs()] == ["0.9"]
    with disable_discrete_autologging(["other"]):
        framework.Model(0.8).fit([1])
    with disable_discrete_autologging(["toy"]):
        framework.Model(0.7).fit([1])
    assert not autolog.autologging_is_disabled("toy")
    assert len(runs()) == 2


def test_store_that_cannot_be_reached_does_not_disturb_training(framework, tmp_path, caplog):
    (tmp_path / "a file").write_text("")
    tracklet.set_tracking_uri(tmp_path / "a file" / "mlruns")
    assert framework.Model().fit([1, 2]).mean == 1.5
    assert "starting a run" in caplog.text


def test_run_folder_deleted_under_way_does_not_disturb_training(framework, tracklet_home):
    import shutil

    class Rows(list):
        def __len__(self):
            shutil.rmtree(tracklet_home / "mlruns")
            return super().__len__()

    assert framework.Model().fit(Rows([1])).mean == 1
    assert tracklet.active_run() is None


def test_long_and_hostile_params_are_kept_as_far_as_possible(framework, toy):
    class Hostile:
        def __str__(self):
            raise RuntimeError("no text")

    from tracklet.autolog import Recorder

    with tracklet.start_run() as run:
        recorder = Recorder(run, "toy")
        texts = recorder.params({"long": "x" * 10_000, "hostile": Hostile(), "../bad": 1, "ok": 2})
        recorder.close()
    found = tracklet.get_run(run.info.run_id)
    assert found.data.params == {"long": texts["long"], "ok": "2"}
    assert len(texts["long"]) == 6000
    assert "10000 characters, sha256" in texts["long"]


def test_r24_nothing_is_retained_after_a_training(framework):
    import gc
    import weakref

    model = framework.Model()
    model.fit([1])
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    failing = framework.Model()
    reference = weakref.ref(failing)
    with contextlib.suppress(ValueError):
        failing.fit(ValueError("x"))
    del failing
    gc.collect()
    assert reference() is None


def test_a_full_disk_is_said_once_until_all_is_well_again(framework, caplog):
    """However many trainings cannot be recorded; what was said is no secret the next time."""

    def said_of_two_trainings():
        caplog.clear()
        with faults.full_from(0):
            framework.Model().fit([1])
            framework.Model().fit([1])
        return [each for each in caplog.messages if "No space left" in each]

    framework.Model().fit([1])
    assert len(said_of_two_trainings()) == 1
    assert said_of_two_trainings() == []
    framework.Model().fit([1])
    assert len(said_of_two_trainings()) == 1
    assert len(runs()) == 2


def test_a_fault_after_the_training_is_on_its_run(framework, caplog):
    """Nobody is left to count it when the call has returned, but for the run itself."""
    with tracklet.start_run() as run:
        framework.Model().fit([1])
    with autolog.afterwards(run, "toy", "late work"):
        raise ValueError("came late")
    with autolog.afterwards(run, "toy", "late work"):
        raise ValueError("came again")
    faults = json.loads(tracklet.get_run(run.info.run_id).data.tags["tracklet.faults"])
    assert faults == {"count": 2, "first": "toy: late work: ValueError: came late"}
    assert len([each for each in caplog.messages if "late work" in each]) == 1


def test_what_goes_wrong_in_every_round_is_said_once(framework, caplog):
    """All are counted; a thousand rounds are no thousand lines."""
    with tracklet.start_run() as run:
        framework.Model().fit([1])
    for step in range(3):
        with autolog.afterwards(run, "toy", f"round {step}"):
            raise ValueError("no number")
    faults = json.loads(tracklet.get_run(run.info.run_id).data.tags["tracklet.faults"])
    assert faults == {"count": 3, "first": "toy: round 0: ValueError: no number"}
    assert len([each for each in caplog.messages if "no number" in each]) == 1
