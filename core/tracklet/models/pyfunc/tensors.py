"""Arrays checked against a signature of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.models.pyfunc.schema_mismatch import SchemaMismatch
from tracklet.types import Schema, TensorSpec


def enforce(data: Any, schema: Schema) -> Any:
    """The arrays in the form that a schema of tensors asks for.

    Raises:
        SchemaMismatch: Something is missing, or has another dtype or shape.
    """
    specs: list[TensorSpec] = schema.inputs
    if not schema.has_input_names():
        return _one_tensor(data, specs[0])
    if _is_frame(data):
        data = {name: _stacked(data[name]) for name in data.columns}
    if not isinstance(data, Mapping):
        raise SchemaMismatch(
            f"the model takes a dictionary of arrays, {schema!r}; got {type(data).__name__}"
        )
    missing = [spec.name for spec in specs if spec.name not in data]
    if missing:
        raise SchemaMismatch(f"the data lacks the tensors {missing}; the model takes {schema!r}")
    return {spec.name: _checked_tensor(data[spec.name], spec) for spec in specs}


def _one_tensor(data: Any, spec: TensorSpec) -> Any:
    if _is_frame(data) or hasattr(data, "to_frame"):
        data = _frame_to_array(data, spec)
    return _checked_tensor(data, spec)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _frame_to_array(data: Any, spec: TensorSpec) -> Any:
    if not _is_frame(data):
        data = data.to_frame()
    if data.shape[1] == 1:
        array = _stacked(data.iloc[:, 0])
        return array.reshape(-1, 1) if array.ndim == 1 and len(spec.shape) == 2 else array
    return data.to_numpy()


def _stacked(series: Any) -> Any:
    """A column as an array; cells that are lists or arrays become its further dimensions."""
    import numpy as np

    if series.dtype == object and len(series) and isinstance(series.iloc[0], list | np.ndarray):
        return np.stack([np.asarray(cell) for cell in series])
    return series.to_numpy()


def _checked_tensor(data: Any, spec: TensorSpec) -> Any:
    where = "the input" if spec.name is None else f"tensor {spec.name!r}"
    if not hasattr(data, "dtype") or not hasattr(data, "shape"):
        raise SchemaMismatch(
            f"{where} is an array {spec.type.name}{spec.shape} by the model's signature; got "
            f"{type(data).__name__}"
        )
    dtype = data.dtype
    same = dtype.kind == spec.type.kind if spec.type.kind in "US" else dtype == spec.type
    if not same:
        raise SchemaMismatch(
            f"{where} has the dtype {spec.type.name} by the model's signature; got {dtype}"
        )
    fits = len(data.shape) == len(spec.shape) and all(
        want in (-1, have) for have, want in zip(data.shape, spec.shape, strict=True)
    )
    if not fits:
        raise SchemaMismatch(
            f"{where} has the shape {spec.shape} by the model's signature (-1 is any size); got "
            f"{tuple(data.shape)}"
        )
    return data
