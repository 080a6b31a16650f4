"""What a model takes, gives and understands: its signature."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tracklet.errors import TrackletException
from tracklet.models import categories
from tracklet.types import (
    AnyType,
    ColSpec,
    ParamSchema,
    Schema,
    infer_param_schema,
    infer_schema,
)

_logger = logging.getLogger(__name__)


class ModelSignature:
    """The schemas of a model's inputs, outputs and parameters; at least one is there.

    Raises:
        ValueError: All are None.
        TypeError: One is of another type.
    """

    __slots__ = (
        "categories",
        "form",
        "from_type_hint",
        "inputs",
        "outputs",
        "params",
        "type_hint_from_example",
    )

    def __init__(
        self,
        inputs: Schema | None = None,
        outputs: Schema | None = None,
        params: ParamSchema | None = None,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.params = params
        parts = self._parts()
        for name, part in parts.items():
            kind = ParamSchema if name == "params" else Schema
            if part is not None and not isinstance(part, kind):
                raise TypeError(
                    f"{name} must be a {kind.__name__} or None; got {type(part).__name__}"
                )
        if not any(part is not None for part in parts.values()):
            raise ValueError("a signature needs inputs, outputs or params; all are None")
        self.from_type_hint = False
        self.type_hint_from_example = False
        self.categories: dict[str, Any] = {}
        """Which categories columns of the inputs were made of, where a frame told; no part of
        the signature's text."""
        self.form: str | None = None
        """What the columns stand for if not a frame: ``"list"`` or ``"series"``. Not part of the
        signature, but native models are asked with what they were trained on."""

    def _parts(self) -> dict[str, Schema | ParamSchema | None]:
        return {"inputs": self.inputs, "outputs": self.outputs, "params": self.params}

    def to_dict(self) -> dict[str, str | None]:
        """The form in an ``MLmodel`` file: a JSON text or None per part."""
        return {
            name: None if part is None else part.to_json() for name, part in self._parts().items()
        }

    @classmethod
    def from_dict(cls, signature_dict: Mapping[str, Any]) -> ModelSignature:
        """Read the form in an ``MLmodel`` file; parts may be absent."""
        inputs, outputs, params = (
            signature_dict.get(key) for key in ("inputs", "outputs", "params")
        )
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelSignature) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "".join(f"{name}: \n  {part!r}\n" for name, part in self._parts().items())


class _TypeHints:
    """The hints of a model's ``predict``, as MLflow keeps them in pickled models."""

    def __init__(self, input: Any = None, output: Any = None) -> None:
        self.input = input
        self.output = output


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """The signature of a model that turns ``model_input`` into ``model_output``.

    A column that no type holds has the type ``any``, and data that no schema describes becomes one
    column of that type, with a warning in the log; whatever they say nothing of passes unchecked.

    Args:
        model_input: A frame, series, array, sparse matrix, mapping, list or scalar.
        model_output: Likewise; what the model gave.
        params: The parameters of inference with their defaults.

    Raises:
        ValueError: Nothing is given.
        InvalidParameterValue: A parameter is neither a scalar, nor a flat list, nor a dictionary.
    """
    model_input = listed(model_input)
    signature = ModelSignature(
        None if model_input is None else _schema_or_any("inputs", model_input),
        None if model_output is None else _schema_or_any("outputs", model_output),
        infer_param_schema(params) if params else None,
    )
    signature.categories = categories.of_frame(model_input)
    signature.form = form_of(model_input)
    return signature


def listed(data: Any) -> Any:
    """A tuple of texts as a list, which is what it is to a model; any other data as it is."""
    texts = isinstance(data, tuple) and all(isinstance(item, str) for item in data)
    return [*data] if texts else data


def form_of(data: Any) -> str | None:
    """``"list"``, ``"series"`` or ``"sparse"``, if the data is that; None for any other."""
    if isinstance(data, list):
        return "list"
    if hasattr(data, "nnz") and hasattr(data, "tocsr"):
        return "sparse"
    return "series" if hasattr(data, "iloc") and not hasattr(data, "columns") else None


def _schema_or_any(what: str, data: Any) -> Schema:
    try:
        schema = infer_schema(data)
        odd = [one.name for one in schema if one.name is not None and one.type == AnyType()]
        if odd:
            _logger.warning("the signature says nothing of the columns %s of the %s", odd, what)
        return schema
    except TrackletException as error:  # CannotInferSchema, or an unnamed column with nulls
        _logger.warning("the signature says nothing of the %s: %s", what, error.message)
    return Schema([ColSpec(AnyType())])
