"""The part of the contract on what belongs to the whole process."""

from __future__ import annotations

import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from typing import Any

import pytest

from tracklet import autolog
from tracklet_testing.integration.trainings import Trainings, random_state, start_over


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
                thread.join(timeout=10)
                assert not thread.is_alive()

    def test_no_figure_of_ours_is_left(self, script: dict[str, Any], enabled: None) -> None:
        """Plots are drawn without pyplot, which would choose a backend and keep every figure."""
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        before = pyplot.get_fignums() if pyplot is not None else None
        script["train"]()
        after: Any = sys.modules.get("matplotlib.pyplot")
        assert (after.get_fignums() if after is not None else None) == before

    def test_the_user_sees_the_same_warnings_and_output(
        self, bare: Any, script: dict[str, Any], capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Of the training's warnings none is lost, none is added; nothing of ours is printed."""
        plain = _seen(script, capfd)
        with self.watched():
            _seen(script, capfd)  # what is imported lazily may warn by itself
            assert _seen(script, capfd) == plain


def _seen(script: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        script["train"]()
    told = [(each.category, str(each.message), each.filename) for each in caught]
    return told, *capfd.readouterr()


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
