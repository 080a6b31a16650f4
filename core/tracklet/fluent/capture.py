"""What a program prints while a run is open, kept as the run's artifact ``tracklet/output.log``.

``write`` of ``sys.stdout`` and ``sys.stderr`` is looked at while runs are open; the streams stay
the same objects. Text goes to the runs that are open where it is printed, or else to all that the
process has open. A line that was written over again and again, as progress bars do, is kept as it
was at last. There is no thread, and nothing here can make a ``print`` fail.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final

from tracklet import lazy, settings
from tracklet.fluent import active
from tracklet.record.rules import OUTPUT_FILE
from tracklet.state import ProcessState, remembered

if TYPE_CHECKING:
    from tracklet.fluent.active import ActiveRun

# From how many seconds on a run is worth knowing what it was made of.
WORTH_IT: Final = 3.0

# In bytes; what is printed beyond it is counted by one last line.
MOST_OUTPUT: Final = 10_000_000

# In bytes; of a longer script only so much is kept.
MOST_SCRIPT: Final = 1_000_000

_logger = lazy.logger(__name__)


class _Watched(ProcessState):
    """The runs whose output is kept, and the streams that are looked at."""

    def begin(self) -> None:
        self.logs: dict[str, _Log] = {}
        self.streams: list[tuple[Any, Any]] = []

    def forget(self) -> None:
        for log in self.logs.values():
            log.close()
        _unwatch_streams()
        self.begin()


def start(run: ActiveRun) -> None:
    """Keep what is printed until the run ends, and what it is that runs."""
    try:
        if settings.flag("CAPTURE_OUTPUT", True):
            _watched.logs[run.info.run_id] = _Log(run)
            _watch_streams()
            run.on_end.append(lambda: _stop(run.info.run_id))
        if settings.flag("CAPTURE_CODE", True) and "mlflow.parentRunId" not in run.data.tags:
            _keep_code(run)
    except Exception as error:  # noqa: BLE001 - the run matters more
        _logger.warning("run %s: its output or code is not kept: %r", run.info.run_id, error)


def _keep_code(run: ActiveRun) -> None:
    """Read the script as it is now; what is worth it is written when the run ends."""
    since, script = monotonic(), _script()

    def keep() -> None:
        if monotonic() - since >= WORTH_IT:
            from tracklet.fluent import provenance

            provenance.keep(run, script)

    run.on_end.append(keep)


@remembered
def _script() -> tuple[str, bytes] | None:
    """Where the file lies that the process runs, and its text; None if it is an installed one."""
    place = getattr(sys.modules.get("__main__"), "__file__", None)
    if not place or not os.path.isfile(place):
        return None
    path = os.path.abspath(place)
    if "site-packages" in path or path.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep)):
        return None
    with open(path, "rb") as file:
        return path, file.read(MOST_SCRIPT)


def _stop(run_id: str) -> None:
    log = _watched.logs.pop(run_id, None)
    if not _watched.logs:
        _unwatch_streams()
    if log is not None:
        log.finish()


def _watch_streams() -> None:
    if _watched.streams:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or any(stream is each for each, _ in _watched.streams):
            continue
        watching = _watching(stream.write, name)
        with suppress(AttributeError, TypeError):  # a stream of somebody's that takes no attributes
            if "write" not in vars(stream):
                stream.write = watching
                _watched.streams.append((stream, watching))


def _unwatch_streams() -> None:
    while _watched.streams:
        stream, watching = _watched.streams.pop()
        if vars(stream).get("write") is watching:
            del stream.write


def _watching(write: Any, name: str) -> Any:
    def watched(text: str) -> Any:
        written = write(text)
        try:
            for run in active.open_runs() or tuple(active.process.open.values()):
                log = _watched.logs.get(run.info.run_id)
                if log is not None:
                    log.add(name, text)
        except Exception:  # noqa: BLE001 - what is said of it would be printed, too
            pass
        return written

    return watched


class _Log:
    """The output of one run, appended to its file as it is printed."""

    def __init__(self, run: ActiveRun) -> None:
        self._artifacts = run.store.place_for_artifacts(run.info.run_id, run.info)
        self._file: IO[bytes] | None = None
        self._size = 0
        # By stream, a line that is being written over: how it was, and how it is now.
        self._unfinished: dict[str, str] = {}

    def add(self, name: str, text: str) -> None:
        """Take what was written to a stream."""
        text = self._unfinished.pop(name, "") + text
        if "\r" in text:
            text = text.replace("\r\n", "\n")
            lines, newline, last = text.rpartition("\n")
            if "\r" in last:
                self._unfinished[name] = "\r".join(last.split("\r")[-2:])
                last = ""
            kept = [line.rpartition("\r")[2] for line in lines.split("\n")]
            text = "\n".join(kept) + newline + last
        if text:
            self._write(text.encode(errors="backslashreplace"))

    def _write(self, text: bytes) -> None:
        if self._size > MOST_OUTPUT:
            return
        self._size += len(text)
        if self._size > MOST_OUTPUT:
            text = b"\n[what was printed beyond %d bytes is not kept]\n" % MOST_OUTPUT
        if self._file is None:
            self._file = self._opened()
        self._file.write(text)

    def _opened(self) -> IO[bytes]:
        from tracklet.repositories import beneath

        folder = settings.local_path(self._artifacts)
        if folder is None:  # kept here meanwhile
            import tempfile
            from pathlib import Path

            folder = Path(tempfile.mkdtemp(prefix="tracklet-output-"))
        place = beneath(folder, OUTPUT_FILE)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("ab", buffering=0)

    def finish(self) -> None:
        """Keep the lines that were being written over, and the file."""
        for text in self._unfinished.values():
            self._write(max(text.split("\r"), key=bool).encode(errors="backslashreplace") + b"\n")
        self.close()
        if self._file is not None and settings.path_of(self._artifacts) is None:
            import shutil
            from pathlib import Path

            from tracklet.repositories import repository

            kept, place = Path(self._file.name), repository(self._artifacts)
            if any(each.path == OUTPUT_FILE for each in place.list(kept.parent.name)):
                before = place.fetch(OUTPUT_FILE, kept.parent.parent)
                kept.write_bytes(before.read_bytes() + kept.read_bytes())
            place.put_file(kept, kept.parent.name)
            shutil.rmtree(kept.parent.parent, ignore_errors=True)

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()


_watched = _Watched()
