"""The part of the contract on what belongs to the whole process."""

from __future__ import annotations

import logging
import os
import pickle
import random
import signal
import sys
import warnings
from typing import Any

from tracklet import autolog
from tracklet.testing.integration.trainings import Trainings


class GlobalStateContract(Trainings):
    """Nothing that the whole process shares is touched."""

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
