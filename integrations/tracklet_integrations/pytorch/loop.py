"""The rules by which backwards, steps and passes of a loader become a record of a training.

Nothing here knows torch: the loss of a backward is a number, or something that becomes one when it
is written. What was observed is a list of events in order.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from time import time
from types import FrameType
from typing import Any, Final

from tracklet_integrations.shared.epochs import Turns
from tracklet_integrations.shared.phases import Data, Segment
from tracklet_integrations.shared.sites import Site

MAX_EVENTS: Final = 4096
"""So many events are written at the latest."""

_SECONDS: Final = 1.0
_SHARE: Final = 500
"""So many times longer than it took the next look at gradients is put off."""

MAX_PENDING: Final = 4096
_NO_RATE: Final = object()
_MAX_EARLY: Final = 8
_STEPS_OF_ITS_OWN: Final = 10
"""After so many steps in which no other optimizer takes one, a training is one of its own."""


class Training:
    """One training: its optimizers, and its events until they are written."""

    def __init__(self) -> None:
        self.optimizers: list[Optimizing] = []
        self.events: list[tuple[Any, ...]] = []
        self.flush_at = time() + _SECONDS
        # How many batches its whole passes had; 0 if none is over, None if that differs.
        self.batches: int | None = 0
        self.skipped = 0
        self.epochs = 0
        # What loaders read in whose passes steps were taken.
        self.data: list[Data] = []
        # Passes in which steps were taken, until they are accounted for; the last may go on.
        self.passes: list[Pass] = []
        self.turns = Turns()
        self.grad_norm_at = 0.0
        self.is_over = False
        # Optimizers of one parameter each step while backward goes on; the first stands for all.
        self.is_within_backward = False

    @property
    def due_at(self) -> float:
        """When something is to be done that is not done at each step."""
        return min(self.flush_at, self.grad_norm_at)


class Optimizing:
    """What is known of one optimizer. Its steps are its updates, from 1.

    Args:
        optimizer: It is held weakly, and so is the first of its parameters.
        seen_at: How many backwards are known to have been taken by steps of others.
    """

    __slots__ = (
        "accumulated",
        "count",
        "first_zero",
        "held",
        "leads",
        "name",
        "parameter",
        "params",
        "rate",
        "rates",
        "ref",
        "second_zero",
        "seen_at",
        "slow_at",
        "step",
        "total",
        "training",
        "turns",
        "whole",
        "written",
        "zeroed_at",
    )

    def __init__(self, optimizer: Any, seen_at: int) -> None:
        self.ref = weakref.ref(optimizer)
        self.parameter = _first_parameter(optimizer)
        self.training: Training | None = None
        # Its events while it is open to which training they belong.
        self.held: list[tuple[Any, ...]] | None = None
        self.turns = Turns()
        self.step = 0
        # How many backwards there had been at its last step and its last zero_grad, and at the
        # first two zero_grads since that step.
        self.seen_at = seen_at
        # Until this step nothing is to be done but to note its loss, if all is as it was.
        self.slow_at = 0
        self.zeroed_at = 0
        self.first_zero = self.second_zero = -1
        self.rates: list[Any] = []
        self.rate: Any = _NO_RATE
        # How many backwards each of its steps had; None if that differs.
        self.accumulated: int | None = None
        # Whether it has had losses of its own, rather than the same as another's.
        self.leads = False
        self.name = ""
        self.params: dict[str, Any] = {}
        # Of the epoch that goes on: how many losses are written, their sum, whether all are known.
        self.count, self.total, self.whole = 0, 0.0, True
        self.written: dict[str, Any] = {}


class Pass:
    """One pass of a loader: its batches, and the steps that were taken within it.

    Args:
        iterator: Torch's iterator; it is held weakly.
        data: What it reads.
    """

    __slots__ = (
        "batches",
        "by",
        "data",
        "is_accounted",
        "is_over",
        "loader",
        "number",
        "ref",
        "steps",
        "trained",
        "waited",
    )

    def __init__(self, iterator: Any, data: Data | None) -> None:
        self.ref = weakref.ref(iterator)
        self.data = data
        self.loader = id(getattr(iterator, "_index_sampler", iterator))
        self.batches = 0
        self.steps = 0
        self.by: Optimizing | None = None  # whose step was its first
        self.trained = 0  # how many batches it had given at the last step
        self.is_over = False  # it gave all that there is
        self.is_accounted = False
        self.waited = 0.0  # seconds
        self.number: int | None = None  # of the epoch, as the script counts

    @property
    def is_whole(self) -> bool:
        """Whether all that there is was given, or trained on if nobody asked for more."""
        data = self.data
        if self.is_over or data is None or data.batch_size is None or data.length is None:
            return self.is_over
        return self.trained == self.batches and self.batches * data.batch_size >= data.length

    def samples(self) -> int | None:
        """How many it has given; None if that is not known."""
        data = self.data
        if data is None or data.batch_size is None or data.length is None:
            return None
        return min(self.batches * data.batch_size, data.length)


class Loop:
    """What the doors tell of one thread.

    Args:
        begin: Called with what is known of an optimizer, and the optimizer, at its first step;
            gives a training, or None if none is to be recorded.
        flush: Called with a training whose events are due.
        end: Called with a training, before another begins.
        introduce: Called with an optimizer that steps first when a training goes on already.
        number: Gives a rate that is no float as a number, now or later.
        data_of: What an iterator of a loader reads.
        grad_norm: The norm of the gradients that an optimizer has applied, now or later.
    """

    def __init__(
        self,
        begin: Callable[[Optimizing, Any], Training | None],
        flush: Callable[[Training], None],
        end: Callable[[Training], None],
        introduce: Callable[[Optimizing, Any], None],
        number: Callable[[Any], Any],
        data_of: Callable[[Any], Data | None],
        grad_norm: Callable[[Any], Any],
    ) -> None:
        self._begin = begin
        self._flush = flush
        self._end = end
        self._introduce = introduce
        self._number = number
        self._data_of = data_of
        self._grad_norm = grad_norm
        self._ask_at = 0.0
        self._known: dict[int, Optimizing] = {}
        self._undecided: list[Optimizing] = []
        self.backwards = 0
        self.taken_at = 0
        self.pending: list[tuple[int, Any]] = []
        self._passes: dict[int, Pass] = {}
        self.training: Training | None = None
        self.current: Pass | None = None
        # The model was switched to evaluation; the last pass since the last step; what is looked
        # at now, and what was before the first step.
        self.is_switched = False
        self.around: Pass | None = None
        self._segment: Segment | None = None
        self._early: list[Segment] = []
        # Nearly all steps are like the one before: one backward, the same rate, the same pass. The
        # optimizer of such steps, when something else is due, and where they are noted: the doors
        # do that themselves, as :meth:`zero`, :meth:`backward` and :meth:`step` would.
        self.steady: Optimizing | None = None
        self.due_at = 0.0
        self.note: Callable[[tuple[Any, ...]], None]
        self.is_lean = True  # whether they may

    @property
    def is_beside_training(self) -> bool:
        """Whether a loader has given data since the last step, and that in no pass with steps."""
        return self.around is not None and not self.around.steps

    # -- what happens ----------------------------------------------------------------------------

    def backward(self, value: Any) -> None:
        """A backward was done from a scalar of this value; None if it has none."""
        if len(self.pending) >= MAX_PENDING:  # nobody takes them
            del self.pending[: MAX_PENDING // 2]
        self.pending.append((self.backwards, value))
        self.backwards += 1

    def zero(self, optimizer: Any) -> None:
        """The gradients of an optimizer were cleared: what comes now is its next step's."""
        known = self._known.get(id(optimizer))
        if known is None or known.ref() is not optimizer:
            known = self._meet(optimizer)
        known.zeroed_at = self.backwards
        if known.first_zero < 0:
            known.first_zero = self.backwards
        elif known.second_zero < 0:
            known.second_zero = self.backwards

    def skipped(self) -> None:
        """A step was left out, because its gradients were not finite; its loss is dropped."""
        self.pending.clear()
        self.taken_at = self.backwards
        if self.training is not None:
            self.training.skipped += 1

    def step(self, optimizer: Any, closure: Any) -> None:
        """An optimizer has stepped."""
        known = self._known.get(id(optimizer))
        if known is None or known.ref() is not optimizer:
            known = self._meet(optimizer)
        self.steady = None
        count = self.backwards
        if count == known.seen_at:
            return  # a subclass that calls its parent's step, or a step that no backward led to
        known.seen_at = count
        known.step += 1
        now = time()
        # Of several optimizers that step after one backward the first has its loss; of crossed
        # windows each has its own.
        loss: float | tuple[Any, ...] | None = None
        current: Pass | None = None
        pending = self.pending
        if count != self.taken_at or (pending and pending[-1][0] >= known.zeroed_at):
            self.taken_at = count
            loss = self._take(known, closure)
            known.leads = True
            current = self.current
            if self._segment is not None:
                self._end_segment(by_step=True, before=known)
            self.around = None
            if current is not None:
                current.steps += 1
                current.trained = current.batches
        training = known.training
        if training is None or training.is_over:
            training = self._training_of(known, optimizer, now)
            if training is None:
                return
        if self._undecided and known.held is None:
            self._join(training)
        events = training.events if known.held is None else known.held
        if loss is not None:
            turns = training.turns if known.held is None else known.turns
            if current is None:
                if turns.variable is not None or not known.step & (known.step - 1):
                    self._follow(training, known, turns)
            elif current.steps == 1:
                current.by = known
                self._begin_pass(training, current, turns)
        groups = optimizer.param_groups
        if len(groups) != 1 or groups[0].get("lr") is not known.rate:
            self._note_rates(known, groups, now, events)
        if loss is not None:
            events.append(("loss", known, known.step, now, loss))
            if closure is not None:
                evaluations = _evaluations(known, count)
                events.append(("closure_evaluations", known, known.step, now, (evaluations,)))
            if now >= training.grad_norm_at:
                events.append(("grad_norm", known, known.step, now, (self._grad_norm(optimizer),)))
                training.grad_norm_at = now + max(_SECONDS, _SHARE * (time() - now))
        known.first_zero = known.second_zero = -1
        # Not while it is open whose an optimizer is: what it is called on the record depends on it.
        is_due = now >= training.flush_at or len(training.events) >= MAX_EVENTS
        if is_due and known.held is None:
            training.flush_at = now + _SECONDS
            self._flush(training)
        if loss is not None and closure is None:
            self._settle(training, known)

    def _settle(self, training: Training, known: Optimizing) -> None:
        """The steps that come are like the last, until something else happens."""
        follows = self.current is None and training.turns.variable is not None
        if (
            self.is_lean
            and known.held is None
            and known.accumulated in (1, None)
            and not (follows or self._undecided or training.is_within_backward)
        ):
            self.steady, self.due_at = known, training.due_at
            self.note = training.events.append
            until = known.step + MAX_EVENTS - len(training.events)
            # Where no variable is followed yet, one is looked for at the next power of two.
            next_look = (1 << known.step.bit_length()) - 1
            known.slow_at = min(until, next_look) if self.current is None else until

    def _note_rates(
        self, known: Optimizing, groups: Sequence[Any], now: float, events: list[Any]
    ) -> None:
        rates = [group.get("lr") for group in groups]
        # The very same number need not be looked at again; what else it is may change in place.
        known.rate = rates[0] if len(rates) == 1 and type(rates[0]) is float else _NO_RATE
        for number, rate in enumerate(rates):
            if type(rate) is not float:
                rates[number] = self._number(rate)
        if rates != known.rates:
            known.rates = rates
            events.append(("lr", known, known.step, now, rates))

    def batch(self, iterator: Any, waited: float) -> None:
        """A loader gave a batch, after so many seconds."""
        current = self._passes.get(id(iterator))
        if current is None or current.ref() is not iterator:
            current = self._new_pass(iterator)
        current.batches += 1
        current.waited += waited
        self.current = self.around = current

    def exhausted(self, iterator: Any) -> None:
        """A loader has no more batches."""
        current = self._passes.pop(id(iterator), None)
        if current is not None and current.ref() is iterator:
            current.is_over = True
            if current is not self.current or not current.steps:
                self._end_pass(current)
            # Else with what comes next: of a loader that reads ahead one step is still to come.

    def end_epoch(self) -> None:
        """What comes now is of no pass that gave all that there is."""
        current = self.current
        if current is not None and current.is_whole:
            self._end_pass(current)

    def switched(self, *, to_training: bool) -> None:
        """The model was switched to training or to evaluation."""
        segment = self._segment
        if not to_training and self.is_switched and segment is not None:
            around = segment.around
            if around is not None and around is self.around and not around.is_over:
                return  # it was already, and is told so again at each batch
        self.steady = None
        self.end_epoch()
        self._end_segment()
        self.is_switched = not to_training

    def looked(
        self,
        site: Site,
        value: Any,
        frame: FrameType,
        *,
        needs_backward: bool,
        reduction: str = "",
        by: str = "",
    ) -> None:
        """A loss was looked at while nothing is trained, or one that says it is no training's."""
        segment = self._segment
        if segment is None:
            self.steady = None
            self.end_epoch()
            around, current = self.around, self.current
            if around is not None and around.steps:
                around = None
            in_training = current is not None and current.steps > 0
            segment = self._segment = Segment(around, in_training=in_training)
        segment.is_switched |= self.is_switched
        segment.needs_backward |= needs_backward and not site.is_named
        segment.add(site, value, frame, reduction, by)

    def conclude(self) -> None:
        """What is looked at is complete: training goes on."""
        self._end_segment(by_step=True)

    def finish(self, training: Training) -> None:
        """A training is over; its last events are decided and due."""
        self.steady = None
        if self.training is training:
            self.end_epoch()
            self._end_segment()
            ended = training.turns.at_end() if not training.batches else None
            if ended is not None:
                self._end_epoch(training, ended)
        self._join(training)
        training.is_over = True
        if self.training is training:
            self.training = None
        self._flush(training)

    # -- what follows from it --------------------------------------------------------------------

    def _meet(self, optimizer: Any) -> Optimizing:
        for identity, known in tuple(self._known.items()):
            if known.ref() is None:
                del self._known[identity]
        known = self._known[id(optimizer)] = Optimizing(optimizer, self.taken_at)
        return known

    def _take(self, known: Optimizing, closure: Any) -> float | tuple[Any, ...]:
        """The values whose gradients a step applies; no other step has them again.

        One number by itself, as nearly all are.
        """
        pending = self.pending
        if closure is None and len(pending) == 1 and pending[0][0] >= known.zeroed_at:
            value = pending.pop()[1]
            if type(value) is float and known.accumulated == 1:
                return value
            taken: tuple[Any, ...] = (value,)
        elif closure is not None:
            self.pending = []
            taken = _first_evaluation(known, pending, self.backwards)
        elif not pending or pending[0][0] >= known.zeroed_at:
            self.pending = []
            taken = tuple(value for _, value in pending)
        else:
            # What all have cleared was thrown away.
            known_ones = self._known.values()
            oldest = min(each.zeroed_at for each in known_ones if each.ref() is not None)
            self.pending = [each for each in pending if oldest <= each[0] < known.zeroed_at]
            taken = tuple(value for number, value in pending if number >= known.zeroed_at)
        if known.step == 1:
            known.accumulated = len(taken)
        elif known.accumulated != len(taken):
            known.accumulated = None
        return taken

    def _training_of(self, known: Optimizing, optimizer: Any, now: float) -> Training | None:
        """The training of an optimizer that belongs to none yet."""
        training = self.training
        if training is None:
            return self._begin_training(known, optimizer, now)
        if known.held is None:
            known.held = []
            known.training = None
            self._undecided.append(known)
            self._introduce(known, optimizer)
        is_left = all(each.ref() is None for each in training.optimizers)
        if not (is_left or known.step >= _STEPS_OF_ITS_OWN):
            return training
        if self._changes_the_same(optimizer, training):
            self._join(training)
            return training
        held, known.held = known.held, None
        self._undecided.remove(known)
        self._end(training)
        turns = known.turns
        found = self._begin_training(known, optimizer, now)
        if found is not None:
            found.events += held
            found.turns = turns
        return found

    def _begin_training(self, known: Optimizing, optimizer: Any, now: float) -> Training | None:
        if now < self._ask_at:
            return None
        training = self.training = self._begin(known, optimizer)
        if training is None:
            self._ask_at = now + _SECONDS
            return None
        known.training = training
        training.optimizers.append(known)
        if self.current is not None and self.current.steps and self.current.data is not None:
            self._note_data(training, self.current.data)
        for segment in self._early:
            training.events.append(("looked", known, 0, now, segment))
        self._early = []
        return training

    def _changes_the_same(self, optimizer: Any, training: Training) -> bool:
        before = [each.parameter() for each in training.optimizers]
        before = [each for each in before if each is not None]
        groups = [group["params"] for group in optimizer.param_groups]
        return any(each is one for params in groups for each in params for one in before)

    def _join(self, training: Training) -> None:
        """What was open belongs to this training after all."""
        for known in self._undecided:
            training.optimizers.append(known)
            training.events += known.held or ()
            training.turns.add(known.turns)
            known.held, known.training = None, training
        self._undecided = []

    def _new_pass(self, iterator: Any) -> Pass:
        self.steady = None
        self.end_epoch()
        self._end_segment()
        found = Pass(iterator, self._data_of(iterator))
        for identity, earlier in tuple(self._passes.items()):
            if earlier.loader == found.loader or earlier.ref() is None:
                del self._passes[identity]
                self._end_pass(earlier)
        self._passes[id(iterator)] = found
        return found

    def _follow(self, training: Training, known: Optimizing, turns: Turns) -> None:
        """Look at the variable of the script's loop, of which no loader tells."""
        ended = turns.at_step(known.step) if not training.batches else None
        if ended is not None:
            self._end_epoch(training, ended, before=known)

    def _begin_pass(self, training: Training, current: Pass, turns: Turns) -> None:
        """The first step of a pass was taken."""
        training.passes.append(current)
        current.number = turns.look()
        if current.data is not None:
            self._note_data(training, current.data)

    def _end_epoch(
        self, training: Training, number: int | None, before: Optimizing | None = None
    ) -> None:
        """An epoch is over; the step that an optimizer is taking is of the next one."""
        now = time()
        open_ones = [each for each in self._undecided if each.held is not None]
        training.epochs += not open_ones
        for at, known in enumerate(open_ones or training.optimizers):
            events = training.events if known.held is None else known.held
            step = known.step - (known is before)
            events.append(("epoch", known, step, now, (number, at == 0)))

    def _note_data(self, training: Training, data: Data) -> None:
        if not any(each.is_same(data) for each in training.data):
            training.data.append(data)

    def _end_segment(self, *, by_step: bool = False, before: Optimizing | None = None) -> None:
        """What was looked at is due, if it was not a part of training after all.

        Args:
            by_step: Whether training goes on.
            before: The optimizer that takes a step just now, which comes after.
        """
        segment, self._segment = self._segment, None
        if segment is None:
            return
        around = segment.around
        if by_step and (segment.needs_backward or (around is not None and not self._left(around))):
            return
        training = self.training
        if training is None:
            self._early = [*self._early, segment][-_MAX_EARLY:]
        elif self._undecided:
            known = self._undecided[-1]
            assert known.held is not None
            step = known.step - (known is before)
            known.held.append(("looked", known, step, time(), segment))
        elif training.optimizers:
            known = training.optimizers[0]
            step = known.step - (known is before)
            training.events.append(("looked", known, step, time(), segment))

    def _left(self, around: Pass) -> bool:
        """Whether a pass does not go on with the step that is taken now."""
        return around.is_over or around is not self.current

    def _end_pass(self, ended: Pass) -> None:
        """A pass within which steps were taken is an epoch, unless it was a look at one batch."""
        if self.current is ended:
            self.current = self.steady = None
        training, is_whole = self.training, ended.is_whole
        if training is None or not ended.steps or ended.is_accounted:
            return
        if not is_whole and ended.batches <= 1:
            return
        ended.is_accounted = True
        if ended.by in training.optimizers:
            self._join(training)  # what has stepped in the same pass is no training of its own
        self._end_epoch(training, ended.number)
        if is_whole and training.batches in (0, ended.batches):
            training.batches = ended.batches
        elif is_whole:
            training.batches = None


def _first_parameter(optimizer: Any) -> Callable[[], Any]:
    first = next((each for group in optimizer.param_groups for each in group["params"]), None)
    return weakref.ref(first) if first is not None else lambda: None


def _evaluations(known: Optimizing, backwards: int) -> int | None:
    """How often a closure was called in a step; None if its evaluations are not all alike."""
    if known.second_zero < 0:
        return 1 if known.first_zero >= 0 else None
    each, whole = known.second_zero - known.first_zero, backwards - known.first_zero
    return whole // each if each and whole % each == 0 else None


def _first_evaluation(
    known: Optimizing, pending: list[tuple[int, Any]], backwards: int
) -> tuple[Any, ...]:
    """Of a closure that was called several times the first: the loss before the update.

    Where its evaluations begin is told by ``zero_grad``; without one, only a sole value is sure.
    """
    if known.first_zero < 0:
        return (pending[0][1],) if len(pending) == 1 else (None,)
    end = known.second_zero if known.second_zero >= 0 else backwards
    return tuple(value for number, value in pending if known.first_zero <= number < end)
