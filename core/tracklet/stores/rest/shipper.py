"""Sending what a spool holds: each thing once, whatever becomes of an answer.

What a server acknowledged of a run is noted beside it (:class:`Cursor`). Before points are sent,
it is noted which; if no answer comes, they are looked for in the server's history before what is
missing of them is sent. Whatever else is sent may be sent twice without harm, but for the creation
of runs and models: those carry our id in a tag, by which they are looked for.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from tracklet import entities, lazy
from tracklet.entities import Metric, Run, RunStatus
from tracklet.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    TrackletException,
)
from tracklet.frozen import replace
from tracklet.record.rules import OUTPUT_FILE
from tracklet.repositories import ArtifactRepository, repository
from tracklet.stores import disk
from tracklet.stores.files import contents, layout, points
from tracklet.stores.files.traces import trace_dirs
from tracklet.stores.rest.spool import LATER, MODEL_TAG, RUN_TAG, STIRRED, Cursor, Spool, models_of
from tracklet.stores.rest.store import MOST_POINTS, RestStore
from tracklet.wire import CHUNK, Unreachable

PARENT_TAG: Final = "mlflow.parentRunId"

_REFUSALS: Final = (InvalidParameterValue, BadRequest)
_GRAIN: Final = 50_000_000
"""Within how many ns two changes may leave one time."""
_TEXTS: Final = (layout.TAGS, layout.PARAMS)
_PARTIAL: Final = ".tracklet-partial"

_logger = lazy.logger(__name__)


class Shipper:
    """Sends a spool to its server. One at a time does: :meth:`Spool.sending`.

    Attributes:
        sent: How much was sent, by what it is.
        problems: What keeps runs from being sent, by run.
    """

    def __init__(self, spool: Spool, server: RestStore) -> None:
        self.spool = spool
        self.server = server
        self.sent: Counter[str] = Counter()
        self.problems: dict[str, str] = {}
        self._done: dict[str, list[int]] = {}

    def deliver(self, told: Callable[[], object] = lambda: None) -> bool:
        """Send what there is, and note in the spool what hinders it; True if nothing is left.

        What fails for one run or trace is its own problem, and the others go on.

        Args:
            told: Called each time that something was sent.

        Raises:
            Unreachable: The server cannot be reached.
        """
        left = False
        self.problems.clear()
        try:
            for run_dir in list(self.spool.run_dirs()):
                if self._done.get(run_dir) == _signs(run_dir):
                    continue
                with self._apart(os.path.basename(run_dir)):
                    left = not self._is_sent(run_dir, told) or left
            for experiment_dir in contents.experiment_dirs(self.spool.root):
                for trace_dir in trace_dirs(experiment_dir):
                    ours = os.path.basename(experiment_dir), os.path.basename(trace_dir)
                    with self._apart(ours[1]):
                        self._send_trace(*ours)
                        told()
        except Unreachable as error:
            self.spool.note_trouble(error.message)
            raise
        self.spool.note_trouble("; ".join(self.problems.values()) or None, self.problems)
        return not left and not self.problems

    @contextmanager
    def _apart(self, key: str) -> Iterator[None]:
        """Note what fails in a block as the problem of one run or trace."""
        try:
            yield
        except Unreachable:
            raise
        except (TrackletException, OSError, ValueError) as error:
            self.problems[key] = f"{key}: {error}"

    def _is_sent(self, run_dir: str, told: Callable[[], object]) -> bool:
        shipment = _Shipment(self, run_dir, told)
        try:
            if not shipment.send():
                return False
            self._done[run_dir] = shipment.kept["done"]
            return True
        finally:
            shipment.cursor.save(soon=shipment.changed)

    def left(self) -> list[str]:
        """The runs that are not all sent, by id."""
        return [os.path.basename(d) for d in self.spool.run_dirs() if not is_delivered(d)]

    def refused(self) -> list[str]:
        """What the server refused of the runs here, and why."""
        return [
            f"{os.path.basename(run_dir)}: {each}"
            for run_dir in self.spool.run_dirs()
            for each in Cursor(run_dir).kept.get("refused", ())
        ]

    def remove_sent(self, seconds: float) -> list[str]:
        """Remove the runs that the server has all of, for so long; those with refusals stay.

        Returns:
            Their ids.
        """
        removed, store = [], self.spool.store
        for run_dir in list(self.spool.run_dirs()):
            kept = Cursor(run_dir).kept
            cursor = f"{layout.private(run_dir)}/shipped"
            if (
                not is_delivered(run_dir)
                or kept.get("refused")
                or time.time_ns() - _changed(cursor) < seconds * 1e9
            ):
                continue
            for model_id in models_of(run_dir):
                with suppress(ResourceDoesNotExist):
                    store.delete_logged_model(model_id)
                    store.purge_logged_model(model_id)
            run_id = os.path.basename(run_dir)
            store.delete_run(run_id)
            store.purge_run(run_id)
            removed.append(run_id)
        return removed

    def experiment_id(self, ours: str) -> str:
        """The server's id of an experiment; one that it does not have is made."""
        theirs = self.spool.server_id(ours)
        known = self.spool.experiment(ours)
        if theirs != ours or known is None or LATER not in known.tags:
            return theirs
        found = self.server.ensure_experiment(known.name)
        self.spool.note_id(ours, found.experiment_id)
        return found.experiment_id

    def _send_trace(self, experiment_id: str, trace_id: str) -> None:
        kept = self.spool.store.traces
        trace = kept.get_trace(trace_id)
        info = trace.info
        metadata = {key: self.spool.server_id(value) for key, value in info.trace_metadata.items()}
        place = entities.TraceLocation.from_experiment_id(self.experiment_id(experiment_id))
        info = replace(info, trace_location=place, trace_metadata=metadata, tags=_own(info))
        try:
            self.server.traces.log_trace(info, trace.data.spans)
        except ResourceAlreadyExists:  # the answer was lost; the spans may have been
            self.server.traces.log_spans(trace_id, trace.data.spans)
        kept.delete_traces(experiment_id, trace_ids=[trace_id])
        self.sent["traces"] += 1


def is_delivered(run_dir: str) -> bool:
    """Whether the server has all of a run that is over."""
    return Cursor(run_dir).kept.get("done") == _signs(run_dir)


class _Shipment:
    """One run on its way."""

    def __init__(self, shipper: Shipper, run_dir: str, told: Callable[[], object]) -> None:
        self.shipper = shipper
        self.server = shipper.server
        self.spool = shipper.spool
        self.run_dir = run_dir
        self.cursor = Cursor(run_dir)
        self.kept = self.cursor.kept
        self.changed = False
        self._told = told
        self._failure: Exception | None = None

    def send(self) -> bool:
        """Send what is new; True if the run is over and all of it was sent."""
        if self.kept.get("done") == _signs(self.run_dir):
            return True
        run_id = os.path.basename(self.run_dir)
        run = self.spool.store.get_run(run_id)
        over = RunStatus.is_terminated(run.info.status)
        signs = _signs(self.run_dir)
        young = max(signs) + _GRAIN - time.time_ns()
        if young > 0 and over:  # what changes now may not show in the times
            time.sleep(young / 1e9)
            signs, run = _signs(self.run_dir), self.spool.store.get_run(run_id)
        if not self._is_created(run):
            return False
        self._send_texts(run)
        for model_id in models_of(self.run_dir):
            self._send_model(model_id)
        self._send_points()
        self._send_links(run)
        self._send_files(f"{self.run_dir}/{layout.ARTIFACTS}", self.kept["place"], self.kept)
        self._send_status(run)
        if self._failure is not None:
            raise self._failure
        word = "done" if over else "seen"
        is_still = young <= 0 or over
        if is_still and signs == _signs(self.run_dir) != self.kept.get(word):
            self.kept[word] = signs
            self._acknowledged()
        return self.kept.get("done") == signs

    def _acknowledged(self, **sent: int) -> None:
        self.changed = True
        self.shipper.sent.update(sent)
        self.cursor.save()
        self._told()

    # -- the run ---------------------------------------------------------------------------------

    def _is_created(self, run: Run) -> bool:
        if "run_id" in self.kept:
            return True
        ours, tags = run.info.run_id, dict(run.data.tags)
        parent = tags.get(PARENT_TAG)
        if parent is not None and self.spool.has("run", parent) and not self.spool.is_made(parent):
            return False  # its turn comes first
        experiment_id = self.shipper.experiment_id(run.info.experiment_id)
        made = None
        if self.kept.get("creating"):
            wanted = f"tags.`{RUN_TAG}` = '{ours}'"
            found = self.server.search_runs([experiment_id], wanted, 3)
            made = next(iter(found), None) or self._known(run)
        else:
            self.kept["creating"] = True
            self.cursor.save()
        if made is None:
            texts = self._texts(run)
            first = {key: value for key, value in list(texts.items())[:90] if len(value) < 5000}
            made = self.server.create_run(
                experiment_id,
                run.info.user_id,
                run.info.start_time,
                {**first, RUN_TAG: ours},
                run.info.run_name,
                run_id=ours,
            )
            self.kept["tags"] = first
        self.kept["run_id"], self.kept["place"] = made.info.run_id, made.info.artifact_uri
        self.kept["status"] = [made.info.status, made.info.end_time, made.info.run_name]
        self.spool.note_id(ours, made.info.run_id)
        self._acknowledged(runs=1)
        return True

    def _known(self, run: Run) -> Run | None:
        """The server's run that was adopted, if it was and the cursor is lost."""
        try:
            found = self.server.get_run(self.spool.server_id(run.info.run_id))
        except ResourceDoesNotExist:
            return None
        self.kept["part"] = True
        return found

    def _texts(self, run: Run) -> dict[str, str]:
        tags = dict(run.data.tags)
        if PARENT_TAG in tags:
            tags[PARENT_TAG] = self.spool.server_id(tags[PARENT_TAG])
        return tags

    def _send_texts(self, run: Run) -> None:
        known = self.cursor.part("params")
        params = {key: value for key, value in run.data.params.items() if key not in known}
        if params:
            self._log(params=params)
            known.update(dict.fromkeys(params, True))
            self._acknowledged(params=len(params))
        tags, had = self._texts(run), self.cursor.part("tags")
        new = {key: value for key, value in tags.items() if had.get(key) != value}
        if new:
            self._log(tags=new)
            had.update(new)
            self._acknowledged(tags=len(new))
        for key in [key for key in had if key not in tags]:
            with suppress(ResourceDoesNotExist):
                self.server.delete_tag(self.kept["run_id"], key)
            del had[key]
            self._acknowledged(tags=1)

    def _send_status(self, run: Run) -> None:
        status = [run.info.status, run.info.end_time, run.info.run_name]
        if status != self.kept.get("status"):
            self.server.update_run(self.kept["run_id"], *status)
            self.kept["status"] = status
            self._acknowledged()

    def _send_links(self, run: Run) -> None:
        known = self.cursor.part("links")
        datasets = {
            f"{each.dataset.name}\n{each.dataset.digest}": each
            for each in run.inputs.dataset_inputs
        }
        models = {
            self.spool.server_id(each.model_id): each.model_id for each in run.inputs.model_inputs
        }
        made = {
            self.spool.server_id(each.model_id): each.step for each in run.outputs.model_outputs
        }
        new = [each for key, each in datasets.items() if key not in known]
        used = [entities.LoggedModelInput(key) for key in models if f"in {key}" not in known]
        if new or used:
            self._refusable("its inputs", lambda: self._log_inputs(new, used))
            known.update(dict.fromkeys(datasets, True))
            known.update(dict.fromkeys((f"in {key}" for key in models), True))
            self._acknowledged(inputs=len(new) + len(used))
        outputs = [
            entities.LoggedModelOutput(key, step)
            for key, step in made.items()
            if known.get(f"out {key}") != step
        ]
        if outputs:
            send = self.server.log_outputs
            self._refusable("its outputs", lambda: send(self.kept["run_id"], outputs))
            known.update({f"out {key}": step for key, step in made.items()})
            self._acknowledged(outputs=len(outputs))

    def _log_inputs(
        self, new: list[entities.DatasetInput], used: list[entities.LoggedModelInput]
    ) -> None:
        self.server.log_inputs(self.kept["run_id"], new, used)

    # -- points ----------------------------------------------------------------------------------

    def _send_points(self) -> None:
        if self.kept.get("lost"):
            for key, path in contents.key_files(f"{self.run_dir}/{layout.METRICS}"):
                self._resend(key, path)
            del self.kept["lost"]
        if self.kept.get("pending"):
            self._reconcile()
        measured = _Measured(self)
        while True:
            batch, upto = self._next_points()
            if not batch:
                break
            batch = measured.with_models(batch)
            self._transfer(batch, upto, measured.take())
        rest = measured.rest()
        if rest:
            self._transfer(rest, {}, measured.take())

    def _transfer(
        self, batch: Sequence[Metric], upto: Mapping[str, int], taken: list[tuple[str, str]]
    ) -> None:
        self.kept |= {"pending": dict(upto), "taken": taken}
        self.cursor.save()
        self._log(batch)
        self._arrived(points=len(batch))

    def _arrived(self, **sent: int) -> None:
        """Note that the pending points are there, and which of them are models', too."""
        self.cursor.part("points").update(self.kept["pending"])
        for ours, key in self.kept.get("taken", ()):
            counts = self.cursor.part("models")[ours].setdefault("points", {})
            counts[key] = counts.get(key, 0) + 1
        self.kept |= {"pending": {}, "taken": []}
        self._acknowledged(**sent)

    def _next_points(self) -> tuple[list[Metric], dict[str, int]]:
        """As many points as a request carries, and how far they reach in each file."""
        known, batch, upto = self.cursor.part("points"), [], {}
        for key, path in contents.key_files(f"{self.run_dir}/{layout.METRICS}"):
            start = known.get(key, 0)
            size = os.stat(path).st_size
            if size < start:
                self._resend(key, path)
                continue
            if size == start:
                continue
            with open(path, "rb") as file:
                file.seek(start)
                lines = file.read(CHUNK).splitlines(keepends=True)[: MOST_POINTS - len(batch)]
            if lines and not lines[-1].endswith(b"\n"):
                del lines[-1]
            if lines:
                batch += points.parse_run_points(b"".join(lines), key).points
                upto[key] = start + sum(map(len, lines))
            if len(batch) >= MOST_POINTS:
                break
        return batch, upto

    def _reconcile(self) -> None:
        """Send what the server does not have of points whose receipt it did not acknowledge."""
        known = self.cursor.part("points")
        for key, end in self.kept["pending"].items():
            path = f"{self.run_dir}/{layout.METRICS}/{key}"
            content = disk.read_bytes(path, most=None)[:end]
            start = known.get(key, 0)
            if self._send_missing(key, content[:start], content[start:]):
                self.kept["taken"] = []  # went without their models, which get theirs on their own
        self._arrived()

    def _resend(self, key: str, path: str) -> None:
        """The file of a metric was replaced: what the server lacks of it is sent."""
        content = disk.read_bytes(path, most=None)
        whole = content[: content.rfind(b"\n") + 1]
        self._send_missing(key, b"", whole)
        self.cursor.part("points")[key] = len(whole)
        self._acknowledged()

    def _send_missing(self, key: str, before: bytes, given: bytes) -> int:
        """Send those of the given points that the server lacks, and say how many they were."""
        try:
            there = Counter(map(_sign, self.server.get_metric_history(self.kept["run_id"], key)))
        except ResourceDoesNotExist:
            there = Counter()
        there.subtract(Counter(map(_sign, points.parse_run_points(before, key).points)))
        missing = []
        for point in points.parse_run_points(given, key).points:
            if there[_sign(point)] > 0:
                there[_sign(point)] -= 1
            else:
                missing.append(point)
        for start in range(0, len(missing), MOST_POINTS):
            self._log(missing[start : start + MOST_POINTS])
        return len(missing)

    def _log(
        self,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record something; what the server refuses of it is noted, and the rest goes on."""
        run_id = self.kept["run_id"]
        try:
            self.server.log_batch(run_id, metrics, params, tags)
        except _REFUSALS as error:
            if self.server.get_run(run_id).info.lifecycle_stage != "active":
                raise ResourceDoesNotExist(f"the server's run {run_id} is deleted") from error
            halves = [
                *({"metrics": half} for half in _halves(list(metrics))),
                *({"params": dict(half)} for half in _halves(list((params or {}).items()))),
                *({"tags": dict(half)} for half in _halves(list((tags or {}).items()))),
            ]
            if len(halves) > 1:
                for half in halves:
                    self._log(**half)
                return
            what = [m.key for m in metrics] or list(params or ()) or list(tags or ())
            self._refused(f"{what[0]!r}", error)

    def _refused(self, what: str, error: TrackletException) -> None:
        refused = self.kept.setdefault("refused", [])
        refused.append(f"{what}: {error.message}"[:500])
        _logger.warning("the server refused %s of run %s: %s", what, self.kept["run_id"], error)

    def _refusable(self, what: str, send: Callable[[], object]) -> None:
        try:
            send()
        except _REFUSALS as error:
            self._refused(what, error)

    # -- models and files ------------------------------------------------------------------------

    def _send_model(self, ours: str) -> None:
        unknown = {"creating": True} if self.kept.get("lost") else {}
        kept = self.cursor.part("models").setdefault(ours, unknown)
        try:
            model = self.spool.store.get_logged_model(ours)
        except ResourceDoesNotExist:
            return
        if "model_id" not in kept:
            self._create_model(model, kept)
        theirs = kept["model_id"]
        params = {k: v for k, v in model.params.items() if k not in kept["params"]}
        if params:
            send = self.server.log_logged_model_params
            self._refusable("params of a model", lambda: send(theirs, params))
            kept["params"] |= dict.fromkeys(params, True)
        tags = {key: value for key, value in model.tags.items() if kept["tags"].get(key) != value}
        if tags:
            sent = self.server.set_logged_model_tags
            self._refusable("tags of a model", lambda: sent(theirs, tags))
            kept["tags"] |= tags
        for key in [key for key in kept["tags"] if key not in model.tags]:
            with suppress(ResourceDoesNotExist):
                self.server.delete_logged_model_tag(theirs, key)
            del kept["tags"][key]
        self._send_files(model.artifact_location, kept["place"], kept)
        if model.status.is_finalized and kept.get("status") != model.status:
            self.server.finalize_logged_model(theirs, model.status)
            kept["status"] = str(model.status)
            self._acknowledged()

    def _create_model(self, model: entities.LoggedModel, kept: dict[str, Any]) -> None:
        experiment_id = self.shipper.experiment_id(model.experiment_id)
        made = None
        if kept.get("creating"):
            wanted = f"tags.`{MODEL_TAG}` = '{model.model_id}'"
            made = next(iter(self.server.search_logged_models([experiment_id], wanted)), None)
        else:
            kept["creating"] = True
            self.cursor.save()
        if made is None:
            made = self.server.create_logged_model(
                experiment_id,
                model.name,
                self.spool.server_id(model.source_run_id),
                {MODEL_TAG: model.model_id},
                None,
                model.model_type,
            )
        kept |= {"model_id": made.model_id, "place": made.artifact_location}
        kept |= {"params": {}, "tags": {}}
        self.spool.note_id(model.model_id, made.model_id)
        self._acknowledged(models=1)

    def _send_files(self, folder: str, place: str, kept: dict[str, Any]) -> None:
        """Send the files of a folder that are new or changed: told by their size, time and hash."""
        known = kept.setdefault("files", {})
        target = None
        for file in _files(Path(folder)):
            path = file.relative_to(folder).as_posix()
            try:
                status = file.stat()
                signs = [status.st_size, status.st_mtime_ns]
                if path in known and known[path][:2] == signs:
                    continue
                digest = _digest(file)
                if path not in known or known[path][2] != digest:
                    target = target or repository(place)
                    whole = file
                    if path == OUTPUT_FILE and kept.get("part"):
                        whole = self._after_earlier(file, target)
                    put = partial(target.put_file, whole, path.rpartition("/")[0])
                    self._refusable(path, put)
                    self.shipper.sent.update(files=1, bytes=status.st_size)
            except Unreachable:
                raise
            except OSError as error:  # it vanished, or is not for us to read
                self._failure = error
                continue
            except TrackletException as error:  # it will be so of the others, too
                self._failure = error
                return
            known[path] = [*signs, digest]
            self.changed = True
            self.cursor.save(soon=False)
            self._told()

    def _after_earlier(self, output: Path, target: ArtifactRepository) -> Path:
        """What the run printed here, after what it printed before it came here."""
        private = layout.private(self.run_dir)
        earlier, whole = Path(private, "printed"), Path(private, output.name)
        if not earlier.exists():
            with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
                try:
                    before = target.fetch(OUTPUT_FILE, Path(scratch)).read_bytes()
                except ResourceDoesNotExist:
                    before = b""
            disk.publish(str(earlier), before, private)
        whole.write_bytes(earlier.read_bytes() + output.read_bytes())
        return whole


class _Measured:
    """The points of a run's models, which go along with those of the run."""

    def __init__(self, shipment: _Shipment) -> None:
        self._models = shipment.cursor.part("models")
        self._waiting: dict[tuple[Any, ...], list[tuple[str, Metric]]] = {}
        self._taken: list[tuple[str, str]] = []
        run_id = os.path.basename(shipment.run_dir)
        for ours in shipment.spool.measured():
            self._models.setdefault(ours, {"model_id": shipment.spool.server_id(ours)})
        for ours, kept in self._models.items():
            if "model_id" not in kept:
                continue
            try:
                model = shipment.spool.store.get_logged_model(ours)
            except ResourceDoesNotExist:
                continue
            folder = os.path.dirname(model.artifact_location)
            for key, path in contents.key_files(f"{folder}/{layout.METRICS}"):
                found = points.read_model_points(path, key, ours).points
                for point in found[kept.get("points", {}).get(key, 0) :]:
                    if point.run_id in (None, run_id):
                        self._waiting.setdefault(_sign(point), []).append((ours, point))

    def with_models(self, batch: list[Metric]) -> list[Metric]:
        """The points, each with the model that it was measured on, if there is one."""
        return [self._with_model(point) for point in batch] if self._waiting else batch

    def _with_model(self, point: Metric) -> Metric:
        waiting = self._waiting.get(_sign(point))
        if not waiting:
            return point
        ours, measured = waiting.pop(0)
        self._taken.append((ours, measured.key))
        return replace(point, model_id=self._models[ours]["model_id"])

    def rest(self) -> list[Metric]:
        """The points that no point of the run's own goes with."""
        left = [each for waiting in self._waiting.values() for each in waiting]
        self._waiting.clear()
        self._taken += [(ours, point.key) for ours, point in left]
        return [replace(p, model_id=self._models[ours]["model_id"]) for ours, p in left]

    def take(self) -> list[tuple[str, str]]:
        """The models of the points that were given since the last time, and their metrics."""
        taken, self._taken = self._taken, []
        return taken


def _sign(point: Metric) -> tuple[Any, ...]:
    """What tells a point from others; MLflow's database has no infinities."""
    value = point.value
    if math.isinf(value):
        value = math.copysign(1.7976931348623157e308, value)
    return point.key, repr(float(value)), point.timestamp, point.step


def _halves(items: list[Any]) -> Iterator[list[Any]]:
    middle = (len(items) + 1) // 2
    yield from (half for half in (items[:middle], items[middle:]) if half)


def _own(info: entities.TraceInfo) -> dict[str, str]:
    from tracklet.record.traces import LOCATION_TAG

    return {key: value for key, value in info.tags.items() if key != LOCATION_TAG}


def _files(folder: Path) -> Iterator[Path]:
    """The regular files of a folder that are whole."""
    for at, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(at, name)
            if _PARTIAL not in name and file.is_file() and not file.is_symlink():
                yield file


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _signs(run_dir: str) -> list[int]:
    """What changes with a run that is over: its document, texts, points, files, and its models."""
    parts = [layout.META, *_TEXTS, layout.METRICS, layout.INPUTS, layout.OUTPUTS]
    paths = [f"{run_dir}/{part}" for part in (*parts, f"{layout.PRIVATE}/{STIRRED}")]
    made, root = models_of(run_dir), os.path.dirname(os.path.dirname(run_dir))
    homes = contents.experiment_dirs(root) if made else ()
    models = [f"{home}/{layout.MODELS}/{each}" for home in homes for each in made]
    others = [f"{each}/{part}" for each in models for part in (layout.META, *_TEXTS)]
    for each in (run_dir, *models):
        others += [at for at, _, _ in os.walk(f"{each}/{layout.ARTIFACTS}")]
    return [*map(_changed, paths), max(map(_changed, others), default=0)]


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def is_sent(run_dir: str) -> bool:
    """Whether the server has all that was recorded of a run so far."""
    kept = Cursor(run_dir).kept
    if kept.get("done") == _signs(run_dir):
        return True
    return kept.get("seen") == _signs(run_dir) and all(
        os.stat(path).st_size == kept.get("points", {}).get(key, 0)
        for key, path in contents.key_files(f"{run_dir}/{layout.METRICS}")
    )
