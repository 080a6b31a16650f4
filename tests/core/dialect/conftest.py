"""A process in which `import mlflow` is tracklet."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracklet


@pytest.fixture
def spoken(tracklet_home: Path) -> Iterator[None]:
    if "mlflow" in sys.modules:
        pytest.skip("the real mlflow is imported")
    tracklet.as_mlflow()
    yield
    tracklet.as_mlflow(False)
