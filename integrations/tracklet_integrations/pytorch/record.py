"""One training on the record: what is written when it begins, while it goes on, and at its end."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from time import time
from types import FrameType
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet.autolog.recorder import AUTOLOGGING_TAG
from tracklet.entities import Metric
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet_integrations.pytorch import describing
from tracklet_integrations.pytorch.checkpoints import AutomaticCheckpoints
from tracklet_integrations.pytorch.loop import Optimizing, Pass, Training
from tracklet_integrations.pytorch.saving import SavedFiles
from tracklet_integrations.pytorch.values import Late, Transfer
from tracklet_integrations.shared import networks
from tracklet_integrations.shared.forwards import Forwards
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.own_run import own_run
from tracklet_integrations.shared.phases import Segment, Splits
from tracklet_integrations.shared.trained import log_model, still_there

LABEL: Final = "pytorch"
LOSS_TAG: Final = "tracklet.pytorch.loss"


class TrainingRecord(Training):
    """A training, and the run that it is recorded into.

    Args:
        run: The open run.
        managed: Whether autologging started it.
        options: The integration's options.
    """

    def __init__(self, run: ActiveRun, *, managed: bool, options: Any) -> None:
        super().__init__()
        self.run = run
        self.recorder = Recorder(run, LABEL, managed=managed, extra_tags=options.extra_tags)
        self._every_step = options.log_every_n_step or 1
        self._every_epoch = options.log_every_n_epoch
        self._waiting: list[tuple[list[tuple[Any, ...]], Transfer]] = []
        self._rate_at = time()
        self._rate_step = 0
        self._unknown = 0
        self._epochs = 0
        # Of passes that are accounted for: their samples and seconds of waiting.
        self._samples: float | None = 0
        self._samples_at, self._waited, self._waited_at = 0.0, 0.0, 0.0
        self._before: list[int] = []
        self._options = options
        self._model: Callable[[], Any] | None = None
        self._forwards: Forwards | None = None
        self._texts: dict[str, str] = {}
        self._last: dict[str, Metric] = {}
        self.saved = SavedFiles(self.recorder, keep=options.log_checkpoints)
        self._splits = Splits()
        self._reduction = ""
        # What the tags say of each fact: where it comes from, or why it is left out.
        self._origins: dict[str, str] = {}
        self.checkpoints = (
            AutomaticCheckpoints(self.recorder, options) if options.checkpoint else None
        )

    def describe(
        self,
        known: Optimizing,
        optimizer: Any,
        frame: FrameType | None,
        criterion: Any,
        loader: Any,
    ) -> None:
        """Record what is known when the first step was taken."""
        recorder = self.recorder
        found: dict[str, Any] = {}
        model = None
        with recorder.step("describe"):
            around = describing.Surroundings(frame)
            known.name = around.name_of(optimizer) or ""
            found |= describing.optimizer_params(optimizer)
            scheduler = around.scheduler_of(optimizer)
            if scheduler is not None:
                found |= describing.scheduler_params(scheduler)
            found |= criterion or {}
            if loader is not None:
                found |= describing.loader_params(loader)
            first = known.parameter()
            if first is not None:
                found |= {"device": str(first.device), "dtype": str(first.dtype).split(".")[-1]}
            # An optimizer of one parameter does not say which module is trained.
            model = None if self.is_within_backward else around.model_of(optimizer)
            if model is not None:
                model = networks.unwrapped(model)
                found |= networks.model_params(model)
                self._model = weakref.ref(model)
                if not around.has_compiled():
                    self._forwards = Forwards(model)
            if self.checkpoints is not None:
                self.checkpoints.note(known, optimizer, around)
        self._texts = recorder.params(found)
        self._reduction = found.get("reduction", "")
        if self._options.log_datasets:
            describing.log_data(recorder, getattr(loader, "_dataset", None))
        if model is not None:
            with recorder.step("summary"):
                text = networks.summary(model)
                recorder.artifacts({"model_summary.txt": text})

    def write(self, *, everything: bool) -> None:
        """Write the events so far, or those of which nothing must be waited for."""
        events = self.events[:]
        self.events.clear()  # the loop keeps adding to this very list
        with self.recorder.step("metrics"):
            lates: list[Late] = []
            for kind, _, _, _, values in events:
                if type(values) is not float and kind != "epoch":
                    each = values.values() if kind == "looked" else values
                    lates += [value for value in each if type(value) is Late]
            self._waiting.append((events, Transfer(lates)))
            points: list[Metric] = []
            losses: dict[str, list[tuple[int, float, int]]] = {}
            while self._waiting and (everything or self._waiting[0][1].has_arrived()):
                self._interpret(*self._waiting.pop(0), points, losses)
            self._add_rate(points)
            for key, rows in losses.items():
                self.run.writer.log_series(key, rows)
            if points:
                self.run.writer.log_metrics(points)
            for key, rows in losses.items():
                points.append(Metric(key, rows[-1][1], rows[-1][0], rows[-1][2]))
            if points:
                self._last |= {each.key: each for each in points}
                self.saved.look_at(points)
                if self.checkpoints is not None:
                    self.checkpoints.look_at(points)
            self.saved.flush()

    def close(self) -> None:
        """Write what is known only at the end."""
        self.write(everything=True)
        self.write_checkpoint()
        self.saved.close()
        recorder = self.recorder
        params: dict[str, Any] = {}
        first = self.optimizers[0] if self.optimizers else None
        batches = self.batches or self.turns.length
        if batches:
            params["batches_per_epoch"] = batches
        if self._epochs:
            params["epochs"] = self._epochs
        if self._forwards is not None:
            self._forwards.leave()
            if self._forwards.precision is not None:
                params["amp"] = self._forwards.precision
        if first is not None and first.accumulated:
            params["accumulation"] = first.accumulated
        for number, each in enumerate(self.optimizers[1:], 1):
            name = self._name(each, number)
            params |= {f"{name}/{key}": value for key, value in each.params.items()}
        if params:
            recorder.params(params)
        tags = {LOSS_TAG: "the sum of what backward was called on, of each step"}
        if self._unknown:
            tags[LOSS_TAG] += f"; of {self._unknown} steps it is not known and left out"
        if self._epochs:
            tags["tracklet.pytorch.train_loss"] = (
                "the mean of the losses of an epoch's steps, not weighted by their sizes"
            )
            variable = self.turns.variable
            tags["tracklet.pytorch.epoch"] = (
                "passes of a loader within which steps were taken"
                if self.batches != 0 or variable is None
                else f"loop variable {variable.name}"
            )
        else:
            tags["tracklet.pytorch.epoch"] = (
                "left out: no pass of a loader with steps in it was over, and no loop variable "
                "is named like an epoch"
            )
        tags |= {f"tracklet.pytorch.{metric}": told for metric, told in self._origins.items()}
        recorder.tags(tags)
        if self.skipped:
            recorder.metrics({"skipped_steps": self.skipped}, step=self.last_step())
        self._log_model()
        try:
            recorder.close()
        finally:
            self.optimizers = []

    def _log_model(self) -> None:
        """Log what was trained."""
        model = still_there(self.recorder, self._options, self._model)
        if model is None:
            return
        signature = None
        if self._forwards is not None and self._options.log_model_signatures:
            with self.recorder.step("signature"):
                signature = self._forwards.signature()
        log_model(
            self.recorder,
            model,
            signature=signature or False,
            size=networks.size_of,
            params=self._texts,
            points=self._last.values(),
            registered_model_name=self._options.registered_model_name,
            otherwise="what the script saves has it",
        )

    def last_step(self) -> int:
        """How many steps were taken."""
        return max((each.step for each in self.optimizers), default=0)

    def lead_within_backward(self) -> None:
        """The optimizer is one of many that step while backward goes on, and stands for them."""
        self.is_within_backward = True
        self.grad_norm_at = float("inf")
        self.checkpoints = None
        told = (
            "many that step within backward: settings and rates are those of the first; the model"
        )
        self._origins["optimizers"] = f"{told}, gradients' norm and checkpoints are left out"

    def go_on(self, step: int, epochs: int, steps: Sequence[int]) -> None:
        """Count on from a checkpoint.

        Args:
            step: How many steps had been taken.
            epochs: How many epochs were over.
            steps: How many steps each optimizer had taken, in the order of their first.
        """
        self.epochs = self._epochs = epochs
        self._rate_step = step
        self._before = [*steps] or [step]

    def introduce(self, known: Optimizing) -> None:
        """Count the steps of a further optimizer on, if they go on from a checkpoint."""
        if self._before:
            known.step += self._before[0]
            del self._before[: len(self._before) > 1]

    def write_checkpoint(self, conclude: Callable[[], None] | None = None) -> None:
        """Write a checkpoint, if one is due.

        Args:
            conclude: Ends the evaluation that may go on.
        """

        def measure() -> None:
            if conclude is not None:
                conclude()
            self.write(everything=True)

        if self.checkpoints is not None:
            self.checkpoints.write_if_due(self.last_step(), self.epochs, measure)

    def _interpret(
        self,
        events: Sequence[tuple[Any, ...]],
        transfer: Transfer,
        points: list[Metric],
        losses: dict[str, list[tuple[int, float, int]]],
    ) -> None:
        every = self._every_step
        series: dict[Optimizing, list[tuple[int, float, int]]] = {}
        several = sum(each.leads for each in self.optimizers) > 1
        run_id = self.run.info.run_id
        for kind, known, step, at, value in events:
            if kind == "loss":
                number: Any = value
                if type(value) is not float:
                    number = _sum([transfer.value(each) for each in value])
                    if number is None:
                        self._unknown += 1
                        known.whole = False
                        continue
                known.total += number
                known.count += 1
                if step % every:
                    continue
                rows = series.get(known)
                if rows is None:
                    rows = series[known] = losses.setdefault(self._key("loss", known, several), [])
                rows.append((int(at * 1000), number, step))
                continue
            stamp = int(at * 1000)
            if kind == "lr":
                points += self._rates(known, value, transfer, step, stamp, several)
            elif kind == "looked":
                self._look(value, transfer, step, stamp, points)
            elif kind == "epoch":
                self._epoch(known, step, stamp, several, points, *value)
            else:
                number = transfer.value(value[0])
                if number is not None:
                    key = self._key(kind, known, several)
                    points.append(Metric(key, float(number), stamp, step, run_id=run_id))

    def _look(
        self, segment: Segment, transfer: Transfer, step: int, stamp: int, points: list[Metric]
    ) -> None:
        """Add the losses of a segment."""
        run_id = self.run.info.run_id
        losses = self._splits.losses(segment, step, self.data, self._reduction, transfer.value)
        for metric, value, origin in losses:
            if value is not None:
                points.append(Metric(metric, value, stamp, step, run_id=run_id))
                self._origins[metric] = origin
            else:
                self._origins.setdefault(metric, origin)

    def _epoch(
        self,
        known: Optimizing,
        step: int,
        stamp: int,
        several: bool,
        points: list[Metric],
        number: int | None,
        is_first: bool,
    ) -> None:
        run_id = self.run.info.run_id
        self._epochs += is_first
        count, total, whole = known.count, known.total, known.whole
        known.count, known.total, known.whole = 0, 0.0, True
        if self._epochs % self._every_epoch:
            return
        if whole and count:
            key = self._key("train_loss", known, several)
            points.append(Metric(key, total / count, stamp, step, run_id=run_id))
        if is_first:
            value = float(number or self._epochs)
            points.append(Metric("epoch", value, stamp, step, run_id=run_id))

    def _rates(
        self,
        known: Optimizing,
        rates: Sequence[Any],
        transfer: Transfer,
        step: int,
        stamp: int,
        several: bool,
    ) -> list[Metric]:
        key = self._key("lr", known, len([e for e in self.optimizers if e.step]) > 1 or several)
        # Groups may come later, as of layers that are unfrozen: see :meth:`_key`.
        joint = "_" if key in known.written else "/"
        is_sole = len(rates) == 1 and f"{key}/0" not in known.written
        found = []
        for number, rate in enumerate(rates):
            value = transfer.value(rate)
            if value is None:
                continue
            name = key if is_sole else f"{key}{joint}{number}"
            if known.written.get(name) != value:
                known.written[name] = value
                found.append(Metric(name, value, stamp, step, run_id=self.run.info.run_id))
        return found

    def _key(self, metric: str, known: Optimizing, several: bool) -> str:
        """The series of an optimizer; once it has a name of its own, it keeps it."""
        kept = known.written.get(f"key of {metric}")
        if kept is None:
            kept = metric
            if several:
                # Where the plain key is taken, it cannot also be the first part of another.
                plain = any(e.written.get(f"key of {metric}") == metric for e in self.optimizers)
                name = self._name(known, self.optimizers.index(known))
                kept = f"{metric}_{name}" if plain else f"{metric}/{name}"
            known.written[f"key of {metric}"] = kept
        return kept

    def _name(self, known: Optimizing, number: int) -> str:
        """The variable that holds an optimizer; its number, where that is not one's own."""
        same = [each for each in self.optimizers if each.name == known.name]
        return metric_key(known.name) if known.name and len(same) == 1 else str(number)

    def note_other_thread(self) -> None:
        """Say once that not all that trains is on the record."""
        self.recorder.tags({"tracklet.pytorch.threads": "what other threads trained is left out"})

    def _add_rate(self, points: list[Metric]) -> None:
        """How much was done in a second since the last time, and how long data was waited for."""
        now, step = time(), self.last_step()
        seconds, steps = now - self._rate_at, step - self._rate_step
        if not steps or seconds <= 0:
            return
        self._rate_at, self._rate_step = now, step
        found = {"steps_per_second": steps / seconds}
        if self.passes:
            *over, going_on = self.passes
            for each in over:
                self._account(each)
            self.passes = [going_on]
            waited = self._waited + going_on.waited
            found["data_wait"] = min(1.0, (waited - self._waited_at) / seconds)
            self._waited_at = waited
            more = going_on.samples()
            if self._samples is not None and more is not None:
                samples = self._samples + more
                found["samples_per_second"] = (samples - self._samples_at) / seconds
                self._samples_at = samples
        run_id, stamp = self.run.info.run_id, int(now * 1000)
        for key, value in found.items():
            points.append(Metric(key, value, stamp, step, run_id=run_id))

    def _account(self, over: Pass) -> None:
        self._waited += over.waited
        samples = over.samples()
        if self._samples is not None:
            self._samples = None if samples is None else self._samples + samples


def _sum(numbers: Sequence[float | None]) -> float | None:
    """Their sum; None if one is not known, or if there is none."""
    known = [each for each in numbers if each is not None]
    return float(sum(known)) if known and len(known) == len(numbers) else None


def begin_run(options: Any, on_end: Callable[[TrainingRecord], None]) -> TrainingRecord | None:
    """A record in the user's active run, or in one of its own; None if none is wanted.

    Its own is no run of the user's context: it takes no records, and the user may start another.

    Args:
        options: The integration's options.
        on_end: Called when the run ends.
    """
    run = active.top()
    managed = run is None
    if (_is_follower() and managed) or (options.exclusive and not managed):
        return None
    if run is None:
        tags = {**(options.extra_tags or {}), AUTOLOGGING_TAG: LABEL}
        run = own_run(tags=tags)
    record = TrainingRecord(run, managed=managed, options=options)
    run.on_end.append(lambda: on_end(record))
    return record


def _is_follower() -> bool:
    """Whether this process repeats a training that the process of rank 0 records."""
    import torch

    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() > 0
    try:
        return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0
    except ValueError:
        return False
