"""Loops around ``tf.GradientTape`` that people write themselves, eager or in a ``tf.function``.

A step is one ``Optimizer.apply``. In a ``tf.function`` it is seen as it is traced, and then by the
calls of the function from outside: nothing is added to a graph, and nothing is read in one. What
its gradient is of is the loss, if the function returns that very tensor.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import get_ident
from time import time
from types import FrameType
from typing import Any, Final

from tracklet.autolog import budget, session
from tracklet.fluent import active
from tracklet.patching import checkpoint, is_suppressed, report, suppressed
from tracklet.state import in_child
from tracklet_integrations.keras import describing
from tracklet_integrations.keras.loop_record import (
    LABEL,
    LoopRecord,
    Stepping,
    Surroundings,
    variables_around,
)
from tracklet_integrations.shared import sites
from tracklet_integrations.shared.doors import Door
from tracklet_integrations.shared.driving import DRIVER
from tracklet_integrations.shared.epochs import user_frames
from tracklet_integrations.shared.phases import Data, Segment
from tracklet_integrations.shared.weak_table import WeakTable

_SECONDS: Final = 1.0
_MAX_EVENTS: Final = 4096
_MAX_ASKED: Final = 64
_MAX_SITES: Final = 4096
_UNREAD: Final = object()
_TRAINING: Final = frozenset({"a gradient", "a step", "a call"})
_STEPS_OF_ITS_OWN: Final = 10
"""After so many steps in which no other optimizer takes one, a training is one of its own."""

_all: weakref.WeakSet[Watcher] = weakref.WeakSet()


@dataclass(slots=True)
class Asked:
    """A gradient that was asked for.

    Args:
        target: The scalar that it is of; None if that is none, or if it is weighted.
        sources: The identities of the variables that it is for.
    """

    target: Any
    sources: frozenset[int]


@dataclass(slots=True)
class Traced:
    """A step of an optimizer in a function that is being traced.

    Args:
        optimizer: The optimizer.
        target: What its gradient is of; None if that cannot be told.
        before: How many steps it had taken; None if that cannot be told either.
        around: What the script says of it.
    """

    optimizer: Any
    target: Any
    before: int | None
    around: Surroundings


@dataclass(slots=True)
class Compiled:
    """A ``tf.function`` in which optimizers step.

    Args:
        ref: The function, held weakly.
        places: By the identities of the optimizers, where the loss of each is among what it
            returns; None if nowhere.
    """

    ref: Callable[[], Any]
    places: dict[int, int | None] = field(default_factory=dict)


@dataclass(slots=True)
class Pass:
    """One pass of a ``tf.data.Dataset``: how many batches it gave, and the steps within it."""

    ref: Callable[[], Any]
    source: Callable[[], Any]
    data: Data
    is_over: bool = False
    batches: int = 0
    steps: int = 0
    number: int | None = None
    """The number of the epoch, if a variable of the script's loop says it."""


class Watcher:
    """Watches the thread that trains; what other threads do meanwhile is left alone.

    Args:
        options: The integration's options.
        tf: TensorFlow.
    """

    def __init__(self, options: Any, tf: Any) -> None:
        self.options = options
        self.is_on = True
        self._tf = tf
        self._is_eager: Callable[[], bool] = tf.executing_eagerly
        self._thread = 0
        self._here = threading.local()
        self._asked: list[Asked] = []
        self._scaled: list[tuple[Any, Any]] = []
        self._traced: list[Traced] = []
        self._compiled: dict[int, Compiled] = {}
        self._known: dict[int, Stepping] = {}
        self._pass: Pass | None = None
        # The pass that gave the newest batch, if no step was taken since.
        self._around: Pass | None = None
        self._segment: Segment | None = None
        self._sites: dict[tuple[Any, int], Any] = {}
        self._losses: WeakTable[str] = WeakTable()
        self._results: dict[str, Any] = {}
        self._trained: deque[Any] = deque(maxlen=8)
        self._record: LoopRecord | None = None
        self._ask_at = 0.0
        _all.add(self)

    @property
    def run(self) -> Any:
        """The run of the loop that goes on; None without one."""
        record = self._record
        return None if record is None or record.is_over else record.run

    def doors(self) -> Iterable[Door]:
        """What is to be opened."""
        optimizers = "keras.src.optimizers"
        apply = self._apply
        yield Door(f"{optimizers}.base_optimizer", "BaseOptimizer.apply", apply, self.close)
        for module, name in (
            ("base_optimizer", "BaseOptimizer"),
            ("loss_scale_optimizer", "LossScaleOptimizer"),
        ):
            yield Door(f"{optimizers}.{module}", f"{name}.scale_loss", self._scale_loss)
        yield Door("tensorflow.python.eager.backprop", "GradientTape.gradient", self._gradient)
        functions = "tensorflow.python.eager.polymorphic_function.polymorphic_function"
        yield Door(functions, "Function.__call__", self._call)
        iterators = "tensorflow.python.data.ops.iterator_ops"
        yield Door(iterators, "OwnedIterator.__next__", self._next)
        for name in ("numpy", "__float__"):
            yield Door("tensorflow.python.framework.ops", f"_EagerTensorBase.{name}", self._look)
        yield Door("keras.src.metrics.reduction_metrics", "Mean.result", self._result)

    # -- the doors: each calls the original, and then notes --------------------------------------

    def _apply(self, original: Any) -> Any:
        watcher = self

        def apply(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
            result = original(self, grads, trainable_variables)
            watcher._note(watcher._stepped, "a step", self, trainable_variables, sys._getframe(1))
            return result

        return apply

    def _scale_loss(self, original: Any) -> Any:
        watcher = self

        def scale_loss(self: Any, loss: Any) -> Any:
            scaled = original(self, loss)
            watcher._note(watcher._note_scaled, "a scaled loss", loss, scaled)
            return scaled

        return scale_loss

    def _gradient(self, original: Any) -> Any:
        watcher = self

        def gradient(self: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, target, sources, *args, **kwargs)
            is_weighted = bool(args) or kwargs.get("output_gradients") is not None
            told = target, sources, is_weighted
            watcher._note(watcher._note_asked, "a gradient", *told)
            return result

        return gradient

    def _call(self, original: Any) -> Any:
        watcher, here, compiled = self, self._here, self._compiled

        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if getattr(here, "is_calling", False):
                return original(self, *args, **kwargs)
            here.is_calling = True
            try:
                result = original(self, *args, **kwargs)
            except BaseException:
                watcher._traced = []
                raise
            finally:
                here.is_calling = False
            if id(self) in compiled or watcher._traced:
                watcher._note(watcher._called, "a call", self, result)
            return result

        return __call__

    def _next(self, original: Any) -> Any:
        watcher = self

        def __next__(self: Any) -> Any:  # noqa: N807
            try:
                batch = original(self)
            except StopIteration:
                watcher._note(watcher._exhausted, "the end of a data set", self)
                raise
            watcher._note(watcher._given, "a batch", self)
            return batch

        return __next__

    def _look(self, original: Any) -> Any:
        watcher, known, frame_at = self, self._sites, sys._getframe

        def look(self: Any) -> Any:
            if watcher._record is not None:
                frame = frame_at(1)
                if known.get((frame.f_code, frame.f_lasti), _UNREAD) is not None:
                    watcher._note(watcher._looked, "a look at a loss", self, frame)
            return original(self)

        return look

    def _result(self, original: Any) -> Any:
        watcher = self

        def result(self: Any) -> Any:
            found = original(self)
            if watcher._record is not None:
                watcher._note(watcher._measured, "a mean", self, found, sys._getframe(1))
            return found

        return result

    def _note(self, what: Callable[..., None], place: str, *told: Any) -> None:
        try:
            if self._is_mine(place):
                checkpoint(place)
                what(*told)
        except Exception as error:  # noqa: BLE001
            run_id = self._record.run.info.run_id if self._record is not None else ""
            with budget.charged(budget.tally_of(run_id)):
                report(error, f"{LABEL}: {place}", LABEL)

    def _is_mine(self, place: str) -> bool:
        if not self.is_on or DRIVER.get() is not None or is_suppressed():
            return False
        thread = get_ident()
        if thread == self._thread:
            return True
        # Where nothing is on the record, the thread that is watched may only load data.
        if (self._record is not None or place not in _TRAINING) and self._thread in {
            each.ident for each in threading.enumerate()
        }:
            return False
        self._thread, self._pass, self._around = thread, None, None
        return True

    # -- what is noted ---------------------------------------------------------------------------

    def _note_asked(self, target: Any, sources: Any, is_weighted: bool) -> None:
        is_scalar = getattr(target, "shape", None) is not None and target.shape.rank == 0
        if not isinstance(sources, list | tuple):
            sources = self._tf.nest.flatten(sources)
        for scaled, loss in self._scaled:
            if target is scaled:
                target = loss
        known = target if is_scalar and not is_weighted else None
        del self._asked[: 1 - _MAX_ASKED]
        self._asked.append(Asked(known, frozenset(map(id, sources))))

    def _note_scaled(self, loss: Any, scaled: Any) -> None:
        if scaled is not loss:
            self._scaled = [*self._scaled[-3:], (scaled, loss)]

    def _stepped(self, optimizer: Any, variables: Any, frame: FrameType) -> None:
        """An optimizer has stepped, or its step was traced."""
        found = optimizer._trainable_variables if variables is None else variables
        changed = frozenset(map(id, found))
        asked = [each for each in self._asked if each.sources & changed]
        self._asked = [each for each in self._asked if not each.sources & changed]
        target = asked[0].target if len(asked) == 1 else None
        if self._is_eager():
            # A function that gives gradients is not seen again once it is traced.
            self._asked = [each for each in self._asked if not hasattr(each.target, "graph")]
            self._scaled = []
            target = None if hasattr(target, "graph") else target
            known = self._of(optimizer)
            if known is None:
                known = self._meet(optimizer, describing.iterations(optimizer) - 1)
            if known.around is None:
                known.around = Surroundings(frame, optimizer, changed)
            self._step(known, optimizer, target)
        elif getattr(self._here, "is_calling", False):
            before = None
            with self._tf.init_scope():
                if self._is_eager():
                    before = describing.iterations(optimizer)
            told = Surroundings(frame, optimizer, changed)
            self._traced.append(Traced(optimizer, target, before, told))

    def _called(self, function: Any, result: Any) -> None:
        """A function in which optimizers step was called, perhaps for the first time."""
        traced, self._traced = self._traced, []
        if not self._is_eager():
            return
        compiled = self._compiled.get(id(function))
        if compiled is None or compiled.ref() is not function:
            compiled = self._compiled[id(function)] = Compiled(weakref.ref(function))
        for each in traced:
            self._note_traced(compiled, each)
        if traced:
            self._asked, self._scaled = [], []  # they are of graphs, which nothing must keep
        values = [result] if hasattr(result, "dtype") else self._tf.nest.flatten(result)
        for key, place in compiled.places.items():
            known = self._known.get(key)
            optimizer = known.ref() if known is not None else None
            if known is not None and optimizer is not None:
                target = values[place] if place is not None and place < len(values) else None
                self._step(known, optimizer, target)

    def _note_traced(self, compiled: Compiled, traced: Traced) -> None:
        optimizer, place = traced.optimizer, self._place(traced.target)
        if compiled.places.setdefault(id(optimizer), place) != place:
            compiled.places[id(optimizer)] = None
        known = self._of(optimizer)
        if known is None:
            known = self._meet(optimizer, traced.before)
            known.around = traced.around

    def _place(self, target: Any) -> int | None:
        """Where a tensor of a graph is among what the function returns that was called."""
        graph = getattr(target, "graph", None)
        if getattr(getattr(graph, "outer_graph", None), "outer_graph", None) is not None:
            return None  # of a function, a branch or a loop within it, which returns something else
        outputs = getattr(graph, "structured_outputs", None)
        for at, each in enumerate(self._tf.nest.flatten(outputs)):
            op = getattr(each, "op", None)
            if each is target or (op and op.type == "Identity" and op.inputs[0] is target):
                return at
        return None

    def _given(self, iterator: Any) -> None:
        current, around = self._pass, self._around
        if around is not None and around is not current and around.ref() is iterator:
            around.batches += 1
            return  # it is looked at between two steps
        if current is None or current.ref() is not iterator:
            source = getattr(iterator, "_dataset", None)
            if self._segment is not None or self._results:
                self._end_segment()
            found = Pass(weakref.ref(iterator), weakref.ref(source or self), _data(source))
            if current is not None and current.steps:
                if current.source() is not source:
                    if current.ref() is not None:
                        self._around, found.batches = found, 1
                        return
                elif current.batches > 1:  # of a look at one batch nothing is counted
                    self._end_epoch(None, current.number)
            current = self._pass = found
        self._around = current
        current.batches += 1

    def _exhausted(self, iterator: Any) -> None:
        current = self._pass
        for each in (current, self._around):
            if each is not None and each.ref() is iterator:
                each.is_over = True
        if current is not None and current.is_over:
            self._pass = None
            if current.steps:
                self._end_epoch(current.batches, current.number)

    def _looked(self, tensor: Any, frame: FrameType) -> None:
        """The script looks at a number, perhaps at a loss that is none of a step's."""
        place = frame.f_code, frame.f_lasti
        site = self._sites.get(place, _UNREAD)
        if site is _UNREAD:
            is_user = next(user_frames(frame), None) is frame
            if len(self._sites) >= _MAX_SITES:
                self._sites.clear()
            site = self._sites[place] = sites.read(frame) if is_user else None
        if site is None or tensor.shape.rank != 0:
            return
        known = [*self._trained, *self._results.values(), *(each.target for each in self._asked)]
        if any(tensor is each for each in known):
            return
        around, current = self._around, self._pass
        if around is not None and around.steps:
            around = None
        if around is None and not site.is_named:
            # Only a name says of a loss outside of a pass of other data that it is no training's.
            spoken = (sites.split_in(sites.variable(frame, each)) for each in site.variables)
            if next((each for each in spoken if each), site.split) not in ("val", "test"):
                return
        if self._segment is None:
            in_training = current is not None and current.steps > 0
            self._segment = Segment(around, in_training=in_training)
        self._segment.add(site, tensor, frame)

    def _measured(self, metric: Any, result: Any, frame: FrameType) -> None:
        """The script asks for a mean: it may be the one of a loss that it has taken itself."""
        if not self._is_eager() or not hasattr(result, "numpy"):
            return
        kind = self._losses.get(metric)
        if kind is None:
            holders = (n for n, value in variables_around(frame) if value is metric)
            told = (sites.split_of_loss(name) for name in (metric.name, *holders))
            kind = self._losses[metric] = next((each for each in told if each), "")
        if kind in ("val", "test") and describing.value_of(metric.count):
            self._results[kind] = result

    def _end_segment(self, *, by_step: bool = False) -> None:
        """What was looked at is complete; if training goes on, perhaps it was a part of that."""
        segment, self._segment = self._segment, None
        results, self._results = self._results, {}
        around = segment.around if segment is not None else None
        if by_step and segment is not None:
            goes_on = around is not None and not around.is_over and around is self._pass
            segment = None if goes_on else segment
        if self._record is not None and (segment is not None or results):
            self._record.looked(segment, results)

    def _end_epoch(self, batches: int | None, number: int | None) -> None:
        if self._record is not None:
            with suppressed():
                self._record.end_pass(batches, number)

    # -- trainings -------------------------------------------------------------------------------

    def _of(self, optimizer: Any) -> Stepping | None:
        known = self._known.get(id(optimizer))
        return known if known is not None and known.ref() is optimizer else None

    def _meet(self, optimizer: Any, before: int | None) -> Stepping:
        for identity, each in tuple(self._known.items()):
            if each.ref() is None:
                del self._known[identity]
        known = self._known[id(optimizer)] = Stepping(optimizer, before)
        return known

    def _step(self, known: Stepping, optimizer: Any, target: Any) -> None:
        record = self._record
        known.alone += 1
        if record is None or known not in record.steppings:
            record = self._begin(known, optimizer)
        elif known.is_open and known.alone >= _STEPS_OF_ITS_OWN:
            record.let_go(known)
            record = self._begin(known, optimizer, ends=True)
        if record is None:
            return
        for each in record.steppings:
            if each is not known:
                each.alone, each.is_open = 0, False
        current = self._pass
        if self._segment is not None or self._results:
            self._end_segment(by_step=True)
        self._around = None
        if target is not None:
            self._trained.append(target)
        if known is record.steppings[0] or known.is_open:
            if known.epochs_are != "passes":
                record.follow(known)
            if current is not None and not current.steps:
                current.number = known.turns.look()
                record.note_data(current.data)
        if current is not None:
            current.steps += 1
        now = time()
        known.add(now, target)
        # Not while it is open whose an optimizer is: what another is called depends on it.
        is_due = now >= record.flush_at or len(known.events) >= _MAX_EVENTS
        if is_due and not any(each.is_open for each in record.steppings):
            record.flush_at = now + _SECONDS
            with suppressed():
                record.write()

    def _begin(self, known: Stepping, optimizer: Any, *, ends: bool = False) -> LoopRecord | None:
        """The record of an optimizer that has none yet.

        Args:
            known: What is known of it.
            optimizer: The optimizer.
            ends: Whether that is the end of what is recorded now.
        """
        record = self._record
        if record is not None:
            if not ends and any(each.ref() is not None for each in record.steppings):
                # Perhaps the second of two, as of adversaries; perhaps the next training's.
                known.alone = 1
                record.introduce(known)
                return record
            self._end(record)
        now = time()
        if now < self._ask_at or session.current() is not None or session.is_muted(LABEL):
            return None
        with suppressed():
            checkpoint("step start")
            record = self._record = LoopRecord.begin(self.options, self._run_ends)
            if record is None:
                self._ask_at = now + _SECONDS
                return None
            record.flush_at = now + _SECONDS
            record.describe(known, optimizer)
        return record

    def _run_ends(self, record: LoopRecord) -> None:
        if record.is_over or not self.is_on:
            return
        try:
            with suppressed():
                if self._record is record:
                    self._end_segment()
                    self._record = None
                    self._trained.clear()
                record.close()
        except Exception as error:  # noqa: BLE001
            report(error, f"{LABEL}: the end of a training", LABEL)

    def _end(self, record: LoopRecord) -> None:
        """End a training whose successor is there; of a run of the user's only its record."""
        self._run_ends(record)
        if record.recorder.managed and record.run.is_open:
            active.finish(record.run, "FINISHED")

    def close(self) -> None:
        """End what is on the record; called when the integration goes off."""
        if self._record is not None:
            self._end(self._record)
        self.is_on = False


def _data(source: Any) -> Data:
    """What a data set is told by; nothing of it is computed."""
    spec = getattr(source, "element_spec", None)
    ref = weakref.ref(source) if source is not None else lambda: None
    return Data(ref, (id(source),), (repr(spec),), describing.batch_size(source), None)


@in_child
def _watch_nothing() -> None:
    for watcher in _all:
        watcher.is_on = False
