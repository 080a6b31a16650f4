"""From which step a loop goes on in the run of an earlier process: by what it loads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracklet.autolog.checkpoints import SAVED_TAG
from tracklet.client import TrackletClient
from tracklet.fluent.active import ActiveRun
from tracklet.frozen import Frozen
from tracklet_integrations.pytorch.doors import skip
from tracklet_integrations.pytorch.saving import FILE_NAME, path_of
from tracklet_integrations.shared.doors import Door

if TYPE_CHECKING:
    from tracklet_integrations.pytorch.loop import Optimizing
    from tracklet_integrations.pytorch.record import TrainingRecord

_MOST: Final = 64
_SLACK: Final = 20  # ms by which the clock of files is late


class Point(Frozen):
    """A state that a training goes on from.

    Attributes:
        source: The checkpoint; None begins from nothing.
        step: How many steps were taken; None begins from nothing.
        epoch: How many epochs were over.
        since: When it was saved, ms.
        steps: How many steps each optimizer had taken, in the order of their first.
    """

    source: str | None = None
    step: int | None = None
    epoch: int = 0
    since: int | None = None
    steps: list[int] = []  # noqa: RUF012


class Loaded:
    """The files that were read before the first step, newest last, and when each was written."""

    def __init__(self) -> None:
        self.files: list[tuple[str, int | None]] = []

    def note(self, target: Any) -> None:
        """A file is about to be read."""
        path = path_of(target)
        if path is None:
            return
        written = None
        with suppress(OSError, ValueError):
            written = os.stat(path).st_mtime_ns // 1_000_000
        del self.files[: 1 - _MOST]
        self.files.append((path, written))

    def point(self, run: ActiveRun, optimizer: Any) -> Point:
        """The state that they are of, by what the run knows of its checkpoints."""
        assert run.attempt is not None
        rows = json.loads(run.attempt.known.data.tags.get(SAVED_TAG, "[]"))
        for path, written in reversed(self.files):
            found = _saved(rows, path, written) or _saved(_listed(run), path, written)
            if found is not None:
                _, step, epoch, at, steps = found
                return Point(path, step, epoch, at, steps)
        taken = _taken(optimizer) if self.files else 0
        return Point(self.files[-1][0], taken, 0, None, [taken]) if taken else Point()


def doors(note: Callable[[Any], None]) -> Iterator[Door]:
    """Where files are read: below the function of torch's that warns of its caller's line.

    Args:
        note: Called before, with a path or an open file.
    """

    def door(module: str, target: str, where: Callable[..., Any]) -> Door:
        def make(original: Any) -> Any:
            def load(*args: Any, **kwargs: Any) -> Any:
                with suppress(TypeError):  # the original says what is wrong with its arguments
                    note(where(*args, **kwargs))
                return original(*args, **kwargs)

            skip([load], within=False)
            return load

        return Door(module, target, make)

    yield door(
        "torch.serialization",
        "_open_file_like",
        lambda name_or_buffer, mode: name_or_buffer if "r" in mode else None,
    )
    yield door("safetensors.torch", "load_file", lambda filename, *_, **__: filename)
    yield door("safetensors.torch", "load_model", lambda model, filename, *_, **__: filename)
    yield door(
        "torch.distributed.checkpoint",
        "load",
        lambda state_dict, *_, checkpoint_id=None, **__: checkpoint_id,
    )


def go_on(training: TrainingRecord, known: Optimizing, optimizer: Any, loaded: Loaded) -> None:
    """Let a training's axis begin where an earlier attempt's checkpoint ended.

    Args:
        training: The training, whose first step was taken.
        known: What is known of its optimizer.
        optimizer: The optimizer.
        loaded: What was read before.
    """
    attempt = training.run.attempt
    if attempt is None or attempt.is_decided:
        return
    from tracklet.fluent import resuming

    point: Point = attempt.point or loaded.point(training.run, optimizer)
    resuming.supersede(training.run, point.step, point.since, point.source)
    if point.step is not None:
        training.go_on(point.step, point.epoch, point.steps)
        training.introduce(known)


def _saved(rows: Sequence[Sequence[Any]], path: str, written: int | None) -> Sequence[Any] | None:
    """The last save that had begun when a file was written: of its path, or else of its folder.

    A file may have been written under another name and renamed since.
    """
    latest = float("inf") if written is None else written + _SLACK
    begun = [row for row in rows if row[3] <= latest]
    same = [row for row in begun if row[0] == path]
    beside = [row for row in begun if os.path.dirname(row[0]) == os.path.dirname(path)]
    return max(same or beside, key=lambda row: row[3], default=None)


def _listed(run: ActiveRun) -> list[list[Any]]:
    """The saves that the run's artifact lists."""
    client = TrackletClient()
    try:
        file = Path(client.download_artifacts(run.info.run_id, FILE_NAME))
        wholes = json.loads(file.read_text(encoding="utf-8"))["checkpoints"]
        files = [each for whole in wholes for each in whole.get("files", [whole])]
        names = ("path", "step", "epoch", "saved_at", "steps")
        return [[each[name] for name in names] for each in files]
    except Exception:  # noqa: BLE001 (there is none, or it is another's)
        return []


def _taken(optimizer: Any) -> int:
    """How many steps an optimizer had taken before its last, if its state says so."""
    first = next(iter(getattr(optimizer, "state", {}).values()), None)
    step = first.get("step") if isinstance(first, dict) else None
    if getattr(step, "is_cpu", True) and step is not None:
        return max(int(step) - 1, 0)
    return 0
