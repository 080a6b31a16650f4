"""What every part of the contract works with: the training, bare and watched."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tracklet import autolog
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet_testing.integration.scenario import Scenario


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
    raise that very exception. The framework is imported inside of them.

    If it also defines ``trained()``, which trains and returns the trained object, or a tuple that
    begins with it and goes on with what it was trained on, these are looked at as well."""

    further: ClassVar[Mapping[str, str]] = {}
    """More trainings by name: source texts that define ``train()`` as above and, if need be,
    ``options``, a dict of what the integration is enabled with. Whatever fails of ours, or of the
    disk, each must learn the same and be recorded as ever the next time. The faster they are, the
    better: each is done some hundreds of times."""

    process_timeout: ClassVar[float] = 120.0
    """Seconds that a fresh process may take."""

    fork_timeout: ClassVar[float] = 20.0
    """Seconds after which a training in a forked child counts as stuck, which is no fault of ours:
    OpenMP's threads do not survive a fork."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test that takes a ``scenario`` is run for each training."""
        if "scenario" in metafunc.fixturenames:
            metafunc.parametrize("scenario", ["training", *self.further], indirect=True)

    @pytest.fixture
    def scenario(self, request: pytest.FixtureRequest) -> Scenario:
        """One of the trainings."""
        name = request.param
        return Scenario(name, self.further.get(name, self.training))

    @pytest.fixture
    def expected(self, scenario: Scenario, tracklet_home: Path) -> Iterator[tuple[Any, ...]]:
        """What the scenario gives without autologging; the integration is on during the test."""
        for module in self.modules:
            importlib.import_module(module)
        scenario.observe()  # what a framework imports or draws at first use is not ours
        expected = scenario.observe()
        autolog.enable(self.name, **scenario.options)
        yield expected
        autolog.enable(self.name, disable=True)

    @pytest.fixture
    def script(self) -> dict[str, Any]:
        """The names that the training's source text defines."""
        scenario = Scenario("training", self.training)
        return {**scenario.names, "train": scenario.train}

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
