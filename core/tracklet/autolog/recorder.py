"""Around an outermost watched call: its session, its run, and what it is recorded through.

Each step is contained by itself: if one fails, the others are kept, training goes on, and the run
says how many failed and which failed first. Each step is timed, and the run says what they cost.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, Final

from tracklet import run_context
from tracklet.autolog import background, budget, datasets, enabling, session
from tracklet.autolog.background import afterwards
from tracklet.autolog.budget import Step, tally_of
from tracklet.autolog.randomness import preserved
from tracklet.autolog.session import FitSession
from tracklet.entities import DatasetInput, InputTag, LoggedModelStatus, Metric
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.fluent.models import initialize_logged_model
from tracklet.fluent.starting import start_run
from tracklet.names import now
from tracklet.patching import Outcome, checkpoint, delivered, keep_state, report
from tracklet.repositories import repository
from tracklet.validation import metric_value

if TYPE_CHECKING:
    from tracklet.autolog.integration import CommonOptions
    from tracklet.models import ModelInfo

MAX_PARAM_LENGTH: Final = 6000
_ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+(?=>)")

AUTOLOGGING_TAG = "mlflow.autologging"
FIT_TAG = "tracklet.fit"

# The trainings for which no run could be had share one budget.
_UNRECORDED = ""


@dataclass(frozen=True, slots=True)
class ChildRun:
    """What one candidate leaves on the record, as a run below the training's.

    Args:
        name: The run's name.
        params: Its params, as text.
        tags: Its tags, beside those of the process.
        dataset: The dataset entity that it was trained on.
        model_id: The logged model that its metrics belong to.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: Any = None
    model_id: str | None = None


class RunFiles:
    """A run's artifacts.

    Args:
        uri: Where they are kept.
    """

    def __init__(self, uri: str | None) -> None:
        if uri is None:
            raise InvalidParameterValue("the run has no place for artifacts")
        self._repository = repository(uri)

    def put(self, contents: Mapping[str, bytes | str]) -> None:
        """Store artifacts by path, replacing earlier ones; each is there wholly or not at all."""
        for path, content in contents.items():
            with self._repository.writing(path) as file:
                file.write(content.encode() if isinstance(content, str) else content)


class Recorder:
    """Records one training into a run. No method raises, save in strict mode.

    Args:
        run: The open run.
        label: The integration, for messages.
        managed: Whether autologging started the run, and ends it when the call returns.
        extra_tags: Tags for runs that are started for this training.
    """

    def __init__(
        self,
        run: ActiveRun,
        label: str,
        *,
        managed: bool = False,
        extra_tags: Mapping[str, str] | None = None,
    ) -> None:
        self.run = run
        self.label = label
        self.managed = managed
        self.extra_tags = dict(extra_tags or {})
        self._tally = tally_of(run.info.run_id)
        self._tally.fits += 1
        self.fit_number = self._tally.fits
        self._generators: Sequence[Any] = ()
        self.guarded = False
        self._files: RunFiles | None = None

    @property
    def run_id(self) -> str:
        """The run that is recorded into."""
        return self.run.info.run_id

    @property
    def step_number(self) -> int:
        """The step of what is measured once per training: 0, and one more per training before."""
        return self.fit_number - 1

    @property
    def folder(self) -> str:
        """Where the artifacts of this training go; the root for the first one of a run."""
        return f"fit_{self.fit_number}/" if self.fit_number > 1 else ""

    @property
    def prefix(self) -> str:
        """What the tags of this training begin with; nothing for the first one of a run."""
        return f"fit_{self.fit_number}." if self.fit_number > 1 else ""

    @property
    def fault_count(self) -> int:
        """How often something of ours went wrong in this run."""
        return self._tally.fault_count

    def guard_generators(self, generators: Sequence[Any]) -> None:
        """Have every step leave the state of these NumPy generators as it was."""
        self._generators = tuple(generators)

    def step(self, phase: str) -> Step:
        """A piece of work that may fail by itself; its time counts for ``phase``.

        What is raised inside ends the block and is contained. Random states are as before.
        """
        return Step(self._tally, self.label, phase, self._generators, self.guarded)

    def steps(self) -> Steps:
        """A block of several steps: random states are put back once, after the last.

        To read, to compare and to copy them takes longer than many a step.
        """
        return Steps(self)

    def spent(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        self._tally.spend(phase, seconds)

    def count_fault(self, error: BaseException, place: str) -> bool:
        """Remember that something of ours went wrong; True if it is the first of its cause."""
        return self._tally.count_fault(error, place)

    def params(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Record params; the texts that were recorded come back.

        Values become text by ``str``, without addresses in memory; one longer than 6000 characters
        ends in its hash instead.
        A value whose text cannot be had is left out, and counted.
        """
        texts: dict[str, str] = {}
        with self.step("params"):
            for key, value in params.items():
                try:
                    texts[str(key)] = param_text(value)
                except Exception as error:  # noqa: BLE001 (the user's repr may fail)
                    report(error, f"{self.label}: the value of param {key!r}", self.label)
            self._write_params(texts)
        return texts

    def _write_params(self, texts: dict[str, str]) -> None:
        """Record what no earlier training of the run has recorded; what differs by its number."""
        known, prefix, attempt = self._tally.params, self.prefix, self.run.attempt
        if attempt is not None and attempt.number > 1:
            for key in texts.keys() & attempt.known.data.params.keys():
                known.setdefault(key, attempt.known.data.params[key])
            prefix = prefix or f"attempt_{attempt.number}."
        new = {key: text for key, text in texts.items() if key not in known}
        changed = {key: text for key, text in texts.items() if known.get(key, text) != text}
        try:
            self._log_params({**new, **{prefix + key: changed[key] for key in changed}})
            known.update(new)
        except InvalidParameterValue as error:
            # A bad key, or a param that the user has set otherwise: keep what can be kept.
            if self.fit_number == 1:
                report(error, f"{self.label}: params", self.label)
            for key, text in {**new, **changed}.items():
                for name in dict.fromkeys((key, prefix + key)):
                    with suppress(InvalidParameterValue):
                        self._log_params({name: text})
                        break

    def _log_params(self, texts: dict[str, str]) -> None:
        if texts:
            self.run.writer.log_params(texts)

    def metrics(
        self,
        metrics: Mapping[str, Any],
        *,
        step: int | None = None,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> None:
        """Record one point of each metric.

        Args:
            metrics: Numbers by key.
            step: Their step; by default 0, and one more for each earlier training in the run.
            model_id: The logged model that they were measured on.
            dataset: The dataset entity that they were measured with.
        """
        with self.step("metrics"):
            number = self.step_number if step is None else step
            values = ((key, value, number) for key, value in metrics.items())
            self.run.writer.log_metrics(_points(self.run_id, values, model_id, dataset))

    def history(
        self, key: str, values: Sequence[Any], *, first_step: int = 0, model_id: str | None = None
    ) -> None:
        """Record the points of one metric, one per step.

        Args:
            key: The metric.
            values: Its values in order.
            first_step: The step of the first one.
            model_id: The logged model that they were measured on.
        """
        with self.step("metrics"):
            steps = ((key, value, step) for step, value in enumerate(values, first_step))
            self.run.writer.log_metrics(_points(self.run_id, steps, model_id))

    def known_steps(self, key: str) -> int:
        """How many steps of a history earlier trainings in this run have recorded."""
        return self._tally.steps.get(key, 0)

    def note_steps(self, key: str, count: int) -> None:
        """Remember how long a history is now."""
        self._tally.steps[key] = max(count, self._tally.steps.get(key, 0))

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run; of a later training of the run those that differ."""
        with self.step("tags"):
            known = self._tally.tags
            texts = {key: str(value) for key, value in tags.items()}
            texts = {key: text for key, text in texts.items() if known.get(key) != text}
            for key, text in texts.items():
                known.setdefault(key, text)
            if texts:
                self.run.writer.set_tags({self.prefix + key: texts[key] for key in texts})

    def note(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run by their very names, replacing those of an earlier training."""
        with self.step("tags"):
            self.run.writer.set_tags({key: str(value) for key, value in tags.items()})

    def artifacts(self, contents: Mapping[str, bytes | str]) -> None:
        """Store artifacts of the run, by path."""
        with self.step("artifacts"):
            self.files().put({self.folder + path: content for path, content in contents.items()})

    def files(self) -> RunFiles:
        """The run's artifacts."""
        if self._files is None:
            place = self.run.store.place_for_artifacts(self.run.info.run_id, self.run.info)
            self._files = RunFiles(place)
        return self._files

    def later(self, phase: str, make: Callable[[], Mapping[str, bytes | str]]) -> None:
        """Make artifacts after the training call has returned, in the background.

        They are there at the end of a run of the user's, at the end of the process, and after
        ``tracklet.autolog.flush()``. If too much is waiting already, or if what was made so took
        more than its share of the time, they are left out, and the run says so; those of the last
        training in a run of the user's are made at its end.

        Args:
            phase: What their cost counts for.
            make: Gives the contents by path. It must not touch random states.
        """
        with self.step("artifacts"):
            self.files()  # the place is looked up while the run is known to be there
            tally, run = self._tally, self.run

            def work() -> None:
                self._make(phase, make)

            # What an earlier training has left is not made any more: this one is the later.
            is_late = tally.postponed.pop(phase, None) is not None
            reason = background.REFUSAL if is_late else ""
            if background.is_affordable():
                if not background.later(work):
                    reason = f"{background.MAX_WAITING} were waiting to be made"
                elif not self.managed and background.flush not in run.on_end:
                    run.on_end.append(background.flush)
            elif self.managed:
                reason = background.REFUSAL
            else:
                tally.postponed[phase] = work
                if tally.catch_up not in run.on_end:
                    run.on_end.append(tally.catch_up)
            tag = f"tracklet.{phase}"
            if reason and tally.tags.setdefault(tag, reason) is reason:
                run.writer.set_tags({tag: f"left out: {reason}"})

    def _make(self, phase: str, make: Callable[[], Mapping[str, bytes | str]]) -> None:
        started = thread_time()
        try:
            with afterwards(self.run, self.label, phase):
                contents = {self.folder + path: content for path, content in make().items()}
                self.files().put(contents)
        finally:
            self.spent(phase, thread_time() - started)
            self.run.store.log_batch(self.run_id, tags=self._tally.sums())

    def child(self, run: ChildRun) -> str | None:
        """Record a finished run below this one; its id comes back."""
        run_id = None
        with self.step("child runs"):
            tags = {**self.extra_tags, "mlflow.autologging": self.label}
            run_id = _write_child(self.run, run, tags)
        return run_id

    def dataset(
        self,
        features: Any,
        targets: Any = None,
        *,
        name: str = "dataset",
        context: str = "train",
        seconds: float = datasets.DEFAULT_SECONDS,
    ) -> Any:
        """Record what was trained on; its entity comes back, or None if it has no record.

        Args:
            features: A DataFrame or an array.
            targets: The labels, if there are any.
            name: The dataset's name.
            context: Its role: ``"train"`` or ``"eval"``.
            seconds: If describing it would take longer by estimate it is left out, and the run
                says so.
        """
        entity = None
        with self.step("dataset"):
            slow = datasets.too_slow(features, seconds)
            if slow is not None:
                self.run.writer.set_tags({"tracklet.dataset": f"{name} is left out: {slow}"})
                return None
            dataset = datasets.dataset_of(features, targets, name)
            if dataset is None:
                text = f"{name} is left out: {datasets.why_none(features)}"
                self.run.writer.set_tags({"tracklet.dataset": text})
                return None
            found = dataset.to_entity()
            tag = InputTag("mlflow.data.context", context)
            self.run.store.log_inputs(self.run_id, [DatasetInput(found, [tag])])
            entity = found
        return entity

    def model(
        self,
        model: Any,
        name: str = "model",
        *,
        signature: Any = None,
        input_example: Any = None,
        params: Mapping[str, str] | None = None,
        registered_model_name: str | None = None,
        fallback: str | None = None,
        **flavor_options: Any,
    ) -> ModelInfo | None:
        """Log a model; the flavor is found by the model's type.

        Args:
            model: The trained model.
            name: The logged model's name.
            signature: Its input and output schema.
            input_example: Rows to store with it.
            params: Params to link with it.
            registered_model_name: Also register it under this name.
            fallback: The flavor of a model whose type none knows.
            **flavor_options: What the flavor takes beside, such as ``serialization_format``. What
                the flavor of this model has no such option for is left out.
        """
        info = None
        with self.step("model"):
            from tracklet import models

            try:
                flavor = models.flavor_of(model)
            except InvalidParameterValue:
                if fallback is None:
                    raise
                flavor = models.flavor(fallback)
            known = flavor.options()
            flavor_options = {key: flavor_options[key] for key in flavor_options if key in known}
            with self._pending_model(name, params) as pending:
                info = models.log_model(
                    model,
                    name,
                    flavor=flavor,
                    run_id=self.run_id,
                    signature=signature,
                    input_example=input_example,
                    params=dict(params) if params and pending is None else None,
                    registered_model_name=registered_model_name,
                    step=self.step_number,
                    model_id=pending,
                    **flavor_options,
                )
        return info

    @contextmanager
    def _pending_model(self, name: str, params: Mapping[str, str] | None) -> Iterator[str | None]:
        """A logged model without the params of the run's other trainings, to be filled here.

        The first training of a run needs none: its model has the run's params.
        """
        if self.fit_number == 1:
            yield None
            return
        info = self.run.info
        pending = initialize_logged_model(
            name, info.run_id, params=params, experiment_id=info.experiment_id
        )
        try:
            yield pending.model_id
        except BaseException:
            with suppress(Exception):  # the store may be what has failed
                self.run.store.finalize_logged_model(pending.model_id, LoggedModelStatus.FAILED)
            raise

    def close(self) -> None:
        """Write what recording cost and what went wrong in it."""
        self.run.writer.set_tags(self.closing_tags())
        self._tally.conclude()

    def closing_tags(self) -> dict[str, str]:
        """What is known of the training when its call returns."""
        return self._tally.sums()


class Steps:
    """Has the steps of a recorder in this block leave random states alone, and puts them back.

    Args:
        recorder: The recorder; none of the user's code may go on between its steps.
    """

    __slots__ = ("_random", "_recorder")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._random = preserved()

    def __enter__(self) -> None:
        self._random.__enter__()
        self._recorder.guarded = True

    def __exit__(self, *_: object) -> None:
        self._recorder.guarded = False
        self._random.__exit__()


def _write_child(parent: ActiveRun, child: ChildRun, tags: Mapping[str, str]) -> str:
    """Write a finished run below ``parent``; its id comes back."""
    store, info = parent.store, parent.info
    all_tags = {
        **run_context.resolve_tags(tags),
        **child.tags,
        "mlflow.parentRunId": info.run_id,
    }
    run, writer = store.start_run(
        info.experiment_id, info.user_id, info.start_time, all_tags, child.name
    )
    run_id = run.info.run_id
    values = ((key, value, 0) for key, value in child.metrics.items())
    metrics = _points(run_id, values, child.model_id, child.dataset)
    store.log_batch(run_id, metrics, child.params)
    if child.dataset is not None:
        tag = InputTag("mlflow.data.context", "train")
        store.log_inputs(run_id, [DatasetInput(child.dataset, [tag])])
    store.update_run(run_id, "FINISHED", now())
    writer.close()  # only now: a child that is cut off is known as lost by its lease
    return run_id


def _points(
    run_id: str,
    values: Iterable[tuple[str, Any, int]],
    model_id: str | None = None,
    dataset: Any = None,
) -> list[Metric]:
    """Points of metrics, by key, value and step; all of this moment.

    Raises:
        InvalidParameterValue: A value is no number.
    """
    timestamp = now()
    name, digest = (dataset.name, dataset.digest) if dataset is not None else (None, None)
    return [
        Metric(key, metric_value(key, value), timestamp, step, model_id, name, digest, run_id)
        for key, value, step in values
    ]


def param_text(value: Any) -> str:
    """A param as text, which is the same in every process: ``<function f at 0x7f…>`` is not."""
    return shortened(_ADDRESS.sub("", str(value)))


def shortened(text: str) -> str:
    """A param's value; a long one ends in its hash, so that no two become the same."""
    if len(text) <= MAX_PARAM_LENGTH:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    tail = f"… ({len(text)} characters, sha256 {digest})"
    return text[: MAX_PARAM_LENGTH - len(tail)] + tail


class recording:  # noqa: N801 (used as a function in `with`)
    """Record what happens in this block as one training, if it is the outermost one.

    Gives a :class:`Recorder`, or None if nothing is to be recorded: inside of another watched call,
    while autologging is muted, in a user's run with ``exclusive``, in a process of a distributed
    training that is not its first one and has no run, or if no run could be had.
    Without an active run one is started, tagged, and ended by how the original ended; a run of the
    user's is only added to::

        with recording("toy", options) as recorder:
            if recorder is None:
                yield
                return
            recorder.params(...)
            outcome = yield
            recorder.finish(outcome)

    Args:
        label: The integration's name.
        muted: Open the session, so that nothing inside is recorded, but record nothing either.
        resume: An earlier run to go on with instead of a new one. If it is open in this process,
            it is only added to; if it cannot be had, a new one is started.
    """

    def __init__(
        self, label: str, options: CommonOptions, *, muted: bool = False, resume: str | None = None
    ) -> None:
        self._label = label
        self._options = options
        self._muted = muted
        self._resume = resume
        self._session: FitSession | None = None
        self._managed: ActiveRun | None = None
        self._recorder: TrainingRecorder | None = None

    def __enter__(self) -> TrainingRecorder | None:
        if session.current() is not None:
            return None
        if session.is_muted(self._label) and not session.is_all_muted():
            return None  # only this integration is off; others may record what is inside
        self._session = FitSession()
        self._session.__enter__()
        if self._muted or session.is_all_muted():
            return None
        try:
            return self._open()
        except BaseException as error:
            try:
                self._close(error)
            finally:
                self._session.__exit__()
            raise

    def _open(self) -> TrainingRecorder | None:
        started = perf_counter()
        try:
            checkpoint("step start")
            run = active.top() or active.opened(self._resume or "")
            if run is None and _is_follower():
                return None
            if run is None:
                run = self._managed = self._start()
                budget.forget(_UNRECORDED)
            elif self._options.exclusive:
                return None
        except Exception as error:  # noqa: BLE001 (without a run there is no record; training goes on)
            # Said once per cause until a run can be had again: a loop may train a thousand times.
            with budget.charged(budget.tally_of(_UNRECORDED)):
                report(error, f"{self._label}: starting a run", self._label)
            return None
        self._recorder = TrainingRecorder(
            run,
            self._label,
            managed=self._managed is not None,
            extra_tags=self._options.extra_tags,
            started=started,
        )
        self._recorder.spent("start", perf_counter() - started)
        if self._session is not None:
            self._session.recorder = self._recorder
        checkpoint("step open")
        return self._recorder

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            self._close(error)
        finally:
            if self._session is not None:
                self._session.__exit__()

    def _start(self) -> ActiveRun:
        tags = {**(self._options.extra_tags or {}), AUTOLOGGING_TAG: self._label}
        if self._resume is not None:
            with suppress(TrackletException):
                return active.unshared(start_run(run_id=self._resume).__enter__())
        # As a context manager, so that nothing global watches over how the process ends.
        return active.unshared(start_run(tags=tags).__enter__())

    def _close(self, error: BaseException | None) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        if isinstance(error, Exception):
            # The advice itself failed. It is counted before the run is closed, and reported
            # by the weaver; how the run ended is decided by the original alone.
            recorder.count_fault(error, f"{self._label}: advice")
        try:
            checkpoint("step close")
            recorder.close()
        except Exception as problem:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            self._fault(recorder, problem, "closing the record")
        finally:
            if self._managed is not None:
                self._end(self._managed, recorder, error)

    def _fault(self, recorder: TrainingRecorder, problem: Exception, what: str) -> None:
        """Report what went wrong when the run had been told of all faults already."""
        try:
            report(problem, f"{self._label}: {what}", self._label)
        finally:
            with suppress(Exception):  # the store may be what has failed
                recorder.close()

    def _end(self, run: ActiveRun, recorder: TrainingRecorder, error: BaseException | None) -> None:
        # An advice that fails may not have come to tell the recorder how the original ended.
        told = delivered()
        cause = recorder.outcome.error or (told.error if told is not None else None)
        if cause is None and error is not None and not isinstance(error, Exception):
            cause = error  # the user's Ctrl-C arrived while we were recording
        try:
            checkpoint("step end")
        except Exception as problem:  # noqa: BLE001 (an injected fault must not leave the run open)
            self._fault(recorder, problem, "ending the run")
        try:
            run.__exit__(type(cause) if cause is not None else None, cause, None)
        except Exception as problem:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            self._fault(recorder, problem, "ending the run")


def _let_go(run: ActiveRun) -> None:
    if run.is_open:
        with suppress(Exception):
            active.abandon(run)


def _end_what_is_left(
    before: tuple[FitSession | None, tuple[ActiveRun, ...]], interrupt: BaseException
) -> None:
    """End the session and the managed run that an interrupt kept from being ended."""
    outer, runs = before
    session.back_to(outer)
    for run in reversed(active.open_runs()):
        if AUTOLOGGING_TAG in run.data.tags and all(run is not other for other in runs):
            try:
                run.__exit__(type(interrupt), interrupt, None)
            finally:
                _let_go(run)


keep_state(lambda: (session.own(), active.open_runs()), _end_what_is_left)


class TrainingRecorder(Recorder):
    """A recorder that also learns how the training ended, and how long it took without us."""

    def __init__(self, run: ActiveRun, label: str, *, started: float, **settings: Any) -> None:
        super().__init__(run, label, **settings)
        self.outcome = Outcome()
        self._started = started
        self._spent = 0.0
        self._seconds: float | None = None

    def spent(self, phase: str, seconds: float) -> None:
        """Add to what a phase cost."""
        super().spent(phase, seconds)
        self._spent += seconds

    def finish(self, outcome: Outcome) -> None:
        """Say how the original ended; a managed run gets its status from this alone."""
        self.outcome = outcome
        if self._seconds is None:
            self._seconds = max(0.0, perf_counter() - self._started - self._spent)

    def closing_tags(self) -> dict[str, str]:
        """Also by what the training was recorded, also in a run of the user's."""
        entry = enabling.entry(self.label)
        record = {
            "integration": self.label,
            "version": entry.version if entry is not None else "",
            "python": platform.python_version(),
            "seconds": None if self._seconds is None else round(self._seconds, 6),
        }
        return {self.prefix + FIT_TAG: json.dumps(record), **super().closing_tags()}


def _is_follower() -> bool:
    """Whether this process repeats a training that the process of rank 0 records.

    Read from ``RANK`` and ``WORLD_SIZE``, which torchrun sets. The numbers of a batch system alone,
    such as ``SLURM_PROCID``, say nothing: its processes may be trainings of their own.

    Launchers start the same script several times and tell each process its number; all of them
    train, and one of them is to be on the record.
    """
    try:
        return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0
    except ValueError:
        return False
