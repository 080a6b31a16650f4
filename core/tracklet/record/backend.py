"""The contract of a place that keeps the record: what the verbs ask of it, and nothing more.

A backend keeps entities and finds them again. It knows no rule of the record: what may be created,
changed or deleted, what counts as a value, and how it is refused is said once, in the verbs beside
this module. What it must do is in the docstrings here; ``tracklet_testing.StoreContract`` holds
every one of them to it, through the verbs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

from tracklet import entities, names, validation
from tracklet.errors import StorageError
from tracklet.frozen import Frozen, replace
from tracklet.record import rules

if TYPE_CHECKING:
    from tracklet.reading.connection import Reader
    from tracklet.record.query import Query

    Made: TypeAlias = (
        entities.Experiment
        | entities.Run
        | entities.LoggedModel
        | entities.RegisteredModel
        | entities.ModelVersion
    )

P = ParamSpec("P")
T = TypeVar("T")

Kind: TypeAlias = Literal[
    "experiment", "run", "logged model", "registered model", "model version", "trace"
]
Part: TypeAlias = Literal["params", "tags", "aliases"]
Rivals: TypeAlias = Literal["alive", "doubtful"]
"""Other processes that carry a run: those that certainly live, or may."""


_KEYS: Final[Mapping[str, tuple[Kind, str]]] = {
    "Experiment": ("experiment", "experiment_id"),
    "RunInfo": ("run", "run_id"),
    "LoggedModel": ("logged model", "model_id"),
    "RegisteredModel": ("registered model", "name"),
    "ModelVersion": ("model version", "name version"),
}
"""What each entity is called here, and the fields that are its key."""


def info_of(made: Made) -> Any:
    """What an entity has of its own, as :attr:`Entry.info` says it."""
    return made.info if isinstance(made, entities.Run) else made


def identity(made: Made | entities.RunInfo) -> tuple[Kind, Any]:
    """What kind of entity it is, and its key."""
    info = made.info if isinstance(made, entities.Run) else made
    kind, names = _KEYS[type(info).__name__]
    first, *more = (getattr(info, name) for name in names.split())
    return kind, (first, *more) if more else first


def texts_of(made: Made) -> dict[Part, dict[str, str]]:
    """The texts of an entity, by what they are."""
    data: Any = made.data if isinstance(made, entities.Run) else made
    return {
        part: {key: str(value) for key, value in getattr(data, part).items()}
        for part in rules.parts(identity(made)[0])
    }


class Entry:
    """An entity that a backend found.

    Attributes:
        kind: What it is.
        key: Its id; the name of a registered model, name and number of a version.
        lease: What says that this process carries the run, if it does.
    """

    __slots__ = ("key", "kind", "lease")

    def __init__(self, kind: Kind, key: Any) -> None:
        self.kind: Kind = kind
        self.key = key
        self.lease: Any = None

    @property
    def info(self) -> Any:
        """The entity without what is recorded on it: no texts, metrics, versions and links.

        Of a run that is its :class:`RunInfo`.
        """
        raise NotImplementedError

    @property
    def is_deleted(self) -> bool:
        """Whether it is in the trash, or its experiment is."""
        return self.info.lifecycle_stage == entities.LifecycleStage.DELETED

    def __str__(self) -> str:
        return f"{'model' if self.kind == 'logged model' else self.kind} {self.key}"


class TraceEntry(Entry):
    """A trace, of which each part is read when it is first asked for."""

    __slots__ = ("_parts",)

    def __init__(self, trace_id: str) -> None:
        super().__init__("trace", trace_id)
        self._parts: dict[str, Any] = {}

    def read(self, part: str) -> Any:
        """What is kept of a part: one of the properties below."""
        raise NotImplementedError

    def _part(self, part: str) -> Any:
        if part not in self._parts:
            self._parts[part] = self.read(part)
        return self._parts[part]

    @property
    def info(self) -> entities.TraceInfo:
        """What is known beside the other parts."""
        return self._part("info")

    @property
    def tags(self) -> dict[str, str]:
        """The tags."""
        return self._part("tags")

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata."""
        return self._part("metadata")

    @property
    def assessments(self) -> list[entities.Assessment]:
        """The assessments, in no order."""
        return self._part("assessments")

    @property
    def spans(self) -> list[entities.Span]:
        """The spans; none if they are not there (yet)."""
        return self._part("spans")

    @property
    def is_deleted(self) -> bool:
        """A trace is there or not."""
        return False

    def assessment(self, assessment_id: str) -> entities.Assessment | None:
        """The assessment of that id, if there is one."""
        found = (one for one in self.assessments if one.assessment_id == assessment_id)
        return next(found, None)


class Past(Frozen):
    """What an entity that is taken over from another record has behind it.

    Attributes:
        points: All points measured on a run or logged model, in their order.
        versions: All versions of a registered model, in their order.
        deleted_time: When a run was deleted, ms.
    """

    points: Sequence[entities.Metric] = ()
    versions: Sequence[entities.ModelVersion] = ()
    deleted_time: int | None = None


class Session(ABC):
    """A backend inside a transaction, if it has any; else what is done here is done at once.

    Everything given has been checked by the verbs. What this backend alone cannot keep it refuses
    by InvalidParameterValue, before the first write of the call.
    """

    @abstractmethod
    def find(self, kind: Kind, key: Any, *, lock: bool = False) -> Entry | None:
        """The entity of that id, deleted ones too; None if there is none.

        Args:
            kind: What it is.
            key: Its id, well-formed.
            lock: Whether nobody else may change it until the transaction ends.
        """

    @abstractmethod
    def experiment_named(self, name: str, *, offered: bool = True) -> Entry | None:
        """The experiment of that name, an active one before a deleted one.

        Args:
            offered: Whether the default experiment is made now, where it is made late.
        """

    @abstractmethod
    def children(self, entry: Entry, kind: Kind) -> Iterable[Entry]:
        """The entities of a kind that belong to one: versions in their order, deleted ones too."""

    def readable(self, read: Callable[[Any], T], entries: Iterable[Entry]) -> list[T]:
        """What is read of each entry; what is damaged or gone is left out, where that can be."""
        return [read(entry) for entry in entries]

    @abstractmethod
    def load(self, entry: Entry) -> Any:
        """The whole entity with all that is recorded on it.

        Raises:
            ResourceDoesNotExist: It is gone.
        """

    @abstractmethod
    def create(self, made: Made, *, carried: bool = False, past: Past | None = None) -> Entry:
        """Keep a new entity with its texts and links, so that readers see all of it or nothing.

        Args:
            made: The entity; its metrics are not looked at.
            carried: Whether this process carries the run; its lease is there before a reader
                can see the run.
            past: What comes with an entity that is taken over under its own id: what a killed
                process leaves of it must not be in the way of another try.
        """

    def files(self, entry: Entry, place: str) -> str:
        """Where to put files of a run or logged model whose artifacts are said to be at a place."""
        return place

    @abstractmethod
    def next_version(self, model: Entry) -> int:
        """The number of a new version of a registered model, used by no other before or since."""

    @abstractmethod
    def change(self, entry: Entry, **fields: Any) -> None:
        """Give fields of the entity other values.

        ``deleted_time``, ms, of a run goes with its ``lifecycle_stage``. Under another name, a
        registered model keeps its versions.
        """

    @abstractmethod
    def move(self, experiment: Entry, stage: str, now: int) -> bool:
        """Move an experiment and the runs and models in it to the trash, or take them back.

        Returns:
            Whether there was anything to do.
        """

    @abstractmethod
    def record(
        self,
        entry: Entry,
        points: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Append points and set texts: all of it, or nothing.

        A run's points that name a logged model are appended to that too (:meth:`link`).

        Raises:
            InvalidParameterValue: A param holds another value.
        """

    def link(self, run_id: str, points: Sequence[entities.Metric]) -> None:
        """Append points of a run to the logged models that they name.

        Raises:
            ResourceDoesNotExist: One is not there, or deleted.
        """
        by_model: dict[str, list[entities.Metric]] = {}
        for point in points:
            if point.model_id is not None:
                by_model.setdefault(point.model_id, []).append(replace(point, run_id=run_id))
        for model_id, own in by_model.items():
            model = self.find("logged model", model_id)
            if model is None:
                raise rules.missing("logged model", model_id, "this store")
            if model.is_deleted:
                raise rules.in_trash("log to", model)
            self.record(model, own)

    @abstractmethod
    def drop(self, entry: Entry, part: Part, key: str) -> bool:
        """Remove a text, and say whether it was there."""

    @abstractmethod
    def history(self, entry: Entry, key: str | None = None) -> list[entities.Metric]:
        """All points of a run's metric, or measured on a logged model, in the order of logging."""

    @abstractmethod
    def set_history(self, run: Entry, key: str, points: Sequence[entities.Metric]) -> None:
        """Let a metric of a run have these points and no others; without any it is gone."""

    @abstractmethod
    def connect(self, run: Entry, inputs: entities.RunInputs, outputs: entities.RunOutputs) -> None:
        """Record what a run used and produced; what it is linked to already stays as it is."""

    @abstractmethod
    def remove(self, entry: Entry) -> None:
        """Forget an entity and all that belongs to it."""

    @abstractmethod
    def carry(self, run: Entry, rivals: Rivals | None = None) -> None:
        """Leave this process's lease on a run, which is RUNNING from here on, and name it.

        Raises:
            InvalidState: Such a rival has a lease on it.
        """

    def release(self, run: Entry) -> None:  # noqa: B027 - not all have leases
        """Take the lease of an entry back."""

    def is_lost(self, run: Entry) -> bool:
        """Whether a run is RUNNING by the record, and the processes with a lease on it are dead."""
        return False

    def settle(self, run: Entry) -> None:  # noqa: B027 - not all have leases
        """Write down that a run is lost, if it is and that can be written."""

    def deletion_time(self, run: Entry) -> int | None:
        """When a run was deleted, ms; None for an active one, or if that was not noted."""
        return getattr(run, "deleted_time", None)

    def params(self, run: Entry) -> dict[str, str]:
        """The params of a run; backends that need not load all of it override this."""
        return self.load(run).data.params

    def last_points(self, run: Entry) -> list[entities.Metric]:
        """The point of each metric that was logged last; not to read all is the backend's art."""
        return [self.history(run, key)[-1] for key in self.load(run).data.metrics]

    # -- traces --------------------------------------------------------------------------------

    @abstractmethod
    def keep_trace(self, experiment: Entry, info: entities.TraceInfo, spans: bytes) -> None:
        """Keep a trace, whole or not at all; one of the same id is ResourceAlreadyExists.

        Args:
            experiment: Whose it is.
            info: What is known of it.
            spans: The document of its spans, in JSON.
        """

    @abstractmethod
    def put_spans(self, trace: Entry, spans: bytes) -> None:
        """Replace the document of the spans of a trace."""

    @abstractmethod
    def put_assessment(self, trace: Entry, assessment: entities.Assessment) -> None:
        """Keep an assessment under its id, in the place of an earlier one."""

    @abstractmethod
    def drop_assessment(self, trace: Entry, assessment_id: str) -> None:
        """Forget an assessment."""


class Backend(ABC):
    """A place that keeps the record."""

    uri: str
    """The place, as an absolute URI or path."""

    @property
    @abstractmethod
    def where(self) -> str:
        """What messages call the place: without a password."""

    @property
    @abstractmethod
    def artifact_root(self) -> str:
        """Below it lie the artifacts of experiments that name no place of their own."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """For one verb that only reads: it sees one state of the record."""

    @abstractmethod
    def writing(self, *, exclusive: bool = False) -> AbstractContextManager[Session]:
        """For one verb that writes; where there are transactions, an exception takes it back.

        Args:
            exclusive: Whether nobody else may give names away meanwhile.
        """

    def write(self, what: Callable[[Session], object]) -> None:
        """Write what nobody waits for an answer to.

        A signal handler or a finalizer may ask for it in the midst of another write of its thread;
        a backend on which the one would wait for the other does it right after that one.
        """
        with self.writing() as at:
            what(at)

    @abstractmethod
    def search(self, query: Query) -> entities.PagedList[Any]:
        """A page of what a query asks for."""

    def ask(self, question: Callable[[Reader], T]) -> T:
        """What somebody finds in the tables of :mod:`tracklet.reading.tables`, all of one state.

        Raises:
            NotImplementedError: The record is kept in no such tables.
        """
        raise NotImplementedError(f"{self.where} has no tables to ask")

    @abstractmethod
    def writer(self, run: Entry) -> RunWriter:
        """What writes a run from now on; its lease is the entry's.

        :class:`tracklet.record.writer.SessionWriter` does where each call may be a transaction.
        """

    def flush(self) -> None:  # noqa: B027 - what is written is safe in most
        """Return when everything written would survive a power cut."""

    def check_text(  # noqa: B027 - most keep them all
        self, called: str, key: str, value: str, known: Iterable[str]
    ) -> None:
        """Refuse a text that the verbs accept and this backend cannot keep.

        Args:
            called: What it is, in words of messages.
            value: The text.
            known: The keys beside it.

        Raises:
            InvalidParameterValue: It cannot be kept.
        """

    def failure(self, action: str, error: OSError) -> StorageError:
        """What to raise when the system refused: what was tried, why it failed, and a way out."""
        return StorageError(f"could not {action}: {error}")

    def left_out(self) -> list[tuple[str, str]]:
        """The parts of the record that cannot be read, and the reasons."""
        return []

    def close(self) -> None:  # noqa: B027 - many hold nothing open
        """Release what is open; the next call opens it again."""


class RunWriter(ABC):
    """The open record of one run, made for the training path.

    Calls may come from any thread. When one returns, the record is with the operating system:
    it survives the death of the process.
    """

    run_id: str

    @abstractmethod
    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        """Append one point. ``value`` is a float already, ``step`` an int."""

    @abstractmethod
    def log_metrics(self, metrics: Sequence[entities.Metric]) -> None:
        """Append points; all keys are checked before the first is written."""

    def log_values(self, values: Mapping[str, float], step: int, timestamp: int) -> None:
        """Append one point to each of several metrics; all keys are checked first.

        Stores that can do better than making :class:`Metric` objects override this.
        """
        self.log_metrics([entities.Metric(key, values[key], timestamp, step) for key in values])

    def log_series(self, key: str, points: Sequence[tuple[int, float, int]]) -> None:
        """Append points of one metric: each a timestamp, a value and a step.

        For many points of a loop's. Stores that need no :class:`Metric` objects override this.
        """
        self.log_metrics([entities.Metric(key, value, at, step) for at, value, step in points])

    @abstractmethod
    def link_metrics(self, metrics: Sequence[entities.Metric]) -> None:
        """Add points that this run has already to the record of the models that they name."""

    @abstractmethod
    def log_params(self, params: Mapping[str, str]) -> None:
        """Set params; a key that is set already must keep its value. All or nothing is written.

        Raises:
            InvalidParameterValue: A key is malformed, or holds another value already.
        """

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values; ``mlflow.runName`` renames the run too."""

    @abstractmethod
    def flush(self) -> None:
        """Return when everything written would survive a power cut."""

    @abstractmethod
    def close(self) -> None:
        """Release descriptors and the claim that the run is alive. Idempotent."""


# -- who asks ----------------------------------------------------------------------------------

_CHECKS: Final[Mapping[str, Callable[[Any], str]]] = {
    "experiment": validation.as_experiment_id,
    "run": validation.validate_run_id,
    "logged model": validation.validate_model_id,
    "registered model": rules.registered_model_name,
}


def reported(verbs: type[T]) -> type[T]:
    """Have all verbs of a class turn a backend's OSError into a StorageError of what was tried."""
    for name, verb in list(vars(verbs).items()):
        if isinstance(verb, FunctionType) and not name.startswith("_"):
            setattr(verbs, name, _reporting(verb))
    return verbs


def _reporting(verb: Callable[P, T]) -> Callable[P, T]:
    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except OSError as error:
            store: Any = args[0]
            raise store.backend.failure(verb.__name__.replace("_", " "), error) from error

    return call


class Verbs:
    """Base of the groups of verbs.

    Args:
        backend: Where the record is kept.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def _found(self, at: Session, kind: Kind, key: Any, *, lock: bool = False) -> Entry:
        """The entity of that id, deleted or not."""
        key = _CHECKS[kind](key)
        entry = at.find(kind, key, lock=lock)
        if entry is None:
            raise rules.missing(kind, key, self.backend.where)
        return entry

    def _active(
        self, at: Session, kind: Kind, key: Any, action: str = "change", *, lock: bool = False
    ) -> Entry:
        """The entity of that id, which is not deleted."""
        entry = self._found(at, kind, key, lock=lock)
        if entry.is_deleted:
            raise rules.in_trash(action, entry)
        return entry

    def _drop_tag(self, kind: Kind, key: str, tag: str) -> None:
        """Remove a tag of what is not deleted; a missing one is ResourceDoesNotExist."""
        validation.validate_key(rules.word(kind, "tags"), tag)
        with self.backend.writing() as at:
            entry = self._active(at, kind, key, "delete a tag of", lock=True)
            if not at.drop(entry, "tags", tag):
                raise rules.no_text(entry, "tags", tag)
            if kind != "run":
                touch(at, entry)

    def _purge(self, kind: Kind, key: str) -> None:
        with self.backend.writing() as at:
            entry = self._found(at, kind, key, lock=True)
            if not entry.is_deleted:
                raise rules.not_in_trash(entry)
            at.remove(entry)


def touch(at: Session, entry: Entry, **changes: Any) -> None:
    """Change what is given; when, is noted."""
    noted = "last_update_time" if entry.kind == "experiment" else "last_updated_timestamp"
    at.change(entry, **{noted: names.now()}, **changes)
