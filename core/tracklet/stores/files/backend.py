"""The file store: a folder as a backend, each entity a folder of its own, in MLflow's layout.

There are no transactions. What makes an entity visible, its document, comes last when it is
created and goes first when it is removed; what changes, changes by renaming.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from weakref import WeakValueDictionary

from tracklet import entities, lazy, liveness, settings, validation
from tracklet.entities import LifecycleStage, PagedList, RunStatus
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, StorageError
from tracklet.frozen import replace
from tracklet.record import Store, rules
from tracklet.record.backend import (
    Backend,
    Entry,
    Kind,
    Part,
    Past,
    Rivals,
    Session,
    identity,
    info_of,
    texts_of,
)
from tracklet.record.query import Query
from tracklet.stores import disk
from tracklet.stores.files import (
    contents,
    documents,
    key_values,
    layout,
    points,
    reader,
    run_state,
)
from tracklet.stores.files.folder import Folder, announce
from tracklet.stores.files.points import Appender
from tracklet.stores.files.writer import FileRunWriter

if TYPE_CHECKING:
    from tracklet.reading.connection import Reader
    from tracklet.reading.index import FolderIndex
    from tracklet.record.backend import Made
    from tracklet.stores.files.traces import TraceFolder

T = TypeVar("T")

_NO_PAST: Final = Past()
_log = lazy.logger(__name__)
_INFO: Final[Mapping[str, Callable[[str, dict[str, Any]], Any]]] = {
    "experiment": reader.experiment,
    "run": lambda folder, meta: reader.run_info(folder, meta, {}),
    "logged model": reader.logged_model,
    "registered model": reader.registered_model,
    "model version": reader.model_version,
}
_LOAD: Final[Mapping[str, Callable[[str], Any]]] = {
    "experiment": reader.read_experiment,
    "run": reader.read_run,
    "logged model": reader.read_logged_model,
    "registered model": reader.read_registered_model,
    "model version": reader.read_model_version,
}


class FolderEntry(Entry):
    """An entity's folder."""

    __slots__ = ("_info", "_meta", "folder")

    def __init__(self, kind: Kind, key: Any, folder: str) -> None:
        super().__init__(kind, key)
        self.folder = folder
        self._meta: dict[str, Any] | None = None
        self._info: Any = None

    @property
    def meta(self) -> dict[str, Any]:
        """The document, as it was when somebody first asked."""
        if self._meta is None:
            self._meta = contents.read_meta(self.folder, self.kind)
        return self._meta

    @property
    def info(self) -> Any:
        """What the document says."""
        if self._info is None:
            self._info = _INFO[self.kind](self.folder, self.meta)
        return self._info


class FolderBackend(Folder, Backend, Session):
    """The record in a folder. Nothing is written until something is recorded."""

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        super().__init__(uri)
        self._writers: WeakValueDictionary[str, FileRunWriter] = WeakValueDictionary()
        self._index: FolderIndex | None = None
        self._swept = False

    @property
    def where(self) -> str:
        return self.root

    @property
    def artifact_root(self) -> str:
        return self.root

    def reading(self) -> AbstractContextManager[FolderBackend]:
        return nullcontext(self)

    def writing(self, *, exclusive: bool = False) -> AbstractContextManager[FolderBackend]:
        return self._exclusive() if exclusive else nullcontext(self)

    @contextmanager
    def _exclusive(self) -> Iterator[FolderBackend]:
        disk.make_dirs(self.root)
        with disk.locked(layout.lock_file(self.root)):
            yield self

    # -- finding -------------------------------------------------------------------------------

    def find(self, kind: Kind, key: Any, *, lock: bool = False) -> FolderEntry | TraceFolder | None:
        if kind == "experiment":
            folder = self.experiment_dir(key)
        elif kind == "run":
            folder = self.run_dir(key)
        elif kind == "logged model":
            read = partial(contents.read_meta, kind=kind)
            folder = self.below_experiments(f"{layout.MODELS}/{key}", read)
        elif kind == "trace":
            return self._trace(key)
        elif kind == "registered model":
            _check_name(key)
            folder = self._if_there(layout.registered_model(self.root, key))
        else:
            name, number = key
            model_dir = layout.registered_model(self.root, name)
            folder = self._if_there(layout.version(model_dir, number))
        return None if folder is None else FolderEntry(kind, key, folder)

    def _if_there(self, folder: str) -> str | None:
        return folder if os.path.exists(layout.meta(folder)) else None

    def experiment_named(self, name: str, *, offered: bool = True) -> FolderEntry | None:
        if offered and name == layout.DEFAULT_EXPERIMENT_NAME:
            self.offer_default()
        folder = self.dir_of_name(name)
        if folder is None:
            return None
        return FolderEntry("experiment", os.path.basename(folder), folder)

    def children(self, entry: Entry, kind: Kind) -> Iterable[Entry]:
        folder = _folder(entry)
        if kind == "trace":
            from tracklet.stores.files.traces import TraceFolder, trace_dirs

            return [TraceFolder(found) for found in trace_dirs(folder)]
        if kind == "run":
            return [
                FolderEntry("run", os.path.basename(run_dir), run_dir)
                for run_dir in contents.undamaged(contents.run_dirs(folder), kind)
            ]
        return [
            FolderEntry("model version", (entry.key, reader.version_number(version)), version)
            for version in contents.undamaged(contents.model_version_dirs(folder), kind)
        ]

    def readable(self, read: Callable[[Any], T], entries: Iterable[Entry]) -> list[T]:
        by_folder = {_folder(entry): entry for entry in entries}
        return contents.readable(lambda folder: read(by_folder[folder]), by_folder)

    # -- reading -------------------------------------------------------------------------------

    def load(self, entry: Entry) -> Any:
        return _LOAD[entry.kind](_folder(entry))

    def history(self, entry: Entry, key: str | None = None) -> list[entities.Metric]:
        folder = f"{_folder(entry)}/{layout.METRICS}"
        if key is None:
            return [
                point
                for name, path in contents.key_files(folder)
                for point in points.read_model_points(path, name, entry.key).points
            ]
        history = reader.read_metric_history(f"{folder}/{key}", key)
        if history.skipped:
            _log.warning(
                "passed over %d torn or malformed lines of %s; its other points are whole",
                history.skipped,
                f"{folder}/{key}",
            )
        return history.points

    def params(self, run: Entry) -> dict[str, str]:
        writer = self._writers.get(run.key)
        known = writer.known_params() if writer is not None else {}
        return contents.read_texts(f"{_folder(run)}/{layout.PARAMS}", known)

    def last_points(self, run: Entry) -> list[entities.Metric]:
        folder = f"{_folder(run)}/{layout.METRICS}"
        writer = self._writers.get(run.key)
        return points.last_points(folder, {}) if writer is None else writer.last_points(folder)

    def deletion_time(self, run: Entry) -> int | None:
        return reader.integer(_entry(run).meta.get("deleted_time"))

    # -- creating ------------------------------------------------------------------------------

    def create(self, made: Made, *, carried: bool = False, past: Past | None = None) -> FolderEntry:
        entry = self._place_of(made)
        for part, texts in texts_of(made).items():
            key_values.check_free(rules.word(entry.kind, part), None, texts)
        if past is not None:
            self._take_over(entry, made, past)
            self._announce(entry)
            return entry
        if entry.kind == "experiment":
            self.ensure_default()
        elif entry.kind in ("run", "logged model"):
            _check_free(entry.folder)
        is_new = not os.path.lexists(entry.folder)
        try:
            disk.make_dirs(entry.folder, self._not_made(entry))
            if entry.kind == "run":
                self._announce(entry)  # who sees it now waits for its document
            _fill(entry, made, carried=carried)
            if entry.kind == "run":
                self.remember_run(entry.key, entry.folder)
            else:
                self._announce(entry)
        except BaseException:  # also an interrupt: nobody gets to know of the entity
            if is_new:
                disk.remove_quietly(entry.folder)
            raise
        return entry

    def _take_over(self, entry: FolderEntry, made: Made, past: Past) -> None:
        """Build the folder where no reader looks, and move it to its place."""
        from tracklet.stores.files import staging

        if (entry.kind == "run" and entry.key in layout.NOT_RUNS) or os.path.lexists(entry.folder):
            raise _in_the_way(entry.folder)
        if isinstance(made, entities.Run):
            made = self._referring(made)
        if not self._swept:
            self._swept = True
            staging.sweep(self.root)
        with staging.staged(self.root) as folder:
            built = FolderEntry(entry.kind, entry.key, folder)
            _fill(built, made, past)
            if isinstance(made, entities.Run):
                home = os.path.dirname(entry.folder)
                _connect(folder, home, entry.key, made.inputs, made.outputs)
            disk.make_dirs(os.path.dirname(entry.folder), self._not_made(entry))
            disk.rename(folder, entry.folder)

    def _referring(self, run: entities.Run) -> entities.Run:
        """A run of which a place of another store's is told from one that moves with this one."""
        info = run.info
        home = self._home(info.experiment_id)
        experiment = reader.experiment(home, contents.read_meta(home, "experiment"))
        tail = f"{info.run_id}/{layout.ARTIFACTS}"
        place = rules.below(experiment.artifact_location, tail)
        uri = info.artifact_uri or ""
        if uri == place or settings.path_of(uri) is None:
            return run
        return replace(run, info=replace(info, artifact_uri=f"{uri.rstrip('/')}/"))

    def _place_of(self, made: Any) -> FolderEntry:
        """The entry of a new entity, with the folder where it will be."""
        kind, key = identity(made)
        if kind == "run":
            folder = f"{self._home(made.info.experiment_id)}/{key}"
        elif kind == "experiment":
            deleted = made.lifecycle_stage == LifecycleStage.DELETED
            folder = f"{layout.trash(self.root) if deleted else self.root}/{key}"
        elif kind == "logged model":
            folder = layout.logged_model(self._home(made.experiment_id), key)
        else:
            folder = layout.registered_model(self.root, made.name)
            if kind == "model version":
                folder = layout.version(folder, made.version)
        return FolderEntry(kind, key, folder)

    def _home(self, experiment_id: str) -> str:
        folder = self.experiment_dir(experiment_id)
        if folder is None:
            raise rules.missing("experiment", experiment_id, self.root)
        return folder

    def _not_made(self, entry: FolderEntry) -> str:
        """The folder above an entity's that must be there: that of its experiment."""
        if entry.kind == "run":
            return os.path.dirname(entry.folder)
        if entry.kind == "logged model":
            return os.path.dirname(os.path.dirname(entry.folder))
        return ""

    def files(self, entry: Entry, place: str) -> str:
        folder = _folder(entry)
        home = os.path.dirname(folder if entry.kind == "run" else os.path.dirname(folder))
        tail = f"{folder.removeprefix(f'{home}/')}/{layout.ARTIFACTS}"
        own = f"{self.root}/{os.path.basename(home)}/{tail}"  # which may lie in the trash
        return f"{folder}/{layout.ARTIFACTS}" if settings.path_of(place) == own else place

    def next_version(self, model: Entry) -> int:
        """Its folder is made, so lost documents keep their number."""
        folder, prefix = _folder(model), layout.VERSION_PREFIX
        while True:
            numbers = [
                number
                for name in os.listdir(folder)
                if name.startswith(prefix)
                and (number := layout.version_number(name.removeprefix(prefix))) is not None
            ]
            number = 1 + max(numbers, default=0)
            with suppress(FileExistsError):  # made by a handler that came in between
                disk.mkdir(layout.version(folder, number))
                return number

    # -- changing ------------------------------------------------------------------------------

    def change(self, entry: Entry, **fields: Any) -> None:
        entry = _entry(entry)
        if entry.kind == "registered model" and "name" in fields:
            self._rename(entry, fields["name"], fields["last_updated_timestamp"])
        meta = self._edit(entry, lambda meta: _update(entry, meta, fields))
        if entry.kind != "run" or meta.get("status") != RunStatus.RUNNING:
            self._announce(entry)

    def _rename(self, entry: FolderEntry, name: str, now: int) -> None:
        target = layout.registered_model(self.root, name)
        disk.rename(entry.folder, target)
        self._announce(entry)
        # Renamed by its place from here on; readers of the documents follow.
        entry.key, entry.folder = name, target
        for version in self.children(entry, "model version"):
            values = {"name": name, "last_updated_timestamp": now}
            self._edit(_entry(version), lambda meta, values=values: meta.update(values))

    def move(self, experiment: Entry, stage: str, now: int) -> bool:
        folder, name = _folder(experiment), experiment.key
        trashed = f"{layout.trash(self.root)}/{name}"
        mark = {"lifecycle_stage": stage, "last_update_time": now}
        if stage == LifecycleStage.DELETED:
            if folder != trashed:
                disk.make_dirs(layout.trash(self.root))
                disk.rename(folder, trashed)
            elif _is_marked(_entry(experiment).meta):
                return False
            # From here on it is deleted by its place; the documents follow.
            experiment = FolderEntry("experiment", name, trashed)
            self._mark_runs(experiment, stage, now)
            self._edit(experiment, lambda meta: meta.update(mark))
        else:
            if folder != trashed:
                return False
            self._mark_runs(experiment, stage, now)
            self._edit(_entry(experiment), lambda meta: meta.update(mark))
            disk.rename(folder, f"{self.root}/{name}")
        announce(self.root, name)
        return True

    def _mark_runs(self, experiment: Entry, stage: str, now: int) -> None:
        """Say in the documents of its runs where they are; what cannot be read stays."""
        fields = {"lifecycle_stage": stage, "deleted_time": now}
        for run in self.children(experiment, "run"):
            self._edit(_entry(run), lambda meta, run=run: _update(run, meta, fields))

    def record(
        self,
        entry: Entry,
        points: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        if entry.kind == "run":
            writer = self._writer(_entry(entry))
            try:
                writer.check(points, params or {}, tags or {})
                writer.log_params(params or {})
                writer.log_metrics(points)
                writer.set_tags(tags or {})
            finally:
                writer.close()
            return
        if points:
            self._append(_entry(entry), points)
        for part, texts in (("params", params), ("tags", tags), ("aliases", aliases)):
            if texts:
                self._put(entry, cast("Part", part), texts)
        self._announce(entry)

    def _append(self, model: FolderEntry, measured: Sequence[entities.Metric]) -> None:
        metrics_dir = f"{model.folder}/{layout.METRICS}"
        lines = _lines_of(measured, of_model=True)
        key_values.check_free("metric", metrics_dir, lines)
        for key, data in lines.items():
            Appender(f"{metrics_dir}/{key}", model.folder).write(data)

    def _put(self, entry: Entry, part: Part, texts: Mapping[str, str]) -> None:
        called, folder = rules.word(entry.kind, part), f"{_folder(entry)}/{part}"
        data = key_values.encoded(texts)
        if part == "params":
            key_values.put_params(called, folder, data, _staging(entry), str(entry))
        else:
            key_values.put_tags(called, folder, data, _staging(entry))

    def drop(self, entry: Entry, part: Part, key: str) -> bool:
        dropped = key_values.discard(f"{_folder(entry)}/{part}", key)
        if entry.kind == "run" and _entry(entry).meta.get("status") != RunStatus.RUNNING:
            self._announce(entry)
        return dropped

    def remove(self, entry: Entry) -> None:
        folder = _folder(entry)
        if entry.kind == "trace":
            from tracklet.stores.files.traces import staging

            gone = staging(folder)
            disk.rename(folder, gone)
            disk.remove_tree(gone)
            return
        if entry.kind == "experiment":
            for run_dir in contents.run_dirs(folder):
                disk.remove_tree(run_dir)
        elif entry.kind == "registered model":
            disk.unlink(layout.meta(folder))  # gone for readers from here on
        disk.remove_tree(folder)
        if entry.kind == "run":
            self.remember_run(entry.key, None)
        self._announce(entry)

    def _edit(
        self, entry: FolderEntry, change: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        """Apply a change to a document, one at a time, and return what it is then."""
        if entry.kind in ("run", "logged model"):
            lock = layout.run_lock(entry.folder)
        else:
            lock = layout.lock_file(self.root)

        def apply(meta: dict[str, Any]) -> None:
            change(meta)
            if entry.kind == "registered model":
                aliases = reader.read_aliases(entry.folder).items()
                meta["aliases"] = {alias: str(version) for alias, version in aliases}

        staging = _staging(entry)
        return contents.edit_meta(entry.folder, entry.kind, apply, lock=lock, staging=staging)

    def _announce(self, entry: Entry) -> None:
        """Tell the index of a change; it knows no traces."""
        if entry.kind == "trace":
            return
        if entry.kind == "model version":
            changed = f"{layout.MODELS}/{entry.key[0]}"
        elif entry.kind == "registered model":
            changed = f"{layout.MODELS}/{entry.key}"
        else:
            folder = _folder(entry)
            home = os.path.dirname(folder)
            levels = {"experiment": [folder], "run": [home, folder]}.get(
                entry.kind, [os.path.dirname(home), home, folder]
            )
            changed = "/".join(map(os.path.basename, levels))
        announce(self.root, changed)

    # -- runs ----------------------------------------------------------------------------------

    def metric_file(self, run_id: str, key: str) -> str | None:
        """Where the points of a run's metric lie; None if there is no such run."""
        run = self.find("run", validation.validate_run_id(run_id))
        name = validation.validate_key("metric", key)
        return None if run is None else f"{_folder(run)}/{layout.METRICS}/{name}"

    def writer(self, run: Entry) -> FileRunWriter:
        return self._writer(_entry(run))

    def _writer(self, run: FolderEntry) -> FileRunWriter:
        over = run.lease is None and run.meta.get("status") != RunStatus.RUNNING
        writer = FileRunWriter(
            self.root, run.folder, lease=run.lease, settled=over, find_model=self._active_model_dir
        )
        if run.lease is not None:
            self._writers[run.key] = writer
        return writer

    def _active_model_dir(self, model_id: str) -> str:
        validation.validate_model_id(model_id)
        entry = self.find("logged model", model_id)
        if entry is None:
            raise rules.missing("logged model", model_id, self.root)
        if entry.is_deleted:
            raise rules.in_trash("log to", entry)
        return _folder(entry)

    def carry(self, run: Entry, rivals: Rivals | None = None) -> None:
        entry = _entry(run)
        over = entry.meta.get("status") != RunStatus.RUNNING
        with disk.locked(layout.run_lock(entry.folder)) if rivals else nullcontext():
            if rivals and run_state.has_rivals(entry.folder, rivals):
                raise rules.carried(entry)
            entry.lease = run_state.leave_lease(entry.folder)
        try:  # the lease is there already, so no reader takes the run for lost meanwhile
            self._edit(entry, lambda meta: meta.update(status=RunStatus.RUNNING, end_time=None))
            key_values.discard(f"{entry.folder}/{layout.TAGS}", liveness.END_REASON_TAG)
            run_state.drop_dead_leases(entry.folder)
        except BaseException:
            disk.discard(entry.lease)
            raise
        if over:
            self._announce(entry)

    def is_lost(self, run: Entry) -> bool:
        entry = _entry(run)
        if entry.meta.get("status") != RunStatus.RUNNING:
            return False
        return bool(run_state.is_lost(entry.folder))

    def settle(self, run: Entry) -> None:
        run_state.settle(self.root, _folder(run))

    def set_history(self, run: Entry, key: str, points: Sequence[entities.Metric]) -> None:
        folder = _folder(run)
        path = f"{folder}/{layout.METRICS}/{key}"
        writer = self._writers.get(run.key)
        if points:
            lines = _lines_of(points, of_model=False)[key]
            disk.publish(path, lines, layout.private(folder))
        else:
            key_values.discard(f"{folder}/{layout.METRICS}", key)
        if writer is not None:
            writer.reopen(key)
        self._announce(run)

    # -- what a run used and produced: small documents in its folder that name it ----------------

    def connect(self, run: Entry, inputs: entities.RunInputs, outputs: entities.RunOutputs) -> None:
        _connect(_folder(run), os.path.dirname(_folder(run)), run.key, inputs, outputs)
        if _entry(run).meta.get("status") != RunStatus.RUNNING:
            self._announce(run)

    # -- traces --------------------------------------------------------------------------------

    def _trace(self, trace_id: str) -> TraceFolder | None:
        from tracklet.stores.files.traces import INFO, TraceFolder

        folder = self.below_experiments(
            f"{layout.TRACES}/{trace_id}", lambda found: TraceFolder(found).info, INFO
        )
        return None if folder is None else TraceFolder(folder)

    def keep_trace(self, experiment: Entry, info: entities.TraceInfo, spans: bytes) -> None:
        """It is staged under a name that no reader looks at and renamed when it is complete."""
        from tracklet.stores.files import traces

        experiment_dir = _folder(experiment)
        folder = f"{experiment_dir}/{layout.TRACES}/{info.trace_id}"
        staged = traces.staging(folder)
        try:
            disk.make_dirs(staged, os.path.dirname(experiment_dir))
            traces.write(staged, folder, info, spans)
            disk.rename(staged, folder)
        except BaseException as error:
            disk.remove_quietly(staged)
            if isinstance(error, OSError) and os.path.isdir(folder):
                raise ResourceAlreadyExists(
                    f"there is a trace with the id {info.trace_id!r} already"
                ) from error
            raise

    def put_spans(self, trace: Entry, spans: bytes) -> None:
        from tracklet.stores.files.traces import spans_file

        disk.publish(spans_file(_folder(trace)), spans, _folder(trace))

    def put_assessment(self, trace: Entry, assessment: entities.Assessment) -> None:
        from tracklet.stores.files import traces

        path = traces.assessment_file(_folder(trace), assessment.assessment_id)
        disk.publish(path, traces.assessment_yaml(assessment), _folder(trace))

    def drop_assessment(self, trace: Entry, assessment_id: str) -> None:
        from tracklet.stores.files.traces import assessment_file

        disk.unlink(assessment_file(_folder(trace), assessment_id))

    # -- searching -----------------------------------------------------------------------------

    @property
    def index(self) -> FolderIndex:
        """The index, opened at the first search."""
        if self._index is None:
            # By name: whoever only records never loads what searches.
            opened = import_module("tracklet.reading.index").FolderIndex(self.root)
            self._index = cast("FolderIndex", opened)
        return self._index

    def search(self, query: Query) -> PagedList[Any]:
        if query.kind == "experiments":
            self.offer_default()
        return self.index.search(query)

    def ask(self, question: Callable[[Reader], T]) -> T:
        return self.index.ask(question)

    def check_text(self, called: str, key: str, value: str, known: Iterable[str]) -> None:
        """A key is a file, so none can be the beginning of another one."""
        key_values.check_free(called, None, (key,), known)

    def failure(self, action: str, error: OSError) -> StorageError:
        return disk.storage_error(action, error, self.root)

    def left_out(self) -> list[tuple[str, str]]:
        from tracklet.stores.files.traces import check, trace_dirs

        with contents.noting() as found:
            for experiment_dir in contents.experiment_dirs(self.root):
                contents.readable(check, trace_dirs(experiment_dir))
        return sorted({*self.index.left_out(), *found.items()})

    def close(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            index.close()


class FileStore(Store):
    """Tracking and registry in a folder, in MLflow's layout.

    Nothing is written until something is recorded. Writes need no lock on the training path, no
    daemon and no database; searches go through an index in the user's cache folder.

    Args:
        uri: A path or ``file:`` URI. A relative path is made absolute at once.

    Raises:
        StorageError: The path is relative and the working directory was deleted.
    """

    backend: FolderBackend

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        super().__init__(FolderBackend(uri))

    @property
    def root(self) -> str:
        """The folder."""
        return self.backend.root


def _entry(entry: Entry) -> FolderEntry:
    assert isinstance(entry, FolderEntry)
    return entry


def _folder(entry: Any) -> str:
    """The folder of an entity."""
    return entry.folder


def _staging(entry: Entry) -> str:
    """A folder beside an entity's files in which no reader looks."""
    run_like = entry.kind in ("run", "logged model")
    return layout.private(_folder(entry)) if run_like else _folder(entry)


def _is_marked(meta: Mapping[str, Any]) -> bool:
    return meta.get("lifecycle_stage") == LifecycleStage.DELETED


def _update(entry: Entry, meta: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Change a document's fields."""
    values = documents.spelled(entry.kind, fields)
    if entry.kind == "run" and "lifecycle_stage" in values:
        deleted_time = values.pop("deleted_time")
        if not _is_marked(values):
            meta.pop("deleted_time", None)
        elif not _is_marked(meta):
            meta["deleted_time"] = deleted_time
    meta.update(values)


def _check_free(folder: str) -> None:
    """Refuse to make a run or a model in a folder that holds something, which is somebody's.

    What a creation left behind that was cut off holds nothing, and goes.
    """
    if not os.path.lexists(folder):
        return
    kept = (layout.METRICS, layout.PARAMS, layout.ARTIFACTS)
    is_made = os.path.islink(folder) or os.path.lexists(layout.meta(folder))
    if is_made or any(disk.names_in(f"{folder}/{part}") for part in kept):
        raise _in_the_way(folder)
    disk.remove_tree(folder)


def _in_the_way(folder: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"{folder!r} is in the way: it is there, but holds no {layout.META}; move it away"
    )


def _fill(entry: FolderEntry, made: Made, past: Past = _NO_PAST, *, carried: bool = False) -> None:
    """Write an entity into its new folder; nobody reads it before its document is there."""
    folder, document = entry.folder, documents.of(entry.kind, info_of(made))
    if entry.kind in ("run", "logged model"):
        disk.mkdir(f"{folder}/{layout.METRICS}")
    if entry.kind == "run":
        disk.mkdir(f"{folder}/{layout.ARTIFACTS}")
    for part, texts in texts_of(made).items():
        if texts or entry.kind in ("run", "logged model"):
            disk.mkdir(f"{folder}/{part}")
        for key, text in texts.items():
            _write_new(folder, f"{part}/{key}", text.encode())
    for key, data in _lines_of(past.points, of_model=entry.kind == "logged model").items():
        _write_new(folder, f"{layout.METRICS}/{key}", data)
    for version in past.versions:
        below = layout.version(folder, version.version)
        disk.mkdir(below)
        _fill(FolderEntry("model version", (version.name, version.version), below), version)
    if carried:
        entry.lease = run_state.leave_lease(folder)
    if past.deleted_time is not None:
        document["deleted_time"] = past.deleted_time
    disk.publish(layout.meta(folder), documents.dumps(document), _staging(entry))


def _write_new(folder: str, key: str, data: bytes) -> None:
    path = f"{folder}/{key}"
    if key.count("/") > 1:
        disk.make_dirs(os.path.dirname(path), folder)
    disk.write_new(path, data)


def _lines_of(measured: Iterable[entities.Metric], *, of_model: bool) -> dict[str, bytes]:
    """The lines of points by their metrics; those of a logged model say which run measured it."""
    lines: dict[str, list[bytes]] = {}
    for point in measured:
        unknown = "-" if point.dataset_name is not None else None
        run_id = (point.run_id or unknown) if of_model else None
        lines.setdefault(point.key, []).append(points.line_of(point, run_id))
    return {key: b"".join(own) for key, own in lines.items()}


def _connect(
    folder: str,
    experiment_dir: str,
    run_id: str,
    inputs: entities.RunInputs,
    outputs: entities.RunOutputs,
) -> None:
    """Say in a run's folder what it used and produced; the experiment's describes datasets."""
    for given in inputs.dataset_inputs:
        dataset_id = layout.dataset_id(given.dataset.name, given.dataset.digest)
        dataset_dir = f"{experiment_dir}/{layout.DATASETS}/{dataset_id}"
        _write_once(dataset_dir, dict(given.dataset), experiment_dir)
        tags = {tag.key: tag.value for tag in given.tags}
        _link_input(folder, run_id, dataset_id, "DATASET", tags)
    for model in inputs.model_inputs:
        _link_input(folder, run_id, model.model_id)
    for output in outputs.model_outputs:
        place = f"{folder}/{layout.OUTPUTS}/{output.model_id}"
        link = documents.model_output(output)
        known = contents.meta_if_there(place) or link
        link[documents.LINKED_NS] = known.get(documents.LINKED_NS, 0)
        disk.publish(layout.meta(place), documents.dumps(link), layout.private(folder))


def _link_input(
    folder: str,
    run_id: str,
    source_id: str,
    source_type: str = "MODEL",
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Say in a run's folder that it used a logged model or a dataset."""
    link = {
        "destination_id": source_id,
        "destination_type": "RUN",
        "source_id": source_id,
        "source_type": source_type,
        "tags": dict(tags),
        documents.LINKED_NS: time.time_ns(),
    }
    place = f"{folder}/{layout.INPUTS}/{layout.input_id(source_id, run_id)}"
    _write_once(place, link, layout.private(folder))


def _write_once(folder: str, document: dict[str, Any], staging: str) -> None:
    path = layout.meta(folder)
    if not os.path.exists(path):
        disk.publish(path, documents.dumps(document), staging)


def _check_name(name: str) -> None:
    """Refuse the name of a registered model that no folder can have."""
    if len(name.encode()) > validation.MAX_PATH_COMPONENT_BYTES:
        raise InvalidParameterValue(
            f"{name[:60]!r}… cannot name a registered model: a name has at most "
            f"{validation.MAX_PATH_COMPONENT_BYTES} bytes in UTF-8"
        )
    if name.startswith(layout.PRIVATE) or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise InvalidParameterValue(
            f"{name!r} cannot name a registered model: names have no control characters and do "
            f"not start with {layout.PRIVATE!r}"
        )
