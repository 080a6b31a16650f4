"""Whole entities put into a SQLite database, replacing what it knew of them.

This is how the index takes folders in: a first look at a large store writes millions of rows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tracklet.reading.compile import Subject
from tracklet.reading.connection import Connection
from tracklet.reading.queries import (
    EXPERIMENT,
    LOGGED_MODEL,
    MODEL_VERSION,
    PACKED,
    REGISTERED_MODEL,
    RUN,
)
from tracklet.reading.tables import TABLES

if TYPE_CHECKING:
    from tracklet.entities import (
        DatasetInput,
        Experiment,
        LoggedModel,
        Metric,
        ModelVersion,
        RegisteredModel,
        Run,
    )


class _Insertion:
    """Rows of a table, made of objects whose attributes are its columns.

    Args:
        owner: The column in front, which is given beside the object.
        attributes: The attributes by their columns; without them, all columns are.
    """

    def __init__(
        self, table: str, owner: str = "", attributes: dict[str, str] | None = None
    ) -> None:
        columns = attributes or {name: name for name in TABLES[table].columns}
        columns = {name: of for name, of in columns.items() if name not in ("id", owner)}
        names = [owner, *columns] if owner else list(columns)
        marks = ", ".join("?" * len(names))
        self.statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        self._values = attrgetter(*columns.values())

    @classmethod
    def of(cls, subject: Subject, owner: str = "") -> _Insertion:
        """For the fields of an entity that are columns of its own table."""
        placed = ((column.split("."), name) for name, column in subject.fields.items())
        own = {column: name for (table, column), name in placed if table == subject.table}
        return cls(subject.table, owner, own)

    def values(self, given: object, *owner: object) -> Sequence[Any]:
        """The values of the statement."""
        return (*owner, *self._values(given))

    def put(self, db: Connection, given: object, *owner: object) -> int:
        """Insert one row and return its id."""
        row = db.execute(self.statement, self.values(given, *owner)).lastrowid
        assert row is not None
        return row

    def put_all(self, db: Connection, given: Iterable[object], owner: int) -> None:
        """Insert the rows of an owner."""
        db.executemany(self.statement, [self.values(one, owner) for one in given])


_EXPERIMENT = _Insertion.of(EXPERIMENT)
_RUN = _Insertion.of(RUN, "id")
_LATEST = _Insertion("latest_metrics", "run")
_DATASET = _Insertion("datasets", "experiment_id")
_LOGGED_MODEL = _Insertion.of(LOGGED_MODEL)
_POINT = _Insertion("logged_model_metrics", "model")
_REGISTERED_MODEL = _Insertion.of(REGISTERED_MODEL)
_VERSION = _Insertion.of(MODEL_VERSION, "model")


def put_experiment(db: Connection, experiment: Experiment) -> int:
    """Take an experiment in and return its row."""
    db.execute("DELETE FROM experiments WHERE experiment_id = ?", (experiment.experiment_id,))
    row = _EXPERIMENT.put(db, experiment)
    _put_texts(db, "experiment_tags", "experiment", row, experiment.tags.items())
    return row


def put_run(db: Connection, run: Run, latest: Iterable[Metric]) -> int:
    """Take a run in, with the latest point of each metric, and return its row."""
    db.execute("DELETE FROM runs WHERE run_id = ?", (run.info.run_id,))
    return put_runs(db, [(run, latest)])[0]


def put_runs(db: Connection, runs: Sequence[tuple[Run, Iterable[Metric]]]) -> Sequence[int]:
    """Take many runs in at once, none of which may be there; return their rows.

    A statement for all costs a fraction of one for each, so the rows are numbered here: the
    transaction must be one that writes.

    Raises:
        sqlite3.IntegrityError: Some are there, or have the same id.
    """
    last = db.rows("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
    first = last[0][0] + 1 if last else 1
    rows = range(first, first + len(runs))
    numbered = [(row, run, latest) for row, (run, latest) in zip(rows, runs, strict=True)]
    db.executemany(_RUN.statement, [_RUN.values(run.info, row) for row, run, _ in numbered])
    params = [(row, *text) for row, run, _ in numbered for text in run.data.params.items()]
    tags = [(row, *text) for row, run, _ in numbered for text in run.data.tags.items()]
    db.executemany("INSERT INTO params (run, key, value) VALUES (?, ?, ?)", params)
    db.executemany("INSERT INTO tags (run, key, value) VALUES (?, ?, ?)", tags)
    points = [_LATEST.values(point, row) for row, _, latest in numbered for point in latest]
    db.executemany(_LATEST.statement, points)
    packed = [(row, *held) for row, run, latest in numbered if (held := _packed(run, latest))]
    db.executemany("INSERT INTO packed_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", packed)
    for row, run, _ in numbered:
        _put_links(db, row, run)
    return rows


def _packed(run: Run, latest: Iterable[Metric]) -> list[Any] | None:
    """What a run holds in few values, for row by row it is read several times more slowly.

    None if a text could not be taken apart again.
    """
    metrics = {point.key: point.value for point in latest}
    linked = run.inputs.dataset_inputs or run.inputs.model_inputs or run.outputs.model_outputs
    packed: list[Any] = [bool(linked)]
    for held in (metrics, run.data.params, run.data.tags):
        keys = sorted(held)
        values: list[Any] = [held[key] for key in keys]
        packed.append(_joined(keys))
        in_one = struct.pack(f"{len(values)}d", *values) if held is metrics else _joined(values)
        packed.append(in_one)
    return None if None in packed else packed


def _joined(texts: Sequence[str]) -> str | None:
    joined = PACKED.join(texts)
    return joined if joined.count(PACKED) == max(len(texts) - 1, 0) else None


def _put_links(db: Connection, row: int, run: Run) -> None:
    """What a run used and made."""
    for used in run.inputs.dataset_inputs:
        _put_input(db, row, run.info.experiment_id, used)
    if run.inputs.model_inputs:
        db.executemany(
            "INSERT OR IGNORE INTO model_inputs (run, model_id) VALUES (?, ?)",
            [(row, model.model_id) for model in run.inputs.model_inputs],
        )
    if run.outputs.model_outputs:
        db.executemany(
            "INSERT OR IGNORE INTO model_outputs (run, model_id, step) VALUES (?, ?, ?)",
            [(row, model.model_id, model.step) for model in run.outputs.model_outputs],
        )


def _put_input(db: Connection, run: int, experiment_id: str, used: DatasetInput) -> None:
    replaced = ("source_type", "source", "schema", "profile")
    ((dataset,),) = db.rows(
        f"{_DATASET.statement} ON CONFLICT (experiment_id, name, digest) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in replaced)} RETURNING id",
        _DATASET.values(used.dataset, experiment_id),
    )
    link = db.execute("INSERT INTO inputs (run, dataset) VALUES (?, ?)", (run, dataset)).lastrowid
    assert link is not None
    _put_texts(db, "input_tags", "input", link, [(tag.key, tag.value) for tag in used.tags])


def put_logged_model(db: Connection, model: LoggedModel, points: Iterable[Metric]) -> int:
    """Take a logged model in, with all points measured on it, and return its row."""
    db.execute("DELETE FROM logged_models WHERE model_id = ?", (model.model_id,))
    row = _LOGGED_MODEL.put(db, model)
    _put_texts(db, "logged_model_params", "model", row, model.params.items())
    _put_texts(db, "logged_model_tags", "model", row, model.tags.items())
    _POINT.put_all(db, points, row)
    return row


def put_registered_model(
    db: Connection, model: RegisteredModel, versions: Iterable[ModelVersion]
) -> int:
    """Take a registered model in, with all of its versions, and return its row."""
    db.execute("DELETE FROM registered_models WHERE name = ?", (model.name,))
    row = _REGISTERED_MODEL.put(db, model)
    _put_texts(db, "registered_model_tags", "model", row, model.tags.items())
    db.executemany(
        "INSERT INTO registered_model_aliases (model, alias, version) VALUES (?, ?, ?)",
        [(row, alias, version) for alias, version in model.aliases.items()],
    )
    for version in versions:
        version_row = _VERSION.put(db, version, row)
        _put_texts(db, "model_version_tags", "version", version_row, version.tags.items())
    return row


def remove(db: Connection, table: str, row: int) -> None:
    """Forget an entity and what belongs to it."""
    db.execute(f"DELETE FROM {table} WHERE id = ?", (row,))


def _put_texts(
    db: Connection, table: str, owner: str, row: int, texts: Iterable[tuple[str, str]]
) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO {table} ({owner}, key, value) VALUES (?, ?, ?)",
        [(row, key, value) for key, value in texts],
    )
