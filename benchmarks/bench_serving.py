"""What a scoring request's body costs to read and to bring to a signature, by its length.

For every form of a body and some signatures: the cost of 1 MB against ``json.loads`` or
``pandas.read_csv`` of the same bytes, and how it grows from 10 KB over 100 KB to 1 MB. Ten times
the length may cost ten times as much; what is clearly more grows faster than the body.
"""

import functools
import io
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from measure import report

from tracklet.models import infer_signature
from tracklet.models.pyfunc import enforcement
from tracklet.types import Schema
from tracklet_services import scoring

COLUMNS = 10
SIZES = (10_000, 100_000, 1_000_000)
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"


def frame(rows: int) -> pd.DataFrame:
    """Numbers, whole numbers and texts."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {f"x{n}": rng.random(rows).round(6) for n in range(COLUMNS - 2)}
    made["count"] = rng.integers(0, 1000, rows)
    made["kind"] = rng.choice(["red", "green", "blue"], rows)
    return pd.DataFrame(made)


def numbers(rows: int) -> np.ndarray[Any, Any]:
    """As many numbers in an array."""
    return np.random.default_rng(0).random((rows, COLUMNS)).round(6)


def parquet(rows: int) -> bytes:
    """The frame in Parquet."""
    buffer = io.BytesIO()
    frame(rows).to_parquet(buffer, index=False)
    return buffer.getvalue()


def json_of(form: str, content: Callable[[int], Any]) -> Callable[[int], bytes]:
    """What makes a body of a JSON form of some rows."""
    return lambda rows: json.dumps({form: content(rows)}).encode()


def split(rows: int) -> dict[str, Any]:
    """The frame as names and rows."""
    made = frame(rows).to_dict(orient="split")
    return {"columns": made["columns"], "data": made["data"]}


FRAMES = {
    "dataframe_split": ("application/json", json_of("dataframe_split", split)),
    "dataframe_records": (
        "application/json",
        json_of("dataframe_records", lambda rows: frame(rows).to_dict(orient="records")),
    ),
    "instances of objects": (
        "application/json",
        json_of("instances", lambda rows: frame(rows).to_dict(orient="records")),
    ),
    "inputs by name": (
        "application/json",
        json_of("inputs", lambda rows: frame(rows).to_dict(orient="list")),
    ),
    "CSV": (CSV, lambda rows: frame(rows).to_csv(index=False).encode()),
    "Parquet": (PARQUET, parquet),
}
ARRAYS = {
    "instances of lists": (
        "application/json",
        json_of("instances", lambda rows: numbers(rows).tolist()),
    ),
    "inputs of lists": ("application/json", json_of("inputs", lambda rows: numbers(rows).tolist())),
}
SIGNATURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "columns": (infer_signature(frame(3)), FRAMES),
    "tensor": (infer_signature(numbers(3)), ARRAYS),
    "none": (None, {**FRAMES, **ARRAYS}),
}


def body_of(make: Callable[[int], bytes], size: int) -> bytes:
    """A body of about so many bytes."""
    few, more = len(make(10)), len(make(1010))
    return make(max(1, round((size - few) * 1000 / (more - few)) + 10))


def read(body: bytes, kind: str, schema: Schema | None) -> Any:
    """What a server does with a body before the model is asked."""
    data = scoring.parse(body, kind, schema).data
    return data if schema is None else enforcement.enforce(data, schema)


def floor(body: bytes, kind: str) -> Any:
    """The least that reading it costs."""
    if kind == CSV:
        return pd.read_csv(io.BytesIO(body))
    return pd.read_parquet(io.BytesIO(body)) if kind == PARQUET else json.loads(body)


def cpu(call: Callable[[], object]) -> float:
    """The least CPU seconds of a call, over at least three and a tenth of a second."""
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < 0.1:
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


for named, (signature, forms) in SIGNATURES.items():
    schema = None if signature is None else signature.inputs
    for form, (kind, make) in forms.items():
        bodies = [body_of(make, size) for size in SIZES]
        costs = [
            cpu(functools.partial(read, body, kind, schema)) / len(body) * 1e6 for body in bodies
        ]
        least = cpu(functools.partial(floor, bodies[2], kind)) / len(bodies[2]) * 1e6
        report(
            f"1 MB of {form}, signature: {named}",
            costs[2],
            least,
            growth_10_KB_to_100_KB=round(10 * costs[1] / costs[0], 1),
            growth_100_KB_to_1_MB=round(10 * costs[2] / costs[1], 1),
        )
