"""Work for a run whose training has returned: nobody is left to count what goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tracklet.autolog.tally import charged, tally_of
from tracklet.fluent.active import ActiveRun
from tracklet.patching import checkpoint, report, suppressed


@contextmanager
def afterwards(run: ActiveRun, label: str, phase: str) -> Iterator[None]:
    """A piece of work that may fail by itself; a fault is contained, and put on the run at once.

    Unlike a step of the recorder it leaves random states alone, so that any thread may do it.

    Args:
        run: The run, which may have been ended.
        label: The integration, for messages.
        phase: What is done, for messages.
    """
    tally = tally_of(run.info.run_id)
    before = tally.fault_count
    try:
        with suppressed():
            yield
            checkpoint(f"later {phase}")
    except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
        with charged(tally):
            report(error, f"{label}: {phase}", label)
    finally:
        if tally.fault_count > before:
            with suppress(Exception):  # the store may be what has failed
                run.store.log_batch(run.info.run_id, tags=tally.tags())
