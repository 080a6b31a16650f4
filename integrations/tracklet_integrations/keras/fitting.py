"""The callbacks that Keras calls, and what is recorded of a training.

Keras calls callbacks by the names of their methods, so that these need no base class. They are safe
to be called from its threads (``async_safe``): where Keras does not wait for the user's callbacks
after each batch, it need not wait for ours.
"""

from __future__ import annotations

import math
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import Any

from tracklet.autolog import Recorder, TrainingRecorder, datasets, randomness
from tracklet.entities import Dataset, DatasetInput, InputTag, Metric
from tracklet.fluent import resuming
from tracklet.fluent.active import ActiveRun
from tracklet.names import now
from tracklet.patching import Call, checkpoint
from tracklet_integrations.keras import describing
from tracklet_integrations.shared.among_callbacks import among_callbacks
from tracklet_integrations.shared.checkpointing import EpochCheckpoints
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.sink import RunSink
from tracklet_integrations.shared.trained import log_model

_EPOCHS = "epochs of keras"
_MAX_LOGS = 256 << 20


class Listener:
    """Hears what Keras says; it is no ``keras.callbacks.Callback``, and answers nothing.

    Args:
        sink: Where that goes.
    """

    async_safe = True
    params: Any = None
    model: Any = None
    model_id: str | None = None
    """The logged model that what is measured is linked with."""
    dataset: Dataset | None = None
    """The data that it is linked with."""

    def __init__(self, sink: Any) -> None:
        self.sink: RunSink = sink
        self.last: dict[str, Metric] = {}
        """The newest point of each metric."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(name)

    def set_params(self, params: Any) -> None:
        """What Keras knows of the call: epochs, and steps in one."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """The model that is trained or asked."""
        self.model = model

    @contextmanager
    def among_the_callbacks_of(self, call: Call) -> Iterator[None]:
        """In this block the call has this callback beside the user's, as its last one."""
        given = call.arguments()
        theirs = given.get("callbacks")
        if hasattr(theirs, "callbacks") and hasattr(theirs, "on_train_begin"):  # a CallbackList
            with among_callbacks(theirs, self):
                yield
            return
        if isinstance(theirs, list | tuple):
            called: Any = [*theirs, self]
        else:
            # Keras takes any structure of callbacks. Only those in a list it asks whether they may
            # be called from threads.
            called = [self] if theirs is None else {"0": theirs, "1": self}
        call.args, call.kwargs = (), {**given, "callbacks": called}
        yield

    def take(self, values: Mapping[str, Any], step: int) -> None:
        """Record values that were measured."""
        self.take_all([(values, step, now())])

    def take_all(self, measured: Iterable[tuple[Mapping[str, Any], int, int]]) -> None:
        """Record values that were measured, each with its step and time in ms."""
        run_id, data = self.sink.run_id, self.dataset
        of = (None, None) if data is None else (data.name, data.digest)
        points = [
            Metric(metric_key(name), number, stamp, step, self.model_id, *of, run_id)
            for values, step, stamp in measured
            for name, number in _numbers(values)
        ]
        self.last |= {each.key: each for each in points}
        self.sink.points(points)


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


_nothing._is_default = True  # type: ignore[attr-defined]  # so Keras knows that nobody listens


def _numbers(values: Mapping[str, Any]) -> Generator[tuple[str, float], None, None]:
    """Measured values as numbers; one that is measured for each class has several."""
    for name, value in values.items():
        if hasattr(value, "shape") and len(value.shape) == 1 and value.shape[0] > 1:
            yield from ((f"{name}/{at}", float(each)) for at, each in enumerate(value))
        elif isinstance(value, int | float) or getattr(value, "shape", None) in ((), (1,)):
            yield name, float(value)


class Evaluation(Listener):
    """Hears what an evaluation has measured.

    Args:
        sink: The run.
        step: The step of what is measured.
    """

    def __init__(self, sink: RunSink, step: int) -> None:
        super().__init__(sink)
        self._step = step

    def link(self, run: ActiveRun, given: Mapping[str, Any]) -> None:
        """Record what is evaluated on, and link with it what is measured.

        Args:
            run: The run.
            given: The arguments of ``evaluate``.
        """
        with self.sink.step("dataset"):
            x, y = describing.dataset(given.get("x"), given.get("y"), "dataset")
            if datasets.too_slow(x, datasets.DEFAULT_SECONDS) is not None:
                return
            found = datasets.dataset_of(x, y, "dataset")
            if found is not None:
                entity = found.to_entity()
                tag = InputTag("mlflow.data.context", "test")
                run.store.log_inputs(self.sink.run_id, [DatasetInput(entity, [tag])])
                self.dataset = entity

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """What it has measured."""
        with self.sink.step("metrics"):
            checkpoint("callback")
            measured = {f"test_{name}": value for name, value in (logs or {}).items()}
            self.take(measured, self._step)


class Training(Listener):
    """Hears how a training goes.

    Args:
        sink: Where that goes.
        every: Every how many steps its metrics are recorded; None is at the end of each epoch.
    """

    patience = 1.0
    """After how many seconds what the steps have measured is written, at the latest."""

    def __init__(self, sink: RunSink | None, every: int | None) -> None:
        super().__init__(sink)
        self._every = every
        self._steps = Steps(0, None, 1)
        # Several threads may add to it; only whoever takes a value away writes it.
        self._measured: deque[tuple[Mapping[str, Any], int, int]] = deque()
        self._due = 0.0
        self.texts: dict[str, str] = {}
        """The params that were recorded."""
        self.by_epoch: dict[int, Mapping[str, Any]] = {}
        """What was measured, by the number that Keras gives an epoch."""
        self.steps = 0
        """How many steps the optimizer has taken by the end of the last epoch."""
        self.last_step = 0
        """The step of what was measured last."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """What is known before the first batch."""
        found: dict[str, Any] = {}
        with self.sink.step("describe"):
            checkpoint("callback")
            steps = (self.params or {}).get("steps")
            taken = describing.iterations(self.model.optimizer)
            at_once = int(getattr(self.model, "steps_per_execution", None) or 1)
            self._steps = Steps(taken, steps, at_once)
            found = describing.model_params(self.model)
            if steps is not None:
                found["batches_per_epoch"] = steps
        self.texts |= self.sink.params(found)
        with self.sink.step("summary"):
            self.sink.artifacts({"model_summary.txt": describing.summary(self.model)})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What is measured so far; perhaps in one of several threads, and out of turn."""
        step = self._steps.at(batch)
        if self._every is not None and self._steps.passes(batch, self._every):
            self._measured.append((dict(logs or {}), step, now()))
            if monotonic() >= self._due:
                self._due = monotonic() + self.patience
                with randomness.left_alone():
                    self.write()

    def write(self) -> None:
        """Write what the steps have measured."""
        with self.sink.step("metrics"):
            checkpoint("callback")
            found = []
            with suppress(IndexError):
                while True:
                    found.append(self._measured.popleft())
            if found:
                self.take_all(found)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What the epoch has measured."""
        if self._measured:
            self.write()
        with self.sink.step("metrics"):
            checkpoint("callback")
            measured = dict(logs or {})
            rate = describing.learning_rate(self.model.optimizer)
            if rate is not None:
                measured.setdefault("learning_rate", rate)
            self.steps = self._steps.end_epoch()
            if self._every is None:
                self.last_step = self.step_of(epoch)
            else:
                self.last_step = self.steps
                told = ("val_", "learning_rate")
                measured = {name: measured[name] for name in measured if name.startswith(told)}
            self.by_epoch[epoch] = measured
            self.take(measured, self.last_step)

    def step_of(self, epoch: int) -> int:
        """The step of what an epoch has measured."""
        return epoch


class Fit(Training):
    """Hears how a fit goes, and says at its end what came of it.

    Args:
        recorder: What records it.
        options: The integration's options.
        model: What is fitted.
    """

    def __init__(self, recorder: TrainingRecorder, options: Any, model: Any) -> None:
        super().__init__(RunSink(recorder.run, "keras", recorder), options.log_every_n_steps)
        self.model = model
        self._recorder = recorder
        self._options = options
        self._x: Any = None
        self._stopping: Any = None
        self._kept_by: list[Any] = []
        self._logs: list[Path] = []
        self._began = time()
        self._restored_from: str | None = None
        # Of a further training in the run the epochs are counted on.
        self._offset: int | None = None
        self._checkpoints: EpochCheckpoints | None = None
        if options.checkpoint:
            suffix = ".h5" if options.checkpoint_save_weights_only else ".keras"
            self._checkpoints = EpochCheckpoints(recorder, options, "keras", suffix)
            self.async_safe = self._checkpoints.by_epoch  # else it saves between two batches
        self._epoch = 0

    @contextmanager
    def among_the_callbacks_of(self, call: Call) -> Iterator[None]:
        """Also note what ``fit`` was given."""
        recorder, given = self._recorder, call.arguments()
        found: dict[str, Any] = {}
        with recorder.step("describe"):
            self._x = given.get("x")
            found = describing.fit_params(type(self.model).fit, given)
            theirs = [*_flat(given.get("callbacks"))]
            self._stopping = next(iter(_of_kind("EarlyStopping", theirs)), None)
            self._kept_by = [*_of_kind("ModelCheckpoint", theirs)]
            self._logs = [Path(each.log_dir) for each in _of_kind("TensorBoard", theirs)]
            for each in _of_kind("BackupAndRestore", theirs):
                path = getattr(each, "_weights_path", None)
                self._restored_from = str(path) if path and os.path.exists(path) else None
            if self._stopping is not None:
                found |= describing.stopping_params(self._stopping)
        self.texts |= recorder.params(found)
        if self._options.log_datasets:
            record_datasets(recorder, given)
        with super().among_the_callbacks_of(call):
            yield

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Which epoch it is; the first says from where a training goes on that was cut off."""
        self._epoch = epoch
        attempt = self._recorder.run.attempt
        if attempt is not None and not attempt.is_decided:
            with self._recorder.step("resume"):
                # Backups are restored by then: it is what the user's callbacks do first.
                step = self._steps.before if self._every is not None else epoch - 1
                is_anew = step < (self._every is not None)
                resuming.supersede(
                    self._recorder.run, None if is_anew else step, None, self._restored_from
                )

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What is measured so far; and a checkpoint, if one is due."""
        super().on_train_batch_end(batch, logs)
        freq = self._options.checkpoint_save_freq
        if self._checkpoints is None or self._checkpoints.by_epoch:
            return
        if self._steps.passes(batch, freq):
            step = self._steps.at(batch)
            self._save_if_due(step, self._epoch, logs, step - step % freq)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What the epoch has measured; and a checkpoint, if one is due."""
        super().on_epoch_end(epoch, logs)
        if self._checkpoints is not None and self._checkpoints.by_epoch:
            self._save_if_due(self.steps, epoch, logs, self.steps)

    def _save_if_due(self, step: int, epoch: int, logs: Mapping[str, Any] | None, due: int) -> None:
        kept = self._checkpoints
        if self._measured:
            self.write()  # a checkpoint never goes further than the record
        with self._recorder.step("checkpoint"):
            if kept is not None and kept.are_due(due, epoch + 1):
                kept.write(step, epoch, dict(_numbers(logs or {})), self._save)

    def _save(self, file: Path) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        with warnings.catch_warnings():
            # TensorFlow's tensors become arrays in the way of NumPy 1.
            warnings.simplefilter("ignore", DeprecationWarning)
            if self._options.checkpoint_save_weights_only:
                self.model.save_weights(file)
            else:
                self.model.save(file)

    def step_of(self, epoch: int) -> int:
        """The epoch, counted on from those of earlier trainings of the run."""
        if self._offset is None:
            self._offset = max(0, self._recorder.known_steps(_EPOCHS) - epoch)
        step = epoch + self._offset
        self._recorder.note_steps(_EPOCHS, step + 1)
        return step

    def conclude(self, is_whole: bool) -> None:
        """Record what is known only at the end.

        Args:
            is_whole: Whether it came to its end, where weights are restored.
        """
        if self._measured:
            self.write()
        with self._recorder.step("checkpoint"):
            told: dict[str, str] = {}
            for callback in self._kept_by:
                told |= _kept(callback, self._epoch, self.by_epoch.get(self._epoch, {}))
            if told:
                self._recorder.note(told)
        for folder in self._logs:
            with self._recorder.step("tensorboard"):
                record_logs(self._recorder, folder, self._began)
        stopping = self._stopping
        if stopping is None:
            return
        with self._recorder.step("early stopping"):
            found = {}
            if stopping.stopped_epoch:
                found["stopped_epoch"] = stopping.stopped_epoch
            restored: Mapping[str, Any] = {}
            is_restored = is_whole and stopping.restore_best_weights
            if is_restored and stopping.best_weights is not None:
                found["restored_epoch"] = stopping.best_epoch
                restored = self.by_epoch.get(stopping.best_epoch, {})
            self.take(found, 0)
            self.take(restored, self.last_step + 1)

    def log_model(self) -> None:
        """Log the trained model."""
        points = self.last.values()
        log_network(self._recorder, self._options, self.model, self._x, self.texts, points)


def record_logs(recorder: TrainingRecorder, folder: Path, since: float) -> None:
    """Record what was written for TensorBoard, as ``tensorboard_logs/…``.

    Args:
        recorder: Of the training.
        folder: Where TensorBoard looks; there may be older trainings in it.
        since: When this one began, s.
    """
    # Clocks of file systems are a little behind.
    found = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    found = [each for each in found if each.stat().st_mtime >= since - 1]
    size = sum(each.stat().st_size for each in found)
    if size > _MAX_LOGS:
        told = f"left out: {size} bytes in {folder}; up to {_MAX_LOGS} are copied"
        recorder.tags({"tracklet.tensorboard_logs": told})
        return
    for each in found:
        name = f"tensorboard_logs/{each.relative_to(folder).as_posix()}"
        recorder.artifacts({name: each.read_bytes()})


def record_datasets(recorder: TrainingRecorder, given: Mapping[str, Any]) -> None:
    """Record what a training is done with, and what it is validated on.

    Args:
        recorder: Of the training.
        given: What ``fit`` was given, by name.
    """
    found = {"train": (given.get("x"), given.get("y"))}
    validation = given.get("validation_data")
    if validation is not None:
        x, y, *_ = (*validation, None) if isinstance(validation, tuple) else (validation, None)
        found["eval"] = x, y
    for context, (x, y) in found.items():
        with recorder.step("dataset"):
            features, targets = describing.dataset(x, y, "dataset")
            recorder.dataset(features, targets, context=context)


def log_network(
    recorder: Recorder,
    options: Any,
    model: Any,
    x: Any,
    params: Mapping[str, str],
    points: Iterable[Metric],
) -> None:
    """Log a trained model of Keras'.

    Args:
        recorder: Of its training.
        options: The integration's options.
        model: The model.
        x: What it was trained on; None if that is not known.
        params: The params to link with it.
        points: The newest point of each metric, to link with it.
    """
    if not model.built:
        # Keras' file would have none of what was learned.
        told = "it was never called as a whole, only its layers, so that Keras cannot save it"
        recorder.tags({"tracklet.model": f"left out: {told}"})
        return
    if not options.save_exported_model:
        try:
            model.get_config()  # as Keras does to save it
        except NotImplementedError:
            told = "it, or a layer of it, has no get_config, without which Keras cannot save it"
            recorder.tags({"tracklet.model": f"left out: {told}"})
            return
        except Exception:  # noqa: BLE001 (saving it says what that is)
            pass
    signature = example = None
    if options.log_model_signatures:
        with recorder.step("signature"):
            signature = describing.signature(model, x)
    if options.log_input_examples:
        with recorder.step("input example"):
            example = describing.first_rows(x)
    log_model(
        recorder,
        model,
        size=describing.nbytes,
        params=params,
        points=points,
        signature=signature or False,
        registered_model_name=options.registered_model_name,
        otherwise="save it by yourself",
        input_example=example,
        save_exported_model=options.save_exported_model,
        save_model_kwargs=options.save_model_kwargs,
    )


def _of_kind(name: str, callbacks: Iterable[Any]) -> Iterator[Any]:
    for each in callbacks:
        if any(cls.__name__ == name for cls in type(each).__mro__):
            yield each


def _kept(callback: Any, epoch: int, logs: Mapping[str, Any]) -> dict[str, str]:
    """Where a ``ModelCheckpoint`` of the user's has put its newest file, or its best."""
    path = str(callback.filepath)
    told = {"monitor": callback.monitor} if callback.save_best_only else {}
    if callback.save_best_only and "{" not in path:
        told["best_model_path"] = path
        told["best_metric"] = callback.best
    elif os.path.exists(path := path.format(epoch=epoch + 1, **logs)):
        told["last_model_path"] = path
    return {f"checkpoint.{key}": str(value) for key, value in told.items()}


def _flat(callbacks: Any) -> Iterator[Any]:
    inner = getattr(callbacks, "callbacks", callbacks)
    if isinstance(inner, Mapping):
        inner = list(inner.values())
    if isinstance(inner, list | tuple):
        for each in inner:
            yield from _flat(each)
    elif inner is not None:
        yield inner


class Steps:
    """The steps of a training, by the batches that Keras tells of.

    Args:
        taken: How many there were before.
        in_epoch: How many an epoch has, if that is known.
        at_once: How many there are from one word of Keras' to the next.
    """

    def __init__(self, taken: int, in_epoch: int | None, at_once: int) -> None:
        self.before = taken
        """How many there were before the epoch that goes on."""
        self._limit = math.inf if in_epoch is None else in_epoch
        self._at_once = at_once
        # The newest ones: threads tell of them a little out of turn, and none may take another's.
        self._told: deque[int] = deque(maxlen=256)

    def at(self, batch: int) -> int:
        """The step of a batch, which is counted from 0 in its epoch."""
        # Keras counts the last ones of an epoch as if they were as many as ever.
        step = int(min(batch + 1, self._limit))
        self._told.append(step)
        return self.before + step

    def passes(self, batch: int, every: int) -> bool:
        """Whether one of the steps that this batch ends is the last of so many."""
        earlier = self.before + batch + 1 - self._at_once
        return self.at(batch) // every > earlier // every

    def end_epoch(self) -> int:
        """The last step of the epoch; the next one's batches are counted from there."""
        self.before += max(self._told, default=0)
        self._told.clear()
        return self.before
