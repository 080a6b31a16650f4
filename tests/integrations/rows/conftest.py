"""scikit-learn's integration is on, in strict mode, and says no more than a test asks for."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import tracklet


@pytest.fixture
def enable():
    """Enables with options; by default without plots and pages."""
    return lambda **options: tracklet.sklearn.autolog(
        **{"log_plots": False, "log_html": False, **options}
    )


@pytest.fixture(autouse=True)
def on(tracklet_home, monkeypatch, enable):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    enable()
    yield
    tracklet.autolog(disable=True)


@pytest.fixture
def runs():
    """All runs on the record, newest first, when everything is written."""

    def search():
        tracklet.autolog.flush()
        return tracklet.search_runs(output_format="list", search_all_experiments=True)

    return search


@pytest.fixture
def process(tracklet_home):
    """Runs a script in a fresh process, in which nothing is strict."""

    def run(script, *flags, **environment):
        done = subprocess.run(
            [sys.executable, *flags, "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            cwd=tracklet_home,
            check=False,
            timeout=400,
            env={
                **{key: value for key, value in os.environ.items() if key != "TRACKLET_STRICT"},
                **environment,
            },
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    return run
