"""Where what a trainer tells goes: into a run of this process, or one that another process has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracklet import settings
from tracklet.autolog import Recorder
from tracklet.autolog.budget import Step, tally_of
from tracklet.autolog.recorder import RunFiles, param_text
from tracklet.entities import Metric
from tracklet.fluent.active import ActiveRun
from tracklet.names import now
from tracklet.stores import open_store
from tracklet_integrations.shared.metric_keys import metric_key


class RunSink:
    """A run that is written to, by a recorder of this process or else by its id.

    Pickled, it is known by its id; so it comes to a process that was spawned for a training.

    Args:
        run: The run, which may have been ended.
        label: The integration, for messages.
        recorder: What records a fit in this process.
    """

    def __init__(self, run: ActiveRun, label: str, recorder: Recorder | None = None) -> None:
        self.run_id = run.info.run_id
        self.label = label
        self.recorder = recorder
        self._uri = settings.tracking_uri()
        self.files = run.store.place_for_artifacts(self.run_id, run.info)
        self._store: Any = run.store

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "recorder": None, "_store": None}

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process has the run."""
        return self._store is None

    def step(self, phase: str) -> Step:
        """A piece of work that may fail by itself; see :meth:`tracklet.autolog.Recorder.step`."""
        if self.recorder is not None:
            return self.recorder.step(phase)
        return Step(tally_of(self.run_id), self.label, phase, ())

    def params(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Record params; the texts that were recorded come back."""
        if self.recorder is not None:
            return self.recorder.params(params)
        texts = {key: param_text(value) for key, value in params.items()}
        self._write(params=texts)
        return texts

    def points(self, points: Sequence[Metric]) -> None:
        """Record points of metrics."""
        if self.recorder is None:
            self._write(metrics=points)
            return
        with self.recorder.step("metrics"):
            self.recorder.run.writer.log_metrics(points)

    def scalars(
        self, values: Mapping[str, float], step: int, stamp: int | None = None
    ) -> list[Metric]:
        """Record a point of each metric, and give them back.

        Args:
            values: Numbers by name; names may have what a key may not.
            step: The step of all.
            stamp: When, ms; now by default.
        """
        stamp = now() if stamp is None else stamp
        points = [
            Metric(metric_key(name), float(value), stamp, step, run_id=self.run_id)
            for name, value in values.items()
        ]
        self.points(points)
        return points

    def note(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        if self.recorder is not None:
            self.recorder.note(tags)
        else:
            self._write(tags={key: str(value) for key, value in tags.items()})

    def artifacts(self, contents: Mapping[str, bytes | str]) -> None:
        """Store artifacts of the run, by path."""
        if self.recorder is not None:
            self.recorder.artifacts(contents)
            return
        with self.step("artifacts"):
            RunFiles(self.files).put(contents)

    def _write(self, **what: Any) -> None:
        with self.step("record"):
            if self._store is None:
                self._store = open_store(self._uri)
            tally = tally_of(self.run_id)
            if tally.fault_count:
                what["tags"] = {**what.get("tags", {}), **tally.sums()}
            self._store.log_batch(self.run_id, **what)
