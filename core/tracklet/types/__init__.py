"""The language of schemas: the types of columns, tensors and parameters."""

from __future__ import annotations

from tracklet.types.datatypes import (
    AnyType,
    Array,
    ColumnType,
    DataType,
    Map,
    Object,
    Property,
    SparkMLVector,
)
from tracklet.types.inference import CannotInferSchema, infer_param_schema, infer_schema
from tracklet.types.params import ParamSchema, ParamSpec
from tracklet.types.schema import ColSpec, Schema, TensorSpec

__all__ = [
    "AnyType",
    "Array",
    "CannotInferSchema",
    "ColSpec",
    "ColumnType",
    "DataType",
    "Map",
    "Object",
    "ParamSchema",
    "ParamSpec",
    "Property",
    "Schema",
    "SparkMLVector",
    "TensorSpec",
    "infer_param_schema",
    "infer_schema",
]
