"""What an integration records a training through.

Each step is contained by itself: if one fails, the others are kept, training goes on, and the run
says how many failed and which failed first. Each step is timed, and the run says what they cost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from tracklet.autolog import randomness
from tracklet.client import TrackletClient
from tracklet.client.numbers import metric_value, now
from tracklet.entities import DatasetInput, InputTag, Metric
from tracklet.errors import InvalidParameterValue
from tracklet.fluent.active import ActiveRun
from tracklet.patching import checkpoint, report, suppressed

if TYPE_CHECKING:
    from tracklet.models import ModelInfo

MAX_PARAM_LENGTH: Final = 6000
OVERHEAD_TAG: Final = "tracklet.overhead_ms"
FAULTS_TAG: Final = "tracklet.faults"

# What earlier fits cost in runs of the user, which a later fit adds to. Bounded, newest last.
_spent: dict[str, dict[str, float]] = {}
_SPENT_RUNS: Final = 256


class Recorder:
    """Records one training into a run. No method raises, save in strict mode.

    Args:
        run: The open run.
        label: The integration, for messages.
    """

    def __init__(self, run: ActiveRun, label: str) -> None:
        self.run = run
        self.label = label
        self.fault_count = 0
        self.first_fault = ""
        self._cost: dict[str, float] = {}
        self._generators: Sequence[Any] = ()

    @property
    def run_id(self) -> str:
        """The run that is recorded into."""
        return self.run.info.run_id

    def guard_generators(self, generators: Sequence[Any]) -> None:
        """Have every step leave the state of these NumPy generators as it was."""
        self._generators = tuple(generators)

    @contextmanager
    def step(self, phase: str) -> Iterator[None]:
        """A piece of work that may fail by itself; its time counts for ``phase``.

        What is raised inside ends the block and is contained. Random states are as before.
        """
        started = perf_counter()
        try:
            with suppressed(), randomness.preserved(*self._generators):
                yield
                # After the block, because a context manager cannot skip it: a failure put in here
                # is contained where the block's own would be.
                checkpoint(f"step {phase}")
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(error, f"{self.label}: {phase}", self.label)
        finally:
            self.spent(phase, perf_counter() - started)

    def spent(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        self._cost[phase] = self._cost.get(phase, 0.0) + seconds

    def count_fault(self, error: BaseException, place: str) -> None:
        """Remember that something of ours went wrong."""
        self.fault_count += 1
        if not self.first_fault:
            self.first_fault = f"{place}: {type(error).__name__}: {error}"[:1000]

    def params(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Record params; the texts that were recorded come back.

        Values become text by ``str``; one longer than 6000 characters ends in its hash instead.
        A value whose text cannot be had is left out, and counted.
        """
        texts: dict[str, str] = {}
        with self.step("params"):
            for key, value in params.items():
                try:
                    texts[str(key)] = _shortened(str(value))
                except Exception as error:  # noqa: BLE001 (the user's repr may fail)
                    report(error, f"{self.label}: the value of param {key!r}", self.label)
            self._write_params(texts)
        return texts

    def _write_params(self, texts: dict[str, str]) -> None:
        try:
            self.run.writer.log_params(texts)
        except InvalidParameterValue as error:
            # One bad key, or a second fit in one run with another value: keep what can be kept.
            report(error, f"{self.label}: params", self.label)
            for key, text in texts.items():
                try:
                    self.run.writer.log_params({key: text})
                except InvalidParameterValue:
                    continue

    def metrics(
        self,
        metrics: Mapping[str, Any],
        *,
        step: int = 0,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> None:
        """Record one point of each metric.

        Args:
            metrics: Numbers by key.
            step: Their step.
            model_id: The logged model that they were measured on.
            dataset: The dataset entity that they were measured with.
        """
        with self.step("metrics"):
            timestamp = now()
            name, digest = (dataset.name, dataset.digest) if dataset is not None else (None, None)
            points = [
                Metric(
                    key,
                    metric_value(key, value),
                    timestamp,
                    step,
                    model_id,
                    name,
                    digest,
                    self.run_id,
                )
                for key, value in metrics.items()
            ]
            self.run.writer.log_metrics(points)

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        with self.step("tags"):
            self.run.writer.set_tags({key: str(value) for key, value in tags.items()})

    def text(self, text: str, path: str) -> None:
        """Store a text as an artifact of the run."""
        with self.step("artifacts"):
            TrackletClient().log_text(self.run_id, text, path)

    def dataset(
        self, features: Any, targets: Any = None, *, name: str = "dataset", context: str = "train"
    ) -> Any:
        """Record what was trained on; its entity comes back, or None if it has no record.

        Args:
            features: A DataFrame or an array.
            targets: The labels, if there are any.
            name: The dataset's name.
            context: Its role: ``"train"`` or ``"eval"``.
        """
        entity = None
        with self.step("dataset"):
            dataset = _dataset_of(features, targets, name)
            if dataset is None:
                return None
            found = dataset.to_entity()
            tag = InputTag("mlflow.data.context", context)
            self.run.store.log_inputs(self.run_id, [DatasetInput(found, [tag])])
            entity = found
        return entity

    def model(
        self,
        model: Any,
        name: str = "model",
        *,
        signature: Any = None,
        input_example: Any = None,
        params: Mapping[str, str] | None = None,
        registered_model_name: str | None = None,
        **flavor_options: Any,
    ) -> ModelInfo | None:
        """Log a model; the flavor is found by the model's type.

        Args:
            model: The trained model.
            name: The logged model's name.
            signature: Its input and output schema.
            input_example: Rows to store with it.
            params: Params to link with it.
            registered_model_name: Also register it under this name.
            **flavor_options: What the flavor takes beside, such as ``serialization_format``.
        """
        info = None
        with self.step("model"):
            from tracklet import models

            info = models.log_model(
                model,
                name,
                run_id=self.run_id,
                signature=signature,
                input_example=input_example,
                params=dict(params) if params else None,
                registered_model_name=registered_model_name,
                **flavor_options,
            )
        return info

    def close(self) -> None:
        """Write what recording cost and what went wrong in it."""
        spent = _spent.pop(self.run_id, {})
        for phase, seconds in self._cost.items():
            spent[phase] = spent.get(phase, 0.0) + seconds * 1000
        total = sum(spent.values())
        while len(_spent) >= _SPENT_RUNS:
            _spent.pop(next(iter(_spent)), None)
        _spent[self.run_id] = spent
        phases = {phase: round(milliseconds, 3) for phase, milliseconds in spent.items()}
        tags = {OVERHEAD_TAG: json.dumps({"total": round(total, 3), **phases})}
        if self.fault_count:
            tags[FAULTS_TAG] = json.dumps({"count": self.fault_count, "first": self.first_fault})
        self.run.writer.set_tags(tags)


def _shortened(text: str) -> str:
    if len(text) <= MAX_PARAM_LENGTH:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    tail = f"… ({len(text)} characters, sha256 {digest})"
    return text[: MAX_PARAM_LENGTH - len(tail)] + tail


def _dataset_of(features: Any, targets: Any, name: str) -> Any:
    """A dataset of a kind that can be fingerprinted without densifying or iterating; or None."""
    data: Any = import_module("tracklet.data")
    kind = type(features)
    library = kind.__module__.partition(".")[0]
    if library == "pandas" and kind.__name__ == "DataFrame":
        return data.from_pandas(features, name=name)
    if library == "numpy" and kind.__name__ == "ndarray":
        labels = targets if type(targets) is kind else None
        return data.from_numpy(features, targets=labels, name=name)
    return None
