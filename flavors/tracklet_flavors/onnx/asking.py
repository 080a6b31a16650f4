"""How a graph is asked: arrays, dictionaries of arrays and frames in; the same kind out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tracklet import lazy
from tracklet.errors import InvalidParameterValue

_MODES: Final = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
_OPTIONS: Final = (
    "execution_mode",
    "extra_session_config",
    "graph_optimization_level",
    "inter_op_num_threads",
    "intra_op_num_threads",
)
# onnxruntime's names of what an input takes, and NumPy's.
_DTYPES: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


def check_session_options(options: Any) -> None:
    """Refuse what a session cannot be told.

    Raises:
        InvalidParameterValue: An option is unknown, or a value of it.
    """
    if options is None:
        return
    unknown = sorted(set(options) - set(_OPTIONS)) if isinstance(options, Mapping) else [options]
    if unknown:
        raise InvalidParameterValue(
            f"onnx_session_options may have {', '.join(_OPTIONS)}; got {unknown}"
        )
    mode = options.get("execution_mode", "sequential")
    if mode not in _MODES:
        raise InvalidParameterValue(
            f"execution_mode must be one of {', '.join(_MODES)}; got {mode!r}"
        )


class OnnxPredictor:
    """Asks a graph by onnxruntime.

    An array is for a graph with one input. A frame's columns are the inputs of a graph with
    several, and the features of one with a single input. Numbers are cast to what the input takes.

    Args:
        file: The graph.
        providers: What runs it, the best first; one that is not here is passed over.
        options: What the session is told.
    """

    def __init__(
        self, file: Path, providers: Sequence[Any], options: Mapping[str, Any] | None
    ) -> None:
        runtime = lazy.imported(
            "onnxruntime", "onnxruntime", purpose="asking a graph of ONNX", extra="onnx"
        )
        here = set(runtime.get_available_providers())
        chosen = [each for each in providers if _name_of(each) in here]
        session = runtime.SessionOptions()
        for key, value in (options or {}).items():
            if key == "execution_mode":
                session.execution_mode = getattr(runtime.ExecutionMode, _MODES[value])
            elif key == "graph_optimization_level":
                session.graph_optimization_level = runtime.GraphOptimizationLevel(value)
            elif key == "extra_session_config":
                for name, each in value.items():
                    session.add_session_config_entry(str(name), str(each))
            else:
                setattr(session, key, value)
        self._session = runtime.InferenceSession(
            str(file), session, providers=chosen or ["CPUExecutionProvider"]
        )
        self._inputs = {each.name: each for each in self._session.get_inputs()}
        self._outputs = [each.name for each in self._session.get_outputs()]

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """A dictionary of arrays by output; of a frame a frame with a column per number.

        Raises:
            InvalidParameterValue: The data are no inputs of the graph.
        """
        is_frame = hasattr(data, "iloc") and hasattr(data, "columns")
        feeds = self._of_frame(data) if is_frame else self._of_arrays(data)
        found = self._session.run(self._outputs, feeds)
        answers = {name: _plain(value) for name, value in zip(self._outputs, found, strict=True)}
        if not is_frame:
            return {name: values for name, (values, _) in answers.items()}
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, (values, labels) in answers.items():
            columns |= _columns(name, values, labels)
        return pd.DataFrame(columns, index=data.index if _same_length(columns, data) else None)

    def _of_arrays(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            if len(self._inputs) != 1:
                raise InvalidParameterValue(
                    f"the graph has the inputs {sorted(self._inputs)}; give a dictionary of "
                    "arrays by their names, or a frame with these columns"
                )
            data = {next(iter(self._inputs)): data}
        missing = sorted(set(self._inputs) - set(data))
        if missing:
            raise InvalidParameterValue(f"the data lack the graph's inputs {missing}")
        return {name: self._cast(name, data[name]) for name in self._inputs}

    def _of_frame(self, data: Any) -> dict[str, Any]:
        if len(self._inputs) == 1:
            (name,) = self._inputs
            if list(data.columns) != [name]:
                return {name: self._cast(name, data.to_numpy())}
        missing = [name for name in self._inputs if name not in data.columns]
        if missing:
            raise InvalidParameterValue(
                f"the frame lacks columns for the graph's inputs {missing}; it has "
                f"{list(map(str, data.columns))}"
            )
        return {name: self._cast(name, data[name].to_numpy()) for name in self._inputs}

    def _cast(self, name: str, values: Any) -> Any:
        import numpy as np

        about = self._inputs[name]
        values = np.asarray(values)
        if values.dtype == object and values.size and isinstance(values.flat[0], np.ndarray | list):
            values = np.stack([np.asarray(each) for each in values])
        wanted = _DTYPES.get(about.type)
        if wanted is not None and values.dtype != wanted:
            values = values.astype(wanted)
        # A converter's inputs for single columns are of rank two.
        if values.ndim == 1 and len(about.shape) == 2 and about.shape[1] in (1, None):
            values = values.reshape(-1, 1)
        return values


def _name_of(provider: Any) -> str:
    return str(provider[0]) if isinstance(provider, list | tuple) else str(provider)


def _plain(value: Any) -> tuple[Any, list[str] | None]:
    """An output as an array, and the labels of its columns if it has any.

    Converters of scikit-learn's classifiers give a dictionary of probabilities per row.
    """
    import numpy as np

    if isinstance(value, list) and value and isinstance(value[0], dict):
        labels = list(value[0])
        rows = [[row[label] for label in labels] for row in value]
        return np.asarray(rows, dtype="float32"), [str(label) for label in labels]
    return np.asarray(value), None


def _columns(name: str, values: Any, labels: Sequence[str] | None) -> dict[str, Any]:
    if values.ndim == 2 and (labels is not None or values.shape[1] > 1):
        return {
            f"{name}_{label}": values[:, position]
            for position, label in enumerate(labels or range(values.shape[1]))
        }
    if values.ndim > 2:
        return {name: list(values)}
    return {name: values.reshape(-1)}


def _same_length(columns: Mapping[str, Any], data: Any) -> bool:
    return all(len(each) == len(data) for each in columns.values())
