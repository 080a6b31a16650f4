"""Regular flushes of runs in progress, for whom a power cut matters more than a thread.

Off by default: docs/decisions/0012-power-cuts.md says why. Nothing here can make a run fail, and
the calls that record do not know of it.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import Final

from tracklet import settings
from tracklet.fluent.active import ActiveRun

THREAD_NAME: Final = "tracklet-sync"

_logger = logging.getLogger(__name__)


def start(run: ActiveRun) -> None:
    """Flush a run every ``SYNC_SECONDS`` and at its end, if that option is set."""
    configured = settings.option("SYNC_SECONDS")
    if configured is None:
        return
    try:
        seconds = float(configured)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        _logger.warning(
            "run %s is not flushed to the disk regularly: the option SYNC_SECONDS is a number of "
            "seconds, such as 1; got %r",
            run.info.run_id,
            configured,
        )
        return
    syncing = _Syncing(run, seconds)
    run.on_end.append(syncing.stop)
    run.after_end.append(run.writer.flush)


class _Syncing:
    """A daemon thread that flushes one run until it is stopped."""

    def __init__(self, run: ActiveRun, seconds: float) -> None:
        self._run = run
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        failed = False
        while not self._stopped.wait(self._seconds) and self._run.is_open:
            try:
                self._run.writer.flush()
                failed = False
            except Exception as error:  # noqa: BLE001 - the disk may get well again
                if not failed:
                    _logger.warning("run %s: %s", self._run.info.run_id, error)
                failed = True
