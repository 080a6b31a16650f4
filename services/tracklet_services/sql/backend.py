"""A database as a backend: a row for each entity, and rows for what is recorded on it.

A verb is one transaction. One that changes a run, a logged model or a registered model has locked
its row; SQLite has one writer at a time anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Table, delete, func, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.exc import IntegrityError

from tracklet import entities
from tracklet.entities import LifecycleStage, PagedList
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from tracklet.reading import queries
from tracklet.reading.compile import Subject
from tracklet.record import rules
from tracklet.record.backend import (
    Backend,
    Entry,
    Kind,
    Part,
    Past,
    Rivals,
    Session,
    TraceEntry,
    identity,
    info_of,
    texts_of,
)
from tracklet.record.query import Query
from tracklet.record.traces import LOCATION_TAG, spans_of
from tracklet.record.writer import SessionWriter
from tracklet_services.sql import leases, values
from tracklet_services.sql import schema as t
from tracklet_services.sql.database import Database

if TYPE_CHECKING:
    from tracklet.reading.connection import Reader
    from tracklet.record.backend import Made

T = TypeVar("T")

_SUBJECTS: Final[Mapping[str, tuple[Subject, str, Any]]] = {
    "experiment": (queries.EXPERIMENT, "experiment_id", queries.load_experiments),
    "run": (queries.RUN, "run_id", queries.load_runs),
    "logged model": (queries.LOGGED_MODEL, "model_id", queries.load_logged_models),
    "registered model": (queries.REGISTERED_MODEL, "name", queries.load_registered_models),
    "model version": (queries.MODEL_VERSION, "", queries.load_model_versions),
}


class SqlEntry(Entry):
    """An entity's row.

    Args:
        kind: What it is.
        key: Its id.
        row: The row's number.
        info: The entity, as the row says it.
    """

    __slots__ = ("_info", "fields", "locked", "row")

    def __init__(self, kind: Kind, key: Any, row: int, info: Any) -> None:
        super().__init__(kind, key)
        self.row = row
        self._info = info
        self.fields: Sequence[Any] | None = None
        """The row, unless it was changed since."""
        self.locked: Connection | None = None

    @property
    def info(self) -> Any:
        """The entity, as it was when it was found."""
        return self._info


def _found(kind: Kind, row: Any) -> SqlEntry:
    subject = _SUBJECTS[kind][0]
    ((row_id, named),) = queries.with_names(subject, [row])
    named.pop("model", None)
    info = getattr(entities, subject.entity)(**named)
    entry = SqlEntry(*identity(info), row_id, info)
    entry.fields = row
    return entry


class SqlSession(Session):
    """A transaction.

    Args:
        connection: The connection, in its transaction.
        backend: The database; who only reads needs none.
    """

    def __init__(self, connection: Connection, backend: Any = None) -> None:
        self._db = connection
        self._backend: SqlBackend = backend
        self._reader = t.SqlReader(connection)

    # -- finding -------------------------------------------------------------------------------

    def find(self, kind: Kind, key: Any, *, lock: bool = False) -> SqlEntry | SqlTrace | None:
        if kind == "trace":
            return next(iter(self._traces(t.traces.c.trace_id == key)), None)
        if kind == "model version":
            name, number = key
            model = t.registered_models.c.name == name
            if not 0 < number < 2**31:
                return None
            found = self._entries(kind, model & (t.model_versions.c.version == number))
        else:
            subject, column, _ = _SUBJECTS[kind]
            found = self._entries(kind, t.columns_of(subject)[column] == key, lock=lock)
        return found[0] if found else None

    def experiment_named(self, name: str, *, offered: bool = True) -> SqlEntry | None:
        found = self._entries("experiment", t.experiments.c.name == name)
        return found[0] if found else None

    def children(self, entry: Entry, kind: Kind) -> Sequence[Any]:
        if kind == "trace":
            return self._traces(t.traces.c.experiment_id == entry.key)
        return self._entries("model version", t.model_versions.c.model == _entry(entry).row)

    def _entries(self, kind: Kind, condition: Any, *, lock: bool = False) -> list[SqlEntry]:
        statement = t.select_all(_SUBJECTS[kind][0]).where(condition)
        if kind == "model version":
            statement = statement.order_by(t.model_versions.c.version)
        if lock:
            statement = statement.with_for_update()
        found: list[SqlEntry] = []
        for row in self._db.execute(statement):
            entry = _found(kind, row)
            entry.locked = self._db if lock else None
            found.append(entry)
        return found

    # -- reading -------------------------------------------------------------------------------

    def load(self, entry: Entry) -> Any:
        entry = _entry(entry)
        subject, _, load = _SUBJECTS[entry.kind]
        rows = [entry.fields]
        if entry.fields is None:  # it was changed since
            own = t.columns_of(subject)["id"]
            rows = self._db.execute(t.select_all(subject).where(own == entry.row)).all()
        return load(self._reader, rows)[0]

    def history(self, entry: Entry, key: str | None = None) -> list[entities.Metric]:
        row = _entry(entry).row
        if entry.kind == "run":
            return values.points_of(self._db, row, key)
        return [point for _, point in queries.model_points(self._reader, {row: entry.key})]

    def deletion_time(self, run: Entry) -> int | None:
        deleted = select(t.runs.c.deleted_time).where(t.runs.c.id == _entry(run).row)
        return self._db.execute(deleted).scalar()

    # -- creating ------------------------------------------------------------------------------

    def create(self, made: Made, *, carried: bool = False, past: Past | None = None) -> SqlEntry:
        kind, key = identity(made)
        past = past or Past()
        info = info_of(made)
        others: dict[str, Any] = {}
        if kind == "run":
            others = {"name": info.run_name, "deleted_time": past.deleted_time}
        elif kind == "logged model":
            others = {"status": info.status.value}
        elif kind == "model version":
            others = {"model": _entry(self.find("registered model", info.name)).row}
        table = _table(kind)
        row = values.add(self._db, table, **values.row_of(table, info, **others))
        entry = SqlEntry(kind, key, row, info)
        entry.locked = self._db
        texts = texts_of(made)
        aliases = texts.pop("aliases", None)
        self.record(entry, past.points, **texts)
        if isinstance(made, entities.Run):
            self.connect(entry, made.inputs, made.outputs)
            if carried:
                entry.lease = leases.leave(self._db, row)
        for version in past.versions:
            self.create(version)
        self.record(entry, aliases=aliases)
        return entry

    def next_version(self, model: Entry) -> int:
        v = t.model_versions.c
        last = select(func.max(v.version)).where(v.model == _entry(model).row)
        return (self._db.execute(last).scalar() or 0) + 1

    # -- changing ------------------------------------------------------------------------------

    def change(self, entry: Entry, **fields: Any) -> None:
        entry = _entry(entry)
        if entry.kind == "run" and "run_name" in fields:
            fields["name"] = fields.pop("run_name")
        if entry.kind == "logged model" and "status" in fields:
            fields["status"] = fields["status"].value
        values.change(self._db, _table(entry.kind), entry.row, **fields)
        entry.fields = None
        if entry.kind == "registered model" and "name" in fields:
            versions = update(t.model_versions).where(t.model_versions.c.model == entry.row)
            changed = fields["last_updated_timestamp"]
            self._db.execute(versions.values(last_updated_timestamp=changed))

    def move(self, experiment: Entry, stage: str, now: int) -> bool:
        if experiment.info.lifecycle_stage == stage:
            return False
        left = experiment.info.lifecycle_stage
        deleted_time = now if stage == LifecycleStage.DELETED else None
        self.change(experiment, lifecycle_stage=stage, last_update_time=now)
        for table, changes in (
            (t.runs, {"lifecycle_stage": stage, "deleted_time": deleted_time}),
            (t.logged_models, {"lifecycle_stage": stage}),
        ):
            of_it = table.c.experiment_id == experiment.key, table.c.lifecycle_stage == left
            self._db.execute(update(table).where(*of_it).values(**changes))
        return True

    def record(
        self,
        entry: Entry,
        points: Sequence[entities.Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(entry, SqlTrace):
            values.put_tags(
                self._db, t.trace_tags, "trace", entry.row, self._kept(entry, "tags", tags)
            )
            return
        entry = _entry(entry)
        self._lock(entry)
        if params:
            kept = self._kept(entry, "params", params)
            values.put_params(self._db, *_texts(entry, "param"), kept, entry)
        if tags:
            kept = self._kept(entry, "tags", tags)
            values.put_tags(self._db, *_texts(entry, "tag"), kept)
            name = tags.get(rules.RUN_NAME_TAG) if entry.kind == "run" else None
            if name:
                self.change(entry, run_name=name)
        for alias, version in (aliases or {}).items():
            values.put_alias(self._db, entry.row, alias, int(version))
        if points and entry.kind == "run":
            values.put_points(self._db, entry.row, points)
            self.link(entry.key, points)
        elif points:
            table = t.logged_model_metrics
            rows = [values.row_of(table, point, model=entry.row) for point in points]
            self._db.execute(table.insert(), rows)

    def _lock(self, entry: SqlEntry) -> None:
        """Keep others from the row of a run, where several may write at a time."""
        if entry.kind != "run" or self._backend.is_file or entry.locked is self._db:
            return
        row = select(t.runs.c.id).where(t.runs.c.id == entry.row).with_for_update()
        if self._db.execute(row).first() is None:
            raise rules.missing("run", entry.key, self._backend.where)

    def _kept(self, entry: Entry, part: Part, given: Mapping[str, str] | None) -> dict[str, str]:
        """Texts, of which PostgreSQL does not keep all."""
        called = rules.word(entry.kind, part)
        for key, value in (given or {}).items():
            self._backend.check_text(called, key, value, ())
        return dict(given or {})

    def drop(self, entry: Entry, part: Part, key: str) -> bool:
        if part == "aliases":
            a = t.registered_model_aliases
            which = a.c.model == _entry(entry).row, a.c.alias == key
            return bool(self._db.execute(delete(a).where(*which)).rowcount)
        if isinstance(entry, SqlTrace):
            return values.discard_tag(self._db, t.trace_tags, "trace", entry.row, key)
        return values.discard_tag(self._db, *_texts(_entry(entry), "tag"), key)

    def remove(self, entry: Entry) -> None:
        self._backend.take_time(self._db)  # all that belongs to it goes by the same statement
        if entry.kind == "experiment":
            for table in (t.runs, t.logged_models, t.traces, t.datasets, t.experiments):
                self._db.execute(delete(table).where(table.c.experiment_id == entry.key))
            return
        if isinstance(entry, SqlTrace):
            table, row = t.traces, entry.row
        else:
            table, row = _table(entry.kind), _entry(entry).row
        self._db.execute(delete(table).where(table.c.id == row))

    # -- runs ----------------------------------------------------------------------------------

    def set_history(self, run: Entry, key: str, points: Sequence[entities.Metric]) -> None:
        row = _entry(run).row
        for table in (t.metrics, t.latest_metrics):
            self._db.execute(delete(table).where(table.c.run == row, table.c.key == key))
        values.put_points(self._db, row, points)

    def carry(self, run: Entry, rivals: Rivals | None = None) -> None:
        if rivals and leases.has_rivals(self._db, _entry(run).row, rivals):
            raise rules.carried(run)
        run.lease = leases.carry_on(self._db, _entry(run).row)

    def release(self, run: Entry) -> None:
        self._db.execute(delete(t.leases).where(t.leases.c.id == run.lease))

    def is_lost(self, run: Entry) -> bool:
        running = run.info.status == "RUNNING"
        return running and bool(leases.lost_runs(self._db, _entry(run).row))

    def settle(self, run: Entry) -> None:
        leases.settle(self._db, _entry(run).row)

    def connect(self, run: Entry, inputs: entities.RunInputs, outputs: entities.RunOutputs) -> None:
        row = _entry(run).row
        for given in inputs.dataset_inputs:
            self._put_dataset(row, given)
        if inputs.model_inputs:
            self._db.execute(
                values.insert(self._db, t.model_inputs).on_conflict_do_nothing(),
                [{"run": row, "model_id": model.model_id} for model in inputs.model_inputs],
            )
        if outputs.model_outputs:
            statement = values.insert(self._db, t.model_outputs)
            self._db.execute(
                statement.on_conflict_do_update(
                    index_elements=[t.model_outputs.c.run, t.model_outputs.c.model_id],
                    set_={"step": statement.excluded.step},
                ),
                [values.row_of(t.model_outputs, one, run=row) for one in outputs.model_outputs],
            )

    def _put_dataset(self, run: int, given: entities.DatasetInput) -> None:
        data, d = given.dataset, t.datasets.c
        experiment_id = self._db.execute(
            select(t.runs.c.experiment_id).where(t.runs.c.id == run)
        ).scalar_one()
        self._db.execute(
            values.insert(self._db, t.datasets).on_conflict_do_nothing(),
            values.row_of(t.datasets, data, experiment_id=experiment_id),
        )
        same = d.experiment_id == experiment_id, d.name == data.name, d.digest == data.digest
        dataset = self._db.execute(select(d.id).where(*same)).scalar_one()
        known = select(t.inputs.c.id).where(t.inputs.c.run == run, t.inputs.c.dataset == dataset)
        if self._db.execute(known).first() is None:
            link = values.add(self._db, t.inputs, run=run, dataset=dataset)
            tags = {tag.key: tag.value for tag in given.tags}
            values.put_tags(self._db, t.input_tags, "input", link, tags)

    # -- traces --------------------------------------------------------------------------------

    def _traces(self, condition: Any) -> list[SqlTrace]:
        c = t.traces.c
        rows = self._db.execute(select(c.id, c.trace_id, c.info).where(condition)).all()
        parts = _Parts(self._reader, [row.id for row in rows])
        return [SqlTrace(row.trace_id, row.id, row.info, parts) for row in rows]

    def keep_trace(self, experiment: Entry, info: entities.TraceInfo, spans: bytes) -> None:
        bare = info.to_dict()
        metadata, tags = bare.pop("trace_metadata", {}), bare.pop("tags", {})
        bare.pop("assessments", None)
        place = rules.below(experiment.info.artifact_location, f"traces/{info.trace_id}/artifacts")
        try:
            row = values.add(
                self._db,
                t.traces,
                trace_id=info.trace_id,
                experiment_id=experiment.key,
                request_time=info.request_time,
                info=json.dumps(bare),
            )
        except IntegrityError as error:
            raise ResourceAlreadyExists(
                f"there is a trace with the id {info.trace_id!r} already"
            ) from error
        values.put_tags(self._db, t.trace_tags, "trace", row, {LOCATION_TAG: place, **tags})
        values.put_tags(self._db, t.trace_metadata, "trace", row, metadata)
        self._put_spans(row, spans)

    def put_spans(self, trace: Entry, spans: bytes) -> None:
        self._put_spans(_trace(trace).row, spans)

    def _put_spans(self, trace: int, spans: bytes) -> None:
        values.replace(self._db, t.trace_spans, ["trace"], trace=trace, document=spans.decode())

    def put_assessment(self, trace: Entry, assessment: entities.Assessment) -> None:
        values.replace(
            self._db,
            t.assessments,
            ["trace", "assessment_id"],
            trace=_trace(trace).row,
            assessment_id=assessment.assessment_id,
            document=json.dumps(assessment.to_dictionary()),
        )

    def drop_assessment(self, trace: Entry, assessment_id: str) -> None:
        a = t.assessments.c
        which = a.trace == _trace(trace).row, a.assessment_id == assessment_id
        self._db.execute(delete(t.assessments).where(*which))


class _Parts:
    """What is kept beside the rows of some traces: a kind of part is read when first asked for."""

    def __init__(self, reader: t.SqlReader, rows: Sequence[int]) -> None:
        self._reader = reader
        self._rows = rows
        self._read: dict[str, dict[int, list[Any]]] = {}

    def of(self, row: int, table: str, columns: str) -> list[Any]:
        """The rows of a table that belong to a trace."""
        if table not in self._read:
            found: dict[int, list[Any]] = {}
            for owner, *rest in queries.rows_of(
                self._reader, f"trace, {columns}", table, "trace", self._rows, "trace"
            ):
                found.setdefault(owner, []).append(rest)
            self._read[table] = found
        return self._read[table].get(row, [])


class SqlTrace(TraceEntry):
    """A trace's row, among the others that were found with it."""

    def __init__(self, trace_id: str, row: int, info: str, beside: _Parts) -> None:
        super().__init__(trace_id)
        self.row = row
        self._document = info
        self._beside = beside

    def read(self, part: str) -> Any:
        """What the rows say of a part."""
        if part == "info":
            return entities.TraceInfo.from_dict(json.loads(self._document))
        if part in ("tags", "metadata"):
            return dict(self._beside.of(self.row, f"trace_{part}", "key, value"))
        if part == "assessments":
            kept = self._beside.of(self.row, "assessments", "document")
            return [entities.Assessment.from_dictionary(json.loads(one)) for (one,) in kept]
        kept = self._beside.of(self.row, "trace_spans", "document")
        return spans_of(kept[0][0]) if kept else []


class SqlBackend(Database, Backend):
    """The record in a database; the schema is made at the first use."""

    @contextmanager
    def reading(self) -> Iterator[SqlSession]:
        with self.transaction(write=False) as connection:
            yield SqlSession(connection, self)

    @contextmanager
    def writing(self, *, exclusive: bool = False) -> Iterator[SqlSession]:
        with self.transaction(write=True) as connection:
            if exclusive:
                self.serialize(connection)
            yield SqlSession(connection, self)

    def write(self, what: Callable[[Session], object]) -> None:
        if not self.postponed(lambda: self.write(what)):
            super().write(what)

    def writer(self, run: Entry) -> SessionWriter:
        return SessionWriter(self, run)

    def search(self, query: Query) -> PagedList[Any]:
        return self.ask(lambda reader: queries.search(reader, query), lost=query.kind == "runs")

    def ask(self, question: Callable[[Reader], T], *, lost: bool = True) -> T:
        if lost:
            self._settle_lost_runs()
        with self.transaction(write=False) as connection:
            return question(t.SqlReader(connection))

    def _settle_lost_runs(self) -> None:
        with self.transaction(write=False) as connection:
            lost = leases.lost_runs(connection)
        if lost:
            with self.transaction(write=True) as connection:
                for row in lost:
                    leases.settle(connection, row)

    def check_text(self, called: str, key: str, value: str, known: Iterable[str]) -> None:
        if "\x00" in value and not self.is_file:
            raise InvalidParameterValue(
                f"the value of {called} {key!r} contains the character NUL, which PostgreSQL "
                "cannot keep; replace it"
            )

    def flush(self) -> None:
        if not self.is_file:
            return  # PostgreSQL says that a transaction is done when it is on the disk
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(sql_text("PRAGMA wal_checkpoint(FULL)"))


def _entry(entry: Entry | None) -> SqlEntry:
    if entry is None:
        raise ResourceDoesNotExist("it is gone")
    assert isinstance(entry, SqlEntry)
    return entry


def _trace(entry: Entry) -> SqlTrace:
    assert isinstance(entry, SqlTrace)
    return entry


def _table(kind: Kind) -> Table:
    return t.metadata.tables[_SUBJECTS[kind][0].table]


def _texts(entry: SqlEntry, what: str) -> tuple[Table, str, int]:
    """The table of an entity's params or tags, its column of the owner, and the owner."""
    table, owner = _SUBJECTS[entry.kind][0].values[what]
    return t.metadata.tables[table], owner, entry.row
