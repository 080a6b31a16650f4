"""What every part of the contract works with: the training, bare and watched."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tracklet import autolog
from tracklet.client import TrackletClient
from tracklet.entities import Run


class Trainings:
    """The training that an author describes, and the fixtures that run it."""

    name: ClassVar[str]
    """The integration, as registered."""

    modules: ClassVar[tuple[str, ...]]
    """The framework's modules whose import makes it active."""

    targets: ClassVar[tuple[str, ...]]
    """Watched functions as ``module:qualified name``, those at least that ``train`` calls."""

    training: ClassVar[str]
    """Source text that defines ``train()``, which trains with fixed seeds and returns something
    comparable that depends on all that was learned, and ``fail(error)``, which makes a training
    raise that very exception. The framework is imported inside of them."""

    process_timeout: ClassVar[float] = 120.0
    """Seconds that a fresh process may take."""

    fork_timeout: ClassVar[float] = 20.0
    """Seconds after which a training in a forked child counts as stuck, which is no fault of ours:
    OpenMP's threads do not survive a fork."""

    @pytest.fixture
    def script(self) -> dict[str, Any]:
        """The names that the training's source text defines."""
        names: dict[str, Any] = {"__name__": "tracklet_contract_training"}
        exec(compile(textwrap.dedent(self.training), f"<{self.name} training>", "exec"), names)
        names["train"] = _drained(names["train"])
        return names

    @pytest.fixture
    def bare(self, script: dict[str, Any], tracklet_home: Path) -> Any:
        """What the training gives without autologging."""
        for module in self.modules:
            importlib.import_module(module)
        script["train"]()  # what a framework imports or draws at first use is not ours
        return script["train"]()

    @pytest.fixture
    def enabled(self, bare: Any) -> Iterator[None]:
        """The integration is on during the test."""
        autolog.enable(self.name)
        yield
        autolog.enable(self.name, disable=True)

    def runs(self) -> list[Run]:
        """All runs on the record."""
        client = TrackletClient()
        ids = [each.experiment_id for each in client.search_experiments()]
        return list(client.search_runs(ids))

    def runs_of_one(self, script: dict[str, Any]) -> int:
        """How many runs one training makes."""
        before = len(self.runs())
        script["train"]()
        return len(self.runs()) - before


def _drained(train: Callable[[], Any]) -> Callable[[], Any]:
    """The training, and then what is done in the background, so that its faults are seen."""

    def drained() -> Any:
        try:
            return train()
        finally:
            autolog.flush()

    return drained
