"""The parts of the contract on side effects: on the user's objects, and on the process."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import locale
import logging
import os
import pickle
import random
import re
import signal
import sys
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tracklet import autolog
from tracklet_testing.integration.trainings import Trainings, random_state, start_over


class ObjectContract(Trainings):
    """What the user has is the same with and without us, and is the user's alone."""

    @pytest.fixture
    def trained(self, script: dict[str, Any]) -> Any:
        """The optional ``trained()`` of the training's source text."""
        if "trained" not in script:
            pytest.skip("the training's source text defines no trained()")
        return script["trained"]

    def test_what_was_trained_is_the_same_object(
        self, trained: Any, bare: Any, tracklet_home: Any
    ) -> None:
        """Its class, its attributes and their order, its pickle, and that of its copy."""
        trained()
        plain, again = _first(trained()), _first(trained())
        stable = pickle.dumps(plain) == pickle.dumps(again)
        with self.watched():
            watched = _first(trained())
            autolog.flush()
            assert type(watched) is type(plain)
            assert list(getattr(watched, "__dict__", ())) == list(getattr(plain, "__dict__", ()))
            if stable:  # else it differs from training to training by itself
                assert pickle.dumps(watched) == pickle.dumps(plain)
                assert pickle.dumps(copy.deepcopy(watched)) == pickle.dumps(copy.deepcopy(plain))

    def test_nothing_of_the_training_is_kept_alive(self, trained: Any, enabled: None) -> None:
        """When the user lets go of what was trained, and of what it was trained on, it is gone."""
        found = trained()
        parts = found if isinstance(found, tuple) else (found,)
        dying = [weakref.ref(part) for part in parts]
        autolog.flush()
        del found, parts
        gc.collect()
        assert [each() for each in dying] == [None] * len(dying)

    def test_an_exception_of_the_users_is_not_kept_alive(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """Nor is its traceback, which holds everything that the training had in its hands."""
        reference = _raised(script)
        gc.collect()
        assert reference() is None

    def test_an_exception_of_the_users_shows_what_it_showed(
        self, script: dict[str, Any], bare: Any, tracklet_home: Any
    ) -> None:
        """The same frames in the same order; of ours one per watched call, and that is marked."""
        plain, ours = _shown(script)
        assert not ours
        with self.watched():
            watched, ours = _shown(script)
        assert watched == plain
        assert all(is_hidden for _, is_hidden in ours), f"not marked as ours: {ours}"
        depths = [depth for depth, _ in ours]
        assert all(b - a > 1 for a, b in itertools.pairwise(depths)), ours


class Failure(ValueError):
    """An exception of the user's, of which weak references can be had."""


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def _raised(script: dict[str, Any]) -> weakref.ref[Failure]:
    error = Failure("the user's")
    reference = weakref.ref(error)
    with contextlib.suppress(Failure):
        script["fail"](error)
    return reference


def _shown(script: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[int, bool]]]:
    """What a traceback says but for our frames; and of those how deep they are, and if marked."""
    error = Failure("the user's")
    with pytest.raises(Failure) as caught:
        script["fail"](error)
    assert caught.value is error
    frames, ours = [], []
    for depth, (frame, line) in enumerate(traceback.walk_tb(error.__traceback__)):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(("tracklet.patching", "tracklet.autolog", "wrapt")):
            ours.append((depth, "__tracebackhide__" in frame.f_locals))
        elif depth:  # the first one is this function
            frames.append((frame.f_code.co_filename, line, frame.f_code.co_qualname))
    about = {
        "frames": frames,
        "args": error.args,
        "notes": getattr(error, "__notes__", None),
        "cause": error.__cause__,
        "context": error.__context__,
    }
    return about, ours


class GlobalStateContract(Trainings):
    """Nothing that the whole process shares is touched."""

    def test_global_state_is_left_alone(
        self, bare: Any, script: dict[str, Any], enabled: None
    ) -> None:
        """Random states, environment, warnings, logging and signals are as without us."""
        autolog.enable(self.name, disable=True)
        start_over()
        script["train"]()
        natural = _global_state()
        autolog.enable(self.name)
        script["train"]()  # what we import lazily is imported now
        start_over()
        script["train"]()
        assert _global_state() == natural

    def test_no_thread_of_ours_is_left(self, script: dict[str, Any], enabled: None) -> None:
        """When the background has nothing more to do, its thread ends."""
        before = set(threading.enumerate())
        script["train"]()
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("tracklet"):
                thread.join(timeout=100)
                assert not thread.is_alive()

    def test_no_figure_of_ours_is_left(self, script: dict[str, Any], enabled: None) -> None:
        """Plots are drawn without pyplot, which would choose a backend and keep every figure."""
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        before = pyplot.get_fignums() if pyplot is not None else None
        script["train"]()
        after: Any = sys.modules.get("matplotlib.pyplot")
        assert (after.get_fignums() if after is not None else None) == before

    def test_the_user_sees_the_same_warnings_logs_and_output(
        self, bare: Any, script: dict[str, Any], capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Of the training's warnings none is lost, added or raised elsewhere, so that filters hold.

        The same holds for the framework's log and what it prints; nothing of ours is printed.
        """
        for train in (script[name] for name in ("train", "noisy") if name in script):
            _seen(train, capfd)
            plain = _seen(train, capfd)
            assert train is script["train"] or any(plain), "noisy() says nothing"
            with self.watched():
                _seen(train, capfd)  # what is imported lazily may warn by itself
                assert _seen(train, capfd) == plain


def _seen(train: Callable[[], Any], capfd: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """The warnings with their places, the log, and what was printed, but for times of day."""
    capfd.readouterr()
    logged = _Listener()
    logging.root.addHandler(logged)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train()
    finally:
        logging.root.removeHandler(logged)
    told = [(each.category, str(each.message), each.filename, each.lineno) for each in caught]
    warned = [(category, _timeless(text), *place) for category, text, *place in told]
    return warned, logged.lines, *map(_timeless, capfd.readouterr())


def _timeless(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d|\d+\.\d+ seconds", "", text)


class _Listener(logging.Handler):
    """Hears the log of everybody but us."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("tracklet"):
            self.lines.append((record.name, record.levelno, _timeless(record.getMessage())))


def _global_state() -> dict[str, Any]:
    numpy: Any = sys.modules.get("numpy")
    matplotlib: Any = sys.modules.get("matplotlib")
    return {
        "random": random_state(),
        "random class": random.random,
        "numpy errors": numpy.geterr() if numpy is not None else None,
        "numpy print options": numpy.get_printoptions() if numpy is not None else None,
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "umask": _umask(),
        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "loggers": _loggers(),
        "signals": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "excepthook": sys.excepthook,
        "threads' excepthook": threading.excepthook,
        "display hook": sys.displayhook,
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "exit": sys.exit,
        "path": list(sys.path),
        "trace": sys.gettrace(),
        "profile": sys.getprofile(),
        "recursion limit": sys.getrecursionlimit(),
        "backend": matplotlib.rcParams._get("backend") if matplotlib is not None else None,
    }


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _loggers() -> dict[str, tuple[Any, ...]]:
    """Level, handlers and switches of every logger but ours."""
    known: dict[str, Any] = {"": logging.getLogger(), **logging.root.manager.loggerDict}
    return {
        name: (each.level, tuple(each.handlers), each.disabled, each.propagate, *each.filters)
        for name, each in known.items()
        if isinstance(each, logging.Logger) and not name.startswith("tracklet")
    }
