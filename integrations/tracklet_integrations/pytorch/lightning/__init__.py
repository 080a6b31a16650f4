"""Lightning: what a ``Trainer`` fits, validates and tests, on the record.

Through a callback, which is among the trainer's only as long as a call lasts. The rules of plain
loops are off meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from types import ModuleType
from typing import Any, Final

from tracklet.autolog import LatePatches, recording
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.patching import Call, Outcome, Patch
from tracklet_integrations.pytorch.record import LABEL
from tracklet_integrations.shared.among_callbacks import among_callbacks
from tracklet_integrations.shared.driving import driven_by
from tracklet_integrations.shared.weak_table import WeakTable

DRIVER: Final = "lightning"

_LEAST: Final = 2
PACKAGES: Final = ("lightning.pytorch", "pytorch_lightning")


class Trainers:
    """Watches the trainers of Lightning, under either name of the package.

    Args:
        options: The options of PyTorch's integration.
        homes: The run that a trainer's last fit was recorded into: what it tests later belongs
            there.
    """

    def __init__(self, options: Any, homes: WeakTable[ActiveRun] | None = None) -> None:
        self._options = options
        self.homes: WeakTable[ActiveRun] = WeakTable() if homes is None else homes

    def patches(self) -> Iterator[LatePatches]:
        """What is to be watched once a package is there."""
        for package in PACKAGES:
            yield LatePatches(f"{package}.trainer.trainer", self._of_trainer)
            yield LatePatches(f"{package}.tuner.tuning", self._of_tuner)

    def _of_trainer(self, module: ModuleType) -> Iterator[Patch]:
        version = str(getattr(sys.modules[_package(module)], "__version__", _LEAST))
        if int(version.partition(".")[0]) < _LEAST:
            return
        yield Patch(module.__name__, "Trainer.fit", self.watch_fit)
        for name in ("validate", "test"):
            yield Patch(module.__name__, f"Trainer.{name}", self.watch_evaluation)

    def _of_tuner(self, module: ModuleType) -> Iterator[Patch]:
        for name in ("lr_find", "scale_batch_size"):
            yield Patch(module.__name__, f"Tuner.{name}", self.watch_tuning)

    def watch_fit(self, call: Call) -> Generator[None, Outcome, None]:
        """``Trainer.fit``: a run of its own, each time, or the user's."""
        from tracklet_integrations.pytorch.lightning.fitting import Fit
        from tracklet_integrations.pytorch.lightning.loggers import end_runs, run_of_logger

        trainer = call.instance
        leads = bool(trainer.is_global_zero)
        home = run_of_logger(trainer) if leads and active.top() is None else None
        with (
            driven_by(DRIVER),
            recording(LABEL, self._options, muted=not leads, resume=home) as recorder,
        ):
            if recorder is None:
                yield
                return
            self.homes[trainer] = recorder.run
            fit = Fit(recorder, self._options)
            with among_callbacks(trainer, fit):
                outcome = yield
            # Lightning makes of Ctrl-C an exit, or nothing at all.
            recorder.finish(fit.interrupted or outcome)
            fit.conclude(trainer)
            if outcome.error is None and fit.interrupted is None:
                fit.log_model(trainer)
        end_runs(trainer)

    def watch_evaluation(self, call: Call) -> Generator[None, Outcome, None]:
        """``Trainer.validate`` and ``test``: into the active run, or that of the fit."""
        from tracklet_integrations.pytorch.lightning.fitting import Evaluation
        from tracklet_integrations.shared.evaluating import watch_evaluation

        trainer = call.instance
        yield from watch_evaluation(
            LABEL,
            self._options,
            self.homes.get(trainer),
            lambda sink: among_callbacks(trainer, Evaluation(sink)),
            leads=bool(trainer.is_global_zero),
            driver=DRIVER,
        )

    def watch_tuning(self, call: Call) -> Generator[None, Outcome, None]:
        """What a tuner fits to find a setting is no training."""
        with driven_by(DRIVER), recording(LABEL, self._options, muted=True):
            yield


def _package(module: ModuleType) -> str:
    return module.__name__.rpartition(".trainer.trainer")[0]
