"""The doors of PyTorch, and what each tells the loop of the thread that trains."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from threading import get_ident
from types import FrameType
from typing import Any, Final

from tracklet.autolog import budget, session
from tracklet.fluent import active
from tracklet.patching import checkpoint, is_suppressed, report, suppressed
from tracklet.state import in_child
from tracklet_integrations.pytorch import describing, doors, saving
from tracklet_integrations.pytorch.doors import Door, Hook
from tracklet_integrations.pytorch.loop import Loop, Optimizing, Training
from tracklet_integrations.pytorch.record import LABEL, TrainingRecord, begin_run
from tracklet_integrations.pytorch.values import reader
from tracklet_integrations.shared.driving import DRIVER

_LOADERS: Final = "torch.utils.data.dataloader"

_all: weakref.WeakSet[Watcher] = weakref.WeakSet()


class Watcher:
    """Watches the thread that trains; what other threads do meanwhile is left alone.

    Args:
        options: The integration's options.
        torch: The module.
    """

    def __init__(self, options: Any, torch: Any) -> None:
        doors.skip(doors.methods(Watcher), within=True)
        self.options = options
        self.loop = Loop(self._begin, self._flush, self._end, self._introduce, self._number)
        self._value_of = reader()
        self._graph_task: Callable[[], int] = torch._C._current_graph_task_id
        self._thread = 0
        self._scaled: tuple[Any, Any] | None = None
        self._criterion: dict[str, str] | None = None
        self._steps = 0
        self.is_on = True
        _all.add(self)

    def doors(self) -> Iterable[Door]:
        """What is to be opened."""
        yield Hook(
            "torch.optim.optimizer",
            "register_optimizer_step_post_hook",
            self._stepped_hook(),
            self.close,
        )
        yield Door("torch.autograd", "backward", self._backward)
        yield Door("torch.optim.optimizer", "Optimizer.zero_grad", self._zero_grad)
        for kind in ("_SingleProcessDataLoaderIter", "_MultiProcessingDataLoaderIter"):
            yield Door(_LOADERS, f"{kind}._next_data", self._next_data)
        yield Door("torch.amp.grad_scaler", "GradScaler.scale", self._scale)
        yield Door("torch.amp.grad_scaler", "GradScaler.step", self._scaler_step)
        yield from saving.doors(self._note_saving)

    # -- the doors: each calls the original, and then notes --------------------------------------

    def _stepped_hook(self) -> Any:
        noted = self._note_step

        def stepped(optimizer: Any, args: Any, kwargs: Any) -> None:
            noted(optimizer, args, kwargs)

        doors.skip([stepped], within=True)
        return stepped

    def _backward(self, original: Any) -> Any:
        noted = self._note_backward

        def backward(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            noted(args, kwargs)

        doors.skip([backward], within=False)
        return backward

    def _zero_grad(self, original: Any) -> Any:
        noted = self._note_zero

        def zero_grad(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            noted(self)

        doors.skip([zero_grad], within=False)
        return zero_grad

    def _next_data(self, original: Any) -> Any:
        noted, exhausted = self._note_batch, self._note_exhausted

        def _next_data(self: Any) -> Any:
            try:
                batch = original(self)
            except StopIteration:
                exhausted(self)
                raise
            noted(self)
            return batch

        doors.skip([_next_data], within=False)
        return _next_data

    def _scale(self, original: Any) -> Any:
        noted = self._note_scaled

        def scale(self: Any, outputs: Any) -> Any:
            scaled = original(self, outputs)
            noted(outputs, scaled)
            return scaled

        doors.skip([scale], within=False)
        return scale

    def _scaler_step(self, original: Any) -> Any:
        watcher = self

        def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            before = watcher._steps
            result = original(self, optimizer, *args, **kwargs)
            if watcher._steps == before:
                watcher._note_skipped()
            return result

        doors.skip([step], within=False)
        return step

    # -- what is noted ---------------------------------------------------------------------------

    def _is_mine(self) -> bool:
        return (
            self.is_on
            and DRIVER.get() is None
            and (get_ident() == self._thread or self._takes_over())
        )

    def _takes_over(self) -> bool:
        """Whether the thread that trained before does not any more."""
        before = self._thread
        training = self.loop.training
        if training is not None and any(each.ident == before for each in threading.enumerate()):
            if isinstance(training, TrainingRecord):
                training.note_other_thread()
            return False
        if training is not None:
            self._end(training)
        self._thread = get_ident()
        return True

    def _note_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        try:
            self._steps += 1
            if self._is_mine():
                self.loop.step(optimizer, args[1] if len(args) > 1 else kwargs.get("closure"))
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            self._fault(error, "a step")

    def _note_backward(self, args: Any, kwargs: Any) -> None:
        try:
            if self._graph_task() != -1 or not self._is_mine():
                return  # a part of another backward that is computed again
            tensor = args[0] if args else kwargs.get("tensors")
            given = args[1] if len(args) > 1 else kwargs.get("grad_tensors")
            scaled, self._scaled = self._scaled, None
            value = None
            if scaled is not None and scaled[0]() is tensor:
                value = scaled[1]
            elif given is None:
                value = self._value_of(tensor)
            if self._criterion is None:
                self._criterion = describing.criterion_params(tensor)
            self.loop.backward(value)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a backward")

    def _note_zero(self, optimizer: Any) -> None:
        try:
            if self._is_mine():
                self.loop.zero(optimizer)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "zero_grad")

    def _note_batch(self, iterator: Any) -> None:
        try:
            if self._is_mine():
                self.loop.batch(iterator)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a batch")

    def _note_exhausted(self, iterator: Any) -> None:
        try:
            if self._is_mine():
                self.loop.exhausted(iterator)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a loader's end")

    def _note_scaled(self, outputs: Any, scaled: Any) -> None:
        try:
            if self._is_mine() and not isinstance(scaled, list | tuple | dict):
                self._scaled = weakref.ref(scaled), self._value_of(outputs)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a scaled loss")

    def _note_skipped(self) -> None:
        try:
            if self._is_mine():
                self.loop.skipped()
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a skipped step")

    def _note_saving(self, target: Any, by: str) -> saving.SavedFile | None:
        training = self.loop.training
        if not self.is_on or not isinstance(training, TrainingRecord) or is_suppressed():
            return None
        try:
            return training.saved.begin(target, by, training.last_step(), training.epochs)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a checkpoint")
            return None

    # -- trainings -------------------------------------------------------------------------------

    def _begin(self, known: Optimizing, optimizer: Any) -> Training | None:
        if session.current() is not None or session.is_muted(LABEL):
            return None
        frame: FrameType | None = sys._getframe(1)
        try:
            with suppressed():
                checkpoint("step start")
                training = begin_run(self.options, self._run_ends)
                if training is not None:
                    current = self.loop.current
                    loader = current.ref() if current is not None else None
                    training.describe(known, optimizer, frame, self._criterion, loader)
            return training
        finally:
            del frame

    def _number(self, rate: Any) -> Any:
        return float(rate) if isinstance(rate, int | float) else self._value_of(rate)

    def _introduce(self, known: Optimizing, optimizer: Any) -> None:
        around = describing.Surroundings(sys._getframe(1))
        known.name = around.name_of(optimizer) or ""
        known.params = describing.optimizer_params(optimizer)

    def _flush(self, training: Training) -> None:
        assert isinstance(training, TrainingRecord)
        if training.run.is_open:
            with suppressed():
                training.write(everything=False)

    def _end(self, training: Training) -> None:
        """End a training whose successor is there; of a run of the user's only its record."""
        assert isinstance(training, TrainingRecord)
        self._run_ends(training)
        if training.recorder.managed and training.run.is_open:
            active.finish(training.run, "FINISHED")

    def _run_ends(self, training: TrainingRecord) -> None:
        if training.is_over or not self.is_on:
            return
        self.loop.finish(training)
        with suppressed():
            try:
                training.close()
            except Exception as error:  # noqa: BLE001
                self._fault(error, "the end of a training")
        self._criterion = None

    def close(self) -> None:
        """End what is on the record; called when the integration goes off."""
        training = self.loop.training
        if training is not None:
            self._end(training)
        self.is_on = False

    def _fault(self, error: Exception, place: str) -> None:
        training = self.loop.training
        run_id = training.run.info.run_id if isinstance(training, TrainingRecord) else ""
        with budget.charged(budget.tally_of(run_id)):
            report(error, f"{LABEL}: {place}", LABEL)


@in_child
def _watch_nothing() -> None:
    for watcher in _all:
        watcher.is_on = False
