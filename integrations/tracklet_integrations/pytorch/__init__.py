"""PyTorch: how plain training loops are watched and recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from tracklet.autolog import CommonOptions, Explanation, Integration, LatePatches, switch
from tracklet.errors import InvalidParameterValue
from tracklet.patching import Patch
from tracklet_integrations.shared.checkpointing import check_options

if TYPE_CHECKING:
    from tracklet_integrations.pytorch.lightning import Trainers
    from tracklet_integrations.pytorch.watching import Watcher

__all__ = ["PytorchIntegration", "PytorchOptions", "autolog"]


@dataclass(frozen=True)
class PytorchOptions(CommonOptions):
    """Record every training loop of PyTorch's that is written out.

    From the first step of an optimizer on: what ``backward`` was called on, the rates, epochs by
    the passes of a loader, the model, the optimizer's settings. Nothing is computed for it, and no
    accelerator is waited for. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        log_every_n_epoch: Record ``train_loss`` and ``epoch`` only every so many epochs.
        log_every_n_step: Record ``loss`` only every so many steps; by default at each.
        log_models: Log the model when the run ends, if the script still holds it then: what only
            a function held that has returned is gone. One of more than a GiB is left out. Of both
            a tag says so.
        log_datasets: Record what a loader reads, if that is a ``TensorDataset`` on the CPU.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 2.6 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Also register the model under this name.
        extra_tags: Further tags for the runs that autologging starts.
        checkpoint: Write checkpoints of the model, its optimizer, scheduler and scaler, and the
            random states, which ``tracklet.pytorch.restore_checkpoint`` reads; of a trainer of
            Lightning's its own checkpoints.
        checkpoint_monitor: The metric that says what is best.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better.
        checkpoint_save_best_only: Keep one checkpoint: the best by that metric.
        checkpoint_save_weights_only: Leave out everything but the model.
        checkpoint_save_freq: ``"epoch"``, or every how many steps.
        log_model_signatures: Log models with what they take and give, as seen at the first
            forwards after the first step; what differs among those has any length.
        log_checkpoints: Copy the files that the script saves by ``torch.save``, safetensors and
            distributed checkpoints into the run's artifacts, in the background.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    log_every_n_epoch: int = 1
    log_every_n_step: int | None = None
    log_models: bool = True
    log_datasets: bool = True
    disable: InitVar[bool] = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    registered_model_name: str | None = None
    extra_tags: Mapping[str, Any] | None = None
    checkpoint: bool = False
    checkpoint_monitor: str = "val_loss"
    checkpoint_mode: str = "min"
    checkpoint_save_best_only: bool = True
    checkpoint_save_weights_only: bool = False
    checkpoint_save_freq: str | int = "epoch"
    log_model_signatures: bool = True
    log_checkpoints: bool = False

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        for name in ("log_every_n_epoch", "log_every_n_step"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise InvalidParameterValue(f"{name} must be a whole number from 1; got {value!r}")
        check_options(self)


class PytorchIntegration(Integration):
    """Watches the loops that people write themselves."""

    name: ClassVar[str] = "pytorch"
    modules: ClassVar[tuple[str, ...]] = ("torch",)
    requires: ClassVar[str] = "torch>=2.6"
    Options: ClassVar[type[Any]] = PytorchOptions

    _watcher: Watcher | None = None
    _trainers: Trainers | None = None

    def continue_from(self, earlier: Integration) -> None:
        """Trainers keep the runs that their fits were recorded into."""
        assert isinstance(earlier, PytorchIntegration)
        self._trainers = earlier._trainers

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """Doors; see :mod:`tracklet_integrations.pytorch.doors`. And Lightning's trainers."""
        from tracklet_integrations.pytorch.lightning import Trainers
        from tracklet_integrations.pytorch.watching import Watcher

        self._watcher = Watcher(options, framework)
        self._doors = [*self._watcher.doors()]  # the core holds them weakly
        homes = self._trainers.homes if self._trainers is not None else None
        self._trainers = Trainers(options, homes)
        return [*self._doors, *self._trainers.patches()]

    def explain(self, options: Any) -> Explanation:
        """What is recorded, and by which rule."""
        return Explanation(
            records=(
                "loss: the sum of what backward was called on, of each step",
                "lr: the rate of each step, where it changes",
                "train_loss, epoch: at the end of each pass of a DataLoader with steps in it",
                "epochs without a loader: by the variable of the loop over them",
                "val_loss, test_loss, train_eval_loss: what the script looks at while it evaluates",
                "steps_per_second, samples_per_second, data_wait; grad_norm: at most once a second",
                "skipped_steps of a GradScaler; closure_evaluations",
                "optimizer, optimizer_*, scheduler, scheduler_*: as they are at the first step",
                "criterion, reduction: by the graph of the first loss",
                "batch_size, drop_last, shuffle, num_workers, dataset_size: the loader's",
                "model, parameters, trainable_parameters, model_summary.txt, device, dtype: the "
                "smallest module that has what the optimizer changes",
                "batches_per_epoch, epochs, accumulation, amp: as they were, at the end",
                "checkpoints.json: what the script saves, with step, epoch, size and hash",
                *(("the trained model, if it is still there",) if options.log_models else ()),
            ),
            omits={
                **({} if options.log_models else {"the trained model": "log_models is off"}),
                "epochs of loops without a DataLoader or a variable named like an epoch": (
                    "nothing says where one ends"
                ),
                "trainings in other threads at the same time": "one thread is watched",
                "evaluations of which only parts, or a sum of unknown length, are looked at": (
                    "a tag names the line"
                ),
                "updates without a torch.optim.Optimizer": "nothing says where a step ends",
                "steps that no backward led to, as of torch.func": "nothing says what the loss is",
                "all but the first of optimizers that step within backward": "it stands for them",
            },
        )


autolog = switch("pytorch", PytorchOptions)
