"""What the parts of the store contract share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracklet.entities import Metric

MISSING_RUN = "0" * 31 + "a"
MISSING_MODEL = "m-" + "0" * 32


def points_of(metrics: list[Metric]) -> list[tuple[float, int, int]]:
    """What was logged of each point: value, timestamp and step."""
    return [(m.value, m.timestamp, m.step) for m in metrics]


class StoreFixtures:
    """A fresh store for each test, and a fresh experiment, run and model in it."""

    def make_store(self, tmp_path: Path) -> Any:
        """A fresh, empty store.

        Args:
            tmp_path: A folder that is the test's alone.
        """
        raise NotImplementedError

    def dispose(self, store: Any) -> None:
        """Release what the store holds; called after each test."""
        close = getattr(store, "close", None) or getattr(store, "dispose", None)
        if callable(close):
            close()

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """The store under test; its caches are kept below ``tmp_path``."""
        monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
        store = self.make_store(tmp_path)
        yield store
        self.dispose(store)

    @pytest.fixture
    def experiment_id(self, store: Any) -> str:
        """A fresh experiment."""
        return store.create_experiment("trees")

    @pytest.fixture
    def run_id(self, store: Any, experiment_id: str) -> str:
        """A fresh run."""
        return store.create_run(experiment_id).info.run_id

    @pytest.fixture
    def model_id(self, store: Any, experiment_id: str) -> str:
        """A fresh logged model."""
        return store.create_logged_model(experiment_id, name="tree").model_id
