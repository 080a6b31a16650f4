"""What ``pip install tracklet`` brings along, and what a process loads of it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(name: str) -> set[str]:
    """The distributions that a plain install of ``name`` needs here, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current in found:
            continue
        found.add(current)
        for text in distribution(current).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def test_a_plain_install_brings_at_most_seven_distributions() -> None:
    assert len(closure("tracklet")) <= 7, sorted(closure("tracklet"))


HELLO = """
import tracklet
with tracklet.start_run():
    tracklet.log_param("a", 1)
    tracklet.log_metric("m", 0.5)
"""
FIT = """
import warnings
warnings.simplefilter("ignore")
import tracklet
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
tracklet.autolog(silent=True)
LogisticRegression(max_iter=50).fit(*load_iris(return_X_y=True))
tracklet.autolog.flush()
"""

# What may be loaded of ours. These numbers only go down.
MOST_OF_SWITCHING_ON = 23
MOST_OF_HELLO = 45
MOST_OF_A_FIT = 110
MOST_OF_A_SEARCH = 66


def loaded(code: str, folder: Path) -> set[str]:
    """The modules that a fresh process has loaded after it ran this code."""
    found = folder / "loaded"
    script = "\n".join(
        (
            f"import os, sys; os.chdir({str(folder)!r}); before = set(sys.modules)",
            code,
            f"open({str(found)!r}, 'w').write('\\n'.join(set(sys.modules) - before))",
        )
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    return set(found.read_text().split())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0].startswith("tracklet")}


def test_a_hello_run_loads_little_and_nothing_of_frameworks(tracklet_home: Path) -> None:
    modules = loaded(HELLO, tracklet_home)
    assert len(ours(modules)) <= MOST_OF_HELLO, sorted(ours(modules))
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {
        "dataclasses",
        "inspect",
        "platformdirs",
        "sqlalchemy",
        "sqlite3",
        "wrapt",
        "yaml",
    }
    assert not roots & {"tracklet_integrations", "tracklet_flavors", "tracklet_services"}


def test_an_autologged_fit_loads_what_serves_it(tracklet_home: Path) -> None:
    pytest.importorskip("sklearn")
    modules = loaded(FIT, tracklet_home)
    assert len(ours(modules)) <= MOST_OF_A_FIT, sorted(ours(modules))
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {"sqlalchemy", "sqlite3", "tracklet_services"}
    others = ("tracklet_integrations.lightgbm", "tracklet_integrations.xgboost")
    assert not [name for name in ours(modules) if name.startswith(others) or "boosting" in name]


def test_a_first_search_loads_what_serves_it(tracklet_home: Path) -> None:
    """A call of the command line is one, and waits for all that is loaded."""
    search = "import tracklet\ntracklet.TrackletClient('runs').search_runs(['0'], 'metrics.m > 1')"
    modules = loaded(search, tracklet_home)
    assert len(ours(modules)) <= MOST_OF_A_SEARCH, sorted(ours(modules))
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {"datetime", "hashlib", "json", "logging", "sqlite3", "traceback", "yaml"}


def test_switching_autologging_on_loads_no_integration_and_no_wrapt(tracklet_home: Path) -> None:
    """What each waits for stands in the metadata of its distribution."""
    modules = loaded("import tracklet\ntracklet.autolog()", tracklet_home)
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {"tracklet_integrations", "tracklet_flavors", "wrapt", "sklearn", "numpy"}
    assert len(ours(modules)) <= MOST_OF_SWITCHING_ON, sorted(ours(modules))
