"""The part of the contract on a record that cannot be written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tracklet import autolog, fluent
from tracklet.patching import injected
from tracklet.testing.integration.injection import count_steps, removing_at
from tracklet.testing.integration.trainings import Trainings


class StorageContract(Trainings):
    """Whatever becomes of the record, training goes on."""

    def test_a_store_that_cannot_be_written_does_not_disturb_training(
        self,
        bare: Any,
        script: dict[str, Any],
        enabled: None,
        tracklet_home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Where the record should be there is a file: training completes, and says so once."""
        blocked = tracklet_home / "blocked"
        blocked.write_text("no folder")
        monkeypatch.setenv("TRACKLET_TRACKING_URI", str(blocked / "mlruns"))
        assert script["train"]() == bare
        assert blocked.read_text() == "no folder"

    def test_a_run_that_is_deleted_under_way_does_not_disturb_training(
        self, bare: Any, script: dict[str, Any], enabled: None, tracklet_home: Path
    ) -> None:
        """The folder of the run goes while it trains, at each of the internal steps."""
        autolog.enable(self.name, silent=True)
        steps = count_steps(script["train"])
        for k in range(0, steps, max(1, steps // 6)):
            with injected(removing_at(k, tracklet_home / "mlruns")):
                assert script["train"]() == bare, f"step {k} of {steps}"
            assert fluent.active_run() is None
            shutil.rmtree(tracklet_home / "mlruns", ignore_errors=True)
