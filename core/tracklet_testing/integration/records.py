"""The part of the contract on whose run is recorded into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet import autolog
from tracklet.client import TrackletClient
from tracklet_testing.flavor import Answers
from tracklet_testing.integration.trainings import Trainings


class RecordContract(Trainings):
    """A training has a run, its own or the user's."""

    def test_a_managed_run_is_tagged_and_ended(self, script: dict[str, Any], enabled: None) -> None:
        """Without an active run one is made, tagged with the integration, and ended."""
        script["train"]()
        assert tracklet.active_run() is None
        runs = self.runs()
        assert runs
        for run in runs:
            assert run.info.status == "FINISHED"
            assert run.data.tags["mlflow.autologging"] == self.name
            assert "tracklet.overhead_ms" in run.data.tags
            assert "tracklet.faults" not in run.data.tags, run.data.tags["tracklet.faults"]

    def test_a_run_of_the_users_is_only_added_to(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """An active run gets the record; it stays active and does not become autologging's."""
        with tracklet.start_run() as run:
            script["train"]()
            active = tracklet.active_run()
            assert active is not None
            assert active.info.run_id == run.info.run_id
            assert TrackletClient().get_run(run.info.run_id).info.status == "RUNNING"
        (found,) = self.runs()
        assert "mlflow.autologging" not in found.data.tags
        assert found.data.params or found.data.metrics

    def test_exclusive_leaves_a_run_of_the_users_alone(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """With exclusive, nothing is written into a run of the user's."""
        autolog.enable(self.name, exclusive=True)
        with tracklet.start_run() as run:
            before = TrackletClient().get_run(run.info.run_id)
            script["train"]()
            assert TrackletClient().get_run(run.info.run_id) == before
        assert len(self.runs()) == 1

    def test_muted_and_disabled_record_nothing(self, script: dict[str, Any], enabled: None) -> None:
        """In disable_autologging(), and after disabling, training leaves no run."""
        with autolog.disable_autologging():
            script["train"]()
        autolog.enable(self.name, disable=True)
        script["train"]()
        assert self.runs() == []

    def test_a_recorded_model_answers_its_training_data_as_the_trained_one(
        self, script: dict[str, Any], enabled: None, tmp_path: Path
    ) -> None:
        """Whatever it was trained on; here, in a fresh process, by a request, by the command."""
        if "answered" not in script:
            pytest.skip("the training's source text defines no answered()")
        answers = Answers(tmp_path / "asked")
        for name, data, answer in script["answered"]():
            run = tracklet.last_active_run()
            assert run is not None
            path = tracklet.artifacts.download_artifacts(f"runs:/{run.info.run_id}/model")
            answers.ask(name, Path(path), data, answer)
            assert "tracklet.faults" not in run.data.tags, run.data.tags["tracklet.faults"]
        assert answers.wrong() == {}
