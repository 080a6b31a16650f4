"""The part of the contract on a record that cannot be written."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet_testing.integration import faults
from tracklet_testing.integration.faults import RECOVERIES, Places, removing_at
from tracklet_testing.integration.trainings import Newcomers, Scenario, Trainings

# Lines in the log about a folder that goes: several runs may be gone with it, and it may go while a
# thread in the background makes it anew.
_FEW = 3


class StorageContract(Trainings):
    """Whatever becomes of the record, training goes on, and the next one is recorded."""

    def test_a_store_that_cannot_be_made_does_not_disturb_training(
        self,
        scenario: Scenario,
        expected: Any,
        tracklet_home: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Where the record should be there is a file: training completes, and says so once."""
        blocked = tracklet_home / "blocked"
        blocked.write_text("no folder")
        with monkeypatch.context() as there, caplog.at_level(logging.WARNING, logger="tracklet"):
            there.setenv("TRACKLET_TRACKING_URI", str(blocked / "mlruns"))
            assert scenario.observe() == expected
        assert blocked.read_text() == "no folder"
        assert tracklet.active_run() is None
        assert len(_lines(caplog)) == 1
        self._is_recorded_again(scenario, expected)

    def test_a_read_only_store_does_not_disturb_training(
        self, scenario: Scenario, expected: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """No file can be written or made: training completes, and says so once."""
        scenario.observe()
        with faults.read_only(), caplog.at_level(logging.WARNING, logger="tracklet"):
            assert scenario.observe() == expected
        assert tracklet.active_run() is None
        assert len(_lines(caplog)) == 1
        self._is_recorded_again(scenario, expected)

    def test_a_disk_that_fills_up_does_not_disturb_training(
        self,
        scenario: Scenario,
        expected: Any,
        places: Places,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The disk is full from the N-th write on, for every N; then there is room again."""
        writes = places(lambda: faults.counted_writes(scenario.observe))
        new = Newcomers()
        scenario.observe()
        usual = new.described()
        for tried, number in enumerate(writes):
            caplog.clear()
            with (
                faults.full_from(number) as disk,
                caplog.at_level(logging.WARNING, logger="tracklet"),
            ):
                assert scenario.observe() == expected, f"write {number}"
            if not disk.is_full:
                assert number > 0, "nothing was written"
                break
            assert tracklet.active_run() is None, f"write {number}"
            assert len(_lines(caplog)) <= 1, f"write {number}: {_lines(caplog)}"
            if tried % (2 * RECOVERIES) == 0:
                new()
                assert scenario.observe() == expected, f"after write {number}"
                assert new.described() == usual, f"the training after write {number}"

    def test_a_run_that_is_deleted_under_way_does_not_disturb_training(
        self,
        scenario: Scenario,
        expected: Any,
        places: Places,
        tracklet_home: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The folder of all runs goes while it trains, at each of the internal steps."""
        for k in places(lambda: faults.counted_steps(scenario.observe)):
            caplog.clear()
            with (
                removing_at(k, tracklet_home / "mlruns") as struck,
                caplog.at_level(logging.WARNING, logger="tracklet"),
            ):
                assert scenario.observe() == expected, f"step {k}, {struck.place}"
            where = f"step {k}, {struck.place}"
            assert tracklet.active_run() is None, where
            shutil.rmtree(tracklet_home / "mlruns", ignore_errors=True)
            if struck.place is None:
                break
            assert len(_lines(caplog)) <= _FEW, f"{where}: {_lines(caplog)}"
        self._is_recorded_again(scenario, expected)

    def _is_recorded_again(self, scenario: Scenario, expected: Any) -> None:
        new = Newcomers()
        assert scenario.observe() == expected
        first = new.described()
        assert first
        assert scenario.observe() == expected
        assert new.described() == first


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of trainings that could not be recorded as they should."""
    return [each.getMessage() for each in caplog.records if each.name == "tracklet.patching"]
