"""A loop that somebody wrote on the record: what is written of its steps, and when."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from inspect import CO_OPTIMIZED
from time import time
from types import FrameType
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet.autolog.recorder import AUTOLOGGING_TAG
from tracklet.entities import Metric
from tracklet.fluent import active, resuming
from tracklet.fluent.active import ActiveRun
from tracklet_integrations.keras import describing
from tracklet_integrations.keras.fitting import log_network
from tracklet_integrations.shared.epochs import Turns
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.own_run import own_run
from tracklet_integrations.shared.phases import METRICS, Data, Segment, Splits
from tracklet_integrations.shared.trained import still_there

LABEL: Final = "keras"
_MAX_FRAMES: Final = 128
_PASSED_OVER: Final = frozenset({"keras", "tensorflow", "tracklet", "tracklet_integrations"})


class Surroundings:
    """What the script's variables around a step say of it.

    Args:
        frame: The frame to begin with; those of Keras, TensorFlow and ours are passed over.
        optimizer: What steps.
        changed: The identities of the variables that it changes.
    """

    def __init__(self, frame: FrameType | None, optimizer: Any, changed: frozenset[int]) -> None:
        self.name = ""
        self.model: Callable[[], Any] | None = None
        smallest = 0
        for name, value in variables_around(frame):
            if value is optimizer or getattr(value, "inner_optimizer", None) is optimizer:
                self.name = self.name or name
            if not any(cls.__module__ == "keras.src.models.model" for cls in type(value).__mro__):
                continue
            own = {id(each) for each in value.trainable_variables}
            if changed <= own and (self.model is None or len(own) < smallest):
                self.model, smallest = weakref.ref(value), len(own)


def _locals(frame: FrameType) -> dict[str, Any]:
    values = frame.f_locals
    found = dict(values)
    if (
        sys.version_info < (3, 13)
        and frame.f_code.co_flags & CO_OPTIMIZED
        and sys.getrefcount(values) <= 3  # of the frame, this name and the argument: no `locals()`
    ):
        values.clear()  # a snapshot, which would keep all of them alive as long as the frame is
    return found


def variables_around(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The variables of the script around a frame, from the inside out."""
    seen: set[int] = set()
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        values = frame.f_globals
        if str(values.get("__name__", "")).partition(".")[0] not in _PASSED_OVER:
            for scope in (_locals(frame), values):
                if scope is values and id(values) in seen:
                    continue
                seen.add(id(scope))
                for name, value in [*scope.items()]:
                    yield name, value
                    if name == "self":
                        yield from [*getattr(value, "__dict__", {}).items()]
        frame = frame.f_back


class Stepping:
    """What is known of one optimizer.

    Args:
        optimizer: The optimizer.
        before: How many steps it had taken before the first one that was seen; None if that is
            not known.
    """

    def __init__(self, optimizer: Any, before: int | None) -> None:
        self.ref = weakref.ref(optimizer)
        # These two scalars outlive it: what was seen last is written when it may be gone.
        self._counter = optimizer._iterations
        self._rate = getattr(optimizer, "_learning_rate", None)
        self.at = before
        self.seen = 0
        """How many calls of it were seen."""
        self.turns = Turns()
        self.epochs_are = ""
        """What its epochs are: ``passes`` of a data set, or ``turns`` of the script's loop."""
        self.around: Surroundings | None = None
        self.alone = 0
        """How many steps it has taken since another's last."""
        self.is_open = False
        """Whether it may be a training of its own."""
        self.events: list[tuple[str, float, Any]] = []
        self.rate: float | None = None
        self.keys: dict[str, str] = {}
        self.count, self.total, self.whole = 0, 0.0, True

    @property
    def taken(self) -> int:
        """How many steps it has taken."""
        return int(describing.value_of(self._counter))

    def add(self, now: float, target: Any) -> None:
        """A step was taken, after the gradient of a scalar; None if its value is not known."""
        self.seen += 1
        is_first = not self.events or self.events[-1][0] in ("epoch", "looked")
        self.events.append(("loss", now, target))
        if is_first:
            self.events.append(("lr", now, self.rate_now()))

    def rate_now(self) -> float | None:
        """The rate that the last step used; None if only code of the user's could say."""
        rate = self._rate
        if not callable(rate):
            return None if rate is None else float(describing.value_of(rate))
        if not type(rate).__module__.startswith("keras."):
            return None
        return float(rate(max(self.taken - 1, 0)))  # type: ignore[arg-type]


class LoopRecord:
    """A training, and the run that it is recorded into.

    Args:
        run: The open run.
        managed: Whether autologging started it.
        options: The integration's options.
    """

    def __init__(self, run: ActiveRun, *, managed: bool, options: Any) -> None:
        self.run = run
        self.recorder = Recorder(run, LABEL, managed=managed, extra_tags=options.extra_tags)
        self.flush_at = 0.0
        self.is_over = False
        self.steppings: list[Stepping] = []
        self._options = options
        self._model: Callable[[], Any] | None = None
        self._texts: dict[str, str] = {}
        self._last: dict[str, Metric] = {}
        self._epochs = 0
        self._batches: int | None = 0
        self._unknown = 0
        self._trained_on: list[Data] = []
        self._splits = Splits()
        self._origins: dict[str, str] = {}

    @classmethod
    def begin(cls, options: Any, on_end: Callable[[LoopRecord], None]) -> LoopRecord | None:
        """A record in the user's active run, or in one of its own; None if none is wanted.

        Args:
            options: The integration's options.
            on_end: Called when the run ends.
        """
        run = active.top()
        managed = run is None
        if options.exclusive and not managed:
            return None
        if run is None:
            run = own_run(tags={**(options.extra_tags or {}), AUTOLOGGING_TAG: LABEL})
        record = cls(run, managed=managed, options=options)
        run.on_end.append(lambda: on_end(record))
        return record

    def describe(self, known: Stepping, optimizer: Any) -> None:
        """Record what is known when the first step was taken."""
        self.steppings.append(known)
        recorder, found = self.recorder, {}
        attempt = self.run.attempt
        if attempt is not None and not attempt.is_decided:
            with recorder.step("resume"):
                resuming.supersede(self.run, known.at or None, None, None)
        model = None
        with recorder.step("describe"):
            found |= describing.optimizer_params(optimizer)
            around = known.around
            model = around.model() if around is not None and around.model is not None else None
            if model is not None:
                self._model = weakref.ref(model)
                found |= describing.network_params(model)
        self._texts = recorder.params(found)
        if model is not None:
            with recorder.step("summary"):
                recorder.artifacts({"model_summary.txt": describing.summary(model)})

    def introduce(self, known: Stepping) -> None:
        """A further optimizer steps; perhaps it is the next training's."""
        self.steppings.append(known)
        known.is_open = True

    def let_go(self, known: Stepping) -> None:
        """It is the next training's."""
        self.steppings.remove(known)
        known.is_open = False

    def follow(self, known: Stepping) -> None:
        """An optimizer has stepped: perhaps a variable of the script's loop has risen."""
        turns, step = known.turns, known.seen + 1
        if turns.variable is None and step & (step - 1):
            return  # it is looked for at steps 1, 2, 4, 8, …
        number = turns.at_step(step)
        if number is not None:
            self._add_epoch([known] if known.is_open else self.steppings, None, number)
            known.epochs_are = "turns"

    def end_pass(self, batches: int | None, number: int | None) -> None:
        """A pass of a data set is over, in which steps were taken.

        Args:
            batches: How many it had; None if it was left before its end.
            number: The number of the epoch, if the script's loop says it.
        """
        training = self._training()
        if training[0].epochs_are == "turns":
            return  # it had more than one epoch, or each has several
        training[0].epochs_are = "passes"
        now = time()
        for each in training:
            each.events.append(("lr", now, each.rate_now()))
        self._add_epoch(training, batches, number)

    def _add_epoch(self, training: list[Stepping], batches: int | None, number: int | None) -> None:
        now = time()
        for each in training:
            each.events.append(("epoch", now, (batches, number)))

    def _training(self) -> list[Stepping]:
        """The optimizers of the training that goes on."""
        return [each for each in self.steppings if each.is_open] or self.steppings

    def note_data(self, data: Data) -> None:
        """Steps are taken in a pass of this data."""
        if not any(each.is_same(data) for each in self._trained_on):
            self._trained_on.append(data)

    def looked(self, segment: Segment | None, means: Mapping[str, Any]) -> None:
        """The script has looked at losses that are none of its steps'.

        Args:
            segment: What it has looked at.
            means: What its own means were by then, by their splits.
        """
        self._training()[0].events.append(("looked", time(), (segment, means)))

    def write(self) -> None:
        """Write what was seen."""
        points: list[Metric] = []
        with self.recorder.step("metrics"):
            for known in self.steppings:
                if not known.is_open and known.events:
                    self._interpret(known, points)
            self.run.writer.log_metrics(points)
            self._last |= {each.key: each for each in points}

    def _interpret(self, known: Stepping, points: list[Metric]) -> None:
        events, known.events = known.events, []
        taken, calls = known.taken, sum(kind == "loss" for kind, _, _ in events)
        # What was seen from outside must have been one step each.
        is_sure = known.at is not None and taken - known.at == calls
        each_takes, rest = divmod(taken - (known.at or 0), calls or 1)
        if known.at is None or rest or each_takes < 0:
            each_takes = 0  # so that all are at the last step
        step = known.at if known.at is not None and each_takes else taken
        known.at = taken

        def add(metric: str, value: float, at: float) -> None:
            key = self._key(metric, known)
            point = Metric(key, value, int(at * 1000), step, run_id=self.run.info.run_id)
            points.append(point)

        for kind, at, value in events:
            if kind == "loss":
                step += each_takes
                if value is None or not is_sure:
                    self._unknown += 1
                    known.whole = False
                    continue
                loss = float(value)
                known.count, known.total = known.count + 1, known.total + loss
                add("loss", loss, at)
            elif kind == "lr":
                if value is not None and value != known.rate:
                    known.rate = value
                    add("lr", value, at)
            elif kind == "looked":
                segment, means = value
                self._look(segment, means, step, at, add)
            else:
                batches, number = value
                self._end_epoch(known, at, batches, number, add)

    def _look(
        self,
        segment: Segment | None,
        means: Mapping[str, Any],
        step: int,
        at: float,
        add: Callable[..., None],
    ) -> None:
        for split, value in means.items():
            metric = METRICS[split]
            add(metric, float(value), at)
            self._origins[metric] = "the mean that the script has taken itself"
        if segment is None:
            return
        for metric, value, origin in self._splits.losses(
            segment, step, self._trained_on, "mean", float
        ):
            if metric in map(METRICS.__getitem__, means):
                continue
            if value is not None:
                add(metric, value, at)
                self._origins[metric] = origin
            else:
                self._origins.setdefault(metric, origin)

    def _end_epoch(
        self,
        known: Stepping,
        at: float,
        batches: int | None,
        number: int | None,
        add: Callable[..., None],
    ) -> None:
        if known.count and known.whole:
            add("train_loss", known.total / known.count, at)
        known.count, known.total, known.whole = 0, 0.0, True
        if known is self.steppings[0]:
            self._epochs += 1
            add("epoch", float(number or self._epochs), at)
            if batches is not None:
                self._batches = batches if self._batches in (0, batches) else None

    def _key(self, metric: str, known: Stepping) -> str:
        """The series of an optimizer; once it has a name of its own, it keeps it."""
        if metric == "epoch" or metric in METRICS.values():
            return metric
        kept = known.keys.get(metric)
        if kept is None:
            kept = metric
            if len(self.steppings) > 1:
                names = [each.around.name for each in self.steppings if each.around is not None]
                own = known.around.name if known.around is not None else ""
                name = own if own and names.count(own) == 1 else self.steppings.index(known)
                # Where the plain key is taken, it cannot also be the first part of another.
                plain = any(each.keys.get(metric) == metric for each in self.steppings)
                kept = metric_key(f"{metric}_{name}" if plain else f"{metric}/{name}")
            known.keys[metric] = kept
        return kept

    def close(self) -> None:
        """Write what is known only at the end."""
        self.is_over = True
        for each in self.steppings:
            each.is_open = False
        first = self.steppings[0]
        ended = None if first.epochs_are == "passes" else first.turns.at_end()
        if ended is not None:
            self._add_epoch(self.steppings, None, ended)
        self.write()
        recorder = self.recorder
        params: dict[str, Any] = {}
        if self._epochs:
            params["epochs"] = self._epochs
        batches = first.turns.length if first.epochs_are == "turns" else self._batches
        if self._epochs and batches:
            params["batches_per_epoch"] = batches
        recorder.params(params)
        told = "what the gradient of each step is of"
        if self._unknown:
            told += (
                f"; of {self._unknown} steps it is not known and left out: their function does not "
                "return it, or they took several gradients, or none, or several steps at once"
            )
        tags = {f"tracklet.{LABEL}.loss": told}
        if self._epochs:
            mean = "the mean of the losses of an epoch's steps, not weighted by their sizes"
            tags[f"tracklet.{LABEL}.train_loss"] = mean
            variable = first.turns.variable
            tags[f"tracklet.{LABEL}.epoch"] = (
                "passes of a tf.data.Dataset with steps in them"
                if first.epochs_are == "passes" or variable is None
                else f"loop variable {variable.name}"
            )
        else:
            tags[f"tracklet.{LABEL}.epoch"] = (
                "left out: no pass of a tf.data.Dataset with steps in it was over, and no loop "
                "variable is named like an epoch"
            )
        tags |= {f"tracklet.{LABEL}.{metric}": told for metric, told in self._origins.items()}
        recorder.tags(tags)
        self._log_model()
        recorder.close()

    def _log_model(self) -> None:
        """Log what was trained."""
        model = still_there(self.recorder, self._options, self._model)
        if model is None:
            return
        log_network(self.recorder, self._options, model, None, self._texts, self._last.values())
