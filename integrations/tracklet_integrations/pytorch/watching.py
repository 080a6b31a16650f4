"""The doors of PyTorch, and what each tells the loop of the thread that trains."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from threading import get_ident
from time import perf_counter, time
from types import FrameType
from typing import Any, Final

from tracklet.autolog import budget, session
from tracklet.fluent import active
from tracklet.patching import checkpoint, is_suppressed, report, suppressed
from tracklet.state import in_child
from tracklet_integrations.pytorch import checkpoints, continuing, describing, doors, saving
from tracklet_integrations.pytorch.doors import Hook
from tracklet_integrations.pytorch.loop import MAX_PENDING, Loop, Optimizing, Training
from tracklet_integrations.pytorch.record import LABEL, TrainingRecord, begin_run
from tracklet_integrations.pytorch.values import norm_of, reader
from tracklet_integrations.shared import sites
from tracklet_integrations.shared.doors import Door
from tracklet_integrations.shared.driving import DRIVER
from tracklet_integrations.shared.sites import Site

_LOADERS: Final = "torch.utils.data.dataloader"
_MAX_SITES: Final = 4096
_UNREAD: Final = object()
_WITHIN: Final = object()  # a place of torch's or NumPy's: the script's is around it

_all: weakref.WeakSet[Watcher] = weakref.WeakSet()


class Watcher:
    """Watches the thread that trains; what other threads do meanwhile is left alone.

    Args:
        options: The integration's options.
        torch: The module.
    """

    def __init__(self, options: Any, torch: Any) -> None:
        doors.skip([*doors.methods(Watcher), *doors.methods(Loop)], within=True)
        self.options = options
        self.loop = Loop(
            self._begin,
            self._flush,
            self._end,
            self._introduce,
            self._number,
            describing.data_of,
            self._grad_norm,
        )
        self._value_of = reader()
        self._graph_task: Callable[[], int] = torch._C._current_graph_task_id
        self._thread = 0
        self._scaled: tuple[Any, Any] | None = None
        self._criterion: dict[str, str] | None = None
        self._steps = 0
        # The first of the optimizers that step within backward; whether one has, in this one.
        self._lead: Callable[[], Any] | None = None
        self._stepped_within = False
        self._kinds = (torch.Tensor, torch.nn.Parameter)
        self._item: Any = torch._C.TensorBase.item
        self._tolist: Any = torch._C.TensorBase.tolist
        self._has_gradients: Callable[[], bool] = torch.is_grad_enabled
        self._is_compiling: Callable[[], bool] = torch.compiler.is_compiling
        self._module: Any = torch.nn.Module
        self._sites: dict[tuple[Any, int], Any] = {}
        # Where optimizers look at how many steps they took, for each parameter.
        own = getattr(sys.modules["torch.optim.optimizer"], "_get_value", None)
        self._of_optimizers = getattr(own, "__code__", None)
        self._switching = 0  # the thread in which a module switches its parts
        self._criteria = Door("torch.nn.modules.loss", "_Loss.__call__", self._criterion_call)
        self._loaded = continuing.Loaded()
        self.is_on = True
        if options.checkpoint:
            by_epoch = options.checkpoint_save_freq == "epoch"
            checkpoints.attach(self.loop, self._checkpoint, by_epoch=by_epoch)
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
        yield from continuing.doors(self._note_loading)
        yield Door("torch.nn", "Module.train", self._train)
        yield Door("torch", "Tensor.item", self._look_at_item)
        for name in ("tolist", "numpy", "__float__"):
            yield Door("torch", f"Tensor.{name}", self._look)
        if self.options.checkpoint and self.options.checkpoint_save_freq == "epoch":
            yield checkpoints.door(self._epochs, self._checkpoint)

    # -- the doors: each calls the original, and then notes --------------------------------------

    # These three are called at each step: what they do at nearly all of them stands in one function
    # each, because each further one costs as much as all that it does, where the training itself
    # has the processor's caches. It is not the one that the compiler may look into, where a ``try``
    # would break a graph once more.

    def _stepped_hook(self) -> Any:
        watcher, loop, driver = self, self.loop, DRIVER.get
        graph_task = self._graph_task

        def stepped(optimizer: Any, args: Any, kwargs: Any) -> None:
            watcher._steps += 1
            try:
                known = loop.steady
                if (
                    known is not None
                    and known.ref() is optimizer
                    and get_ident() == watcher._thread
                    and driver() is None
                ):
                    pending, current, now = loop.pending, loop.current, time()
                    groups = optimizer.param_groups
                    if (
                        len(pending) == len(groups) == len(args) == 1
                        and not kwargs
                        and known.step < known.slow_at
                        and now < loop.due_at
                        and groups[0].get("lr") is known.rate
                        and pending[0][0] >= known.zeroed_at
                        and (current is None or current.steps)
                    ):
                        known.seen_at = loop.taken_at = loop.backwards
                        known.step = step = known.step + 1
                        known.first_zero = known.second_zero = -1
                        if current is not None:
                            current.steps += 1
                            current.trained = current.batches
                        loop.around = None
                        loss = pending.pop()[1]
                        loss = loss if type(loss) is float else (loss,)
                        loop.note(("loss", known, step, now, loss))
                        return
                if graph_task() != -1:
                    watcher._note_step_within(optimizer)
                elif (get_ident() == watcher._thread and driver() is None) or watcher._takes_over():
                    loop.step(optimizer, args[1] if len(args) > 1 else kwargs.get("closure"))
            except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
                watcher._fault(error, "a step")

        doors.skip([stepped], within=True)
        return stepped

    def _backward(self, original: Any) -> Any:
        watcher, loop, driver = self, self.loop, DRIVER.get
        graph_task, value_of = self._graph_task, self._value_of
        plain, item, tolist = self._kinds[0], self._item, self._tolist

        def noted(args: Any, kwargs: Any) -> None:
            try:
                if graph_task() != -1 or not (
                    (get_ident() == watcher._thread and driver() is None) or watcher._takes_over()
                ):
                    return  # a part of another backward that is computed again, or another's
                tensor: Any = args[0] if args else kwargs.get("tensors")
                given = args[1] if len(args) > 1 else kwargs.get("grad_tensors")
                is_plain = given is None and type(tensor) is plain and tensor.is_cpu
                is_steady = loop.steady is not None and not watcher._stepped_within
                if is_plain and is_steady and watcher._scaled is None:
                    # Of a tensor without dimensions the number itself, read without a dispatch.
                    value, pending = tolist(tensor), loop.pending
                    if type(value) is float and len(pending) < MAX_PENDING:
                        pending.append((loop.backwards, value))
                        loop.backwards += 1
                        return
                value = None
                if watcher._scaled is not None:
                    (scaled, value), watcher._scaled = watcher._scaled, None
                    given = scaled() is tensor or given
                if given is None:
                    # What backward took without a gradient is one number.
                    value = item(tensor) if is_plain else value_of(tensor)
                    if is_plain and type(value) is not float:
                        value = value_of(tensor)
                elif given is not True:
                    value = None
                if watcher._criterion is None:
                    watcher._criterion = describing.criterion_params(tensor)
                loop.backward(value)
                if watcher._stepped_within:
                    watcher._stepped_within = False
                    lead = watcher._lead() if watcher._lead is not None else None
                    if lead is not None:
                        loop.step(lead, None)
            except Exception as error:  # noqa: BLE001
                watcher._fault(error, "a backward")

        def backward(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            noted(args, kwargs)

        doors.skip([noted], within=True)
        doors.skip([backward], within=False)
        return backward

    def _zero_grad(self, original: Any) -> Any:
        watcher, loop, driver = self, self.loop, DRIVER.get

        def noted(optimizer: Any) -> None:
            try:
                if (get_ident() == watcher._thread and driver() is None) or watcher._takes_over():
                    loop.zero(optimizer)
            except Exception as error:  # noqa: BLE001
                watcher._fault(error, "zero_grad")

        def zero_grad(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            steady = loop.steady
            if steady is None or loop.pending or steady.ref() is not self:
                noted(self)
            else:  # nothing is there that it takes away, but a closure may begin here
                steady.first_zero = loop.backwards

        doors.skip([noted], within=True)
        doors.skip([zero_grad], within=False)
        return zero_grad

    def _next_data(self, original: Any) -> Any:
        noted, exhausted = self._note_batch, self._note_exhausted

        def _next_data(self: Any) -> Any:
            started = perf_counter()
            try:
                batch = original(self)
            except StopIteration:
                exhausted(self)
                raise
            noted(self, perf_counter() - started)
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

    def _look_at_item(self, original: Any) -> Any:
        noted, known, frame_at = self._note_look, self._sites, sys._getframe
        of_optimizers = self._of_optimizers

        def item(self: Any) -> Any:
            value = original(self)
            frame = frame_at(1)
            code = frame.f_code
            if code is of_optimizers:
                return value
            site = known.get((code, frame.f_lasti), _UNREAD)
            if site is not None:
                noted(self, value, frame, site)
            return value

        doors.skip([item], within=False)
        return item

    def _look(self, original: Any) -> Any:
        noted, known, frame_at = self._note_look, self._sites, sys._getframe

        def look(self: Any, *args: Any, **kwargs: Any) -> Any:
            value = original(self, *args, **kwargs)
            frame = frame_at(1)
            site = known.get((frame.f_code, frame.f_lasti), _UNREAD)
            if site is not None:
                noted(self, value, frame, site)
            return value

        doors.skip([look], within=False)
        return look

    def _train(self, original: Any) -> Any:
        watcher, is_compiling = self, self._is_compiling

        # The compiler looks into this one and the next where they are called in what it compiles,
        # and must see nothing of ours: they ask it first.
        def train(self: Any, mode: bool = True) -> Any:
            if is_compiling():
                return original(self, mode)
            thread = get_ident()
            if watcher._switching == thread:
                return original(self, mode)
            watcher._switching = thread
            try:
                switched = original(self, mode)
            finally:
                watcher._switching = 0
            watcher._note_switched(self, mode)
            return switched

        doors.skip([train], within=False)
        return train

    def _criterion_call(self, _original: Any) -> Any:
        module, is_compiling, frame_at = self._module, self._is_compiling, sys._getframe
        noted = self._note_criterion

        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if is_compiling():
                return module.__call__(self, *args, **kwargs)
            made = module.__call__(self, *args, **kwargs)
            noted(self, made, frame_at(1))
            return made

        doors.skip([__call__], within=False)
        return __call__

    # -- what is noted ---------------------------------------------------------------------------

    def _is_mine(self) -> bool:
        return (get_ident() == self._thread and DRIVER.get() is None) or self._takes_over()

    def _takes_over(self) -> bool:
        """Whether the thread that trained before does not any more, and no trainer drives."""
        if not self.is_on or DRIVER.get() is not None:
            return False
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

    def _note_batch(self, iterator: Any, waited: float) -> None:
        try:
            if self._is_mine():
                self.loop.batch(iterator, waited)
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

    def _note_step_within(self, optimizer: Any) -> None:
        """An optimizer stepped amid a backward: a step is taken as that is over, by all of them."""
        if get_ident() != self._thread and self._thread:
            first = optimizer.param_groups[0]["params"][0]
            if first.is_cpu:
                return  # only devices have threads of their own for a backward of this one
        if self._lead is None or self._lead() is None:
            self._lead = weakref.ref(optimizer)
        self._stepped_within = True

    def _note_skipped(self) -> None:
        try:
            if self._is_mine():
                self.loop.skipped()
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a skipped step")

    def _note_loading(self, target: Any) -> None:
        if self.is_on and target is not None and self.loop.training is None and not is_suppressed():
            try:
                self._loaded.note(target)
            except Exception as error:  # noqa: BLE001
                self._fault(error, "a checkpoint")

    def _epochs(self) -> int:
        self.loop.end_epoch()
        return self.loop.training.epochs if self.loop.training is not None else 0

    def _checkpoint(self) -> None:
        training = self.loop.training
        if isinstance(training, TrainingRecord) and self._is_mine() and not is_suppressed():
            try:
                with suppressed():
                    training.write_checkpoint(self.loop.conclude)
            except Exception as error:  # noqa: BLE001
                self._fault(error, "a checkpoint")

    def _note_saving(self, target: Any, by: str) -> saving.SavedFile | None:
        training = self.loop.training
        if not self.is_on or not isinstance(training, TrainingRecord) or is_suppressed():
            return None
        try:
            steps = [each.step for each in training.optimizers]
            self.loop.end_epoch()
            saved = training.saved.begin(target, by, steps, training.epochs)
            if saved is not None and training.run.is_open:
                # A checkpoint never goes further than the record; writing it waits for all anyway.
                with suppressed():
                    training.write(everything=True)
            return saved
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a checkpoint")
            return None

    def _is_watched(self) -> bool:
        thread = self._thread = self._thread or get_ident()
        return self.is_on and get_ident() == thread and DRIVER.get() is None

    def _note_look(self, tensor: Any, value: Any, frame: FrameType, site: Any) -> None:
        try:
            if not self._is_watched() or type(tensor) not in self._kinds or tensor.numel() != 1:
                return
            loop, graded = self.loop, tensor.requires_grad
            evaluates = loop.is_switched or not (
                graded or (self._has_gradients() and not loop.is_beside_training)
            )
            if site is _UNREAD or site is _WITHIN:
                if site is _WITHIN and not evaluates:
                    return
                outer, site = self._site(tensor, frame)
                if site is None or outer is None:
                    return
                frame = outer
            if not (evaluates or site.is_named) or (graded and describing.is_spent(tensor)):
                return  # it is a loss of training
            number = value if isinstance(value, int | float) else self._value_of(tensor)
            if number is not None:
                number = float(number) if isinstance(number, int) else number
                loop.looked(site, number, frame, needs_backward=graded)
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a look at a loss")

    def _site(self, tensor: Any, frame: FrameType) -> tuple[FrameType | None, Site | None]:
        """Where the script looks, and what its source says of that place."""
        outer: FrameType | None = frame
        shown = False
        while outer is not None:
            top = str(outer.f_globals.get("__name__", "")).partition(".")[0]
            if top not in ("torch", "numpy"):
                break
            if top == "torch":
                shown = outer.f_code.co_name == "__format__"
                if not shown:  # such as ``__array__``, after which NumPy asks for each number
                    self._keep(frame, None)
                    return None, None
            outer = outer.f_back
        if outer is not frame:
            self._keep(frame, _WITHIN)
        if outer is None or shown:
            return outer, sites.read(outer, tensor) if outer is not None else None
        found = self._sites.get((outer.f_code, outer.f_lasti), _UNREAD)
        if found is _UNREAD or found is _WITHIN:
            found = sites.read(outer)
            self._keep(outer, found)
        return outer, found

    def _keep(self, frame: FrameType, site: Any) -> None:
        if len(self._sites) >= _MAX_SITES:
            self._sites.clear()
        self._sites[frame.f_code, frame.f_lasti] = site

    def _note_criterion(self, module: Any, made: Any, frame: FrameType) -> None:
        try:
            if not (self._is_watched() and self.loop.is_switched):
                return
            reduction = vars(module).get("reduction")
            value = self._value_of(made)
            site = self._site(made, frame)[1]
            if site is not None and value is not None and isinstance(reduction, str):
                graded = made.requires_grad
                self.loop.looked(
                    site,
                    value,
                    frame,
                    needs_backward=graded,
                    reduction=reduction,
                    by="module",
                )
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a criterion")

    def _note_switched(self, module: Any, mode: bool) -> None:
        try:
            if not self._is_watched():
                return
            training = self.loop.training
            firsts = [] if training is None else [each.parameter() for each in training.optimizers]
            if firsts and not any(p is each for p in module.parameters() for each in firsts):
                return  # a teacher, or a part that is frozen
            self.loop.switched(to_training=mode)
            if mode:
                self._criteria.revert()
            else:
                self._criteria.apply()
        except Exception as error:  # noqa: BLE001
            self._fault(error, "a switch of a model's mode")

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
                    if self._lead is not None and self._lead() is optimizer:
                        training.lead_within_backward()
                    continuing.go_on(training, known, optimizer, self._loaded)
                    current = self.loop.current
                    loader = current.ref() if current is not None else None
                    training.describe(known, optimizer, frame, self._criterion, loader)
            return training
        finally:
            del frame

    def _number(self, rate: Any) -> Any:
        return float(rate) if isinstance(rate, int | float) else self._value_of(rate)

    def _grad_norm(self, optimizer: Any) -> Any:
        return self._value_of(norm_of(optimizer))

    def _introduce(self, known: Optimizing, optimizer: Any) -> None:
        around = describing.Surroundings(sys._getframe(1))
        known.name = around.name_of(optimizer) or ""
        known.params = describing.optimizer_params(optimizer)
        training = self.loop.training
        if not isinstance(training, TrainingRecord):
            return
        training.introduce(known)
        if training.checkpoints is not None:
            training.checkpoints.note(known, optimizer, around)

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
        self._criteria.revert()
        self._turn_off()

    def _turn_off(self) -> None:
        self.is_on = False
        self._thread = -1  # nobody's

    def _fault(self, error: Exception, place: str) -> None:
        training = self.loop.training
        run_id = training.run.info.run_id if isinstance(training, TrainingRecord) else ""
        with budget.charged(budget.tally_of(run_id)):
            report(error, f"{LABEL}: {place}", LABEL)


@in_child
def _watch_nothing() -> None:
    for watcher in _all:
        watcher._turn_off()
