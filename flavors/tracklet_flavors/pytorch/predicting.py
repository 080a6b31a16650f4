"""Asking a module: arrays and frames go in as tensors, tensors come out as arrays and frames."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tracklet import settings
from tracklet.errors import InvalidParameterValue, TrackletException


def device_of(config: Mapping[str, Any]) -> str:
    """Where a model answers.

    The model's configuration says it by ``device``, else the option ``DEFAULT_PREDICTION_DEVICE``;
    else it is the first GPU, if there is one.
    """
    asked = (config.get("config") or {}).get("device")
    asked = asked or settings.option("DEFAULT_PREDICTION_DEVICE")
    if asked:
        return str(asked)
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def device_of_program(program: Any, device: str) -> str:
    """Where an exported program answers: where it was exported, for it cannot be moved.

    Raises:
        TrackletException: Another kind of device is wanted.
    """
    import torch

    places = {tensor.device.type for tensor in (*program.parameters(), *program.buffers())}
    if places and torch.device(device).type not in places:
        raise TrackletException(
            f"the program was exported on {', '.join(sorted(places))} and cannot answer on "
            f"{device!r}; export the module there, or set model_config={{'device': ...}}"
        )
    return device


class ModulePredictor:
    """The pyfunc view of a module.

    A frame becomes one tensor of the module's floating type, an array a tensor of its own type, a
    dictionary of arrays keyword arguments of the module. What the module answers to a frame is a
    frame with its index; else a tensor comes back as an array, and dictionaries and lists of
    tensors as such of arrays. Params are further keyword arguments of the module.

    Args:
        model: The module.
        device: Where it is.
    """

    def __init__(self, model: Any, device: str) -> None:
        self.model = model
        self.device = device

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The module's answer.

        Raises:
            InvalidParameterValue: The data are of no kind that becomes tensors.
        """
        import torch

        if params and "device" in params:
            raise InvalidParameterValue(
                "the device is chosen when the model is loaded, by "
                "pyfunc.load_model(uri, model_config={'device': 'cuda'}); it is no parameter"
            )
        with torch.no_grad():
            if isinstance(data, Mapping):
                named = {str(name): self._tensor(value) for name, value in data.items()}
                answer = self.model(**named, **(params or {}))
            else:
                answer = self.model(self._tensor(data), **(params or {}))
        found = _arrays(answer)
        index = getattr(data, "index", None)
        if index is not None and _is_frame(data) and hasattr(found, "shape"):
            import pandas as pd

            return pd.DataFrame(found, index=index)
        return found

    def _tensor(self, data: Any) -> Any:
        import numpy as np
        import torch

        if isinstance(data, torch.Tensor):
            return data.to(self.device)
        if hasattr(data, "toarray"):  # a sparse matrix
            data = data.toarray()
        elif _is_frame(data):
            # Its columns are numbers of all kinds, which the module takes as one.
            dtype = self._dtype()
            matrix = _matrix(data, np.float64 if dtype == torch.float64 else np.float32)
            return torch.from_numpy(matrix).to(self.device, dtype)
        try:
            # Copied: what a module does to its input in place is not done to the caller's data.
            array = np.array(data)
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
            return torch.from_numpy(array).to(self.device)
        except (TypeError, ValueError) as error:
            raise InvalidParameterValue(
                f"a PyTorch model is asked with frames, arrays and dictionaries of arrays, all of "
                f"numbers; got {type(data).__name__}: {error}"
            ) from error

    def _dtype(self) -> Any:
        """The type of the module's numbers; single floats if it has none."""
        import torch

        parameters = getattr(self.model, "parameters", tuple)()
        return next((each.dtype for each in parameters if each.is_floating_point()), torch.float32)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and (hasattr(data, "to_numpy") or hasattr(data, "to_pandas"))


def _matrix(frame: Any, dtype: Any) -> Any:
    """A frame's numbers as one array of its own; what is missing is NaN."""
    import numpy as np

    if not hasattr(frame, "to_numpy"):  # a table of Arrow's
        frame = frame.to_pandas()
    return np.array(frame.to_numpy(dtype=dtype) if hasattr(frame, "iloc") else frame, dtype=dtype)


def _arrays(answer: Any) -> Any:
    """What a module answered, with arrays in place of tensors."""
    import numpy as np

    torch = sys.modules["torch"]
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
        if answer.dtype == torch.bfloat16:  # NumPy has none
            answer = answer.float()
        return answer.numpy()
    if isinstance(answer, Mapping):
        return {str(name): _arrays(each) for name, each in answer.items() if each is not None}
    if isinstance(answer, list | tuple):
        return [_arrays(each) for each in answer]
    if isinstance(answer, bool | int | float):
        return np.asarray(answer)
    raise InvalidParameterValue(
        f"a PyTorch model answers by tensors, or lists and dictionaries of them; this one gave a "
        f"{type(answer).__module__}.{type(answer).__qualname__}"
    )
