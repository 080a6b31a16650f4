"""Trainings that go on call by call: ``partial_fit`` loops and warm starts, each one run.

The run is finished after every call and goes on with the next, so that it is right whenever the
loop ends, of which nobody tells. The model is logged when the user's run ends, or the process.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable
from typing import Any, Final

from tracklet.autolog import TrainingRecorder, afterwards
from tracklet.entities import Metric
from tracklet.names import now
from tracklet.validation import metric_value
from tracklet_integrations.shared.weak_table import WeakTable
from tracklet_integrations.sklearn import inputs, iterations

SAMPLES: Final = "n_samples_seen"

_MIN_UPDATE_MS: Final = 1000


class Loop:
    """One estimator's calls of ``partial_fit``.

    Args:
        estimator: It is held weakly.
        recorder: What recorded the first call.
        finish: Logs the model, given the estimator.
    """

    def __init__(
        self, estimator: Any, recorder: TrainingRecorder, finish: Callable[[Any], None]
    ) -> None:
        self.run = recorder.run
        self.managed = recorder.managed
        self._estimator = weakref.ref(estimator)
        self._finish = finish
        self._calls = 0
        self._samples = 0
        self._updated = now()
        self._known: dict[str, int] = {}

    def advance(self, estimator: Any, features: Any) -> None:
        """Record one call as one step."""
        timestamp = now()
        values: dict[str, float] = {}
        if inputs.is_touchable(features):
            self._samples += inputs.row_count(features)
            values[SAMPLES] = self._samples
        values.update(iterations.latest(estimator))
        run_id = self.run.info.run_id
        points = [
            Metric(key, metric_value(key, value), timestamp, self._calls, run_id=run_id)
            for key, value in values.items()
        ]
        self._calls += 1
        self.run.store.log_batch(run_id, points)
        if self.managed and timestamp - self._updated >= _MIN_UPDATE_MS:
            self._updated = timestamp
            self.run.store.update_run(run_id, "FINISHED", timestamp)

    def finish(self) -> None:
        """Log the model as it is now, if the user still has it."""
        estimator = self._estimator()
        if estimator is None:
            return
        with afterwards(self.run, "sklearn", "the model of a partial_fit loop"):
            self._finish(estimator)
            if self.managed:
                self.run.store.update_run(self.run.info.run_id, "FINISHED", now())


class Loops:
    """The loops of this process, by estimator, for as long as the estimators live."""

    def __init__(self) -> None:
        self._loops: WeakTable[Loop] = WeakTable()
        self._runs: WeakTable[str] = WeakTable()
        self._watching_exit = False

    def loop_of(self, estimator: Any) -> Loop | None:
        """The loop that an estimator is in."""
        return self._loops.get(estimator)

    def begin(self, estimator: Any, loop: Loop) -> None:
        """Remember a loop, and see to its model at its end."""
        self._loops[estimator] = loop
        if not loop.managed:
            loop.run.on_end.append(loop.finish)
        elif not self._watching_exit:
            self._watching_exit = True
            atexit.register(self.finish_all)

    def note_run(self, estimator: Any, run_id: str) -> None:
        """Remember the run of a fit that a warm start may go on with."""
        self._runs[estimator] = run_id

    def run_of(self, estimator: Any) -> str | None:
        """The run that a warm start goes on with; None for any other fit."""
        return self._runs.get(estimator)

    def finish_all(self) -> None:
        """Log the models of the loops in runs that autologging started."""
        for loop in self._loops.values():
            if loop.managed:
                loop.finish()
        self._loops.clear()
