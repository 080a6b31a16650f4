"""The one place that unpickles."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracklet import pyfunc
from tracklet.errors import TrackletException
from tracklet.models import unpickle

SOURCES = Path(__file__).parents[3]


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of these tests are in no model's folder; who wrote them is not their subject."""
    monkeypatch.setenv("TRACKLET_TRUST", "true")


def test_no_other_module_unpickles() -> None:
    """ruff's S301 finds unpickling calls; only this module and nothing else may load."""
    unpickling = re.compile(
        r"\b(pickle|cloudpickle|joblib|dill|marshal|shelve|torch|jsonpickle)"
        r"\.(loads?|Unpickler|open|decode)\b|\bread_pickle\b|allow_pickle\s*=\s*True"
        r"|\byaml\.(unsafe_load|full_load|UnsafeLoader)\b"
    )
    found = {
        str(path.relative_to(SOURCES))
        for root in ("core", "flavors", "integrations", "services")
        for path in (SOURCES / root).rglob("*.py")
        if unpickling.search(path.read_text())
    }
    kit = "core/tracklet_testing/"  # unpickles what it has pickled a moment before
    assert {each for each in found if not each.startswith(kit)} == {
        "core/tracklet/models/unpickle.py"
    }


@pytest.mark.usefixtures("trusting")
def test_names_of_mlflow_mean_our_classes() -> None:
    """A pickle that refers to MLflow's base class loads without MLflow."""
    data = b"\x80\x04\x8c\x13mlflow.pyfunc.model\x8c\x0bPythonModel\x93."
    assert unpickle.load(data) is pyfunc.PythonModel


@pytest.mark.usefixtures("trusting")
def test_a_name_of_mlflows_that_we_lack_says_what_is_missing() -> None:
    """The error names the module and points at the requirements."""
    data = b"\x80\x04\x8c\x0dmlflow.nowhere\x8c\x01x\x93.".replace(b"\x0d", b"\x0e")
    with pytest.raises(TrackletException, match=r"mlflow\.nowhere"):
        unpickle.load(data)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("data", [b"", b"\x80\x05", b"rubbish", pickle.dumps([1, 2])[:-3]])
def test_damaged_bytes_are_an_error_of_ours(data: bytes) -> None:
    """Whatever pickle raises becomes one exception with the cause chained."""
    with pytest.raises(TrackletException) as caught:
        unpickle.load(data)
    assert caught.value.__cause__ is not None


def test_inference_starts_no_process() -> None:
    """Saving a model forks nothing and executes nothing."""
    script = """
import sys
from tracklet_flavors.sklearn import save_model
from sklearn.linear_model import LinearRegression
events = []
sys.addaudithook(lambda name, args: events.append(name) if "fork" in name or "exec" == name[-4:]
                 or name in ("subprocess.Popen", "os.system", "os.posix_spawn") else None)
events.clear()
save_model(LinearRegression().fit([[1.0], [2.0]], [1, 2]), sys.argv[1])
print([name for name in events if name != "exec"])
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script, folder + "/m"], capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
