"""Checkpoints that are written for a loop: all that it needs to go on as if it had not stopped.

They are written where the script itself would begin again: before a further pass of its loader, or
before the next step. What is in them are tensors and plain values only, so that nobody's trust is
asked for when they are read.
"""

from __future__ import annotations

import random
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracklet.autolog import Recorder
from tracklet.entities import Metric
from tracklet.names import now
from tracklet_integrations.pytorch.describing import Surroundings
from tracklet_integrations.pytorch.doors import skip
from tracklet_integrations.shared.checkpointing import EpochCheckpoints
from tracklet_integrations.shared.doors import Door

if TYPE_CHECKING:
    from tracklet_integrations.pytorch.loop import Loop, Optimizing

_SHARDED: Final = ("DTensor", "FlatParameter")


class AutomaticCheckpoints(EpochCheckpoints):
    """A training's checkpoints.

    Args:
        recorder: The training's.
        options: The integration's.
    """

    def __init__(self, recorder: Recorder, options: Any) -> None:
        super().__init__(recorder, options, "pytorch", ".pth")
        self._weights_only = options.checkpoint_save_weights_only
        self._optimizers: list[Optimizing] = []
        self._models: list[Callable[[], Any]] = []
        self._schedulers: list[Callable[[], Any]] = []
        self._scalers: list[Callable[[], Any]] = []
        self._measured: dict[str, tuple[int, float]] = {}

    def note(self, known: Optimizing, optimizer: Any, around: Surroundings) -> None:
        """An optimizer has taken its first step."""
        self._optimizers.append(known)
        model, scheduler = around.model_of(optimizer), around.scheduler_of(optimizer)
        for found, kept in ((model, self._models), (scheduler, self._schedulers)):
            if found is not None and all(each() is not found for each in kept):
                kept.append(weakref.ref(found))
        if not self._scalers:
            self._scalers = [weakref.ref(each) for each in around.scalers()]
        if model is None:
            reason = "no module was found that has the parameters of the optimizer"
            self.leave_out(reason, always=True)
        elif any(type(each).__name__ in _SHARDED for each in model.parameters()):
            reason = "the parameters are shards, which one process alone cannot gather"
            self.leave_out(reason, always=True)

    def look_at(self, points: Sequence[Metric]) -> None:
        """See what was measured."""
        for point in points:
            self._measured[point.key] = point.step, point.value

    def write_if_due(self, step: int, epochs: int, measure: Callable[[], None]) -> None:
        """Write the checkpoint of this moment, if there is to be one.

        Args:
            step: How many steps were taken.
            epochs: How many epochs are over.
            measure: Has all points shown to :meth:`look_at` that there are.
        """
        if self.are_due(step, epochs):
            measure()
            metrics = {key: value for key, (at, value) in self._measured.items() if at == step}
            epoch = max(epochs - 1, 0)
            self.write(step, epoch, metrics, lambda file: self._save(file, step, epochs - 1))

    def _save(self, file: Path, step: int, epoch: int) -> None:
        import torch

        models = [model for each in self._models if (model := each()) is not None]
        if not models:
            raise LookupError("the model is gone")
        state: dict[str, Any] = {"epoch": epoch, "global_step": step}
        state |= {"steps": [each.step for each in self._optimizers], "saved_at": now()}
        state["state_dict"], *others = [each.state_dict() for each in models]
        if others:
            state["further_state_dicts"] = others
        if not self._weights_only:
            state["optimizer_states"] = _states([each.ref for each in self._optimizers])
            state["lr_schedulers"] = _states(self._schedulers)
            state["grad_scalers"] = _states(self._scalers)
            state["random_states"] = random_states()
        torch.save(state, file)


def attach(loop: Loop, is_due: Callable[[], None], *, by_epoch: bool) -> None:
    """Have it looked before each step whether a checkpoint is due.

    Args:
        loop: The loop; what it is told is told on.
        is_due: Writes it.
        by_epoch: Whether there is one for each epoch, which :func:`door` sees end earlier.
    """
    import torch

    zero, batch, backward = loop.zero, loop.batch, loop.backward
    is_told = False

    def zeroed(optimizer: Any) -> None:
        nonlocal is_told
        first = loop.training.optimizers[:1] if loop.training is not None else []
        if loop.current is None and first and first[0].ref() is optimizer:
            is_told = True  # all others have had their turn
            is_due()
        zero(optimizer)

    def batched(iterator: Any, waited: float) -> None:
        nonlocal is_told
        if torch.is_grad_enabled():
            is_told = True
            is_due()
        batch(iterator, waited)

    def backwarded(value: Any) -> None:
        if not is_told:
            is_due()
        backward(value)

    skip([zeroed, batched, backwarded], within=True)
    told = {"backward": backwarded}
    loop.is_lean = False
    vars(loop).update(told if by_epoch else {**told, "zero": zeroed, "batch": batched})


def door(epochs: Callable[[], int], is_due: Callable[[], None]) -> Door:
    """Where the loader whose passes are epochs begins a further one.

    A checkpoint is written before, when validation and schedulers are done, and before the loader
    takes from the random state what the order of its data follows from.

    Args:
        epochs: How many are over.
        is_due: Writes a checkpoint.
    """
    nothing: Callable[[], Any] = lambda: None  # noqa: E731
    last = trained = nothing
    seen = 0

    def begins(loader: Any) -> None:
        nonlocal last, trained, seen
        over = epochs()
        if over != seen:
            seen, trained = over, last
        before = trained()
        last = weakref.ref(loader)
        if before is not None and getattr(before, "dataset", None) is loader.dataset:
            is_due()

    def make(original: Any) -> Any:
        def iterated(self: Any) -> Any:
            begins(self)
            return original(self)

        skip([iterated], within=False)
        skip([begins], within=True)
        return iterated

    return Door("torch.utils.data.dataloader", "DataLoader.__iter__", make)


def random_states() -> dict[str, Any]:
    """The states of all global generators, as plain values and tensors."""
    import torch

    states: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if "numpy" in sys.modules:
        state: Any = sys.modules["numpy"].random.get_state(legacy=False)
        inner = {key: _plain(value) for key, value in state["state"].items()}
        states["numpy"] = {**state, "state": inner}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    """Give the global generators states that :func:`random_states` gave."""
    import torch

    random.setstate(states["python"])
    torch.set_rng_state(states["torch"])
    if "numpy" in states:
        import numpy as np

        inner = states["numpy"]["state"]
        key = np.array(inner["key"], dtype=np.uint32)
        np.random.set_state({**states["numpy"], "state": {**inner, "key": key}})
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"][: torch.cuda.device_count()])


def _states(objects: Sequence[Callable[[], Any]]) -> list[Any]:
    return [found.state_dict() for each in objects if (found := each()) is not None]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
