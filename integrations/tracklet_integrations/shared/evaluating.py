"""What a trainer evaluates by itself: into the run of its fit, or into one of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

from tracklet.autolog import FitSession, recording, session
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.patching import Outcome
from tracklet_integrations.shared.driving import driven_by
from tracklet_integrations.shared.sink import RunSink


def watch_evaluation(
    label: str,
    options: Any,
    home: ActiveRun | None,
    hears: Callable[[RunSink], AbstractContextManager[None]],
    *,
    leads: bool = True,
    driver: str | None = None,
) -> Generator[None, Outcome, None]:
    """An advice around a trainer's evaluation; ``yield from`` it.

    Args:
        label: The integration's name.
        options: Its options.
        home: The run that the trainer's last fit was recorded into, which may have ended; the
            active run comes before it. Without either, the evaluation has a run of its own.
        hears: Has what is measured written into a run, while it is entered.
        leads: Whether this process is the one of several that records.
        driver: Who drives meanwhile, if that is not ``label``.
    """
    home = active.top() or home
    with driven_by(driver or label):
        if home is None:
            with recording(label, options, muted=not leads) as recorder:
                if recorder is None:
                    yield
                    return
                with hears(RunSink(recorder.run, label, recorder)):
                    outcome = yield
                recorder.finish(outcome)
        elif (
            not leads
            or session.current() is not None
            or session.is_muted(label)
            or (options.exclusive and active.top() is not None)
        ):
            yield
        else:
            with FitSession(), hears(RunSink(home, label)):
                yield
