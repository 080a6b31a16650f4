"""Optuna: a study is a run, and each of its trials a run below it.

What trains inside of a trial is recorded into the trial's run, in whichever thread it runs. The
trial's state is asked of the study's storage once, when the trial is over, and the study's trials
once, when ``optimize`` is: to ask for them after each trial would take quadratic time.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import Explanation, Integration, Options, session, switch
from tracklet.autolog.budget import charged, tally_of
from tracklet.autolog.recorder import AUTOLOGGING_TAG, Recorder
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.fluent.starting import start_run
from tracklet.patching import Call, Outcome, Patch, delivered, keep_context, report
from tracklet_integrations.shared.own_run import own_run
from tracklet_integrations.shared.weak_table import WeakTable

__all__ = ["OptunaIntegration", "OptunaOptions", "autolog"]

LABEL: Final = "optuna"
TRIALS_FILE: Final = "trials.json"

# As MLflow's storage for Optuna has them.
_STATUS: Final = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
_COUNTS: Final = {"COMPLETE": "n_complete", "PRUNED": "n_pruned", "FAIL": "n_failed"}
_NO_PARAMS: Final = ("func", "catch", "callbacks", "show_progress_bar", "gc_after_trial")


@dataclass(frozen=True, kw_only=True)
class OptunaOptions(Options):
    """Record every study of Optuna's: a run, its trials as child runs and as a table.

    What trains inside of a trial goes into the trial's run. Statuses are those of the trials: one
    that was pruned is KILLED, one that failed FAILED. Values of a study that is driven by ``ask``
    and ``tell`` are recorded when they are told.

    Args:
        log_trials: Make a child run of each trial; otherwise trials are rows of a table, and what
            trains inside is a run of its own.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted as by other integrations; versions before 3.0
            are always declined, with a line in the log.
        silent: Say nothing in the log.
        extra_tags: Further tags for the runs that autologging starts.
    """

    log_trials: bool = True


class StudyRecord:
    """What is recorded of one study while it is driven.

    Args:
        study: The study.
        run: The run; the user's, or one that was started for it.
        managed: Whether it was.
    """

    def __init__(
        self, study: Any, run: ActiveRun, options: OptunaOptions, *, managed: bool
    ) -> None:
        self.recorder = Recorder(run, LABEL, managed=managed, extra_tags=options.extra_tags)
        self.options = options
        self.run = run
        self._study = study
        self._best: tuple[float, int] | None = None  # and the step that it is recorded at
        self._sums = dict.fromkeys(_COUNTS, 0)
        self._told: set[int] = set()
        self._lock = threading.Lock()

    def describe(self, arguments: Mapping[str, Any]) -> None:
        """Record what is known when the first trial begins."""
        study = self._study
        with self.recorder.step("params"):
            given = {key: arguments[key] for key in arguments if key not in _NO_PARAMS}
            directions = [each.name.lower() for each in study.directions]
            name = name_of(study)
            self.recorder.params(
                {
                    **given,
                    **({} if name is None else {"study_name": name}),
                    "sampler": type(study.sampler).__name__,
                    "pruner": type(study.pruner).__name__,
                    "storage": type(study._storage).__name__,
                    "direction" if len(directions) == 1 else "directions": directions[0]
                    if len(directions) == 1
                    else directions,
                }
            )
        with self.recorder.step("best"):
            if len(study.directions) == 1:
                with suppress(ValueError):  # no trial is there yet that could be the best
                    self._is_best(study.best_trial)

    def begin_trial(self, number: int) -> ActiveRun:
        """The run of a trial that begins, which is the active one of this context."""
        info = self.run.info
        settings: dict[str, Any] = {
            "run_name": f"trial {number}",
            "nested": True,
            "experiment_id": info.experiment_id,
            "tags": {
                **self.recorder.extra_tags,
                AUTOLOGGING_TAG: LABEL,
                "optuna.trial_number": str(number),
            },
        }
        if active.top() is None:  # in a thread of the study's own
            settings["parent_run_id"] = info.run_id
        return active.unshared(start_run(**settings))

    def end_trial(self, run: ActiveRun | None, trial: Any) -> None:
        """Record what is known of a trial that is over, in its run and in the study's."""
        state = trial.state.name
        values = _values(trial)
        if run is not None:
            self._tell(Recorder(run, LABEL, managed=True), trial, values)
        with self._lock:
            if trial.number in self._told:  # a second time, with skip_if_finished
                return
            self._told.add(trial.number)
            if state in self._sums:
                self._sums[state] += 1
            if values:
                self.recorder.metrics(values, step=trial.number)
            if len(self._study.directions) == 1 and "value" in values and state == "COMPLETE":
                self._is_best(trial)

    def _is_best(self, trial: Any) -> None:
        """Record a trial's value if it is the best so far of those within the constraints."""
        value = float(trial.value)
        sign = 1 if self._study.directions[0].name == "MINIMIZE" else -1
        best, last = self._best or (math.inf * sign, -1)
        if (sign * value < sign * best or last < 0) and _is_feasible(trial):
            # Trials of several threads end in another order than they began; the last one counts.
            self._best = value, max(trial.number, last + 1)
            self.recorder.metrics({"best_value": value}, step=self._best[1])

    def _tell(self, recorder: Recorder, trial: Any, values: Mapping[str, float]) -> None:
        recorder.params(trial.params)
        with recorder.step("tags"):
            recorder.run.writer.set_tags({"optuna.trial_state": trial.state.name})
        for step, value in sorted(trial.intermediate_values.items()):
            if math.isfinite(value):
                recorder.metrics({"intermediate_value": value}, step=step)
        if values:
            recorder.metrics(values, step=0)

    def close(self, run_ids: Mapping[int, str]) -> None:
        """Record the trials as a table, how many ended how, and the best one's params."""
        # Where the user has a run for each trial, all trials in each would take quadratic time.
        if self.recorder.managed or run_ids or len(self._told) != 1:
            self._tabulate(run_ids)
        self.recorder.metrics({_COUNTS[state]: count for state, count in self._sums.items()})
        with suppress(Exception):  # the store may be what has failed
            self.recorder.close()

    def _tabulate(self, run_ids: Mapping[int, str]) -> None:
        study, recorder = self._study, self.recorder
        trials: Sequence[Any] = ()
        with recorder.step("trials"):
            trials = study.get_trials(deepcopy=False)
            table = json.dumps(_table(trials, run_ids), default=str)
            if "NaN" in table or "Infinity" in table:  # of a user's attribute; JSON has none
                table = json.dumps(json.loads(table, parse_constant=str))
            recorder.artifacts({TRIALS_FILE: table})
            shown = [{"path": recorder.folder + TRIALS_FILE, "type": "table"}]
            recorder.note({"mlflow.loggedArtifacts": json.dumps(shown)})
        if not any(trial.state.name == "COMPLETE" and _is_feasible(trial) for trial in trials):
            return
        with recorder.step("best"):
            if len(study.directions) == 1:
                found = [study.best_trial]
                params = found[0].params
                recorder.params({f"best_{key}": params[key] for key in params})
            else:
                found = study.best_trials
            space = {key: repr(each) for key, each in found[0].distributions.items()}
            recorder.artifacts({"search_space.json": json.dumps(space)})
            recorder.tags({"optuna.best_trials": json.dumps([each.number for each in found])})


@dataclass
class _Going:
    """The trial that runs in this context."""

    study: Any
    record: StudyRecord
    trial_id: int | None = None
    run: ActiveRun | None = None


_going: ContextVar[_Going | None] = ContextVar("tracklet_optuna_trial", default=None)
keep_context(_going)


class OptunaIntegration(Integration):
    """Watches ``Study.optimize``, the trials inside of it, ``ask`` and ``tell``."""

    name: ClassVar[str] = LABEL
    modules: ClassVar[tuple[str, ...]] = ("optuna",)
    requires: ClassVar[str] = "optuna>=3.0"
    Options: ClassVar[type[Any]] = OptunaOptions

    def __init__(self, options: Any, add: Callable[[Patch], None] | None = None) -> None:
        super().__init__(options, add)
        # Studies that are optimized now, and those that are told of trials.
        self._optimized: WeakTable[tuple[StudyRecord, dict[int, str]]] = WeakTable()
        self._told: WeakTable[StudyRecord] = WeakTable()
        self._telling = threading.Lock()

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch]:
        """What drives a study."""
        assert framework.Study.optimize, "this is not Optuna"
        yield Patch("optuna.study.study", "Study.optimize", self.watch_optimize)
        yield Patch("optuna.study._optimize", "_run_trial", self.watch_trial)
        yield Patch("optuna.study.study", "Study.ask", self.watch_ask)
        yield Patch("optuna.study.study", "Study.tell", self.watch_tell)

    # -- optimize -----------------------------------------------------------------------------

    def watch_optimize(self, call: Call) -> Generator[None, Outcome, None]:
        """A study: one run, unless it is part of a training that is recorded itself."""
        study, options = call.instance, self.options
        record = None
        quiet = session.current() is not None or session.is_muted(LABEL)
        if not quiet and self._optimized.get(study) is None:
            record = self._begin(study, push=options.log_trials)
        if record is None:
            yield
            return
        record.describe(call.arguments())
        run_ids: dict[int, str] = {}
        self._optimized[study] = record, run_ids
        try:
            yield
        finally:
            self._optimized[study] = None  # pyright: ignore[reportArgumentType]
            try:
                record.close(run_ids if options.log_trials else {})
            finally:
                # Asked for, because an advice that fails may not have come to hear of it.
                outcome = delivered()
                if record.recorder.managed:
                    _end(record.run, outcome.error if outcome is not None else None)

    def _begin(self, study: Any, *, push: bool) -> StudyRecord | None:
        options = self.options
        outer = active.top()
        # A study inside of a trial is no part of it: both have values, by their own steps.
        is_inner = outer is not None and active.is_autologgings(outer)
        if outer is not None and not is_inner:
            return None if options.exclusive else StudyRecord(study, outer, options, managed=False)
        settings: dict[str, Any] = {
            "run_name": name_of(study),
            "tags": {**(options.extra_tags or {}), AUTOLOGGING_TAG: LABEL},
        }
        if push:
            run = active.unshared(start_run(**settings))
        else:
            if outer is not None:
                settings["experiment_id"] = outer.info.experiment_id
                settings["parent_run_id"] = outer.info.run_id
            run = own_run(**settings)
            if outer is not None:
                outer.on_end.append(lambda: _end(run, None))
        return StudyRecord(study, run, options, managed=True)

    def watch_trial(self, call: Call) -> Generator[None, Outcome, None]:
        """One trial, in the thread that runs it."""
        study = call.arguments().get("study")
        known = self._optimized.get(study)
        if known is None or session.is_muted(LABEL):
            yield
            return
        record, run_ids = known
        going = _Going(study, record)
        token = _going.set(going)
        try:
            yield
        finally:
            _going.reset(token)
            outcome = delivered()
            try:
                if study is not None and going.trial_id is not None:
                    trial = study._storage.get_trial(going.trial_id)
                    if going.run is not None:
                        run_ids[trial.number] = going.run.info.run_id
                    record.end_trial(going.run, trial)
                    if going.run is not None:
                        active.finish(going.run, _STATUS.get(trial.state.name, "FAILED"))
            finally:
                if going.run is not None and going.run.is_open:
                    _end(going.run, outcome.error if outcome is not None else None)

    def watch_ask(self, call: Call) -> Generator[None, Outcome, None]:
        """The beginning of a trial: its number is known, and nothing of it has run."""
        going = _going.get()
        outcome = yield
        if outcome.error is not None or going is None or going.study is not call.instance:
            return
        if going.trial_id is None:
            going.trial_id = outcome.value._trial_id
            if self.options.log_trials:
                with going.record.recorder.step("start"):
                    going.run = going.record.begin_trial(outcome.value.number)

    # -- ask and tell -------------------------------------------------------------------------

    def watch_tell(self, call: Call) -> Generator[None, Outcome, None]:
        """What the user tells a study of a trial; the study's run ends when the process does."""
        study = call.instance
        outcome = yield
        if outcome.error is not None or session.current() is not None:
            return
        if self._optimized.get(study) is not None or session.is_muted(LABEL):
            return
        with self._telling:
            record = self._told.get(study)
            if record is None or not record.run.is_open:
                record = self._begin(study, push=False)
                if record is None:
                    return
                self._told[study] = told = record
                record.run.on_end.append(lambda: told.close({}))
                record.describe({})
        record.end_trial(None, outcome.value)

    def explain(self, options: Any) -> Explanation:
        """What is recorded of a study."""
        return Explanation(tuple(self._recorded(options)), dict(self._omitted(options)))

    def _recorded(self, options: Any) -> Iterator[str]:
        yield "sampler, pruner, directions, storage class, and what optimize was called with"
        yield "value of each trial by its number, best_value, and how many trials ended how"
        yield "trials.json, search_space.json, and the best trial's params as best_<param>"
        if options.log_trials:
            yield "each trial as a child run: params, value, intermediate_value by step, its state"
            yield "what trains inside of a trial, in the trial's run"

    def _omitted(self, options: Any) -> Iterator[tuple[str, str]]:
        yield "a storage's address", "it may hold a password"
        yield "importances of params", "to compute them a forest is trained"
        yield "child runs of ask and tell", "there is no telling where such a trial begins and ends"
        if not options.log_trials:
            yield "child runs", "log_trials=False"


def name_of(study: Any) -> str | None:
    """A study's name; None if it is invented."""
    name = str(study.study_name)
    return None if name.startswith("no-name-") else name


def _end(run: ActiveRun, error: BaseException | None) -> None:
    with charged(tally_of(run.info.run_id)):
        try:
            run.__exit__(type(error) if error is not None else None, error, None)
        except Exception as problem:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(problem, "optuna: ending a run", LABEL)


def _is_feasible(trial: Any) -> bool:
    """Whether a trial satisfies the constraints, if there are any."""
    found = getattr(trial, "constraints", None)  # Optuna 5
    if not isinstance(found, Mapping):
        found = dict(enumerate(trial.system_attrs.get("constraints") or ()))
    return all(value <= 0 for value in found.values())


def _values(trial: Any) -> dict[str, float]:
    values = [value for value in (trial.values or ()) if value is not None]
    names = ["value"] if len(values) == 1 else [f"value_{i}" for i in range(len(values))]
    return dict(zip(names, map(float, values), strict=True))


def _table(trials: Sequence[Any], run_ids: Mapping[int, str]) -> dict[str, Any]:
    """All trials of the study by their numbers, also those of other processes."""
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    attrs = list(dict.fromkeys(name for trial in trials for name in trial.user_attrs))
    count = max((len(trial.values or ()) for trial in trials), default=1)
    values = ["value"] if count == 1 else [f"value_{i}" for i in range(count)]
    rows = []
    for trial in trials:
        found = _values(trial)
        rows.append(
            [
                trial.number,
                trial.state.name,
                *(found.get(key) if math.isfinite(found.get(key, 0)) else None for key in values),
                *(trial.params.get(key) for key in params),
                *(trial.user_attrs.get(key) for key in attrs),
                trial.datetime_start.isoformat() if trial.datetime_start else None,
                trial.duration.total_seconds() if trial.duration else None,
                run_ids.get(trial.number),
            ]
        )
    columns = [
        "trial",
        "state",
        *values,
        *(f"param_{key}" for key in params),
        *(f"user_attrs_{key}" for key in attrs),
        "start",
        "duration",
        "run_id",
    ]
    return {"columns": columns, "data": rows}


autolog = switch(LABEL, OptunaOptions)
