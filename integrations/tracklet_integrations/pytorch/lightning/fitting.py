"""The callbacks that a trainer calls: what they read, and when.

Lightning looks callbacks' methods up by name, and asks for no base class; so the same ones serve
both names of its package. They are pickled into processes that are spawned for a training.

When values are read matters. To ask for an epoch's metrics before Lightning has computed them would
compute them, on one process of several; so they are read when it has: those of a validation at its
end, those of an epoch at the start of the next, or at the training's end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from tracklet.autolog import FitSession, Recorder
from tracklet.autolog.budget import charged, tally_of
from tracklet.patching import Outcome, checkpoint, report
from tracklet.repositories import repository
from tracklet_integrations.pytorch import describing
from tracklet_integrations.pytorch.lightning import facts
from tracklet_integrations.pytorch.lightning.series import Series, same
from tracklet_integrations.pytorch.record import LABEL
from tracklet_integrations.shared import networks
from tracklet_integrations.shared.checkpointing import EpochCheckpoints
from tracklet_integrations.shared.driving import DRIVER
from tracklet_integrations.shared.forwards import Forwards
from tracklet_integrations.shared.sink import RunSink
from tracklet_integrations.shared.trained import log_model


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def contained(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook that lets no error of ours into the training, and does nothing where it is off."""

    @functools.wraps(hook)
    def safe(self: Listener, *args: Any, **kwargs: Any) -> None:
        if self.is_off:
            return
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            with charged(tally_of(self.sink.run_id)):
                report(error, f"{LABEL}: {hook.__name__}", LABEL)

    return safe


class Listener:
    """A callback that hears what it has a method for, and has no state in checkpoints."""

    state_key = _legacy_state_key = "tracklet"

    def __init__(self, sink: RunSink) -> None:
        self.sink = sink
        self.is_off = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_") or name in ("setup", "teardown", "load_state_dict"):
            return _nothing
        raise AttributeError(name)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a checkpoint is what it is without us."""
        return {}


class Evaluation(Listener):
    """Hears what a validation or test has measured."""

    @contained
    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """What it measured, at the step of the training."""
        self._take(trainer)

    @contained
    def on_test_end(self, trainer: Any, module: Any) -> None:
        """The same, of a test."""
        self._take(trainer)
        self.sink.note({"Mode": "testing"})

    def _take(self, trainer: Any) -> None:
        checkpoint("callback")
        if not facts.logs_itself(trainer, self.sink.run_id):
            series = Series(self.sink.run_id, self.sink.points)
            series.take(trainer.callback_metrics, trainer.global_step)
            series.flush()


class Fit(Listener):
    """Hears how a fit goes, and says at its end what came of it.

    Args:
        recorder: What records it.
        options: The integration's options.
    """

    def __init__(self, recorder: Recorder, options: Any) -> None:
        super().__init__(RunSink(recorder.run, LABEL, recorder))
        self._options = options
        self._texts: dict[str, str] = {}
        self._is_over = False
        self._optimizers = 1
        self._every = 0
        self._step = 0
        self._epoch: int | None = None
        # What the trainer has had before: of the validation, and of the step.
        self._before: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        # Names that are recorded only every so many steps; not at the end of an epoch.
        self._at_steps: set[str] = set()
        self._forward: Forwards | None = None
        self._rates: dict[str, Any] = {}
        self._checkpoints: EpochCheckpoints | None = None
        self.interrupted: Outcome | None = None
        self._begin()

    def _begin(self) -> None:
        self._series = Series(self.sink.run_id, self.sink.points)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_series"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    # -- what Lightning calls --------------------------------------------------------------------

    @contained
    def setup(self, trainer: Any, module: Any, stage: Any) -> None:
        """In a process that was spawned for the training: say that a trainer drives here, too."""
        if self.sink.is_elsewhere:
            DRIVER.set("lightning")
            FitSession().__enter__()
            self.is_off = not trainer.is_global_zero

    @contained
    def on_train_start(self, trainer: Any, module: Any) -> None:
        """What is known before the first batch."""
        checkpoint("callback")
        options = self._options
        self._optimizers = max(1, len(trainer.optimizers))
        self._every = options.log_every_n_step or trainer.log_every_n_steps
        self._step = trainer.global_step
        found: dict[str, Any] = {}
        with self.sink.step("describe"):
            found = facts.settings_of(trainer, module)
        self._texts = self.sink.params(found)
        self.sink.note({"Mode": "training"})
        with self.sink.step("summary"):
            self.sink.artifacts({"model_summary.txt": networks.summary(module)})
        if options.log_datasets and self.sink.recorder is not None:
            describing.log_data(
                self.sink.recorder, getattr(trainer.train_dataloader, "dataset", None)
            )
        if options.log_models and options.log_model_signatures:
            self._forward = Forwards(module)
        if options.checkpoint and self.sink.recorder is not None:
            self._checkpoints = EpochCheckpoints(self.sink.recorder, options, LABEL, ".pth")
            if trainer.world_size > 1:
                reason = (
                    "one of several processes cannot gather a trainer's state; ModelCheckpoint can"
                )
                self._checkpoints.leave_out(reason, always=True)

    @contained
    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """What the module has logged for this step, if it is one that is recorded."""
        step = trainer.global_step
        if step == self._step:
            return
        self._step = step
        if self._checkpoints is not None and not self._checkpoints.by_epoch:
            self._write_checkpoint(trainer, step)
        if not self._every:
            return
        is_due = (step // self._optimizers) % self._every == 0
        is_strict = self._options.log_every_n_step is not None
        if not is_due and (self._at_steps or not is_strict):
            return
        checkpoint("callback")
        metrics = _new(trainer.logged_metrics, self._known)
        if is_strict:
            self._at_steps.update(metrics)
        if is_due and not facts.logs_itself(trainer, self.sink.run_id):
            self._series.take(metrics, step)

    @contained
    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        """The rates that the step uses, where they change, if the module does not log them."""
        several = len(trainer.optimizers) > 1
        prefix = f"lr/{trainer.optimizers.index(optimizer)}" if several else "lr"
        groups = optimizer.param_groups
        for at, group in enumerate(groups):
            name, rate = f"{prefix}/{at}" if len(groups) > 1 else prefix, group["lr"]
            if type(rate) is not float or self._rates.get(name) == rate:
                continue
            self._rates[name] = rate
            if "lr" not in self._known and not facts.logs_itself(trainer, self.sink.run_id):
                self._series.take({name: rate}, trainer.global_step + 1)

    @contained
    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """A checkpoint of the epoch is due."""
        if self._checkpoints is not None and self._checkpoints.by_epoch:
            self._write_checkpoint(trainer, trainer.global_step)

    @contained
    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        """The epoch before is over, and what it has measured is computed."""
        self._end_epoch(trainer)
        self._epoch = trainer.current_epoch
        self._known = dict(trainer.logged_metrics)

    @contained
    def on_validation_start(self, trainer: Any, module: Any) -> None:
        """What is known already is not of this validation."""
        self._before = dict(trainer.callback_metrics)

    @contained
    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """What this validation has measured."""
        self._known = dict(trainer.logged_metrics)
        if trainer.sanity_checking or not self._wants(trainer.current_epoch):
            return
        checkpoint("callback")
        self._take(trainer, _new(trainer.callback_metrics, self._before))

    @contained
    def on_train_end(self, trainer: Any, module: Any) -> None:
        """The last epoch is over."""
        self._end_epoch(trainer)
        if self._forward is not None:
            self._forward.leave()

    @contained
    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        """What there was up to here is kept."""
        if isinstance(exception, KeyboardInterrupt):
            self.interrupted = Outcome(error=exception)
        if self._forward is not None:
            self._forward.leave()
        self._series.flush()

    @contained
    def on_fit_end(self, trainer: Any, module: Any) -> None:
        """All callbacks have their results; in a spawned process nobody else could tell them."""
        self.conclude(trainer)

    # -- what becomes of it ----------------------------------------------------------------------

    def _wants(self, epoch: int) -> bool:
        return (epoch + 1) % self._options.log_every_n_epoch == 0

    def _end_epoch(self, trainer: Any) -> None:
        if self._epoch is not None and self._wants(self._epoch):
            checkpoint("callback")
            metrics = trainer.callback_metrics
            self._take(
                trainer, {name: metrics[name] for name in metrics if name not in self._at_steps}
            )
        self._epoch = None

    def _take(self, trainer: Any, metrics: dict[str, Any]) -> None:
        if not facts.logs_itself(trainer, self.sink.run_id):
            self._series.take(metrics, trainer.global_step)
        self._series.flush(everything=False)

    def _write_checkpoint(self, trainer: Any, step: int) -> None:
        kept, epoch = self._checkpoints, trainer.current_epoch
        if kept is None or not kept.are_due(step, epoch + 1):
            return
        # All that there is in this one process, where nobody else is waited for; but nothing of an
        # earlier moment: of another step, or what a module's own hook logs after this one.
        known = trainer.callback_metrics
        if not kept.by_epoch:
            known = trainer._logger_connector.metrics["callback"]
        later = trainer._results or ()
        metrics = {
            key: float(known[key]) for key in known if f"on_train_epoch_end.{key}" not in later
        }
        only_weights = self._options.checkpoint_save_weights_only
        kept.write(step, epoch, metrics, lambda file: trainer.save_checkpoint(file, only_weights))

    def conclude(self, trainer: Any) -> None:
        """Record what is known only at the end; once."""
        if self._is_over:
            return
        self._is_over = True
        with self.sink.step("metrics"):
            self._series.flush()
        with self.sink.step("results"):
            stopped = facts.early_stopping(trainer)
            best, tags = facts.checkpoints(facts.checkpointing(trainer))
            self.sink.scalars(stopped, 0)
            self.sink.scalars(best, trainer.global_step)
            if tags:
                self.sink.note(tags)

    def log_model(self, trainer: Any) -> None:
        """Log the fitted module, with the newest point of each metric."""
        recorder, options = self.sink.recorder, self._options
        if recorder is None:
            return
        path = facts.restored(trainer)
        if options.log_models and path is not None:
            with recorder.step("checkpoint"):
                files = repository(recorder.run.info.artifact_uri or "")
                files.put_file(path, f"{recorder.folder}restored_model_checkpoint")
        if not options.log_models:
            return
        signature = None
        if self._forward is not None:
            with recorder.step("signature"):
                signature = self._forward.signature()
        log_model(
            recorder,
            trainer.lightning_module,
            size=networks.size_of,
            params=self._texts,
            points=self._series.last.values(),
            signature=signature or False,
            registered_model_name=options.registered_model_name,
            otherwise="the trainer's checkpoints have it",
        )


def _new(metrics: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were not there before, or had another value."""
    return {name: value for name, value in metrics.items() if not same(before.get(name), value)}
