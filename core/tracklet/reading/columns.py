"""Runs as a table has them: their order, and columns of values, without an entity for each run.

What a screen shows of ten thousand runs is a few columns; each is one statement on the index that
covers it, placed by the row that it belongs to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from tracklet.entities import ViewType
from tracklet.reading import queries
from tracklet.reading.connection import Reader
from tracklet.record.query import Query

ColumnKind: TypeAlias = Literal["metric", "param", "tag"]

_TABLES: Final[dict[ColumnKind, str]] = {
    "metric": "latest_metrics",
    "param": "params",
    "tag": "tags",
}
_PAGE: Final = 50_000
_FEW: Final = 1_000
_MARKS: Final = 500


class RunRow(NamedTuple):
    """A run in a table; times are in ms.

    Attributes:
        row: The number of its row, by which columns are asked for.
        run_id: Its id.
        experiment_id: Where it is.
        name: Its name.
        user: Who ran it.
        status: The name of its status.
        start: When it began.
        end: When it ended.
        stage: ``active`` or ``deleted``.
    """

    row: int
    run_id: str
    experiment_id: str
    name: str
    user: str
    status: str
    start: int | None
    end: int | None
    stage: str


class KeyUse(NamedTuple):
    """A key of runs.

    Attributes:
        kind: What it is a key of.
        key: The key.
        runs: How many runs have it.
        differs: Whether some lack it, or values under this key differ anywhere in the record.
    """

    kind: ColumnKind
    key: str
    runs: int
    differs: bool


def run_order(
    reader: Reader,
    experiment_ids: Sequence[str],
    filter: str = "",
    order_by: Sequence[str] = (),
    view: int = ViewType.ACTIVE_ONLY,
) -> list[RunRow]:
    """All runs that match, in the order of :meth:`search_runs`.

    Raises:
        InvalidParameterValue: The filter or the order is malformed.
    """
    ids: list[int] = []
    token: str | None = None
    while True:
        asked = Query("runs", filter, order_by, _PAGE, token, experiment_ids, view)
        found = queries.find(reader, asked)
        ids += found
        token = found.token
        if token is None:
            break
    known = _run_rows_of(reader, ids)
    return [known[id_] for id_ in ids if id_ in known]


def _run_rows_of(reader: Reader, ids: Sequence[int]) -> dict[int, RunRow]:
    columns = "id, run_id, experiment_id, name, user_id, status, start_time, end_time"
    return {
        row[0]: RunRow._make([*row[:3], row[3] or "", row[4] or "", *row[5:]])
        for row in queries.rows_of(reader, f"{columns}, lifecycle_stage", "runs", "id", ids, "id")
    }


def run_rows(reader: Reader, run_ids: Sequence[str]) -> list[int]:
    """The rows that runs have now, for an index puts one that changed into another; -1 is none."""
    known: dict[str, int] = {}
    for start in range(0, len(run_ids), _MARKS):
        some = run_ids[start : start + _MARKS]
        marks = ", ".join(["?" if reader.dialect == "sqlite" else "%s"] * len(some))
        asked = f"SELECT run_id, id FROM runs WHERE run_id IN ({marks})"
        known.update((run_id, row) for run_id, row in reader.rows(asked, some))
    return [known.get(run_id, -1) for run_id in run_ids]


def runs_named(reader: Reader, run_ids: Sequence[str]) -> dict[str, RunRow]:
    """What a table shows of runs, by their ids; of those that are there."""
    rows = [row for row in run_rows(reader, run_ids) if row >= 0]
    return {row.run_id: row for row in _run_rows_of(reader, rows).values()}


def runs_of_model(reader: Reader, model_id: str) -> list[tuple[str, bool]]:
    """The ids of the runs that a logged model came out of (True) or went into (False)."""
    mark = "?" if reader.dialect == "sqlite" else "%s"
    found: list[tuple[str, bool]] = []
    for table, came_out in (("model_outputs", True), ("model_inputs", False)):
        asked = (
            f"SELECT run_id FROM {table} JOIN runs ON runs.id = {table}.run "
            f"WHERE model_id = {mark} ORDER BY runs.id"
        )
        found += [(run_id, came_out) for (run_id,) in reader.rows(asked, [model_id])]
    return found


def run_column(
    reader: Reader, kind: ColumnKind, key: str, rows: Iterable[int]
) -> dict[int, float | str]:
    """What some runs, given by their rows, have under a key: the last value of a metric."""
    wanted = set(rows)
    mark = "?" if reader.dialect == "sqlite" else "%s"
    asked = f"SELECT run, value FROM {_TABLES[kind]} WHERE key = {mark}"
    if len(wanted) <= _FEW:
        asked += f" AND run IN ({','.join(map(str, wanted)) or 'NULL'})"
    found = reader.rows(asked, [key])
    if kind == "metric":
        return {run: math.nan if value is None else value for run, value in found if run in wanted}
    return {run: value for run, value in found if run in wanted}


def key_uses(reader: Reader, experiment_ids: Sequence[str], sample: int = 0) -> list[KeyUse]:
    """The keys that the active runs of some experiments have.

    Args:
        reader: The tables.
        experiment_ids: The experiments.
        sample: Look at so many of the latest runs only, which is quick; 0 looks at all.
    """
    if not experiment_ids:
        return []
    sqlite = reader.dialect == "sqlite"
    marks = ", ".join(["?" if sqlite else "%s"] * len(experiment_ids))
    active = f"experiment_id IN ({marks}) AND lifecycle_stage = 'active'"
    latest = f" ORDER BY start_time DESC LIMIT {sample}" if sample else ""
    ids = [
        row for (row,) in reader.rows(f"SELECT id FROM runs WHERE {active}{latest}", experiment_ids)
    ]
    found: list[KeyUse] = []
    for kind, table in _TABLES.items():
        for key, runs in _counts(reader, kind, ids):
            differs = runs < len(ids) or not sqlite or _differs(reader, table, key)
            found.append(KeyUse(kind, key, runs, differs))
    return found


def _counts(reader: Reader, kind: ColumnKind, ids: Sequence[int]) -> Iterable[Sequence[Any]]:
    """The keys of some runs, and how many have each."""
    if not reader.packs:
        counted: Counter[str] = Counter()
        for start in range(0, len(ids), _FEW):
            some = ",".join(map(str, ids[start : start + _FEW]))
            asked = f"SELECT key, count(*) FROM {_TABLES[kind]} WHERE run IN ({some}) GROUP BY key"
            for key, runs in reader.rows(asked):
                counted[key] += runs
        return sorted(counted.items())
    texts: Counter[str] = Counter(
        text
        for (text,) in queries.rows_of(reader, f"{kind}_keys", "packed_runs", "run", ids, "run")
    )
    counted = Counter()
    for text, runs in texts.items():
        for key in text.split(queries.PACKED) if text else ():
            counted[key] += runs
    return sorted(counted.items())


def _differs(reader: Reader, table: str, key: str) -> bool:
    """Whether any runs at all have different values: two looks into the index by key and value."""
    ((least, most, missing),) = reader.rows(
        f"SELECT (SELECT min(value) FROM {table} WHERE key = ?1), "
        f"(SELECT max(value) FROM {table} WHERE key = ?1), "
        f"EXISTS (SELECT 1 FROM {table} WHERE key = ?1 AND value IS NULL)",
        [key],
    )
    return least != most or bool(missing and least is not None)


def run_counts(
    reader: Reader, view: int = ViewType.ACTIVE_ONLY
) -> dict[str, tuple[int, int, int, int | None]]:
    """Of each experiment: its runs, those running and failed, and the last start, ms."""
    stages = {ViewType.ACTIVE_ONLY: "'active'", ViewType.DELETED_ONLY: "'deleted'"}
    within = stages.get(view, "'active', 'deleted'")
    return {
        id_: (runs, running or 0, failed or 0, last)
        for id_, runs, running, failed, last in reader.rows(
            "SELECT experiment_id, count(*), sum(CASE status WHEN 'RUNNING' THEN 1 ELSE 0 END), "
            "sum(CASE status WHEN 'FAILED' THEN 1 ELSE 0 END), max(start_time) FROM runs "
            f"WHERE lifecycle_stage IN ({within}) GROUP BY experiment_id"
        )
    }
