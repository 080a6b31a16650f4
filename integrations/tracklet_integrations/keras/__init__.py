"""Keras 3, on each of its backends: what ``fit`` trains is recorded through a callback.

The callback is among the others only as long as the call lasts, in a list of its own: the user's is
what it was. While ``fit`` trains the rules of loops that are written out are off, also those of
PyTorch's where Keras runs on it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import (
    CommonOptions,
    Explanation,
    Integration,
    LatePatches,
    recording,
    session,
    switch,
)
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.patching import Call, Outcome, Patch, PatchError
from tracklet_integrations.shared.checkpointing import check_options
from tracklet_integrations.shared.driving import driven_by
from tracklet_integrations.shared.evaluating import watch_evaluation
from tracklet_integrations.shared.sink import RunSink
from tracklet_integrations.shared.weak_table import WeakTable

__all__ = ["KerasIntegration", "KerasOptions", "autolog"]

LABEL: Final = "keras"

# ``tf.train.Checkpoint`` knows of no metric: what a file or its folder is called tells the best.
_BEST: Final = re.compile(r"(?<![a-z])best(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class KerasOptions(CommonOptions):
    """Record every training with Keras 3's ``Model.fit``, which is also ``tf.keras``'s.

    Each becomes a run, or is added to the active one: the arguments, the optimizer and how the
    model is compiled, the metrics of every epoch, early stopping, the model with its signature, the
    datasets' fingerprints. Keras need not be imported yet. ``tracklet.autolog.plan()`` says what is
    watched.

    Args:
        log_every_epoch: Record metrics at the end of each epoch, with the epoch as step.
        log_every_n_steps: Record them every so many steps instead, as they are by then, with the
            step of the optimizer as step; needs ``log_every_epoch=False``.
        log_models: Log the trained model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        save_exported_model: Log the model's graph, as ``Model.export`` writes it, instead of a
            ``.keras`` file.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        log_input_examples: Store the first five rows of the training data with the model.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; Keras before 3 is always
            declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        save_model_kwargs: Further arguments of ``Model.save``.
        extra_tags: Further tags for the runs that autologging starts.
        checkpoint: Write checkpoints while training; :func:`tracklet.keras.load_checkpoint` reads
            them.
        checkpoint_monitor: The metric that decides what is best.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better.
        checkpoint_save_best_only: Keep only the checkpoint of the best epoch so far.
        checkpoint_save_weights_only: Write weights alone, without the optimizer.
        checkpoint_save_freq: ``"epoch"``, or every how many steps one is written.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    log_every_epoch: bool = True
    log_every_n_steps: int | None = None
    log_models: bool = True
    log_model_signatures: bool = True
    save_exported_model: bool = False
    log_datasets: bool = True
    log_input_examples: bool = False
    disable: InitVar[bool] = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    registered_model_name: str | None = None
    save_model_kwargs: Mapping[str, Any] | None = None
    extra_tags: Mapping[str, Any] | None = None
    checkpoint: bool = False
    checkpoint_monitor: str = "val_loss"
    checkpoint_mode: str = "min"
    checkpoint_save_best_only: bool = True
    checkpoint_save_weights_only: bool = False
    checkpoint_save_freq: str | int = "epoch"

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        check_options(self)
        check_frequency(self.log_every_epoch, self.log_every_n_steps)


def check_frequency(log_every_epoch: bool, log_every_n_steps: int | None) -> None:
    """Refuse what does not say when metrics are recorded.

    Raises:
        InvalidParameterValue: Both are set, or neither, or the number is none from 1.
    """
    if log_every_n_steps is None:
        if not log_every_epoch:
            raise InvalidParameterValue(
                "log_every_epoch=False needs log_every_n_steps, which says when to record instead"
            )
    elif type(log_every_n_steps) is not int or log_every_n_steps < 1:
        raise InvalidParameterValue(
            f"log_every_n_steps must be a whole number from 1; got {log_every_n_steps!r}"
        )
    elif log_every_epoch:
        raise InvalidParameterValue(
            "metrics are recorded every epoch or every so many steps; log_every_n_steps="
            f"{log_every_n_steps} needs log_every_epoch=False"
        )


class KerasIntegration(Integration):
    """Watches ``keras.Model.fit`` and ``evaluate``, and loops around ``tf.GradientTape``."""

    name: ClassVar[str] = LABEL
    modules: ClassVar[tuple[str, ...]] = ("keras",)
    requires: ClassVar[str] = "keras>=3.0"
    Options: ClassVar[type[Any]] = KerasOptions

    # The run that a model's last training was recorded into: what it evaluates later belongs there.
    _homes: WeakTable[tuple[ActiveRun, int]]

    def continue_from(self, earlier: Integration) -> None:
        """Models keep the runs that their trainings were recorded into."""
        assert isinstance(earlier, KerasIntegration)
        self._homes = earlier._homes

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """The doors of all models, on whichever backend."""
        if not hasattr(framework, "__path__"):
            raise PatchError("the module keras is not Keras")
        if not hasattr(self, "_homes"):
            self._homes = WeakTable()
        self._searches: WeakTable[Any] = WeakTable()
        for name, advice in (("fit", self.watch_fit), ("evaluate", self.watch_evaluation)):
            trainer = next(cls for cls in framework.Model.__mro__ if name in vars(cls))
            yield Patch(trainer.__module__, f"{trainer.__qualname__}.{name}", advice)
        if framework.backend.backend() == "tensorflow":
            from tracklet_integrations.keras.loops import Watcher

            self._watcher = Watcher(options, sys.modules["tensorflow"])
            self._doors = [*self._watcher.doors()]  # held weakly
            yield from self._doors
            folder = "tensorflow.python.checkpoint"
            yield Patch(f"{folder}.checkpoint", "Checkpoint.save", self.watch_saving)
            yield Patch(f"{folder}.checkpoint", "Checkpoint.write", self.watch_saving)
            manager = f"{folder}.checkpoint_management"
            yield Patch(manager, "CheckpointManager.save", self.watch_saving)
        yield LatePatches("keras_tuner", self._doors_of_tuners)

    def _doors_of_tuners(self, framework: ModuleType) -> Iterable[Patch]:
        for name, advice in (("search", self.watch_search), ("on_trial_end", self.watch_trial_end)):
            tuner = next(cls for cls in framework.Tuner.__mro__ if name in vars(cls))
            yield Patch(tuner.__module__, f"{tuner.__qualname__}.{name}", advice)

    def explain(self, options: Any) -> Explanation:
        """What is recorded."""
        often = (
            "at the end of each epoch"
            if options.log_every_epoch
            else f"every {options.log_every_n_steps} steps"
        )
        return Explanation(
            records=(
                f"metrics: what fit measures, {often}, and the learning rate",
                "params: the arguments of fit, optimizer_*, loss, metrics, the model and its size",
                "early stopping: stopped_epoch, restored_epoch, the restored epoch's metrics again",
                "test_*: what evaluate measures after the training",
                "loss, lr, epoch, train_loss, val_loss, test_loss: of loops around tf.GradientTape",
                "model_summary.txt",
                *(("the trained model",) if options.log_models else ()),
                "searches of KerasTuner: trials.json, score, best_*, with no run for each trial",
                "checkpoint.*: what a ModelCheckpoint or tf.train.Checkpoint of yours has kept",
                *(("checkpoints",) if options.checkpoint else ()),
                *(("the datasets",) if options.log_datasets else ()),
            ),
            omits={
                **({} if options.log_models else {"the trained model": "log_models is off"}),
                **({} if options.log_datasets else {"the datasets": "log_datasets is off"}),
                "the rates of schedules that you have written": "to ask for one runs your code",
                "loops around stateless_apply or on PyTorch": "nothing says what the loss is",
                "losses that a loop's tf.function does not return": "its graph is left alone",
                "steps within strategy.run": "its replicas take them in threads of their own",
                "Keras 2, as in the package tf_keras": "only Keras 3 is watched",
            },
        )

    def watch_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``fit``: a run of its own, each time, or the user's."""
        model, options = call.instance, self.options
        with driven_by(LABEL), recording(LABEL, options) as recorder:
            if recorder is None:
                yield
                return
            from tracklet_integrations.keras.fitting import Fit

            fit = Fit(recorder, options, model)
            with fit.among_the_callbacks_of(call):
                outcome = yield
            recorder.finish(outcome)
            self._homes[model] = recorder.run, fit.last_step
            fit.conclude(outcome.error is None)
            if outcome.error is None and options.log_models:
                fit.log_model()

    def watch_search(self, call: Call) -> Generator[None, Outcome, None]:
        """A search of KerasTuner's: one run, in which the fits of its trials have none."""
        tuner, options = call.instance, self.options
        with driven_by(LABEL), recording(LABEL, options) as recorder:
            if recorder is None:
                yield
                return
            from tracklet_integrations.keras.tuning import Search

            search = self._searches[tuner] = Search(recorder, tuner)
            search.describe(call.arguments(), log_datasets=options.log_datasets)
            outcome = yield
            search.conclude()
            recorder.finish(outcome)

    def watch_saving(self, call: Call) -> Generator[None, Outcome, None]:
        """``tf.train.Checkpoint`` and its manager: where the newest is, in the run that goes on."""
        outcome = yield
        mine = active.top()
        run = mine or self._watcher.run
        if run is None or session.is_muted(LABEL) or not isinstance(outcome.value, str):
            return
        if self.options.exclusive and mine is not None and session.current() is None:
            return
        kind = "best" if _BEST.search("/".join(Path(outcome.value).parts[-2:])) else "last"
        sink = RunSink(run, LABEL)
        with sink.step("checkpoint"):
            sink.note({f"checkpoint.{kind}_model_path": outcome.value})

    def watch_trial_end(self, call: Call) -> Generator[None, Outcome, None]:
        """``on_trial_end``: what came of a trial."""
        yield
        search = self._searches.get(call.instance)
        if search is not None:
            search.end_trial(call.arguments()["trial"])

    def watch_evaluation(self, call: Call) -> Generator[None, Outcome, None]:
        """``evaluate`` outside of a training: into the active run, or that of the training."""
        home, step = self._homes.get(call.instance) or (None, 0)

        def hears(sink: RunSink) -> AbstractContextManager[None]:
            from tracklet_integrations.keras.fitting import Evaluation

            evaluation = Evaluation(sink, step)
            run = sink.recorder.run if sink.recorder is not None else active.top() or home
            if self.options.log_datasets and run is not None:
                evaluation.link(run, call.arguments())
            return evaluation.among_the_callbacks_of(call)

        yield from watch_evaluation(LABEL, self.options, home, hears)


autolog = switch("keras", KerasOptions)
