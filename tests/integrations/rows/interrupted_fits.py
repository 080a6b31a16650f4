"""Fits interrupted at one step of ours after another; what is not as it should be is the output.

Run by ``test_interrupts.py`` in a process of its own. The first argument is the library that fits,
the second one says how fits are interrupted: ``steps``, by raising KeyboardInterrupt in places of
our code where Python looks for signals (after calls of what is not Python, at the start of
functions and at the end of loops); or ``timer``, by a real signal at random moments. The third one
is how often, the last one the seed.
"""

from __future__ import annotations

import dis
import faulthandler
import functools
import json
import random
import signal
import sys
import timeit
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet
from tracklet.autolog import session
from tracklet.entities import LoggedModelStatus
from tracklet.fluent import active
from tracklet.patching import is_suppressed

PACKAGES = ("tracklet", "tracklet_integrations", "tracklet_flavors")
LOOKED_AFTER = {"CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD", "RESUME"}
PATIENCE = 60

_rng = np.random.default_rng(0)
X = _rng.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
Place = tuple[str, str, int]
Interruption = tuple[object, Callable[[], BaseException | None]]
FAULTS: list[tuple[object, ...]] = []


def fit_sklearn():
    make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def fit_xgboost():
    import xgboost

    data = xgboost.DMatrix(X, label=Y, nthread=1)
    params = {"objective": "binary:logistic", "nthread": 1}
    xgboost.train(params, data, 3, evals=[(data, "training")], verbose_eval=False)


def fit_lightgbm():
    import lightgbm

    data = lightgbm.Dataset(X, Y, params={"verbosity": -1})
    params = {"objective": "binary", "num_threads": 1, "verbosity": -1}
    lightgbm.train(params, data, 3, valid_sets=[data])


FITS = {"sklearn": fit_sklearn, "xgboost": fit_xgboost, "lightgbm": fit_lightgbm}
KEYS = {
    "sklearn": "training_score",
    "xgboost": "training-logloss",
    "lightgbm": "training-binary_logloss",
}
LIBRARY = sys.argv[1]
fit = FITS[LIBRARY]


@functools.cache
def offsets(code):
    """Where Python may have just looked for signals."""
    found = set()
    before = ""
    for each in dis.get_instructions(code):
        if before in LOOKED_AFTER:
            found.add(each.offset)
        before = each.opname
    return frozenset(found)


class Interrupter:
    """A trace function that visits every place of our code, and raises in the one chosen."""

    def __init__(self, chosen: Place | None = None, occurrence: int = 1) -> None:
        self.visits: dict[Place, int] = {}
        self.chosen = chosen
        self.occurrence = occurrence
        self.has_struck = False
        self._calling_python: set[int] = set()

    def __call__(self, frame, event, arg):
        self._calling_python.add(id(frame.f_back))
        if frame.f_globals.get("__name__", "").partition(".")[0] not in PACKAGES:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        self._visit(frame, -1)
        return self._local

    def _local(self, frame, event, arg):
        if event == "opcode":
            if id(frame) in self._calling_python:  # a Python function has returned; nobody looks
                self._calling_python.discard(id(frame))
            elif frame.f_lasti in offsets(frame.f_code):
                self._visit(frame, frame.f_lasti)
        return self._local

    def _visit(self, frame, offset: int) -> None:
        place = (frame.f_code.co_filename, frame.f_code.co_qualname, offset)
        self.visits[place] = self.visits.get(place, 0) + 1
        if place == self.chosen and self.visits[place] == self.occurrence:
            self.has_struck = True
            sys.settrace(None)
            raise KeyboardInterrupt


def interrupted_at(place: Place, occurrence: int) -> BaseException | None:
    interrupter = Interrupter(place, occurrence)
    unraisable: list[object] = []
    sys.unraisablehook = lambda info: unraisable.append(info.exc_type)
    sys.settrace(interrupter)
    try:
        fit()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(None)
        sys.unraisablehook = sys.__unraisablehook__
    # What is raised in a finalizer goes to this hook, and Python itself does not pass it on.
    if interrupter.has_struck and not unraisable:
        FAULTS.append(("the interrupt did not arrive:", place))
    return None


def interrupted_within(seconds: float) -> BaseException | None:
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            fit()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as error:
        return error
    return None


def check(what: object, seen: set[str]) -> None:
    """All is as if nothing had happened, and the run of the interrupted fit has ended."""
    if is_suppressed():
        FAULTS.append(("watching is still suppressed:", what))
    if session.current() is not None:
        FAULTS.append(("the fit's session is still open:", what))
    if active.open_runs() or tracklet.active_run() is not None:
        FAULTS.append(("a run is still active:", what))
    if not tracklet.autolog.flush(PATIENCE):
        FAULTS.append(("the background never ends:", what))
    for run in runs():
        if run.info.run_id not in seen:
            seen.add(run.info.run_id)
            if run.info.status not in ("KILLED", "FINISHED"):
                FAULTS.append((f"its run is {run.info.status}:", what))
    for model in tracklet.search_logged_models(output_format="list"):
        if model.model_id not in seen:
            seen.add(model.model_id)
            if model.status == LoggedModelStatus.PENDING:
                FAULTS.append(("its model is pending:", what))


def check_that_the_next_is_recorded(what: object, seen: set[str]) -> None:
    fit()
    tracklet.autolog.flush()
    new = [run for run in runs() if run.info.run_id not in seen]
    seen.update(run.info.run_id for run in new)
    if [run.info.status for run in new] != ["FINISHED"]:
        FAULTS.append(("the next fit is not recorded:", what, [run.info.status for run in new]))
    elif KEYS[LIBRARY] not in new[0].data.metrics or not new[0].outputs.model_outputs:
        FAULTS.append(("the next fit is recorded in part:", what))
    elif "tracklet.faults" in new[0].data.tags:
        FAULTS.append(("the next fit has faults:", what, new[0].data.tags["tracklet.faults"]))


def runs():
    return tracklet.search_runs(output_format="list", search_all_experiments=True)


def interruptions(how: str, source: random.Random) -> Iterator[Interruption]:
    """Fits to come that will be interrupted, each with its description."""
    if how == "timer":
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        duration = min(timeit.repeat(fit, number=1, repeat=3))
        while True:
            seconds = source.uniform(1e-5, duration)
            yield seconds, functools.partial(interrupted_within, seconds)
    survey = Interrupter()
    sys.settrace(survey)
    fit()
    sys.settrace(None)
    places = sorted(survey.visits)
    source.shuffle(places)
    for place in places:
        occurrence = source.randint(1, survey.visits[place])
        yield (*place, occurrence), functools.partial(interrupted_at, place, occurrence)


def main(how: str, count: int, seed: int) -> None:
    if LIBRARY == "sklearn":
        tracklet.sklearn.autolog(log_plots=how == "timer", log_html=False)
    else:
        tracklet.autolog(exclude_flavors=["sklearn"])
    fit()
    fit()  # what is imported and looked up once has been
    seen: set[str] = set()
    struck = 0
    for number, (what, interrupt) in enumerate(interruptions(how, random.Random(seed))):
        if number == count:
            break
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        held = interrupt()
        struck += held is not None
        check(what, seen)  # while the interrupt and all the frames that it passed are alive
        del held
        if number % 5 == 0:
            check_that_the_next_is_recorded(what, seen)
    faulthandler.cancel_dump_traceback_later()
    json.dump({"struck": struck, "faults": FAULTS}, sys.stdout, default=str)


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
