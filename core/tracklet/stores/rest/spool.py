"""What a machine keeps of the record until a server has it: folders, as without a server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

from tracklet import entities, lazy, names, settings
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.frozen import replace
from tracklet.record import Store
from tracklet.stores import disk
from tracklet.stores.files import FileStore, contents, layout
from tracklet.stores.files.backend import FolderBackend

_CURSOR: Final = "shipped"
_MODELS: Final = "models"
_SERVER: Final = ".tracklet.server"
_LOCK: Final = ".tracklet.courier"
_IDS: Final = ".tracklet.ids"
_TROUBLE: Final = ".tracklet.trouble"
STIRRED: Final = "stirred"
"""The file of a run whose time says when something was recorded after the end."""
RUN_TAG: Final = "tracklet.run_id"
MODEL_TAG: Final = "tracklet.model_id"
"""The tags by which the server's run or model is found under our id."""
MEASURED: Final = "measured"
"""The experiment of the spool whose models are the server's, which has them already."""
LATER: Final = "tracklet.later"
"""The tag of an experiment that the server may not have yet; by its name, it gets it."""

_logger = lazy.logger(__name__)


def folder() -> str:
    """Where the spools of all servers are; the option ``SPOOL_DIR`` overrides."""
    return settings.option("SPOOL_DIR") or os.path.join(settings.user_folder("data"), "spool")


def spools() -> list[tuple[str, str]]:
    """The spools of this user: where each is, and the server that it is for."""
    found = []
    for name in disk.names_in(folder()):
        root = os.path.join(folder(), name)
        server = disk.read_if_there(f"{root}/{_SERVER}")
        if server is not None:
            found.append((root, server.decode()))
    return sorted(found)


def models_of(run_dir: str) -> list[str]:
    """The models of a spool that a run made."""
    content = disk.read_if_there(f"{layout.private(run_dir)}/{_MODELS}") or b""
    return content.decode().split()


class Cursor:
    """What a server acknowledged of a run; kept in the run's folder, and as a whole or not at all.

    Attributes:
        kept: What is known, as JSON holds it.
    """

    def __init__(self, run_dir: str) -> None:
        self._private = layout.private(run_dir)
        content = disk.read_if_there(f"{self._private}/{_CURSOR}", most=None)
        self.kept: dict[str, Any]
        try:
            self.kept = dict(json.loads(b"{}" if content is None else content))
        except (ValueError, TypeError):  # a power cut tore it: what the server has is looked for
            self.kept = {"creating": True, "lost": True}
        self._saved = time.monotonic()

    def part(self, name: str) -> dict[str, Any]:
        """A part by its name; an empty one is made."""
        return self.kept.setdefault(name, {})

    def save(self, *, soon: bool = True) -> None:
        """Write it down; what may be done again, not before half a second has passed."""
        if soon or time.monotonic() - self._saved > 0.5:
            content = json.dumps(self.kept).encode()
            disk.publish(f"{self._private}/{_CURSOR}", content, self._private)
            self._saved = time.monotonic()


class _SpoolFolder(FolderBackend):
    """A folder in which points may belong to models that only the server has."""

    def _active_model_dir(self, model_id: str) -> str:
        try:
            return super()._active_model_dir(model_id)
        except ResourceDoesNotExist:
            now = names.now()
            place = f"{self.root}/{MEASURED}/{layout.MODELS}/{model_id}/{layout.ARTIFACTS}"
            with self.writing(exclusive=True):
                if self.find("experiment", MEASURED) is None:
                    self.create(entities.Experiment(MEASURED, MEASURED, f"{self.root}/{MEASURED}"))
                if self.find("logged model", model_id) is None:
                    self.create(entities.LoggedModel(MEASURED, model_id, model_id, place, now, now))
            return super()._active_model_dir(model_id)


class SpoolStore(FileStore):
    """The folder of a spool."""

    def __init__(self, root: str) -> None:
        Store.__init__(self, _SpoolFolder(root))


class Spool:
    """The record of one server's that this machine still has to send.

    Args:
        server: The server, without a login.
        uri: The place of the server, with the login, for the process that sends.
        root: The folder, if it is known.
    """

    def __init__(self, server: str, uri: str, root: str | None = None) -> None:
        name = re.sub(r"[^\w.-]", "-", server.partition("//")[2])[:60]
        mark = hashlib.sha256(server.encode()).hexdigest()[:12]
        self.server = server
        self.root = root or os.path.join(folder(), f"{name}-{mark}")
        self.store = SpoolStore(self.root)
        self._uri = uri
        self._ids: tuple[int, dict[str, str]] = -1, {}
        self._woken = -1.0

    def is_there(self) -> bool:
        """Whether anything was ever put here."""
        return os.path.isdir(self.root)

    def has(self, kind: Literal["run", "logged model", "trace"], key: Any) -> bool:
        """Whether it is here."""
        if not isinstance(key, str) or not self.is_there():
            return False
        entry = self._entry(kind, key)
        return entry is not None and not entry.folder.startswith(f"{self.root}/{MEASURED}/")

    def _entry(self, kind: Any, key: str) -> Any:
        try:
            return self.store.backend.find(kind, key)
        except (ValueError, OSError):
            return None

    def run_dirs(self) -> Iterator[str]:
        """The folders of the runs here."""
        for experiment_dir in contents.experiment_dirs(self.root):
            yield from contents.run_dirs(experiment_dir)

    def is_part(self, run_id: str) -> bool:
        """Whether the server has had the run before, so that what is here is not all of it."""
        return bool(self._noted(run_id).get("part"))

    def is_made(self, run_id: str) -> bool:
        """Whether the server has a run that is here, if not all of it."""
        return "run_id" in self._noted(run_id)

    def _noted(self, run_id: str) -> dict[str, Any]:
        entry = self._entry("run", run_id)
        return {} if entry is None else Cursor(entry.folder).kept

    # -- how much may be here ---------------------------------------------------------------------

    def room(self) -> int:
        """How many bytes may be added; the option ``SPOOL_MB`` bounds it, else what is free here.

        Raises:
            InvalidParameterValue: The option is no number.
        """
        given = settings.option("SPOOL_MB")
        try:
            most = None if given is None else float(given) * 1e6
        except ValueError:
            raise InvalidParameterValue(
                f"SPOOL_MB is a number of megabytes; got {given!r}"
            ) from None
        held = self.size()
        free = shutil.disk_usage(self.root).free
        return int(free - held if most is None else min(free, most - held))

    def size(self) -> int:
        """How many bytes are here."""
        held = 0
        for at, _, files in os.walk(self.root):
            for name in files:
                with suppress(OSError):
                    held += os.lstat(os.path.join(at, name)).st_size
        return held

    # -- what is put here ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folder, for this user alone."""
        if not self.is_there():
            os.makedirs(os.path.dirname(self.root), mode=0o700, exist_ok=True)
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            disk.publish(f"{self.root}/{_SERVER}", self.server.encode(), self.root)

    def experiment(self, experiment_id: str) -> entities.Experiment | None:
        """An experiment that is here."""
        entry = self._entry("experiment", experiment_id) if self.is_there() else None
        return None if entry is None else self.store.get_experiment(experiment_id)

    def put_experiment(self, experiment_id: str, name: str, **tags: str) -> entities.Experiment:
        """Keep an experiment, as a place for runs."""
        self.prepare()
        known = self.experiment(experiment_id)
        if known is not None:
            return known
        now = names.now()
        made = entities.Experiment(
            experiment_id, name, f"{self.root}/{experiment_id}", "active", tags, now, now
        )
        with self.store.backend.writing(exclusive=True) as at:
            at.create(made)
        return made

    def adopt(self, run: entities.Run, server_id: str) -> None:
        """Keep a run that the server has, so that more can be recorded of it."""
        mine = f"{self.root}/{run.info.experiment_id}/{run.info.run_id}/{layout.ARTIFACTS}"
        made = replace(run, info=replace(run.info, artifact_uri=mine))
        with self.store.backend.writing(exclusive=True) as at:
            if at.find("run", run.info.run_id) is not None:
                return  # another process went on with it, too
            entry: Any = at.create(made)
            cursor = Cursor(entry.folder)
            cursor.kept = {
                "run_id": server_id,
                "place": run.info.artifact_uri,
                "part": True,
                "params": dict.fromkeys(run.data.params, True),
                "tags": run.data.tags,
                "status": [run.info.status, run.info.end_time, run.info.run_name],
            }
            cursor.save()

    def note_model(self, run_id: str, model_id: str) -> None:
        """Know from now on that a model here is the run's."""
        run_dir = self._entry("run", run_id).folder
        with open(f"{layout.private(run_dir)}/{_MODELS}", "ab", buffering=0) as file:
            file.write(f"{model_id}\n".encode())

    def stir(self, run_id: str) -> None:
        """Say that something was recorded of a run, which may be over and sent."""
        with open(f"{layout.private(self._entry('run', run_id).folder)}/{STIRRED}", "wb"):
            pass

    def has_traces(self) -> bool:
        """Whether traces wait here."""
        from tracklet.stores.files.traces import trace_dirs

        folders = contents.experiment_dirs(self.root) if self.is_there() else ()
        return any(trace_dirs(folder) for folder in folders)

    def measured(self) -> list[str]:
        """The models of the server's that something here was measured on."""
        folders = contents.logged_model_dirs(f"{self.root}/{MEASURED}")
        return [os.path.basename(folder) for folder in folders]

    # -- ids -------------------------------------------------------------------------------------

    def server_id(self, key: Any) -> Any:
        """The id by which the server knows a run, model or experiment of ours; others stay."""
        return self._known_ids().get(key, key) if isinstance(key, str) else key

    def note_id(self, ours: str, theirs: str) -> None:
        """Know from now on by which id the server knows something."""
        if ours != theirs:
            with open(f"{self.root}/{_IDS}", "ab", buffering=0) as file:
                file.write(f"{ours} {theirs}\n".encode())

    def _known_ids(self) -> dict[str, str]:
        try:
            size = os.stat(f"{self.root}/{_IDS}").st_size
        except OSError:
            return {}
        if size != self._ids[0]:
            content = disk.read_bytes(f"{self.root}/{_IDS}", most=None).decode()
            known = [line.split() for line in content.splitlines()]
            self._ids = size, dict(pair for pair in known if len(pair) == 2)
        return self._ids[1]

    # -- who sends -------------------------------------------------------------------------------

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Be the one that sends, in a block; False says that another process is."""
        descriptor = os.open(f"{self.root}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield disk.lock_alone(descriptor)
        finally:
            os.close(descriptor)

    def trouble(self, of: Iterable[str] = ()) -> str | None:
        """What could not be sent the last time, and why; None if all could.

        Args:
            of: The runs that count; all if there are none.
        """
        found = disk.read_if_there(f"{self.root}/{_TROUBLE}")
        if found is None:
            return None
        ids, _, problem = found.decode(errors="replace").partition("\n")
        wanted, hindered = set(of), set(ids.split())
        return problem if not wanted or not hindered or wanted & hindered else None

    def note_trouble(self, problem: str | None, of: Iterable[str] = ()) -> None:
        """Say why nothing, or nothing of some runs and traces, can be sent, or that all can be."""
        path = f"{self.root}/{_TROUBLE}"
        if problem is None:
            disk.discard(path)
        else:
            text = f"{' '.join(of)}\n{problem}"
            disk.publish(path, text.encode(errors="replace"), self.root)

    def wake(self) -> None:
        """Have a process send what is here, if none does; the option ``SHIPPING=off`` forbids it.

        It is another process, so that no thread of ours is in the way of a fork, and none takes
        time from the training: docs/decisions/0022-shipping.md.
        """
        if time.monotonic() - self._woken < 1 or settings.option("SHIPPING") == "off":
            return
        self._woken = time.monotonic()
        try:
            with self.sending() as free:
                if not free:
                    return
            _start(
                [sys.executable, "-P", "-m", "tracklet.stores.rest.courier"], self.root, self._uri
            )
        except Exception as error:  # noqa: BLE001 - the record is on the disk; it can be sent later
            _logger.warning(
                "nothing sends to %s for now: %s. 'tracklet sync' does", self.server, error
            )


def _start(command: list[str], root: str, uri: str) -> None:
    environment = {**os.environ, "TRACKLET_TRACKING_URI": uri, "TRACKLET_SPOOL_DIR": folder()}
    given: dict[str, Any] = {"env": environment, "cwd": root, "close_fds": True}
    for stream in ("stdin", "stdout", "stderr"):
        given[stream] = subprocess.DEVNULL
    if os.name == "nt":
        subprocess.Popen(command, creationflags=0x00000008, **given)  # DETACHED_PROCESS
        return
    # By way of a shell that ends at once: who waits for children of his does not meet ours.
    shell = ["/bin/sh", "-c", '"$@" &', "sh", *command]
    subprocess.run(shell, start_new_session=True, check=True, timeout=5, **given)
