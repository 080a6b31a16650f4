"""Going on with the run of a process that did not reach its end.

An attempt is one process's part of a run. What earlier attempts recorded beyond the checkpoint that
this one goes on from is superseded: it is kept among the run's artifacts, and is in its metrics no
more. See docs/decisions/0018-resume.md.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracklet import lazy
from tracklet.entities import Metric, Run
from tracklet.errors import InvalidState
from tracklet.names import now
from tracklet.repositories import repository
from tracklet.state import ProcessState
from tracklet.wire import Unreachable

if TYPE_CHECKING:
    from tracklet.fluent.active import ActiveRun
    from tracklet.record import Store
    from tracklet.record.backend import RunWriter

KEY_TAG: Final = "tracklet.resume_key"
ATTEMPTS_TAG: Final = "tracklet.attempts"
BESIDE_TAG: Final = "tracklet.attempt_beside"
FOLDER: Final = "superseded"

_JOBS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "AWS_BATCH_JOB_ID")
_CONFIGURATIONS: Final = (".cfg", ".ini", ".json", ".py", ".toml", ".yaml", ".yml")
_MACHINE: Final = "system/"
_logger = lazy.logger(__name__)


class _Started(ProcessState):
    """How many runs of a key this process has started: folds are told apart by their number."""

    def begin(self) -> None:
        self.count: dict[str, int] = {}


_started = _Started()


class Attempt:
    """One process's part of a run.

    Attributes:
        number: Which one it is, from 1.
        began: When, in ms since the epoch.
        known: The run as it was then.
        is_decided: Whether it is known from where it goes on.
    """

    def __init__(self, number: int, began: int, known: Run) -> None:
        self.number = number
        self.began = began
        self.known = known
        self.point: Any = None
        self.is_decided = number == 1


def start(
    store: Store,
    experiment_id: str,
    run_id: str | None,
    tags: Mapping[str, str],
    create: Callable[[dict[str, str]], tuple[Run, RunWriter]],
) -> tuple[Run, RunWriter, Attempt]:
    """Go on with the run that this process's forerunner left, or start one.

    Args:
        store: Where it is kept.
        experiment_id: In which experiment it is looked for.
        run_id: The run, if it is named.
        tags: Tags to set.
        create: Starts a run with these tags.
    """
    key = _key()
    began, job = now(), _job()
    mine: dict[str, Any] = {"attempt": 1, "started": began, "pid": os.getpid()} | job
    found = store.get_run(run_id) if run_id is not None else _latest(store, experiment_id, key)
    beside: dict[str, str] = {}
    if found is not None and (run_id is not None or found.info.status != "FINISHED"):
        attempts = json.loads(found.data.tags.get(ATTEMPTS_TAG, "[]"))
        same_job = bool(job) and bool(attempts) and attempts[-1].get("job") == job["job"]
        try:
            # Of one job two processes are never alive; else only the certainly dead count as such.
            rivals = "alive" if same_job or run_id is not None else "doubtful"
            writer = store.open_run(found.info.run_id, live=True, rivals=rivals)
        except InvalidState as error:
            if run_id is not None:
                raise
            beside = {BESIDE_TAG: found.info.run_id}
            _logger.warning("a new run is an attempt of its own: %s", error)
        else:
            if attempts:
                attempts[-1].setdefault("status", found.info.status)
                attempts[-1].setdefault("ended", found.info.end_time)
            mine["attempt"] = len(attempts) + 1 if attempts else 2
            given = {ATTEMPTS_TAG: json.dumps([*attempts, mine])}
            writer.set_tags({**tags, **given, **({KEY_TAG: key} if key else {})})
            run = store.get_run(found.info.run_id)
            _logger.info("run %s goes on: attempt %d", run.info.run_id, mine["attempt"])
            return run, writer, Attempt(mine["attempt"], began, run)
    own = {ATTEMPTS_TAG: json.dumps([mine]), **beside, **({KEY_TAG: key} if key else {})}
    run, writer = create({**tags, **own})
    return run, writer, Attempt(1, began, run)


def before(run: ActiveRun, keys: Iterable[str], step: int) -> int | None:
    """The last moment before earlier attempts recorded a step of these metrics, in ms.

    Args:
        run: The run.
        keys: Metrics of one axis.
        step: The step; None is given if none of them has it.
    """
    attempt: Attempt | None = run.attempt
    known = attempt.known.data.metrics.keys() if attempt is not None else ()
    times = [
        point.timestamp
        for key in keys
        if key in known
        for point in run.store.get_metric_history(run.info.run_id, key)
        if point.step == step
    ]
    return min(times) - 1 if times else None


def supersede(
    run: ActiveRun,
    step: int | None,
    since: int | None,
    source: str | None,
    axis: Container[str] = (),
) -> None:
    """Take out of a run what earlier attempts recorded beyond the checkpoint that is gone on from.

    What was recorded at the checkpoint's step stays, also when that was later: it is an evaluation
    of that very checkpoint. Metrics of the machine stay.

    Args:
        run: The run; nothing happens if it is gone on with by no attempt, or if that was done.
        step: The checkpoint's; None begins from nothing.
        since: When it was saved, ms; None if that is not known.
        source: Its path, for the record.
        axis: Metrics of the training's own steps, of which those alone decide: several rounds may
            be in one millisecond.
    """
    attempt: Attempt | None = run.attempt
    if attempt is None or attempt.is_decided:
        return
    attempt.is_decided = True

    def is_beyond(point: Metric) -> bool:
        if point.timestamp >= attempt.began:
            return False
        if step is None:
            return True
        after = None if point.key in axis else since
        is_late = after is not None and point.timestamp > after and point.step != step
        return point.step > step or is_late

    run_id, store = run.info.run_id, run.store
    beyond: list[Metric] = []
    kept: dict[str, list[Metric]] = {}
    for key in sorted(attempt.known.data.metrics):
        if key.startswith(_MACHINE):
            continue
        history = store.get_metric_history(run_id, key)
        late = [point for point in history if is_beyond(point)]
        if late:
            beyond += late
            kept[key] = [point for point in history if not is_beyond(point)]
    if beyond:  # kept first: a process that is killed in between leaves them twice, but not never
        _keep(run, f"attempt_{attempt.number - 1}.csv", beyond)
        for key, points in kept.items():
            store.set_history(run_id, key, points)
    attempts = json.loads(attempt.known.data.tags.get(ATTEMPTS_TAG, "[]"))
    if attempts:
        attempts[-1] |= {"from": source, "from_step": step, "superseded": len(beyond)}
        run.writer.set_tags({ATTEMPTS_TAG: json.dumps(attempts)})


def _keep(run: ActiveRun, name: str, points: list[Metric]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("key", "step", "value", "timestamp", "dataset_name", "dataset_digest"))
    for each in points:
        dataset = each.dataset_name, each.dataset_digest
        table.writerow((each.key, each.step, repr(each.value), each.timestamp, *dataset))
    place = run.store.place_for_artifacts(run.info.run_id, run.info)
    with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
        file = Path(scratch, name)
        file.write_text(text.getvalue(), encoding="utf-8")
        repository(place).put_file(file, FOLDER)


def _latest(store: Store, experiment_id: str, key: str | None) -> Run | None:
    """The run of a key that was started last, as it is now."""
    if key is None:
        _logger.warning(
            "no script is run, by which an earlier run could be found; a new one starts"
        )
        return None
    order, wanted = ["attributes.start_time DESC"], f"tags.`{KEY_TAG}` = '{key}'"
    try:
        with store.starting():
            found = store.search_runs([experiment_id], wanted, max_results=1, order_by=order)
            return store.get_run(found[0].info.run_id) if found else None
    except Unreachable as error:
        _logger.warning("a new run starts, for none is found to go on with: %s", error)
        return None


def _key() -> str | None:
    """What the processes have in common that go on with one run: script, arguments and folder."""
    script = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    if not os.path.isfile(script):
        return None
    said: list[str] = [script, os.getcwd()]
    for argument in sys.argv[1:]:
        said.append(argument)
        path = argument.rpartition("=")[2]
        if path.endswith(_CONFIGURATIONS) and os.path.isfile(path):
            said.append(hashlib.sha256(Path(path).read_bytes()).hexdigest())
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
    number = _started.count[key] = _started.count.get(key, 0) + 1
    return f"{key}-{number}"


def _job() -> dict[str, str]:
    """The batch system's name for what is run, which stays when it is started again."""
    found = next((f"{name}={os.environ[name]}" for name in _JOBS if os.environ.get(name)), None)
    return {"job": found} if found else {}
