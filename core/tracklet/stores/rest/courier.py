"""The process that sends a spool while trainings run, and for a while afterwards.

It is started by :meth:`Spool.wake`, in the spool's folder, and ends when there is nothing left to
send and no run goes on; or, when the server cannot be reached, a minute after the last run ended.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Final

from tracklet import settings
from tracklet.errors import TrackletException
from tracklet.stores.rest.shipper import Shipper
from tracklet.stores.rest.spool import Spool
from tracklet.stores.rest.store import RestStore

PATIENCE: Final = 60.0
"""For how many seconds after the last success or run a server is tried."""

_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 15.0


def main() -> None:
    """Send the spool of the working directory to the server of the tracking URI."""
    uri, root = settings.tracking_uri(), os.getcwd()
    server = RestStore(uri, limit=20)
    spool = Spool(server.uri, uri, root)
    with suppress(OSError, AttributeError):
        os.nice(10)
    while True:
        with spool.sending() as ours:
            if not ours:
                return
            shipper = Shipper(spool, server)
            with suppress(TrackletException, OSError):
                shipper.remove_sent(float(settings.option("SPOOL_DAYS") or 1) * 86_400)
            _send_all(shipper)
        # Whoever puts something here looks afterwards whether somebody sends. So what came while
        # this process still seemed to is looked for once more, when it does not.
        if spool.trouble() is not None or not (shipper.left() or spool.has_traces()):
            return


def _send_all(shipper: Shipper) -> None:
    deadline = time.monotonic() + PATIENCE
    pause = _PAUSE
    while True:
        began = time.monotonic()
        try:
            done = shipper.deliver()
            pause = min(_LONGEST_PAUSE, 2 * pause) if shipper.problems else _PAUSE
            if done or not any(_goes_on(run_dir) for run_dir in shipper.spool.run_dirs()):
                if done or shipper.problems or time.monotonic() > deadline:
                    return
            else:
                deadline = time.monotonic() + PATIENCE
        except (TrackletException, OSError):
            pause = min(_LONGEST_PAUSE, 2 * pause)
            if any(_goes_on(run_dir) for run_dir in shipper.spool.run_dirs()):
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                return
        time.sleep(max(pause, 10 * min(1.0, time.monotonic() - began)))


def _goes_on(run_dir: str) -> bool:
    from tracklet.stores.files import run_state

    return run_state.is_lost(run_dir) is False


if __name__ == "__main__":
    main()
