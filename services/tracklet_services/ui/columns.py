"""The run table's answer: the order of the runs once, and the columns that are on the screen."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, cast

from tracklet.errors import InvalidParameterValue
from tracklet.reading import columns
from tracklet.reading.columns import ColumnKind, RunRow
from tracklet.reading.connection import Reader
from tracklet_services.ui.frames import Frame, number_column, text_column
from tracklet_services.ui.place import LIMITS, Place

PARENT = "mlflow.parentRunId"


class UnknownOrder(InvalidParameterValue):
    """Columns are asked for rows that this process does not remember: ask for the order anew."""


def table(
    place: Place,
    experiments: Sequence[str],
    filter: str,
    order_by: Sequence[str],
    view: int,
    names: Sequence[str],
) -> bytes:
    """The order of the runs that match, with the columns named."""
    if len(filter) > LIMITS["filter"]:
        raise InvalidParameterValue(f"a filter has at most {LIMITS['filter']} characters")

    def answer(reader: Reader) -> bytes:
        rows = columns.run_order(reader, experiments, filter, order_by, view)
        counts = columns.run_counts(reader, view)
        total = sum(counts.get(id_, (0,))[0] for id_ in set(experiments))
        since = place.keep_order([row.run_id for row in rows])
        frame = Frame(total=total, count=len(rows), since=since)
        _put_order(frame, reader, rows)
        _put_columns(frame, reader, [row.row for row in rows], names)
        return frame.encode()

    return place.ask(answer)


def more(place: Place, since: str, names: Sequence[str]) -> bytes:
    """Further columns of an order that was given before."""
    run_ids = place.order(since)
    if run_ids is None:
        raise UnknownOrder("this order is not remembered any more; ask for it anew")

    def answer(reader: Reader) -> bytes:
        frame = Frame(since=since)
        _put_columns(frame, reader, columns.run_rows(reader, run_ids), names)
        return frame.encode()

    return place.ask(answer)


def _put_order(frame: Frame, reader: Reader, rows: list[RunRow]) -> None:
    parents = columns.run_column(reader, "tag", PARENT, [row.row for row in rows])
    number = {row.run_id: i for i, row in enumerate(rows)}
    place = [number.get(str(parents.get(row.row)), -1) for row in rows]
    frame.header["ids"] = [row.run_id for row in rows]
    frame.header["names"] = [row.name for row in rows]
    frame.header["order"] = {
        "experiment": text_column(frame, [row.experiment_id for row in rows]),
        "user": text_column(frame, [row.user for row in rows]),
        "status": text_column(frame, [row.status for row in rows]),
        "start": number_column(frame, [row.start for row in rows]),
        "end": number_column(frame, [row.end for row in rows]),
        "parent": {"kind": "row", "buffer": frame.add(array("i", place))},
    }


def _put_columns(frame: Frame, reader: Reader, rows: Sequence[int], names: Sequence[str]) -> None:
    if len(names) > LIMITS["columns"]:
        raise InvalidParameterValue(f"at most {LIMITS['columns']} columns are asked for at once")
    made: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        kind, _, key = name.partition(".")
        if kind not in ("metric", "param", "tag") or not key:
            raise InvalidParameterValue(
                f"a column is named metric.KEY, param.KEY or tag.KEY; got {name!r}"
            )
        found: dict[int, Any] = columns.run_column(reader, cast("ColumnKind", kind), key, rows)
        values = [found.get(row) for row in rows]
        encode: Any = number_column if kind == "metric" else text_column
        made[name] = encode(frame, values)
    frame.header["columns"] = made
