"""The part of the contract on errors: ours stay inside, the user's pass."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

import tracklet
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet.patching import injected
from tracklet_testing.integration.faults import (
    RECOVERIES,
    InjectedError,
    Places,
    always_raising,
    counted_steps,
    raising_at,
)
from tracklet_testing.integration.trainings import Newcomers, Scenario, Trainings

_WITHOUT_A_RECORD = ("before ", "after ", "step start")


class ContainmentContract(Trainings):
    """Whatever fails, training gives the same."""

    def test_training_gives_the_same(
        self, scenario: Scenario, expected: Any, tracklet_home: Any
    ) -> None:
        """What is learned, and every random number after it, does not depend on autologging."""
        assert scenario.observe() == expected
        assert self.runs()

    def test_no_failure_of_ours_reaches_training(
        self, scenario: Scenario, expected: Any, places: Places, caplog: pytest.LogCaptureFixture
    ) -> None:
        """With the k-th internal step raising, for every k, the training gives the same.

        The fault is counted, no run stays open, and another training is recorded as ever.
        """
        steps = places(lambda: counted_steps(scenario.observe))
        new = Newcomers()
        scenario.observe()
        usual = new.described()
        assert usual
        for tried, k in enumerate(steps):
            caplog.clear()
            with raising_at(k) as struck, caplog.at_level(logging.WARNING, logger="tracklet"):
                assert scenario.observe() == expected, f"step {k}, {struck.place}"
            where = f"step {k}, {struck.place}"
            assert tracklet.active_run() is None, where
            if struck.place is None:
                assert k > 0, "no internal step was seen"
                break
            runs = new()
            if struck.place.startswith("later ") and not any(map(_faults, runs)):
                # What a loop has left is recorded when the next training begins, on its own run.
                runs = [run for run in self.runs() if struck.place in _faults(run)]
            assert _is_counted(runs, _lines(caplog), struck.place), where
            if tried % RECOVERIES == 0:
                assert scenario.observe() == expected, where
                assert new.described() == usual, f"the training after {where}"

    def test_a_failure_of_ours_leaves_a_run_of_the_users_open(
        self,
        script: dict[str, Any],
        bare: Any,
        enabled: None,
        places: Places,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """With the k-th internal step raising, the user's run goes on, and has the fault."""
        for k in places(lambda: counted_steps(script["train"])):
            with tracklet.start_run() as run:
                caplog.clear()
                with raising_at(k) as struck, caplog.at_level(logging.WARNING, logger="tracklet"):
                    assert script["train"]() == bare, f"step {k}, {struck.place}"
                active = tracklet.active_run()
                assert active is not None
                assert active.info.run_id == run.info.run_id
            ended = TrackletClient().get_run(run.info.run_id)
            assert ended.info.status == "FINISHED"
            if struck.place is None:
                break
            assert _is_counted([ended], _lines(caplog), struck.place), f"step {k}, {struck.place}"

    def test_everything_failing_costs_log_lines_only(
        self, scenario: Scenario, expected: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If every internal step raises, the training gives the same, and the log says why."""
        new = Newcomers()
        scenario.observe()
        usual = new.described()
        with injected(always_raising), caplog.at_level(logging.WARNING, logger="tracklet"):
            assert scenario.observe() == expected
        assert _lines(caplog)
        new()
        assert scenario.observe() == expected
        assert new.described() == usual

    def test_strict_mode_raises_what_goes_wrong_inside(
        self,
        bare: Any,
        script: dict[str, Any],
        enabled: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With TRACKLET_STRICT a fault of ours is raised, so that tests see it."""
        monkeypatch.setenv("TRACKLET_STRICT", "1")
        with injected(always_raising), pytest.raises(InjectedError):
            script["train"]()
        assert script["train"]() == bare

    def test_no_failure_of_ours_hides_one_of_the_users(
        self, script: dict[str, Any], enabled: None, places: Places
    ) -> None:
        """With the k-th internal step raising, the user's error passes, and the run has FAILED."""
        with pytest.raises(ValueError, match="the first"):
            script["fail"](ValueError("the first"))  # imports what it needs
        steps = places(lambda: counted_steps(lambda: _failing(script)))
        new = Newcomers()
        for k in steps:
            error = ValueError("the user's")
            with raising_at(k) as struck, pytest.raises(ValueError, match="the user's") as caught:
                script["fail"](error)
            assert caught.value is error
            assert tracklet.active_run() is None, f"step {k}, {struck.place}"
            ended = {run.info.status for run in new()}
            if struck.place != "step open":  # then the record ends before the training begins
                assert ended <= {"FAILED"}, f"step {k}, {struck.place}"
            if struck.place is None:
                assert ended
                break

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
    def test_the_users_exception_is_the_same_object(
        self, script: dict[str, Any], enabled: None, kind: type[BaseException]
    ) -> None:
        """What training raises arrives as the very object; the run says how it ended."""
        error = kind("the user's")
        with pytest.raises(kind) as caught:
            script["fail"](error)
        assert caught.value is error
        assert tracklet.active_run() is None
        (run,) = self.runs()
        assert run.info.status == ("KILLED" if kind is KeyboardInterrupt else "FAILED")
        assert "tracklet.end_reason" in run.data.tags


def _failing(script: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the user's"):
        script["fail"](ValueError("the user's"))


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    return [line for line in found if InjectedError.__name__ in line]


def _faults(run: Run) -> str:
    return run.data.tags.get("tracklet.faults", "")


def _is_counted(runs: Sequence[Run], lines: list[str], place: str) -> bool:
    """Whether one failed step is on a run, and in the log once."""
    for run in runs:
        if _faults(run):
            told = json.loads(_faults(run))
            return told["count"] == 1 and place in told["first"] and len(lines) == 1
    # What fails before there is a record of the call, or of a call that has none, has no run.
    return len(lines) == 1 and (not runs or place.startswith(_WITHOUT_A_RECORD))
