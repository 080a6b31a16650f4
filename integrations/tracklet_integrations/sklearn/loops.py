"""Trainings that go on call by call: ``partial_fit`` loops and warm starts, each one run.

The run is finished after every call and goes on with the next, so that it is right whenever the
loop ends, of which nobody tells. What is made of the model is made once, of its end: when the run
of the user's ends, or the process, or when another training begins after the user has let go of
the estimator. Until then it is held, because an exit may take the user's own hold away before.
"""

from __future__ import annotations

import atexit
import os
import sys
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
_OWN_REFERENCES: Final = 2  # the loop's and the argument's


class Loop:
    """One estimator's calls of ``partial_fit``, or fits from a warm start.

    Args:
        estimator: It is held until the loop is finished.
        recorder: What recorded the first call.
        finish: Records what is to be made of the estimator as it is at the end.
        before: How many calls and samples it has behind it in this run; see :func:`behind`.
    """

    def __init__(
        self,
        estimator: Any,
        recorder: TrainingRecorder,
        finish: Callable[[Any], None],
        before: tuple[int, int] = (0, 0),
    ) -> None:
        self.run = recorder.run
        self.managed = recorder.managed
        self.estimator = estimator
        self._finish = finish
        self._process = os.getpid()
        self._calls, self._samples = before
        self._updated = now()

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

    def is_left(self) -> bool:
        """Whether nobody but the loop holds the estimator."""
        return sys.getrefcount(self.estimator) <= _OWN_REFERENCES

    def finish(self) -> None:
        """Record the model as it is now; a forked child leaves that to its parent."""
        if self._process != os.getpid():
            return
        with afterwards(self.run, "sklearn", "the model of a loop"):
            self._finish(self.estimator)
            if self.managed:
                self.run.store.update_run(self.run.info.run_id, "FINISHED", now())


def behind(estimator: Any, recorder: TrainingRecorder) -> tuple[int, int]:
    """How many calls and samples of its run an estimator has behind it, before its next call.

    In a further attempt at a run that is the step at which the earlier ones recorded the very
    counters that it has; what they recorded beyond it is superseded.
    """
    attempt = recorder.run.attempt
    if attempt is None or attempt.is_decided:
        return 0, 0
    from tracklet.fluent import resuming

    found: tuple[int, int] = (0, 0)
    with recorder.step("resume"):
        store, run_id = recorder.run.store, recorder.run_id
        counters = iterations.counters(estimator)
        counters = {k: v for k, v in counters.items() if k in attempt.known.data.metrics}
        histories = {
            key: {each.step: each.value for each in store.get_metric_history(run_id, key)}
            for key in {*counters, *({SAMPLES} & attempt.known.data.metrics.keys())}
        }
        steps = {step for history in histories.values() for step in history}
        same = [
            step
            for step in steps
            if all(histories[key].get(step) == value for key, value in counters.items())
        ]
        step = max(same) if counters and same else None
        if step is not None:
            found = step + 1, int(histories.get(SAMPLES, {}).get(step, 0))
        since = resuming.before(recorder.run, histories, found[0])
        resuming.supersede(recorder.run, step, since, None, histories)
    return found


class Loops:
    """The loops of this process."""

    def __init__(self) -> None:
        self._loops: dict[int, Loop] = {}
        self._runs: WeakTable[tuple[str, bool]] = WeakTable()
        self._watching_exit = False

    def loop_of(self, estimator: Any) -> Loop | None:
        """The loop that an estimator is in."""
        return self._loops.get(id(estimator))

    def begin(self, loop: Loop) -> None:
        """Remember a loop, in the place of the estimator's earlier one, and see to its end."""
        key, run_id = id(loop.estimator), loop.run.info.run_id
        earlier = self._loops.get(key)
        is_further = earlier is not None and earlier.run.info.run_id == run_id
        if not is_further:
            self._finish(key)
        self._loops[key] = loop
        if loop.managed and not self._watching_exit:
            self._watching_exit = True
            atexit.register(self.finish_all)
        elif not loop.managed and not is_further:
            loop.run.on_end.append(lambda: self._finish(key, run_id))

    def note_run(self, estimator: Any, recorder: TrainingRecorder) -> None:
        """Remember the run of a fit that a warm start may go on with."""
        self._runs[estimator] = recorder.run_id, recorder.managed

    def run_of(self, estimator: Any) -> str | None:
        """The run of autologging's that a warm start goes on with; None for any other fit."""
        run_id, managed = self._runs.get(estimator) or (None, False)
        return run_id if managed else None

    def continues(self, estimator: Any, recorder: TrainingRecorder) -> bool:
        """Whether a warm start goes on in the run of its last fit."""
        return self._runs.get(estimator) == (recorder.run_id, recorder.managed)

    def finish_left(self) -> None:
        """Finish the loops that the user has let go of."""
        for key, loop in tuple(self._loops.items()):
            if loop.is_left():
                self._finish(key)

    def finish_all(self) -> None:
        """Finish the loops in runs that autologging started."""
        for key, loop in tuple(self._loops.items()):
            if loop.managed:
                self._finish(key)

    def _finish(self, key: int, run_id: str | None = None) -> None:
        loop = self._loops.get(key)
        if loop is not None and run_id in (None, loop.run.info.run_id):
            del self._loops[key]
            loop.finish()
