"""A module's program, as ``torch.export`` makes it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import zip_longest
from typing import Any, Final

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import ModelSignature
from tracklet.types import TensorSpec

FORMATS: Final = ("pickle", "pt2")


def as_program(
    pytorch_model: Any,
    export_model: bool = False,
    serialization_format: str | None = None,
    *,
    input_example: Any = None,
    signature: ModelSignature | bool | None = None,
) -> Any:
    """What is saved of a module: itself, or its program.

    Args:
        pytorch_model: The module.
        export_model: An older word for ``serialization_format="pt2"``.
        serialization_format: ``"pickle"``, the default, or ``"pt2"``.
        input_example: An array or tensor, or a list of such, one for each argument of the module.
        signature: Which dimensions of the input vary: those that are −1 in it; without one, the
            first of each argument.

    Raises:
        InvalidParameterValue: The format is unknown, or there is no example to export with.
        TrackletException: The module has no program for such an input.
    """
    kind = serialization_format or ("pt2" if export_model else "pickle")
    if kind not in FORMATS or (export_model and kind != "pt2"):
        raise InvalidParameterValue(
            f"serialization_format={serialization_format!r} with export_model={export_model!r}: "
            f"the formats are {', '.join(FORMATS)}, and export_model=True is the last"
        )
    import torch

    if kind == "pickle" or isinstance(pytorch_model, torch.export.ExportedProgram):
        return pytorch_model
    if isinstance(pytorch_model, torch.jit.ScriptModule):
        raise InvalidParameterValue(
            "TorchScript is a program already; save it with serialization_format='pickle'"
        )
    if not isinstance(pytorch_model, torch.nn.Module):
        return pytorch_model  # the flavor says why it cannot be saved
    several = isinstance(input_example, list | tuple)
    try:
        example = [
            torch.as_tensor(each) for each in (input_example if several else [input_example])
        ]
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidParameterValue(
            "serialization_format='pt2' needs an input_example to export the module with: an "
            f"array or a tensor, or a list of such, one for each argument; got "
            f"{type(input_example).__name__}"
        ) from error
    schema = signature.inputs if isinstance(signature, ModelSignature) else None
    specs = schema.inputs if schema is not None and schema.is_tensor_spec() else []
    shapes = [spec.shape for spec in specs if isinstance(spec, TensorSpec)]
    varying = [
        dict.fromkeys(_varying(shape, each.dim()), torch.export.Dim.AUTO)
        for shape, each in zip_longest(shapes[: len(example)], example)
    ]
    try:
        # A copy, because it is the module's answers that are kept and not its way to train.
        module = deepcopy(pytorch_model).train(False)
        place = next((each.device for each in module.parameters()), None)
        inputs = tuple(each.to(place) for each in example)
        return torch.export.export(module, inputs, dynamic_shapes=tuple(varying))
    except Exception as error:
        raise TrackletException(
            f"{type(pytorch_model).__name__} cannot be exported: {type(error).__name__}: {error}"
        ) from error


def _varying(shape: Sequence[int] | None, dimensions: int) -> list[int]:
    """Which dimensions of an argument may have any length."""
    if shape is None:
        return [0][:dimensions]
    return [at for at, length in enumerate(shape) if length == -1 and at < dimensions]
