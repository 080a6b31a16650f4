"""Reading what trainings have left on the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
        """The names of a run's artifacts at the top, but for what a framework may have printed."""
        tracklet.autolog.flush()
        found = tracklet.artifacts.list_artifacts(run_id=run.info.run_id)
        return {each.path for each in found} - {"tracklet"}

    def logged(self, run):
        """The one logged model of a run."""
        (output,) = run.outputs.model_outputs
        return tracklet.get_logged_model(output.model_id)


@pytest.fixture
def record(tracklet_home):
    """What the test's trainings have left."""
    return Record()


@pytest.fixture
def twins(tracklet_home):
    """Runs a script with ``plain`` and with ``watched``; what it reports must be the same.

    The report is the last line that the script prints: a JSON object by case.
    """

    def outcome(script, mode):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, mode],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            cwd=tracklet_home,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    def compare(script):
        plain, watched = outcome(script, "plain"), outcome(script, "watched")
        assert plain.keys() == watched.keys()
        for name, expected in plain.items():
            assert watched[name] == expected, name

    return compare
