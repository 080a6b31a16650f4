"""Input examples: a sample of what a model takes, as files beside it.

``input_example.json`` keeps the example as it was given, ``serving_input_example.json`` as the
body of a request to a scoring server.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models.manifest import member
from tracklet.types import DataType, Schema, tables
from tracklet.types.schema import label

EXAMPLE_FILE: Final = "input_example.json"
SERVING_FILE: Final = "serving_input_example.json"
WHOLE_BODIES: Final = frozenset(("messages", "prompt", "input"))
"""Keys of a chat or completion request; a body with one is given to the model as it is."""


def split_params(example: Any) -> tuple[Any, dict[str, Any] | None]:
    """The input and the parameters of an example given as ``(input, params)``; else no params."""
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], Mapping):
        return example[0], dict(example[1])
    return example, None


def save(example: Any, folder: Path) -> dict[str, Any]:
    """Write both files.

    Args:
        example: A pandas or polars frame, an Arrow table, a NumPy array, a dictionary of arrays,
            a SciPy sparse matrix (kept as CSC if it is one, else as CSR), anything that JSON can
            say, or a tuple of one of them and parameters.
        folder: The model's folder.

    Returns:
        What ``saved_input_example_info`` says in the ``MLmodel`` file.

    Raises:
        InvalidParameterValue: The example is of another kind; nothing is written then.
    """
    data, params = split_params(example)
    info: dict[str, Any] = {"artifact_path": EXAMPLE_FILE}
    content, kind = _encode(data)
    serving = _serving(data, params, content, kind)
    if kind.startswith("dataframe"):
        info |= {"type": "dataframe", "pandas_orient": kind.partition(":")[2]}
    else:
        info["type"] = kind
    if params is not None:
        info["params"] = "true"
        content = {"inputs": content, "params": plain(params)}
    info["serving_input_path"] = SERVING_FILE
    files = {
        EXAMPLE_FILE: json.dumps(content, ensure_ascii=False).encode(),
        SERVING_FILE: json.dumps(serving, ensure_ascii=False, indent=2).encode(),
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return info


def serving_body(example: Any) -> dict[str, Any]:
    """The body of a scoring request that asks about an example.

    Raises:
        InvalidParameterValue: JSON has no way to say the example.
    """
    data, params = split_params(example)
    content, kind = _encode(data)
    return _serving(data, params, content, kind)


def _serving(data: Any, params: Any, content: Any, kind: str) -> dict[str, Any]:
    if kind.startswith("dataframe"):
        body: dict[str, Any] = {"dataframe_split": content}
    elif isinstance(content, dict) and WHOLE_BODIES & content.keys():
        body = dict(content)  # what chat and completion clients send is a body as it is
    else:
        body = {"inputs": plain(data.toarray()) if kind.startswith("sparse") else content}
    return body if params is None else {**body, "params": plain(params)}


def _encode(data: Any) -> tuple[Any, str]:
    """The JSON form of an example and its type; frames' types carry their orientation."""
    if tables.is_table(data):
        data = tables.to_frame(data)
    if hasattr(data, "columns") and hasattr(data, "to_dict"):
        columns = ["None" if name is None else label(name) for name in data.columns]
        values = [data.iloc[:, position].tolist() for position in range(len(columns))]
        rows = [[plain(value) for value in row] for row in zip(*values, strict=True)]
        if columns == list(range(len(columns))):
            return {"data": rows}, "dataframe:values"
        return {"columns": plain(columns), "data": rows}, "dataframe:split"
    if _is_array(data):
        return plain(data), "ndarray"
    if hasattr(data, "tocsr") and len(data.shape) == 2:
        data = data if data.format == "csc" else data.tocsr()
        parts = {name: plain(getattr(data, name)) for name in ("data", "indices", "indptr")}
        return {**parts, "shape": list(data.shape)}, f"sparse_matrix_{data.format}"
    if isinstance(data, Mapping) and data:
        arrays = [_is_array(value) for value in data.values()]
        if all(arrays):
            return plain(data), "ndarray"
        if any(arrays):
            raise InvalidParameterValue(
                "an input example cannot mix arrays and other values in a dictionary; make all "
                "of them arrays, or none"
            )
    if data is None or isinstance(data, tuple | set):
        raise InvalidParameterValue(
            f"{data!r} of type {type(data).__name__} cannot be an input example; use a frame, an "
            "array, a dictionary of arrays, a sparse matrix, a list, a dictionary or a scalar"
        )
    return plain(data), "json_object"


def _is_array(data: Any) -> bool:
    return hasattr(data, "__array_interface__") and hasattr(data, "tolist") and data.ndim > 0


def plain(value: Any) -> Any:
    """The value as JSON says it: NaN is null, dates are ISO texts, bytes base64, arrays lists.

    Raises:
        InvalidParameterValue: JSON has no way to say it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, dt.date | dt.time):
        return None if value != value else value.isoformat()  # NaT is not equal to itself
    if hasattr(value, "tolist"):
        if getattr(value, "dtype", None) is not None and value.dtype.kind == "M":
            return plain(value.astype("datetime64[us]").tolist())
        return plain(value.tolist())
    if type(value).__name__ == "NAType":
        return None
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    raise InvalidParameterValue(
        f"{value!r} of type {type(value).__name__} cannot be part of an input example: JSON has "
        "no way to say it"
    )


def load(folder: Path, info: Mapping[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """The example as it was given, a frame, an array, a matrix or JSON's values; its parameters.

    Raises:
        TrackletException: The file is missing or corrupt.
    """
    path = member(folder, info["artifact_path"])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrackletException(f"the input example {path} cannot be read: {error}") from error
    params = None
    if info.get("params"):
        content, params = content["inputs"], content["params"]
    return _decode(content, info), params


def _decode(content: Any, info: Mapping[str, Any]) -> Any:
    kind = info.get("type")
    if kind == "dataframe":
        import pandas as pd

        if info.get("pandas_orient") == "records":
            return pd.DataFrame.from_records(content)
        columns = content.get("columns")
        if columns is not None:
            columns = [tuple(name) if isinstance(name, list) else name for name in columns]
        return pd.DataFrame(content["data"], columns=columns)
    if kind == "ndarray":
        import numpy as np

        if isinstance(content, dict) and set(content) == {"inputs"}:  # MLflow of before 2.0
            content = content["inputs"]
        if isinstance(content, dict):
            return {name: _array(np, item) for name, item in content.items()}
        return _array(np, content)
    if kind in ("sparse_matrix_csr", "sparse_matrix_csc"):
        import scipy.sparse as sparse

        make = sparse.csr_matrix if kind.endswith("csr") else sparse.csc_matrix
        parts = (content["data"], content["indices"], content["indptr"])
        return make(parts, shape=tuple(content["shape"]))
    return content


def typed(example: Any, inputs: Schema) -> Any:
    """An example with the types of numbers that its signature says; JSON has only wide ones."""
    if inputs.is_tensor_spec():
        types = [spec.type for spec in inputs.inputs]
        if isinstance(example, Mapping):
            named = dict(zip(inputs.input_names(), types, strict=True))
            return {name: _of_type(item, named.get(name)) for name, item in example.items()}
        return _of_type(example, types[0])
    if not hasattr(example, "iloc") or not inputs.has_input_names():
        return example
    narrow = {
        spec.name: spec.type.to_numpy()
        for spec in inputs.inputs
        if spec.name in example.columns
        and example[spec.name].dtype.kind in _WIDER.get(spec.type, "")
    }
    return example.astype(narrow)


_WIDER: Final[dict[Any, str]] = {DataType.float: "iuf", DataType.integer: "iu"}


def _of_type(array: Any, dtype: Any) -> Any:
    found = getattr(array, "dtype", None)
    numbers = found is not None and dtype is not None and {found.kind, dtype.kind} <= set("iuf")
    return array.astype(dtype) if numbers else array


def _array(np: Any, content: Any) -> Any:
    array = np.asarray(content)
    # null stands for NaN in an array of numbers.
    if array.dtype == object and all(
        item is None or isinstance(item, int | float) for item in array.flat
    ):
        return array.astype("float64")
    return array
