"""Checkpoints that a script saves itself: seen at the functions that write them, and recorded.

Before a file is written a tag of the run says so, with the step that is saved in it: whatever
happens then, a later process can tell by it which step a file is of. Sizes and hashes follow in the
background, in ``checkpoints.json``, and the files themselves where they are to be kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any, Final

from tracklet.autolog import Recorder, background
from tracklet.autolog.background import afterwards
from tracklet.autolog.checkpoints import BEST_TAG, FOLDER, NEWEST_TAG, SAVED_TAG
from tracklet.client import TrackletClient
from tracklet.entities import Metric
from tracklet_integrations.pytorch.doors import skip
from tracklet_integrations.shared.doors import Door

FILE_NAME: Final = "checkpoints.json"
MAX_NAMED: Final = 16
"""So many of the newest files are named by the run's tag."""

_MAX_LISTED: Final = 1000
_TOGETHER: Final = 1.0
_OURS: Final = os.path.join(tempfile.gettempdir(), "tracklet-")
_PIECE: Final = 1 << 20


@dataclass(slots=True, eq=False)
class SavedFile:
    """A file, or the folder of a distributed checkpoint, as it was when it had been written.

    Attributes:
        path: Its absolute path, or its URI.
        by: The function that wrote it.
        step: How many steps had been taken.
        epoch: How many epochs were over.
        at: When it began to be written, seconds since the epoch.
        steps: How many steps each optimizer had taken, in the order of their first.
        until: When that was done; 0 if it was not.
        opened: Gives the open file that it was written to, while there is one.
        look: What tells it from other contents of the same path; None of what is not local.
        size: In bytes.
        sha256: Of a file; None if it was overwritten before.
        artifact: Where it is kept among the run's artifacts.
        is_due: Whether something of it is still to be recorded.
    """

    path: str
    by: str
    step: int
    epoch: int
    at: float
    steps: list[int]
    until: float = 0.0
    opened: Callable[[], Any] = lambda: None
    look: tuple[int, int, int] | None = None
    size: int | None = None
    sha256: str | None = None
    artifact: str | None = None
    is_due: bool = True

    def note_end(self) -> None:
        """It has been written."""
        self.until = time()
        if self.opened() is None:
            self.look_again()

    def look_again(self) -> None:
        """See what is there now."""
        self.look = look_at(self.path)
        if self.look is not None:
            self.size = self.look[2]

    def as_json(self) -> dict[str, Any]:
        """What is recorded of it."""
        found = {"path": self.path, "step": self.step, "epoch": self.epoch, "by": self.by}
        found |= {
            "steps": self.steps,
            "saved_at": int(self.at * 1000),
            "size": self.size,
            "sha256": self.sha256,
        }
        return {**found, "artifact": self.artifact} if self.artifact else found


def doors(begin: Callable[[Any, str], SavedFile | None]) -> Iterator[Door]:
    """Where files are written.

    Args:
        begin: Called before, with what is written to and the function's name.
    """

    def opened(module: str, target: str, where: Callable[..., Any], *others: str) -> list[Door]:
        made: list[Any] = []

        def make(original: Any) -> Any:
            if made:  # the same function by another name
                return made[0]

            def save(*args: Any, **kwargs: Any) -> Any:
                saved = None
                with suppress(TypeError):  # the original says what is wrong with its arguments
                    saved = begin(where(*args, **kwargs), f"{module}.{target}")
                result = original(*args, **kwargs)
                if saved is not None:
                    saved.note_end()
                return result

            skip([save], within=False)
            made.append(save)
            return save

        return [Door(each, target, make) for each in (module, *others)]

    yield from opened("torch", "save", lambda obj, f, *_, **__: f, "torch.serialization")
    for target in ("save_file", "save_model"):
        yield from opened("safetensors.torch", target, lambda kept, filename, *_, **__: filename)
    distributed = "torch.distributed.checkpoint"
    yield from opened(distributed, "save", _distributed, f"{distributed}.state_dict_saver")
    for name in ("lightning.fabric", "lightning_fabric"):  # they write bytes, through fsspec
        yield from opened(
            f"{name}.plugins.io.torch_io",
            "TorchCheckpointIO.save_checkpoint",
            lambda self, checkpoint, path, *_, **__: path,
        )


class SavedFiles:
    """The checkpoints that a training's script has saved.

    Args:
        recorder: The training's.
        keep: Whether they are copied to the run's artifacts.
    """

    def __init__(self, recorder: Recorder, *, keep: bool) -> None:
        self._recorder = recorder
        self._keep = keep
        self._files: list[SavedFile] = []
        attempt = recorder.run.attempt  # earlier ones have saved some, too
        tags = attempt.known.data.tags if attempt is not None else {}
        self._named: list[list[Any]] = json.loads(tags.get(SAVED_TAG, "[]"))
        self._earlier: list[dict[str, Any]] | None = [] if SAVED_TAG not in tags else None
        self._losses: dict[str, dict[int, float]] = {"val_loss": {}, "train_loss": {}}
        self._is_due = False

    def begin(self, target: Any, by: str, steps: list[int], epoch: int) -> SavedFile | None:
        """A file is about to be written; None if nothing names it.

        Args:
            target: What it is written to: a path, or an open file.
            by: The function.
            steps: How many steps each optimizer has taken.
            epoch: How many epochs are over.
        """
        path = path_of(target)
        if path is None or path.startswith(_OURS):
            return None
        saved = SavedFile(path, by, max(steps, default=0), epoch, time(), steps)
        if not isinstance(target, str | os.PathLike):
            with suppress(TypeError):
                saved.opened = weakref.ref(target)
        del self._files[: 1 - _MAX_LISTED]
        self._files.append(saved)
        self._is_due = True
        self._named.append([path, saved.step, epoch, int(saved.at * 1000), steps])
        del self._named[:-MAX_NAMED]
        with self._recorder.step("checkpoint"):
            self._recorder.run.writer.set_tags({SAVED_TAG: json.dumps(self._named)})
        return saved

    def look_at(self, points: Sequence[Metric]) -> None:
        """See what evaluations gave."""
        for point in points:
            if point.key in self._losses:
                self._losses[point.key][point.step] = point.value
                self._is_due = True

    def flush(self) -> None:
        """Record in the background what has come since the last time."""
        if self._files and self._is_due:
            is_writing = not self._files[-1].until
            self._is_due = not background.later(self._record) or is_writing

    def close(self) -> None:
        """Record what is left."""
        if self._files:
            background.flush()
            self._record(is_over=True)

    def _record(self, *, is_over: bool = False) -> None:
        recorder = self._recorder
        with afterwards(recorder.run, recorder.label, "checkpoints"):
            files = [each for each in self._files if each.until]
            if not files:
                return
            for number, each in enumerate(files, 1):
                if each.is_due and (is_over or background.is_affordable()):
                    self._take(each, files[number:])
            wholes = _wholes(files)
            own = [_as_json(each) for each in wholes]
            about: dict[str, Any] = {"checkpoints": [*self._of_earlier_attempts(), *own]}
            about["newest"] = own[-1]
            tags = {NEWEST_TAG: about["newest"]["path"]}
            best, key = self._best(wholes)
            if best is not None:
                about |= {"best": own[wholes.index(best)], "best_by": key}
                tags[BEST_TAG] = about["best"]["path"]
            elif any(self._losses.values()):
                tags[BEST_TAG] = "none is left: it was written over"
            recorder.files().put({recorder.folder + FILE_NAME: json.dumps(about, indent=1)})
            recorder.run.store.log_batch(recorder.run_id, tags=tags)

    def _of_earlier_attempts(self) -> list[dict[str, Any]]:
        if self._earlier is None:
            found: list[dict[str, Any]] = []
            client, run_id = TrackletClient(), self._recorder.run_id
            if any(each.path == FILE_NAME for each in client.list_artifacts(run_id)):
                text = Path(client.download_artifacts(run_id, FILE_NAME)).read_text("utf-8")
                found = json.loads(text)["checkpoints"]
            self._earlier = found
        return self._earlier

    def _best(self, wholes: Sequence[list[SavedFile]]) -> tuple[list[SavedFile] | None, str]:
        """The first that was saved at the best step, if no later one was written over it."""
        key = "val_loss" if self._losses["val_loss"] else "train_loss"
        losses = self._losses[key]
        lowest: dict[int, bool] = {}
        least = float("inf")
        for step in sorted(losses):
            lowest[step] = losses[step] < least
            least = min(least, losses[step])
        last = {each.path: whole for whole in wholes for each in whole}
        there = [each for each in wholes if last[each[-1].path] is each]
        best = [each for each in there if lowest.get(each[0].step)]
        return max(best, key=lambda each: each[0].step, default=None), key

    def _take(self, saved: SavedFile, later: Sequence[SavedFile]) -> None:
        """Hash a file, and keep it; not while it is open, nor when it was written anew."""
        opened = saved.opened()
        if opened is not None and not getattr(opened, "closed", True):
            return
        saved.is_due = False
        if saved.look is None and not any(each.path == saved.path for each in later):
            saved.look_again()
        if saved.look is None or look_at(saved.path) != saved.look:
            return
        with tempfile.TemporaryDirectory(prefix="tracklet-checkpoint-") as scratch:
            source, copy = Path(saved.path), Path(scratch, Path(saved.path).name)
            found = _copy(source, copy if self._keep else None)
            if look_at(saved.path) != saved.look:
                return
            saved.sha256 = found
            if self._keep:
                place = _place(source)
                files = TrackletClient().run_repository(self._recorder.run_id)
                if copy.is_dir():
                    files.put_tree(copy, f"{self._recorder.folder}{place}")
                else:
                    files.put_file(copy, f"{self._recorder.folder}{place}".rpartition("/")[0])
                saved.artifact = self._recorder.folder + place


def look_at(path: str) -> tuple[int, int, int] | None:
    """What tells a file or folder from what else was at its path; None if it is not there."""
    try:
        found = os.stat(path)
        if not os.path.isdir(path):
            return found.st_ino, found.st_mtime_ns, found.st_size
        files = [each.stat() for each in os.scandir(path) if each.is_file()]
    except (OSError, ValueError):
        return None
    latest = max((each.st_mtime_ns for each in files), default=0)
    return found.st_ino, latest, sum(each.st_size for each in files)


def _wholes(files: Sequence[SavedFile]) -> list[list[SavedFile]]:
    """Files by the checkpoints that they make up.

    Those of one folder are one, if all that was ever saved there was saved together.
    """
    by_folder: dict[str, list[SavedFile]] = {}
    for each in files:
        by_folder.setdefault(os.path.dirname(each.path), []).append(each)
    wholes: dict[int, list[SavedFile]] = {}
    for each in files:
        group = by_folder[os.path.dirname(each.path)]
        whole = group if _are_one(group) else [each]
        wholes.setdefault(id(whole[0]), whole)
    return list(wholes.values())


def _are_one(group: Sequence[SavedFile]) -> bool:
    return len({each.path for each in group}) > 1 and all(
        one.step == other.step and other.at - max(one.at, one.until) < _TOGETHER
        for one, other in pairwise(group)
    )


def _as_json(whole: Sequence[SavedFile]) -> dict[str, Any]:
    last = whole[-1]
    if len({each.path for each in whole}) == 1:
        return last.as_json()
    files = {each.path: each.as_json() for each in whole}
    sizes = [each["size"] for each in files.values()]
    about: dict[str, Any] = {"path": os.path.dirname(last.path), "step": last.step}
    about["epoch"] = last.epoch
    about["saved_at"] = int(last.at * 1000)
    about["size"] = None if None in sizes else sum(sizes)
    return {**about, "files": list(files.values())}


def _distributed(
    state_dict: Any, checkpoint_id: Any = None, storage_writer: Any = None, *_: Any, **__: Any
) -> Any:
    return checkpoint_id if checkpoint_id is not None else getattr(storage_writer, "path", None)


def path_of(target: Any) -> str | None:
    """The absolute path or the URI of what is written to; None if it has none."""
    if not isinstance(target, str | os.PathLike):
        path, uri_of = getattr(target, "path", None), None
        if isinstance(path, str):
            uri_of = getattr(getattr(target, "fs", None), "unstrip_protocol", None)
        if uri_of is not None:  # a file of fsspec's
            target = uri_of(path)
        else:
            target = getattr(target, "name", None)
    if isinstance(target, os.PathLike):
        target = os.fspath(target)
    if not isinstance(target, str):
        return None
    target = target.removeprefix("file://")
    return target if "://" in target else os.path.abspath(target)


def _place(path: Path) -> str:
    """Where a file is kept: where it is below the current folder, or by its own folder's name."""
    with suppress(ValueError):
        return f"{FOLDER}/{path.relative_to(Path.cwd()).as_posix()}"
    return f"{FOLDER}/{path.parent.name}/{path.name}"


def _copy(source: Path, target: Path | None) -> str | None:
    """Copy a file or a folder, if there is a target; the hash of a file."""
    if source.is_dir():
        if target is not None:
            import shutil

            shutil.copytree(source, target)
        return None
    digest = hashlib.sha256()
    with source.open("rb") as file, open(target or os.devnull, "wb") as into:
        while piece := file.read(_PIECE):
            digest.update(piece)
            if target is not None:
                into.write(piece)
    return digest.hexdigest()
