"""Asking a network: frames and arrays go in, arrays and frames come out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tracklet.errors import InvalidParameterValue

# The inputs of a model that was trained on a list of arrays.
_POSITION: Final = re.compile(r"input_\d+")


class NetworkPredictor:
    """The pyfunc view of a model of Keras'.

    A frame becomes one array, or one for each column where the columns are the model's inputs.
    A dictionary of arrays is asked as it is. What the model answers to a frame is a frame with its
    index; else an array, or dictionaries and lists of such.

    Args:
        model: The model, or what ``tf.saved_model.load`` gives of an exported one.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer.

        Raises:
            InvalidParameterValue: The data are of no kind that a model is asked with.
        """
        if hasattr(self.model, "predict"):
            given = self._given(data)
            answer = self.model.predict(given, **{"verbose": 0, **(params or {})})
        else:
            answer = _arrays(self.model.serve(_as_traced(self.model.serve, data)))
        index = getattr(data, "index", None)
        if _is_frame(data) and getattr(answer, "ndim", 0) in (1, 2):
            import pandas as pd

            return pd.DataFrame(answer, index=index)
        return answer

    def _given(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            given = {str(name): _array(each) for name, each in data.items()}
            inputs = getattr(self.model, "inputs", None)
            if not inputs and all(_POSITION.fullmatch(name) for name in given):
                return [given[name] for name in sorted(given, key=lambda each: int(each[6:]))]
            return given
        if _is_frame(data):
            names = [each.name for each in getattr(self.model, "inputs", None) or ()]
            if len(names) > 1 and set(names) == set(map(str, data.columns)):
                return {str(name): _array(data[name]) for name in data.columns}
            return _array(data)
        return _array(data)


class ProgramPredictor:
    """The pyfunc view of a module of TensorFlow's, as ``tf.saved_model.load`` gives it.

    An array, or a frame's numbers, is what it is called with; a dictionary of arrays is what its
    signature ``serving_default`` is called with, by name.

    Args:
        model: The module.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The module's answer."""
        import tensorflow as tf

        served = getattr(self.model, "signatures", {}).get("serving_default")
        if isinstance(data, Mapping) and served is not None:
            given = {str(name): tf.constant(_array(each)) for name, each in data.items()}
            return _arrays(served(**given, **(params or {})))
        call = self.model if callable(self.model) else served
        if call is None:
            raise InvalidParameterValue(
                "the module can be asked nothing: it has neither __call__ as a tf.function nor a "
                "signature serving_default"
            )
        if isinstance(data, Mapping):
            given = {str(name): tf.constant(_array(each)) for name, each in data.items()}
            return _arrays(call(given, **(params or {})))
        return _arrays(call(tf.constant(_array(data)), **(params or {})))


def _as_traced(serve: Any, data: Any) -> Any:
    """What an exported model is asked with, in the structure and types that it was traced with."""
    import numpy as np
    import tensorflow as tf

    struct = serve.concrete_functions[0].structured_input_signature[0][0]
    specs = tf.nest.flatten(struct)
    if len(specs) == 1 and not isinstance(data, Mapping):
        values = [_array(data)]
    else:
        is_named = isinstance(struct, Mapping) and len(struct) == len(specs)
        names = sorted(struct) if is_named else [each.name for each in specs]
        given = {str(each): data[each] for each in data} if hasattr(data, "keys") else {}
        if given.keys() == {f"input_{at}" for at in range(len(specs))}:
            names = [f"input_{at}" for at in range(len(specs))]
        if missing := [name for name in names if name not in given]:
            raise InvalidParameterValue(
                f"the model is asked with a dictionary of arrays, or a frame, of {names}; "
                f"{missing} are missing"
            )
        values = [_array(given[name]) for name in names]
    arrays = [
        np.asarray(value[:, None] if value.ndim == 1 and spec.shape.rank == 2 else value).astype(
            spec.dtype.as_numpy_dtype, copy=False
        )
        for value, spec in zip(values, specs, strict=True)
    ]
    return tf.nest.pack_sequence_as(struct, arrays)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "to_numpy")


def _array(data: Any) -> Any:
    import numpy as np

    if hasattr(data, "toarray"):  # a sparse matrix
        data = data.toarray()
    try:
        array = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
    except (TypeError, ValueError) as error:
        raise InvalidParameterValue(
            "a model of Keras' is asked with frames, arrays and dictionaries of arrays; got "
            f"{type(data).__name__}: {error}"
        ) from error
    return array


def _arrays(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        return {str(name): _arrays(each) for name, each in answer.items()}
    if isinstance(answer, list | tuple):
        return [_arrays(each) for each in answer]
    return answer.numpy() if hasattr(answer, "numpy") else answer
