"""Checkpoints: the model as it was during training, from which training can go on.

Under a run's artifacts, ``checkpoints/global_step_<step>/checkpoint<ending>`` is one checkpoint, or
``checkpoints/epoch_<epoch>/…``; ``checkpoints/latest_checkpoint<ending>`` the only one, if only the
best is kept. Beside it a JSON
file says its step, its metrics and which flavor loads it. The tag
``mlflow.latest_checkpoint_artifact`` names the newest. Those of a run's second training are below
``fit_2/``.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from tracklet.autolog.recorder import Recorder
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.fluent import active
from tracklet.fluent.starting import last_active_run
from tracklet.names import now

FOLDER: Final = "checkpoints"
LATEST_TAG: Final = "mlflow.latest_checkpoint_artifact"

SAVED_TAG: Final = "tracklet.checkpoint.saved"
"""What a script has saved last: a list of path, step, epoch and time in ms, in JSON."""

NEWEST_TAG: Final = "tracklet.checkpoint.newest"
BEST_TAG: Final = "tracklet.checkpoint.best"
_STEP: Final = re.compile(rf"((?:.+/)?{FOLDER})/global_step_(\d+)")

Mode = Literal["min", "max"]


class Checkpoints:
    """Writes a training's checkpoints.

    Args:
        recorder: The training's.
        flavor: The flavor that loads them.
        config: What the flavor's ``load`` is told beside the file's name.
        suffix: The files' ending.
        every: Every how many rounds one is written.
        monitor: The metric that decides what is best; see ``best_only``.
        mode: Whether less or more of it is better.
        best_only: Keep one checkpoint, that of the best round so far.
        keep_last: How many to keep; None is all.
    """

    def __init__(
        self,
        recorder: Recorder,
        flavor: str,
        config: Mapping[str, Any],
        suffix: str,
        *,
        every: int,
        monitor: str | None = None,
        mode: Mode = "min",
        best_only: bool = False,
        keep_last: int | None = None,
    ) -> None:
        self._recorder = recorder
        self._flavor = flavor
        self._config = dict(config)
        self._suffix = suffix
        self._every = every
        self.monitor = monitor
        self.mode: Mode = mode
        self._best_only = best_only
        self._keep_last = keep_last
        self._best: float | None = None
        self._kept: list[int] = []
        self._repository: Any = None
        self._folder = recorder.folder + FOLDER

    def wants(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Whether a checkpoint of this round is to be written.

        Args:
            step: The round, counted from 0.
        """
        if (step + 1) % self._every:
            return False
        if not self._best_only:
            return True
        value = metrics.get(self.monitor or "")
        if value is None or math.isnan(value):
            return False
        better = self._best is None or (
            value < self._best if self.mode == "min" else value > self._best
        )
        if better:
            self._best = value
        return better

    def write(
        self,
        step: int,
        metrics: Mapping[str, float],
        save: Callable[[Path], object],
        *,
        epoch: int | None = None,
        place: str | None = None,
    ) -> None:
        """Write the checkpoint of a round, and remove those that are not to be kept.

        Args:
            step: The round, counted from 0.
            metrics: Its metrics, for the JSON file.
            save: Writes the model to a file, in the framework's own format.
            epoch: The epoch, counted from 0; by default each round is one.
            place: The name of its folder, if that is not ``global_step_<step>``.
        """
        with self._recorder.step("checkpoint"):
            client = TrackletClient()
            if self._repository is None:
                self._repository = client.run_repository(self._recorder.run_id)
            name = "latest_checkpoint" if self._best_only else "checkpoint"
            folder = f"{self._folder}/{place or f'global_step_{step}'}"
            folder = self._folder if self._best_only else folder
            scratch = Path(tempfile.mkdtemp(prefix="tracklet-checkpoint-"))
            try:
                file = scratch / f"{name}{self._suffix}"
                save(file)
                about = {
                    **metrics,
                    "epoch": step if epoch is None else epoch,
                    "global_step": step,
                    "saved_at": now(),
                    "flavor": self._flavor,
                    "flavor_config": {**self._config, "data": file.name},
                }
                facts = scratch / f"{name}_metrics.json"
                facts.write_text(json.dumps(about), encoding="utf-8")
                # The tag last: it never names a checkpoint that is not whole.
                for each in (file, facts):
                    self._repository.put_file(each, folder)
                self._recorder.run.writer.set_tags({LATEST_TAG: f"{folder}/{file.name}"})
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            if not self._best_only:
                self._kept.append(step)
                while self._keep_last is not None and len(self._kept) > self._keep_last:
                    self._repository.delete(f"{self._folder}/global_step_{self._kept.pop(0)}")


def load_checkpoint(run: str | Run | None = None, step: int | None = None) -> Any:
    """The model of a checkpoint, as its framework made it; training can go on from it.

    For XGBoost pass it as ``xgb_model``, for LightGBM as ``init_model``.

    Args:
        run: The run or its id; by default the active run, else the last one of this process.
        step: The round, counted from 0; by default the newest checkpoint. Of several trainings in
            the run, the last one's.

    Raises:
        InvalidParameterValue: There is no run to look in.
        ResourceDoesNotExist: The run has no such checkpoint; the message lists those that it has.
        TrackletException: The files are corrupt.
    """
    found = _run(run)
    run_id = found.info.run_id
    client = TrackletClient()
    latest = client.get_run(run_id).data.tags.get(LATEST_TAG)
    if latest is None:
        raise ResourceDoesNotExist(
            f"run {run_id!r} has no checkpoint; train with log_checkpoints=True to have some"
        )
    path = latest
    if step is not None:
        path = _at_step(client, run_id, step, latest)
    stem = path.rpartition(".")[0] if "." in path.rpartition("/")[2] else path
    facts = Path(client.download_artifacts(run_id, f"{stem}_metrics.json"))
    file = Path(client.download_artifacts(run_id, path))
    try:
        about = json.loads(facts.read_text(encoding="utf-8"))
        name, config = about["flavor"], about["flavor_config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrackletException(
            f"{facts} does not say which flavor loads the checkpoint: {type(error).__name__}: "
            f"{error}"
        ) from error
    if step is not None and about.get("global_step") != step:
        raise ResourceDoesNotExist(
            f"run {run_id!r} keeps only its best checkpoint, of step {about.get('global_step')}; "
            f"there is none of step {step}"
        )
    try:
        # Not at the top: who logs no models needs none of it.
        from tracklet.models import flavor

        model = flavor(name).load(file.parent, {**config, "data": file.name, "own": True})
    except TrackletException:
        raise
    except Exception as error:
        raise TrackletException(
            f"the checkpoint {path!r} of run {run_id!r} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    current = active.top()
    if current is not None and current.attempt is not None and current.info.run_id == run_id:
        from tracklet.fluent import resuming

        resuming.supersede(current, about.get("global_step"), about.get("saved_at"), path)
    return model


def _run(run: str | Run | None) -> Run:
    if isinstance(run, Run):
        return run
    if isinstance(run, str):
        return TrackletClient().get_run(run)
    found = last_active_run()
    if found is None:
        raise InvalidParameterValue(
            "load_checkpoint needs a run: none is active and none was; give it a run id"
        )
    return found


def _at_step(client: TrackletClient, run_id: str, step: int, latest: str) -> str:
    found = _STEP.match(latest)
    if found is None:
        return latest
    folder = found.group(1)
    for each in client.list_artifacts(run_id, f"{folder}/global_step_{step}"):
        if not each.path.endswith("_metrics.json"):
            return each.path
    kept = sorted(
        int(match.group(2))
        for each in client.list_artifacts(run_id, folder)
        if (match := _STEP.match(each.path))
    )
    raise ResourceDoesNotExist(
        f"run {run_id!r} has no checkpoint of step {step}; it has those of {kept}"
    )
