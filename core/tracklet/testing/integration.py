"""The contract of an integration: it sees everything and touches nothing.

An author subclasses :class:`IntegrationContract` in a test module; pytest runs the rest::

    class TestToyIntegration(IntegrationContract):
        name = "toy"
        modules = ("toy",)
        targets = ("toy.training:train",)
        training = '''
    def train():
        import toy
        return toy.training.train([1, 2, 3])

    def fail(error):
        import toy
        def callback():
            raise error
        toy.training.train([1, 2, 3], callbacks=[callback])
    '''
"""

from __future__ import annotations

import asyncio
import copy
import functools
import importlib
import inspect
import json
import logging
import os
import pickle
import pkgutil
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tracklet import autolog, fluent, plugins
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet.patching import injected

_MAX_STEPS = 500

# What may be done before training, in fresh processes; and whether the training is recorded then.
_ORDERINGS: dict[str, bool] = {
    "import": False,
    "enable import": True,
    "import enable": True,
    "enable import disable": False,
    "import enable disable": False,
    "enable disable import": False,
    "enable import disable enable": True,
    "disable generic import": False,
    "import disable generic": False,
    "generic import": True,
    "generic generic_off import": False,
    "import enable generic_off": False,
    "enable enable import": True,
    "import enable enable disable": False,
    "import disable": False,
    "import enable disable enable disable": False,
    "enable uninstall": False,
    "enable import reload": True,
}


class IntegrationContract:
    """Subclass it and set the class attributes; every test then runs against the integration."""

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

    # -- what the tests use -----------------------------------------------------------------------

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

    # -- it comes and goes without a trace --------------------------------------------------------

    @pytest.mark.parametrize("ordering", _ORDERINGS, ids=lambda each: each.replace(" ", "-"))
    def test_orderings_of_import_enable_and_disable(
        self, ordering: str, tracklet_home: Path
    ) -> None:
        """In whichever order, training is recorded if and only if it should be."""
        finished = subprocess.run(
            [sys.executable, "-c", _ORDERING_SCRIPT],
            input=json.dumps(
                {
                    "name": self.name,
                    "modules": self.modules,
                    "training": textwrap.dedent(self.training),
                    "steps": ordering.split(),
                }
            ),
            capture_output=True,
            text=True,
            timeout=self.process_timeout,
            env={**os.environ, "TRACKLET_STRICT": "1"},
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        found = json.loads(finished.stdout.splitlines()[-1])
        assert bool(found["runs"]) == _ORDERINGS[ordering]
        assert found["imported_by_us"] == []

    def test_disable_puts_back_the_very_same_objects(self, bare: Any) -> None:
        """After disabling, every watched attribute holds the object that it held before."""
        autolog.enable(self.name)
        hooks = _hooks(self.name)
        assert hooks, f"{self.name} watches nothing"
        autolog.enable(self.name, disable=True)
        before = {hook: _raw(hook) for hook in hooks}
        autolog.enable(self.name)
        for target in self.targets:
            hook = target.replace(":", ".")
            assert hook in hooks, f"{target} is not watched; what is: {sorted(hooks)[:20]}"
            assert _raw(hook) is not before[hook]
        autolog.enable(self.name, disable=True)
        assert all(_raw(hook) is raw for hook, raw in before.items())

    def test_another_patcher_above_and_below_keeps_working(
        self, bare: Any, script: dict[str, Any]
    ) -> None:
        """Someone else's wrapper under ours, and over it, sees its calls and is left in place."""
        for above in (False, True):
            for target in self.targets:
                owner, name = _owner(target)
                raw = vars(owner)[name]
                if not isinstance(raw, types.FunctionType):
                    continue
                calls: list[str] = []
                if above:
                    autolog.enable(self.name)
                foreign = _counting(vars(owner)[name], calls, name)
                setattr(owner, name, foreign)
                try:
                    script["train"]()
                    is_called = bool(calls)
                    if not above:
                        autolog.enable(self.name)
                    seen = len(self.runs())
                    assert script["train"]() == bare
                    assert len(self.runs()) > seen
                    autolog.enable(self.name, disable=True)
                    assert vars(owner)[name] is foreign
                    del calls[:]
                    assert script["train"]() == bare
                    assert bool(calls) == is_called
                finally:
                    setattr(owner, name, raw)
                    autolog.enable(self.name, disable=True)

    def test_enabling_again_changes_nothing(self, script: dict[str, Any], enabled: None) -> None:
        """Enabling twice watches once."""
        hooks = _hooks(self.name)
        autolog.enable(self.name)
        assert _hooks(self.name) == hooks
        script["train"]()
        first = len(self.runs())
        autolog.enable(self.name)
        script["train"]()
        assert len(self.runs()) == 2 * first

    def test_watched_functions_look_the_same(self, bare: Any) -> None:
        """Signature, name, documentation, source and kind of a watched function are its own."""
        plain = {target: _facts(pkgutil.resolve_name(target)) for target in self.targets}
        autolog.enable(self.name)
        try:
            for target in self.targets:
                assert _facts(pkgutil.resolve_name(target)) == plain[target]
        finally:
            autolog.enable(self.name, disable=True)

    def test_watched_functions_pickle_and_copy(self, enabled: None) -> None:
        """A watched function pickles by its name and copies as itself."""
        for target in self.targets:
            function = pkgutil.resolve_name(target)
            assert pickle.loads(pickle.dumps(function)) == function  # noqa: S301 (our own bytes)
            assert copy.deepcopy(function) == function

    # -- it does not change training --------------------------------------------------------------

    def test_training_gives_the_same(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """What is learned does not depend on autologging."""
        assert script["train"]() == bare
        assert self.runs()

    def test_no_failure_of_ours_reaches_training(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """With the k-th internal step raising, for every k, the training gives the same."""
        autolog.enable(self.name, silent=True)
        steps = _count_steps(script["train"])
        assert 0 < steps < _MAX_STEPS
        for k in range(steps):
            with injected(_raising_at(k)):
                assert script["train"]() == bare, f"step {k} of {steps}"
            assert fluent.active_run() is None, f"step {k} of {steps}"

    def test_everything_failing_costs_log_lines_only(
        self, bare: Any, script: dict[str, Any], enabled: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If every internal step raises, the training gives the same, and the log says why."""
        with injected(_always_raising), caplog.at_level(logging.WARNING, logger="tracklet"):
            assert script["train"]() == bare
        assert any("InjectedError" in record.getMessage() for record in caplog.records)

    def test_strict_mode_raises_what_goes_wrong_inside(
        self,
        bare: Any,
        script: dict[str, Any],
        enabled: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With TRACKLET_STRICT a fault of ours is raised, so that tests see it."""
        monkeypatch.setenv("TRACKLET_STRICT", "1")
        with injected(_always_raising), pytest.raises(InjectedError):
            script["train"]()
        assert script["train"]() == bare

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
    def test_the_users_exception_is_the_same_object(
        self, script: dict[str, Any], enabled: None, kind: type[BaseException]
    ) -> None:
        """What training raises arrives as the very object; the run says how it ended."""
        error = kind("the user's")
        with pytest.raises(kind) as caught:
            script["fail"](error)
        assert caught.value is error
        assert fluent.active_run() is None
        (run,) = self.runs()
        assert run.info.status == ("KILLED" if kind is KeyboardInterrupt else "FAILED")
        assert "tracklet.end_reason" in run.data.tags

    def test_global_state_is_left_alone(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Random states, environment, warnings, logging and signals are as without us."""
        autolog.enable(self.name, disable=True)
        script["train"]()
        before = _global_state()
        script["train"]()
        natural = _global_state()
        autolog.enable(self.name)
        script["train"]()  # what we import lazily is imported now
        _put_back_random(before)
        script["train"]()
        assert _global_state() == natural

    def test_a_framework_shadowed_by_an_empty_module_is_broken_and_harmless(
        self, tracklet_home: Path, tmp_path: Path
    ) -> None:
        """A file of the user's with the framework's name breaks nothing but the integration."""
        folder = tmp_path / "shadow"
        folder.mkdir()
        name = self.modules[0].partition(".")[0]
        (folder / f"{name}.py").write_text("")
        lines = (
            f"import sys; sys.path.insert(0, {str(folder)!r})",
            f"from tracklet import autolog; autolog.enable({self.name!r})",
            f"import {name}",
            f"print(autolog.status()[{self.name!r}])",
        )
        finished = _run("\n".join(lines), self.process_timeout)
        assert finished.split(":")[0].strip() not in ("active", "")

    def test_an_unsupported_version_is_declined(self, tracklet_home: Path, tmp_path: Path) -> None:
        """A version that ``requires`` excludes is not watched, and the status says why."""
        folder = tmp_path / "old"
        folder.mkdir()
        name = self.modules[0].partition(".")[0]
        (folder / f"{name}.py").write_text("__version__ = '0.0.1'\n")
        lines = (
            f"import sys; sys.path.insert(0, {str(folder)!r})",
            f"from tracklet import autolog; autolog.enable({self.name!r})",
            f"import {name}",
            f"print(autolog.status()[{self.name!r}])",
        )
        plugin = plugins.load("integrations", self.name)
        if plugin.requires:
            assert _run("\n".join(lines), self.process_timeout).startswith("declined")

    def test_two_threads_record_a_run_each(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Concurrent trainings do not meet: each has its own run, and learns the same."""
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(script["train"]())) for _ in range(2)
        ]
        one = self._runs_of_one(script)
        before = len(self.runs())
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [bare, bare]
        assert len(self.runs()) - before == 2 * one
        assert all(run.info.status == "FINISHED" for run in self.runs())

    def test_tasks_of_an_event_loop_record_a_run_each(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Trainings in asyncio's threads have runs of their own, and none stays active."""

        async def main() -> list[Any]:
            trainings = (asyncio.to_thread(script["train"]) for _ in range(2))
            return list(await asyncio.gather(*trainings))

        one = self._runs_of_one(script)
        before = len(self.runs())
        assert asyncio.run(main()) == [bare, bare]
        assert len(self.runs()) - before == 2 * one
        assert fluent.active_run() is None

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_a_forked_child_trains_and_records_nothing(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """A forked worker learns the same, writes into nobody's run, and ends none."""
        with fluent.start_run() as run:
            before = TrackletClient().get_run(run.info.run_id)
            child = os.fork()
            if child == 0:  # pragma: no cover (another process)
                os._exit(0 if script["train"]() == bare else 1)
            status = _ended(child, self.fork_timeout)
            if status is None:
                pytest.skip("the framework's own threads do not survive a fork: it never returns")
            assert status == 0
            assert TrackletClient().get_run(run.info.run_id) == before
        assert len(self.runs()) == 1

    def test_a_store_that_cannot_be_written_does_not_disturb_training(
        self,
        bare: Any,
        script: dict[str, Any],
        enabled: None,
        tracklet_home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Where the record should be there is a file: training completes, and says so once."""
        blocked = tracklet_home / "blocked"
        blocked.write_text("no folder")
        monkeypatch.setenv("TRACKLET_TRACKING_URI", str(blocked / "mlruns"))
        assert script["train"]() == bare
        assert blocked.read_text() == "no folder"

    def test_a_run_that_is_deleted_under_way_does_not_disturb_training(
        self, bare: Any, script: dict[str, Any], enabled: None, tracklet_home: Path
    ) -> None:
        """The folder of the run goes while it trains, at each of the internal steps."""
        autolog.enable(self.name, silent=True)
        steps = _count_steps(script["train"])
        for k in range(0, steps, max(1, steps // 6)):
            with injected(_removing_at(k, tracklet_home / "mlruns")):
                assert script["train"]() == bare, f"step {k} of {steps}"
            assert fluent.active_run() is None
            shutil.rmtree(tracklet_home / "mlruns", ignore_errors=True)

    def _runs_of_one(self, script: dict[str, Any]) -> int:
        before = len(self.runs())
        script["train"]()
        return len(self.runs()) - before

    # -- it records -------------------------------------------------------------------------------

    def test_a_managed_run_is_tagged_and_ended(self, script: dict[str, Any], enabled: None) -> None:
        """Without an active run one is made, tagged with the integration, and ended."""
        script["train"]()
        assert fluent.active_run() is None
        runs = self.runs()
        assert runs
        for run in runs:
            assert run.info.status == "FINISHED"
            assert run.data.tags["mlflow.autologging"] == self.name
            assert "tracklet.overhead_ms" in run.data.tags
            assert "tracklet.faults" not in run.data.tags, run.data.tags["tracklet.faults"]

    def test_a_run_of_the_users_is_only_added_to(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """An active run gets the record; it stays active and does not become autologging's."""
        with fluent.start_run() as run:
            script["train"]()
            active = fluent.active_run()
            assert active is not None
            assert active.info.run_id == run.info.run_id
            assert TrackletClient().get_run(run.info.run_id).info.status == "RUNNING"
        (found,) = self.runs()
        assert "mlflow.autologging" not in found.data.tags
        assert found.data.params or found.data.metrics

    def test_exclusive_leaves_a_run_of_the_users_alone(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """With exclusive, nothing is written into a run of the user's."""
        autolog.enable(self.name, exclusive=True)
        with fluent.start_run() as run:
            before = TrackletClient().get_run(run.info.run_id)
            script["train"]()
            assert TrackletClient().get_run(run.info.run_id) == before
        assert len(self.runs()) == 1

    def test_muted_and_disabled_record_nothing(self, script: dict[str, Any], enabled: None) -> None:
        """In disable_autologging(), and after disabling, training leaves no run."""
        with autolog.disable_autologging():
            script["train"]()
        autolog.enable(self.name, disable=True)
        script["train"]()
        assert self.runs() == []


class InjectedError(RuntimeError):
    """A failure that a test put into an internal step."""


_ORDERING_SCRIPT = """
import importlib, json, sys
case = json.load(sys.stdin)
framework = [module.partition(".")[0] for module in case["modules"]]
import tracklet
from tracklet import autolog
imported_by_us = []


class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in framework:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for step in case["steps"]:
    before = set(sys.modules)
    if step == "import":
        for module in case["modules"]:
            importlib.import_module(module)
        continue
    if step == "uninstall":
        sys.meta_path.insert(0, Uninstalled())
    elif step == "reload":
        for module in case["modules"]:
            importlib.reload(sys.modules[module])
    elif step == "enable":
        autolog.enable(case["name"])
    elif step == "disable":
        autolog.enable(case["name"], disable=True)
    elif step == "generic":
        tracklet.autolog()
    elif step == "generic_off":
        tracklet.autolog(disable=True)
    imported_by_us += [
        name for name in set(sys.modules) - before if name in framework and name not in before
    ]
names = {}
exec(case["training"], names)
try:
    names["train"]()
except ModuleNotFoundError:
    assert "uninstall" in case["steps"]
client = tracklet.TrackletClient()
ids = [each.experiment_id for each in client.search_experiments()]
print(json.dumps({"runs": len(client.search_runs(ids)), "imported_by_us": imported_by_us}))
"""


def _run(lines: str, timeout: float) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", lines],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def _owner(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    *names, last = path.split(".")
    owner: Any = importlib.import_module(module)
    for name in names:
        owner = getattr(owner, name)
    return owner, last


def _counting(function: Any, calls: list[str], name: str) -> Any:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return function(*args, **kwargs)

    return counted


def _drained(train: Callable[[], Any]) -> Callable[[], Any]:
    """The training, and then what is done in the background, so that its faults are seen."""

    def drained() -> Any:
        try:
            return train()
        finally:
            autolog.flush()

    return drained


def _hooks(name: str) -> frozenset[str]:
    return frozenset(hook for each in autolog.plan() if each.name == name for hook in each.hooks)


def _raw(hook: str) -> Any:
    """What the owner of a watched attribute holds under its name, without binding it."""
    parts = hook.split(".")
    for split in range(len(parts) - 1, 0, -1):
        owner: Any = sys.modules.get(".".join(parts[:split]))
        if owner is None:
            continue
        for part in parts[split:-1]:
            owner = vars(owner).get(part)
            if owner is None:
                return None  # a class that its module does not show
        return vars(owner).get(parts[-1])
    return None


def _facts(function: Any) -> dict[str, Any]:
    names = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__code__")
    facts = {name: getattr(function, name, None) for name in names}
    facts["signature"] = inspect.signature(function)
    facts["isfunction"] = isinstance(function, types.FunctionType)
    facts["iscoroutinefunction"] = inspect.iscoroutinefunction(function)
    try:
        facts["source"] = inspect.getsource(function)
    except OSError:
        facts["source"] = None
    return facts


def _count_steps(train: Callable[[], Any]) -> int:
    places: list[str] = []
    with injected(places.append):
        train()
    return len(places)


def _raising_at(k: int) -> Callable[[str], None]:
    seen = iter(range(_MAX_STEPS * 10))

    def probe(place: str) -> None:
        if next(seen) == k:
            raise InjectedError(place)

    return probe


def _ended(child: int, timeout: float) -> int | None:
    """How a child process ended; None, and it is killed, if it does not end in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _removing_at(k: int, folder: Path) -> Callable[[str], None]:
    seen = iter(range(_MAX_STEPS * 10))

    def probe(place: str) -> None:
        if next(seen) == k:
            shutil.rmtree(folder, ignore_errors=True)

    return probe


def _always_raising(place: str) -> None:
    raise InjectedError(place)


def _global_state() -> dict[str, Any]:
    numpy: Any = sys.modules.get("numpy")
    matplotlib: Any = sys.modules.get("matplotlib")
    return {
        "random": random.getstate(),
        "numpy": pickle.dumps(numpy.random.get_state()) if numpy is not None else None,
        "numpy errors": numpy.geterr() if numpy is not None else None,
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "root handlers": list(logging.getLogger().handlers),
        "root level": logging.getLogger().level,
        "signals": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "excepthook": sys.excepthook,
        "exit": sys.exit,
        "trace": sys.gettrace(),
        "recursion limit": sys.getrecursionlimit(),
        "backend": matplotlib.rcParams._get("backend") if matplotlib is not None else None,
    }


def _put_back_random(state: dict[str, Any]) -> None:
    random.setstate(state["random"])
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.set_state(pickle.loads(state["numpy"]))  # noqa: S301 (our own bytes)
