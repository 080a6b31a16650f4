"""The training that an author describes: what it learns, what it leaves, bare and watched."""

from __future__ import annotations

import importlib
import json
import random
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tracklet import autolog, state
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet_testing.integration.faults import Places

_NEWEST = 60
_SEED = 20240229


def start_over() -> None:
    """Seed Python's global generator, and NumPy's if it is loaded."""
    random.seed(_SEED)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(_SEED)


def random_state() -> tuple[Any, ...]:
    """What the next numbers follow from; equal states give equal numbers."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return (random.getstate(),)
    kind, key, *rest = numpy.random.get_state()
    return random.getstate(), kind, key.tobytes(), *rest


class Scenario:
    """A training from its source text.

    Args:
        name: What it is called.
        source: Python text that defines ``train()``; see ``IntegrationContract.further``.
    """

    def __init__(self, name: str, source: str) -> None:
        self.source = source
        names: dict[str, Any] = {"__name__": "tracklet_contract_training"}
        exec(compile(textwrap.dedent(source), f"<{name}>", "exec"), names)
        self.names = names
        self.options: Mapping[str, Any] = names.get("options", {})
        self.train: Callable[[], Any] = self._drained

    def _drained(self) -> Any:
        """The training, and then what is done in the background, so that its faults are seen."""
        # Each has the budget of background work to itself, however many were made before.
        state.forget("tracklet.autolog.background")
        try:
            return self.names["train"]()
        finally:
            autolog.flush()

    def observe(self) -> tuple[Any, ...]:
        """Train from known random numbers; what was learned, and what the next ones follow from."""
        start_over()
        learned = self.train()
        return learned, random_state()


class Newcomers:
    """The runs that have come since one last asked."""

    def __init__(self) -> None:
        self._client = TrackletClient()
        self._known: set[str] = set()
        self()

    def __call__(self) -> list[Run]:
        """The runs that were not there the last time."""
        found = self._client.search_runs(
            [each.experiment_id for each in self._client.search_experiments()],
            order_by=["attributes.start_time DESC"],
            max_results=_NEWEST,
        )
        new = [run for run in found if run.info.run_id not in self._known]
        self._known.update(run.info.run_id for run in new)
        return new

    def described(self) -> list[str]:
        """What the newcomers hold, but for numbers and ids, which differ from run to run."""
        return sorted(json.dumps(self._contents(run), sort_keys=True) for run in self())

    def _contents(self, run: Run) -> dict[str, Any]:
        files = self._client.list_artifacts(run.info.run_id)
        return {
            "status": run.info.status,
            "params": dict(run.data.params),
            "metrics": sorted(run.data.metrics),
            "tags": sorted(run.data.tags),
            "artifacts": sorted(each.path for each in files),
            "datasets": sorted(each.dataset.digest for each in run.inputs.dataset_inputs),
            "models": len(run.outputs.model_outputs),
        }


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

    If it also defines ``noisy()``, which trains so that the framework warns, logs or prints,
    the user must see the same of it.

    If it also defines ``trained()``, which trains and returns the trained object, or a tuple that
    begins with it and goes on with what it was trained on, these are looked at as well.

    If it also defines ``answered()``, which trains one model after another and yields after each a
    word for it, what it was trained on, which can be pickled, and what it answers to that, what is
    recorded of each must answer the same: here, elsewhere, by a request and by the command."""

    further: ClassVar[Mapping[str, str]] = {}
    """More trainings by name: source texts that define ``train()`` as above and, if need be,
    ``options``, a dict of what the integration is enabled with. Whatever fails of ours, or of the
    disk, each must learn the same and be recorded as ever the next time. The faster they are, the
    better: each is done some hundreds of times."""

    process_timeout: ClassVar[float] = 240.0
    """Seconds that a fresh process may take."""

    fork_timeout: ClassVar[float] = 20.0
    """Seconds after which a training in a forked child counts as stuck, which is no fault of ours:
    OpenMP's threads do not survive a fork."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test that takes a ``scenario`` is run for each training.

        One that takes ``places`` is run for a few, and once more, marked ``exhaustive``, for all.
        """
        if "scenario" in metafunc.fixturenames:
            metafunc.parametrize("scenario", ["training", *self.further], indirect=True)
        if "places" in metafunc.fixturenames:
            every = pytest.param("all", marks=pytest.mark.exhaustive)
            metafunc.parametrize("places", ["few", every], indirect=True)

    @pytest.fixture
    def scenario(self, request: pytest.FixtureRequest) -> Scenario:
        """One of the trainings."""
        name = request.param
        return Scenario(name, self.further.get(name, self.training))

    @pytest.fixture
    def places(self, request: pytest.FixtureRequest) -> Places:
        """At which places something fails: at few, and at all where tests are exhaustive."""
        return Places(request.node.nodeid if request.param == "few" else None)

    @pytest.fixture
    def expected(self, scenario: Scenario, tracklet_home: Path) -> Iterator[tuple[Any, ...]]:
        """What the scenario gives without autologging; the integration is on during the test."""
        expected = self._twice(scenario.observe)
        with self.watched(**scenario.options):
            yield expected

    @pytest.fixture
    def script(self) -> dict[str, Any]:
        """The names that the training's source text defines."""
        scenario = Scenario("training", self.training)
        return {**scenario.names, "train": scenario.train}

    @pytest.fixture
    def bare(self, script: dict[str, Any], tracklet_home: Path) -> Any:
        """What the training gives without autologging."""
        return self._twice(script["train"])

    @pytest.fixture
    def enabled(self, bare: Any) -> Iterator[None]:
        """The integration is on during the test."""
        with self.watched():
            yield

    @contextmanager
    def watched(self, **options: Any) -> Iterator[None]:
        """In this block the integration is on."""
        autolog.enable(self.name, **options)
        try:
            yield
        finally:
            autolog.enable(self.name, disable=True)

    def _twice(self, train: Callable[[], Any]) -> Any:
        for module in self.modules:
            importlib.import_module(module)
        train()  # what a framework imports or draws at first use is not ours
        return train()

    def runs(self) -> list[Run]:
        """All runs on the record."""
        client = TrackletClient()
        ids = [each.experiment_id for each in client.search_experiments()]
        return list(client.search_runs(ids))

    @contextmanager
    def recording(self, trainings: int, script: dict[str, Any]) -> Iterator[None]:
        """In this block that many trainings are recorded."""
        none = len(self.runs())
        script["train"]()
        one = len(self.runs())
        yield
        assert len(self.runs()) - one == trainings * (one - none)
