"""Checkpoints of a training of many epochs, by MLflow's options and in its layout.

Which moments have one, and where it is found again: so for PyTorch's loops and trainers as for
other frameworks that train by epochs and batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tracklet import lazy
from tracklet.autolog import CommonOptions, Recorder
from tracklet.autolog.checkpoints import FOLDER, LATEST_TAG, Checkpoints
from tracklet.client import TrackletClient
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.fluent import active

_FACTS: Final = "_metrics.json"
_log = lazy.logger(__name__)


def check_options(options: CommonOptions) -> None:
    """Check the options whose names begin with ``checkpoint``.

    Raises:
        InvalidParameterValue: A value breaks its rule.
    """
    given: Any = options
    options.check_choice("checkpoint_mode", ("min", "max"))
    freq = given.checkpoint_save_freq
    if freq != "epoch" and (type(freq) is not int or freq < 1):
        raise InvalidParameterValue(
            f"checkpoint_save_freq must be 'epoch' or a whole number of steps from 1; got {freq!r}"
        )
    if given.checkpoint_save_best_only and not given.checkpoint_monitor:
        raise InvalidParameterValue(
            "checkpoint_save_best_only needs a checkpoint_monitor, which says what is best"
        )


class EpochCheckpoints:
    """The checkpoints of one training.

    Args:
        recorder: The training's.
        options: The integration's, with those whose names begin with ``checkpoint``.
        flavor: Whose files they are.
        suffix: The ending of a whole checkpoint; ``.weights`` comes before it of weights alone.
    """

    def __init__(self, recorder: Recorder, options: Any, flavor: str, suffix: str) -> None:
        self._recorder = recorder
        self._options = options
        self.by_epoch = options.checkpoint_save_freq == "epoch"
        self._writer = Checkpoints(
            recorder,
            flavor,
            {},
            f".weights{suffix}" if options.checkpoint_save_weights_only else suffix,
            every=1,
            monitor=options.checkpoint_monitor,
            mode=options.checkpoint_mode,
            best_only=options.checkpoint_save_best_only,
        )
        self._written = 0  # the step, or the epoch
        self._has_said = False
        self.is_declined = False

    def are_due(self, step: int, epochs: int) -> bool:
        """Whether this moment is one of those that were asked for; once for each.

        Args:
            step: How many steps were taken.
            epochs: How many epochs are over.
        """
        count = epochs if self.by_epoch else step
        if self.is_declined or not step or count == self._written:
            return False
        if not self.by_epoch and step % self._options.checkpoint_save_freq:
            return False
        self._written = count
        return True

    def write(
        self, step: int, epoch: int, metrics: Mapping[str, float], save: Callable[[Path], object]
    ) -> None:
        """Write a checkpoint, unless only the best is kept and this is not better.

        Args:
            step: How many steps were taken.
            epoch: The epoch that goes on, or has just ended, from 0.
            metrics: What was measured at this step.
            save: Writes a file.
        """
        monitor = self._options.checkpoint_monitor
        if self._options.checkpoint_save_best_only and monitor not in metrics:
            self.leave_out(f"the metric {monitor!r}, which says what is best, was not measured")
            return
        known = {key: value for key, value in metrics.items() if key == monitor}
        if self._writer.wants(step, known):
            place = f"epoch_{epoch}" if self.by_epoch else None
            self._writer.write(step, known, save, epoch=epoch, place=place)

    def leave_out(self, reason: str, *, always: bool = False) -> None:
        """Say once that there is no checkpoint, and why.

        Args:
            reason: Why.
            always: Whether there will be none either.
        """
        self.is_declined |= always
        if self._has_said:
            return
        self._has_said = True
        told = {f"tracklet.{self._recorder.label}.checkpoint": f"left out: {reason}"}
        self._recorder.tags(told)
        if not self._options.silent:
            _log.warning("Checkpoint logging is skipped, because %s", reason)


def checkpoint_file(
    run_id: str | None, epoch: int | None = None, global_step: int | None = None
) -> Path:
    """The file of a checkpoint.

    Args:
        run_id: The run; the active one by default.
        epoch: Of which epoch, from 0; by default the newest checkpoint, or the only one.
        global_step: Of which step, instead of an epoch.

    Raises:
        InvalidParameterValue: Both an epoch and a step are given, or there is no run.
        ResourceDoesNotExist: There is no such checkpoint.
    """
    if run_id is None:
        run = active.top()
        if run is None:
            raise InvalidParameterValue(
                "there is no active run to look for checkpoints in; give run_id"
            )
        run_id = run.info.run_id
    if epoch is not None and global_step is not None:
        raise InvalidParameterValue(
            f"Only one of epoch and global_step can be set; got {epoch!r} and {global_step!r}"
        )
    client = TrackletClient()
    path = client.get_run(run_id).data.tags.get(LATEST_TAG)
    if path is None:
        raise ResourceDoesNotExist(
            f"There is no logged checkpoint artifact in run {run_id!r}; train with "
            "autolog(checkpoint=True) to have some"
        )
    wanted = f"epoch_{epoch}" if epoch is not None else f"global_step_{global_step}"
    if epoch is None and global_step is None:
        return Path(client.download_artifacts(run_id, path))
    home = f"{path.partition(FOLDER)[0]}{FOLDER}"
    for each in client.list_artifacts(run_id, f"{home}/{wanted}"):
        if not each.path.endswith(_FACTS):
            return Path(client.download_artifacts(run_id, each.path))
    if path.rpartition("/")[0] == home:  # only the best is kept
        facts = f"{home}/latest_checkpoint{_FACTS}"
        kept = json.loads(Path(client.download_artifacts(run_id, facts)).read_text())
        if epoch == kept.get("epoch") or global_step == kept.get("global_step"):
            return Path(client.download_artifacts(run_id, path))
    names = sorted(each.path.rpartition("/")[2] for each in client.list_artifacts(run_id, home))
    raise ResourceDoesNotExist(f"run {run_id!r} has no checkpoint {wanted}; it has {names}")
