"""The part of the contract on errors: ours stay inside, the user's pass."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tracklet import autolog, fluent
from tracklet.patching import injected
from tracklet.testing.integration.injection import (
    MAX_STEPS,
    InjectedError,
    always_raising,
    count_steps,
    raising_at,
)
from tracklet.testing.integration.trainings import Trainings


class ContainmentContract(Trainings):
    """Whatever fails, training gives the same."""

    def test_training_gives_the_same(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """What is learned does not depend on autologging."""
        assert script["train"]() == bare
        assert self.runs()

    def test_no_failure_of_ours_reaches_training(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """With the k-th internal step raising, for every k, the training gives the same."""
        autolog.enable(self.name, silent=True)
        steps = count_steps(script["train"])
        assert 0 < steps < MAX_STEPS
        for k in range(steps):
            with injected(raising_at(k)):
                assert script["train"]() == bare, f"step {k} of {steps}"
            assert fluent.active_run() is None, f"step {k} of {steps}"

    def test_everything_failing_costs_log_lines_only(
        self, bare: Any, script: dict[str, Any], enabled: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If every internal step raises, the training gives the same, and the log says why."""
        with injected(always_raising), caplog.at_level(logging.WARNING, logger="tracklet"):
            assert script["train"]() == bare
        assert any("InjectedError" in record.getMessage() for record in caplog.records)

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

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
    def test_the_users_exception_is_the_same_object(
        self, script: dict[str, Any], enabled: None, kind: type[BaseException]
    ) -> None:
        """What training raises arrives as the very object; the run says how it ended."""
        error = kind("the user's")
        with pytest.raises(kind) as caught:
            script["fail"](error)
        assert caught.value is error
        assert fluent.active_run() is None
        (run,) = self.runs()
        assert run.info.status == ("KILLED" if kind is KeyboardInterrupt else "FAILED")
        assert "tracklet.end_reason" in run.data.tags
