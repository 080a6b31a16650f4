"""Files that a browser cannot read: tables of Parquet as rows, and the pages within a notebook."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.responses import HTMLResponse

from tracklet import lazy
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet_services.ui.answers import EXACT
from tracklet_services.ui.place import LIMITS

_ROWS: Final = 1_000
_LONGEST: Final = 500
_BUFFER: Final = 1 << 16


def parquet(path: Path) -> dict[str, Any]:
    """The first rows of a Parquet file, with the types of its columns and the count of all rows.

    Raises:
        InvalidParameterValue: It is none.
        MissingDependency: pyarrow is not installed.
    """
    reader = lazy.imported("pyarrow.parquet", "pyarrow", purpose="showing Parquet")
    try:
        # Without a buffer the first rows would cost as much memory as the whole of their row group.
        with reader.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            schema = file.schema_arrow
            columns = schema.names[: LIMITS["columns"]]
            batch = next(file.iter_batches(_ROWS, columns=columns), None)
            count = file.metadata.num_rows
    except (OSError, ValueError, ArithmeticError, LookupError, NotImplementedError) as error:
        raise InvalidParameterValue(f"{path.name} cannot be read as Parquet: {error}") from error
    rows = [] if batch is None else zip(*map(_values, batch.columns), strict=True)
    return {
        "columns": columns,
        "types": [str(schema.field(i).type) for i in range(len(columns))],
        "all_columns": len(schema.names),
        "data": [[_cell(value) for value in row] for row in rows],
        "count": count,
    }


def _values(column: Any) -> list[Any]:
    """The values of a column; a time that Python has none for is the number that was written."""
    try:
        return column.to_pylist()
    except (ValueError, ArithmeticError):
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, ArithmeticError):
        return getattr(scalar, "value", None)


def _cell(value: Any) -> Any:
    """A value as JSON has it; what it has not, as a text that is not too long."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@lru_cache(maxsize=1)
def _cells(path: Path, changed: int, size: int) -> Any:
    """The cells of a notebook, kept for its other outputs until it changes."""
    return json.loads(path.read_bytes())["cells"]


def notebook_page(path: Path, output: str, headers: dict[str, str]) -> HTMLResponse:
    """The HTML of one output of a notebook, ``CELL.OUTPUT``, as a page of its own.

    Raises:
        ResourceDoesNotExist: There is none.
    """
    try:
        cell, _, number = output.partition(".")
        status = path.stat()
        cells = _cells(path, status.st_mtime_ns, status.st_size)
        found = cells[int(cell)]["outputs"][int(number)]
        html = found["data"]["text/html"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        raise ResourceDoesNotExist(f"{path.name} has no HTML as output {output}") from None
    return HTMLResponse(html if isinstance(html, str) else "".join(map(str, html)), headers=headers)
