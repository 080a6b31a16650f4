"""Reading what trainings have left on the record."""

from __future__ import annotations

from pathlib import Path

import pytest

import tracklet


class Record:
    """The runs of one test."""

    def runs(self):
        """All runs, the newest first."""
        return tracklet.search_runs(output_format="list", search_all_experiments=True)

    def only(self):
        """The one run there is, in which nothing of ours went wrong."""
        (run,) = self.runs()
        assert "tracklet.faults" not in run.data.tags
        return run

    def outermost(self):
        """The one run without a parent, in which nothing of ours went wrong."""
        (run,) = [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]
        assert "tracklet.faults" not in run.data.tags
        return run

    def history(self, run, key):
        """The steps and values of a metric."""
        points = tracklet.TrackletClient().get_metric_history(run.info.run_id, key)
        return [(point.step, point.value) for point in points]

    def artifact(self, run, path):
        """A file of a run's artifacts, also one that is made in the background."""
        tracklet.autolog.flush()
        found = tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path)
        return Path(found)

    def files(self, run):
        """The names of a run's artifacts at the top."""
        tracklet.autolog.flush()
        return {each.path for each in tracklet.artifacts.list_artifacts(run_id=run.info.run_id)}

    def logged(self, run):
        """The one logged model of a run."""
        (output,) = run.outputs.model_outputs
        return tracklet.get_logged_model(output.model_id)


@pytest.fixture
def record(tracklet_home):
    """What the test's trainings have left."""
    return Record()
