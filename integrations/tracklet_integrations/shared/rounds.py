"""Metrics of a training in rounds: cheap to record, and known again when it has ended.

A round of boosting may take less than a millisecond, so a point costs one ``write(2)`` and little
else. Points are with the operating system when the round is over; an interrupted training keeps
all of them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from typing import Final

from tracklet.autolog.recorder import Recorder
from tracklet.entities import Metric
from tracklet.names import now
from tracklet.validation import MAX_KEY_LENGTH

# What MLflow takes in a metric's name; other characters are replaced.
_OTHER: Final = re.compile(r"[^/\w.\- :]")


class RoundMetrics:
    """The metrics of one training, by round.

    Where an earlier training in the same run has recorded the same metrics, the steps of this one
    come after its steps; a training that continues that one's model goes on anyway.

    Args:
        recorder: The training's.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._write = recorder.run.writer.log_values
        self._recorder = recorder
        self._offset: int | None = None
        self._keys: dict[tuple[str, str, int], str] = {}
        self._points: dict[str, tuple[array[int], array[int], array[float]]] = {}
        self.count = 0
        """How many rounds were recorded."""
        self.last_step = -1
        """The last of them."""

    def add(self, step: int, values: Iterable[tuple[str, str, float]]) -> None:
        """Record one round.

        Two metrics of the same name on the same dataset are told apart: the second is called
        ``<dataset>-<metric>-2``.

        Args:
            step: The round, counted from 0 over the model's life.
            values: The dataset's name, the metric's name and the value, in the framework's order.
        """
        found: dict[str, float] = {}
        for dataset, metric, value in values:
            number = 1
            while (key := self._key(dataset, metric, number)) in found:
                number += 1
            found[key] = float(value)
        if self._offset is None and found:
            known = [self._recorder.known_steps(key) for key in found]
            self._offset = max((steps for steps in known if steps > step), default=0)
        self.count += 1
        self.last_step = step
        self._record(step, found)

    def _record(self, step: int, found: dict[str, float]) -> None:
        if not found:
            return
        timestamp = now()
        self._write(found, step + (self._offset or 0), timestamp)
        for key, value in found.items():
            points = self._points.get(key)
            if points is None:
                points = self._points[key] = (array("q"), array("q"), array("d"))
            points[0].append(timestamp)
            points[1].append(step)
            points[2].append(value)

    def at(self, step: int) -> dict[str, float]:
        """All metrics of a round; empty if it was not recorded."""
        found = {}
        for key, (_, steps, values) in self._points.items():
            position = step - steps[0]  # mostly there: rounds follow one another
            if not (0 <= position < len(steps) and steps[position] == step):
                if step not in steps:
                    continue
                position = steps.index(step)
            found[key] = values[position]
        return found

    def note(self) -> None:
        """Remember for later trainings in the same run which steps there are."""
        for key, (_, steps, _) in self._points.items():
            self._recorder.note_steps(key, steps[-1] + (self._offset or 0) + 1)

    def repeat(self, step: int) -> None:
        """Record the metrics of a round once more, as the round after the last."""
        self._record(self.last_step + 1, self.at(step))

    def of_model(self, model_id: str) -> list[Metric]:
        """All points, as those of a logged model; but for what logging it has linked already.

        That is a metric whose last point is of step 0.
        """
        run_id, offset = self._recorder.run_id, self._offset or 0
        return [
            Metric(key, value, timestamp, step + offset, model_id, None, None, run_id)
            for key, points in self._points.items()
            if points[1][-1] + offset != 0
            for timestamp, step, value in zip(*points, strict=True)
        ]

    def _key(self, dataset: str, metric: str, number: int) -> str:
        known = self._keys.get((dataset, metric, number))
        if known is None:
            key = f"{dataset}-{metric}" if number == 1 else f"{dataset}-{metric}-{number}"
            known = self._keys[dataset, metric, number] = metric_key(key)
        return known


def metric_key(name: str) -> str:
    """A metric's name that MLflow takes: ``@`` is ``_at_``, other odd characters are ``_``."""
    key = _OTHER.sub("_", name.replace("@", "_at_")).replace("//", "/").strip("/")
    return key[:MAX_KEY_LENGTH] or "metric"
