"""What an integration records a training through.

Each step is contained by itself: if one fails, the others are kept, training goes on, and the run
says how many failed and which failed first. Each step is timed, and the run says what they cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from time import thread_time
from typing import TYPE_CHECKING, Any, Final

from tracklet.autolog import background, child_runs, datasets
from tracklet.autolog.afterwards import afterwards
from tracklet.autolog.files import RunFiles
from tracklet.autolog.step import Step
from tracklet.autolog.tally import tally_of
from tracklet.entities import DatasetInput, InputTag, Metric
from tracklet.errors import InvalidParameterValue
from tracklet.fluent.active import ActiveRun
from tracklet.names import now
from tracklet.patching import report
from tracklet.validation import metric_value

if TYPE_CHECKING:
    from tracklet.models import ModelInfo

MAX_PARAM_LENGTH: Final = 6000


class Recorder:
    """Records one training into a run. No method raises, save in strict mode.

    Args:
        run: The open run.
        label: The integration, for messages.
        managed: Whether autologging started the run, and ends it when the call returns.
        extra_tags: Tags for runs that are started for this training.
    """

    def __init__(
        self,
        run: ActiveRun,
        label: str,
        *,
        managed: bool = False,
        extra_tags: Mapping[str, str] | None = None,
    ) -> None:
        self.run = run
        self.label = label
        self.managed = managed
        self.extra_tags = dict(extra_tags or {})
        self._tally = tally_of(run.info.run_id)
        self._tally.fits += 1
        self.fit_number = self._tally.fits
        self._generators: Sequence[Any] = ()
        self._files: RunFiles | None = None
        self._apart = False

    @property
    def run_id(self) -> str:
        """The run that is recorded into."""
        return self.run.info.run_id

    @property
    def step_number(self) -> int:
        """The step of what is measured once per training: 0, and one more per training before."""
        return self.fit_number - 1

    @property
    def folder(self) -> str:
        """Where the artifacts of this training go; the root for the first one of a run."""
        return f"fit_{self.fit_number}/" if self.fit_number > 1 else ""

    @property
    def prefix(self) -> str:
        """What the tags of this training begin with; nothing for the first one of a run."""
        return f"fit_{self.fit_number}." if self.fit_number > 1 else ""

    @property
    def fault_count(self) -> int:
        """How often something of ours went wrong in this run."""
        return self._tally.fault_count

    def guard_generators(self, generators: Sequence[Any]) -> None:
        """Have every step leave the state of these NumPy generators as it was."""
        self._generators = tuple(generators)

    def step(self, phase: str) -> Step:
        """A piece of work that may fail by itself; its time counts for ``phase``.

        What is raised inside ends the block and is contained. Random states are as before.
        """
        return Step(self._tally, self.label, phase, self._generators)

    def spent(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        self._tally.spend(phase, seconds)

    def count_fault(self, error: BaseException, place: str) -> bool:
        """Remember that something of ours went wrong; True if it is the first of its cause."""
        return self._tally.count_fault(error, place)

    def params(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Record params; the texts that were recorded come back.

        Values become text by ``str``; one longer than 6000 characters ends in its hash instead.
        A value whose text cannot be had is left out, and counted.
        """
        texts: dict[str, str] = {}
        with self.step("params"):
            for key, value in params.items():
                try:
                    texts[str(key)] = shortened(str(value))
                except Exception as error:  # noqa: BLE001 (the user's repr may fail)
                    report(error, f"{self.label}: the value of param {key!r}", self.label)
            self._write_params(texts)
        return texts

    def _write_params(self, texts: dict[str, str]) -> None:
        if self._apart:
            texts = {self.prefix + key: text for key, text in texts.items()}
        try:
            self.run.writer.log_params(texts)
        except InvalidParameterValue as error:
            if self.fit_number > 1 and not self._apart:
                # Another training in the same run, with other values: they get names of their own.
                self._apart = True
                self._write_params(texts)
                return
            # A bad key, or a param that the user has set otherwise: keep what can be kept.
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
        step: int | None = None,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> None:
        """Record one point of each metric.

        Args:
            metrics: Numbers by key.
            step: Their step; by default 0, and one more for each earlier training in the run.
            model_id: The logged model that they were measured on.
            dataset: The dataset entity that they were measured with.
        """
        with self.step("metrics"):
            timestamp = now()
            number = self.step_number if step is None else step
            name, digest = (dataset.name, dataset.digest) if dataset is not None else (None, None)
            points = [
                Metric(
                    key,
                    metric_value(key, value),
                    timestamp,
                    number,
                    model_id,
                    name,
                    digest,
                    self.run_id,
                )
                for key, value in metrics.items()
            ]
            self.run.writer.log_metrics(points)

    def history(
        self, key: str, values: Sequence[Any], *, first_step: int = 0, model_id: str | None = None
    ) -> None:
        """Record the points of one metric, one per step.

        Args:
            key: The metric.
            values: Its values in order.
            first_step: The step of the first one.
            model_id: The logged model that they were measured on.
        """
        with self.step("metrics"):
            timestamp = now()
            points = [
                Metric(
                    key,
                    metric_value(key, value),
                    timestamp,
                    step,
                    model_id,
                    run_id=self.run_id,
                )
                for step, value in enumerate(values, first_step)
            ]
            self.run.writer.log_metrics(points)

    def known_steps(self, key: str) -> int:
        """How many steps of a history earlier trainings in this run have recorded."""
        return self._tally.steps.get(key, 0)

    def note_steps(self, key: str, count: int) -> None:
        """Remember how long a history is now."""
        self._tally.steps[key] = max(count, self._tally.steps.get(key, 0))

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        with self.step("tags"):
            self.run.writer.set_tags({self.prefix + key: str(tags[key]) for key in tags})

    def note(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run by their very names, replacing those of an earlier training."""
        with self.step("tags"):
            self.run.writer.set_tags({key: str(value) for key, value in tags.items()})

    def artifacts(self, contents: Mapping[str, bytes | str]) -> None:
        """Store artifacts of the run, by path."""
        with self.step("artifacts"):
            self.files().put({self.folder + path: content for path, content in contents.items()})

    def files(self) -> RunFiles:
        """The run's artifacts."""
        if self._files is None:
            self._files = RunFiles(self.run.info.artifact_uri)
        return self._files

    def later(self, phase: str, make: Callable[[], Mapping[str, bytes | str]]) -> None:
        """Make artifacts after the training call has returned, in the background.

        They are there at the end of a run of the user's, at the end of the process, and after
        ``tracklet.autolog.flush()``. If too much is waiting already they are left out, and the
        run says so.

        Args:
            phase: What their cost counts for.
            make: Gives the contents by path. It must not touch random states.
        """
        with self.step("artifacts"):
            self.files()  # the place is looked up while the run is known to be there
            if not background.later(lambda: self._make(phase, make)):
                text = f"left out: {background.MAX_WAITING} were waiting to be made"
                self.run.writer.set_tags({f"tracklet.{phase}": text})
            elif not self.managed and background.drain not in self.run.on_end:
                self.run.on_end.append(background.drain)

    def _make(self, phase: str, make: Callable[[], Mapping[str, bytes | str]]) -> None:
        started = thread_time()
        try:
            with afterwards(self.run, self.label, phase):
                contents = {self.folder + path: content for path, content in make().items()}
                self.files().put(contents)
        finally:
            self.spent(phase, thread_time() - started)
            self.run.store.log_batch(self.run_id, tags=self._tally.tags())

    def child(self, run: child_runs.ChildRun) -> str | None:
        """Record a finished run below this one; its id comes back."""
        run_id = None
        with self.step("child runs"):
            tags = {**self.extra_tags, "mlflow.autologging": self.label}
            run_id = child_runs.write(self.run, run, tags)
        return run_id

    def dataset(
        self,
        features: Any,
        targets: Any = None,
        *,
        name: str = "dataset",
        context: str = "train",
        seconds: float = datasets.DEFAULT_SECONDS,
    ) -> Any:
        """Record what was trained on; its entity comes back, or None if it has no record.

        Args:
            features: A DataFrame or an array.
            targets: The labels, if there are any.
            name: The dataset's name.
            context: Its role: ``"train"`` or ``"eval"``.
            seconds: If describing it would take longer by estimate it is left out, and the run
                says so.
        """
        entity = None
        with self.step("dataset"):
            slow = datasets.too_slow(features, seconds)
            if slow is not None:
                self.run.writer.set_tags({"tracklet.dataset": f"{name} is left out: {slow}"})
                return None
            dataset = datasets.dataset_of(features, targets, name)
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
            **flavor_options: What the flavor takes beside, such as ``serialization_format``. What
                the flavor of this model has no such option for is left out.
        """
        info = None
        with self.step("model"):
            from tracklet import models

            known = models.flavor_of(model).options()
            flavor_options = {key: flavor_options[key] for key in flavor_options if key in known}
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
        self.run.writer.set_tags(self.closing_tags())
        self._tally.conclude()

    def closing_tags(self) -> dict[str, str]:
        """What is known of the training when its call returns."""
        return self._tally.tags()


def shortened(text: str) -> str:
    """A param's value; a long one ends in its hash, so that no two become the same."""
    if len(text) <= MAX_PARAM_LENGTH:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    tail = f"… ({len(text)} characters, sha256 {digest})"
    return text[: MAX_PARAM_LENGTH - len(tail)] + tail
