"""Whole objects as files: written as they are pickled, and searched on the way."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from packaging.version import Version
from sklearn.linear_model import LinearRegression

from tracklet import pyfunc
from tracklet.models import object_files
from tracklet_flavors import pyfunc as python_flavor
from tracklet_flavors import sklearn as flavor

pytestmark = pytest.mark.usefixtures("tracklet_home")

LARGE = 32 << 20


class Holds(pyfunc.PythonModel):
    def __init__(self, array: Any) -> None:
        self.array = array

    def predict(self, context: Any, model_input: Any) -> Any:
        return model_input


def save_python(model: Any, path: Path) -> None:
    python_flavor.save_model(path, python_model=Holds(model.array))


def save_pickle(model: Any, path: Path) -> None:
    flavor.save_model(model, path, serialization_format="pickle")


def peak(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("save", [flavor.save_model, save_pickle, save_python])
def test_no_copy_of_a_model_is_made_in_memory(save: Any, tmp_path: Path) -> None:
    """Saving takes a fraction of the model's size, and loading takes it once."""
    model: Any = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    model.array = np.zeros(LARGE // 8)
    assert peak(lambda: save(model, tmp_path / "m")) < LARGE / 4
    assert peak(lambda: pyfunc.load_model(tmp_path / "m")) < LARGE * 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space as Linux does")
def test_a_model_is_saved_where_there_is_no_room_for_another(tmp_path: Path) -> None:
    """Not even a file is mapped whole into a process that has little address space left."""
    program = """
import resource, sys
import numpy as np
from sklearn.linear_model import LinearRegression
from tracklet_flavors import sklearn as flavor

model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
flavor.save_model(model, sys.argv[1] + "/small")
model.array = np.zeros(25_000_000)
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for kind in ("cloudpickle", "pickle"):
    flavor.save_model(model, f"{sys.argv[1]}/{kind}", serialization_format=kind)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert (tmp_path / "pickle" / "model.pkl").stat().st_size > 200_000_000


def test_modules_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """Also in the pickle's first frame, its last one, and over the seam between two."""
    file = tmp_path / "value.pkl"
    for length in (0, 70_000, *range(65_380, 65_540)):
        halves = "x" * (length // 2), "y" * (length - length // 2)
        value = [*halves, Version("1.0"), OrderedDict(a=1)]
        found = object_files.pickle_to(file, value, cloudpickle.Pickler)
        assert {"collections", "packaging.version"} <= found, length
