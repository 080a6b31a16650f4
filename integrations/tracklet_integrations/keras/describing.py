"""What is known of a Keras model and of what it is trained on: attributes are read, nothing runs.

Neither ``summary()`` nor the shape of what a subclassed model answers is asked for: Keras would
trace the user's ``call`` for them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from tracklet import lazy
from tracklet.autolog import datasets
from tracklet.models import ModelSignature
from tracklet.types import Schema, TensorSpec
from tracklet_integrations.shared import networks

# What `fit` is given that is no setting.
_NO_PARAMS: Final = ("self", "x", "y", "callbacks", "validation_data", "verbose")
_STOPPING: Final = (
    "monitor",
    "min_delta",
    "patience",
    "baseline",
    "restore_best_weights",
    "start_from_epoch",
)


# -- params ----------------------------------------------------------------------------------------


def fit_params(fit: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``fit``, with its defaults.

    Args:
        fit: The function.
        given: What it was given, by name.
    """
    defaults = {
        name: each.default
        for name, each in inspect.signature(fit).parameters.items()
        if each.default is not each.empty
    }
    found = {**defaults, **given}
    params = {name: _told(value) for name, value in found.items() if name not in _NO_PARAMS}
    if found.get("batch_size") is None:
        params["batch_size"] = batch_size(found.get("x"))
    return params


def _told(value: Any) -> Any:
    """A setting; of an array only its shape."""
    shape = getattr(value, "shape", None)
    return value if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"


def batch_size(x: Any) -> int | None:
    """How many samples a batch has if ``fit`` was not told; None if the data do not say.

    Of a :class:`tf.data.Dataset` it is what its last ``batch`` said, of others an attribute.
    """
    if _is_arrays(x):
        return 32  # Keras' default
    while x is not None:
        for name in ("_batch_size", "batch_size"):
            found = getattr(x, name, None)
            if found is not None:
                return int(found.numpy() if hasattr(found, "numpy") else found)
        x = getattr(x, "_input_dataset", None)
    return None


def model_params(model: Any) -> dict[str, Any]:
    """The model and how it is compiled."""
    keras = sys.modules["keras"]
    found = {
        **network_params(model),
        "loss": _name(model.loss),
        "run_eagerly": model.run_eagerly,
        "jit_compile": getattr(model, "jit_compile", None),
        "steps_per_execution": getattr(model, "steps_per_execution", None),
        **optimizer_params(model.optimizer),
    }
    compiled = getattr(model, "_compile_metrics", None)
    for key, name in (("metrics", "_user_metrics"), ("weighted_metrics", "_user_weighted_metrics")):
        asked = getattr(compiled, name, None)
        if asked:
            found[key] = _name(asked)
    strategy = getattr(model, "distribute_strategy", None)
    kind = type(strategy).__name__
    if strategy is not None and not kind.startswith("_Default"):
        found["distribution"] = kind
        found["num_devices"] = strategy.num_replicas_in_sync
    laid_out = keras.distribution.distribution()
    if laid_out is not None:
        found["distribution"] = type(laid_out).__name__
    return found


def network_params(model: Any) -> dict[str, Any]:
    """The model by itself."""
    return {
        "model": type(model).__name__,
        "model_name": model.name,
        "parameters": count(model.weights),
        "trainable_parameters": count(model.trainable_weights),
        "dtype_policy": getattr(model.dtype_policy, "name", None),
        "keras_backend": sys.modules["keras"].backend.backend(),
    }


def optimizer_params(optimizer: Any) -> dict[str, Any]:
    """An optimizer's settings, as ``optimizer_*``; its name is that of its class."""
    if optimizer is None:
        return {}
    inner = getattr(optimizer, "inner_optimizer", None)  # of one that scales the loss
    settings = dict((inner or optimizer).get_config())
    settings["name"] = type(inner or optimizer).__name__
    if inner is not None:
        settings["loss_scaling"] = type(optimizer).__name__
    schedule = settings.get("learning_rate")
    if isinstance(schedule, Mapping):
        settings["learning_rate"] = schedule.get("class_name")
        more = {key: each for key, each in schedule.get("config", {}).items() if key != "name"}
        settings |= {f"learning_rate_{key}": each for key, each in more.items()}
    return {f"optimizer_{key}": value for key, value in settings.items()}


def stopping_params(callback: Any) -> dict[str, Any]:
    """The settings of a callback that stops early."""
    found = {name: getattr(callback, name) for name in _STOPPING if hasattr(callback, name)}
    # Keras turns its sign while it trains.
    return {**found, "min_delta": abs(found["min_delta"])} if "min_delta" in found else found


def _name(value: Any) -> Any:
    """A loss or metrics by name, in the form that they have."""
    if isinstance(value, Mapping):
        return {key: _name(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_name(each) for each in value]
    if value is None or isinstance(value, str):
        return value
    return getattr(value, "__name__", None) or type(value).__name__


def count(weights: Sequence[Any]) -> int:
    """How many numbers some variables have."""
    return sum(math.prod(each.shape) for each in weights)


def nbytes(model: Any) -> int:
    """How many bytes the variables of a model take, at four each."""
    return 4 * count(model.weights)


def learning_rate(optimizer: Any) -> float | None:
    """An optimizer's rate now; None if only code of the user's could say."""
    optimizer = getattr(optimizer, "inner_optimizer", None) or optimizer  # of one that scales
    rate = getattr(optimizer, "_learning_rate", None)
    if rate is None:
        return None
    if callable(rate):
        if not type(rate).__module__.startswith("keras."):
            return None
        rate = optimizer.learning_rate
    return float(value_of(rate))


def value_of(variable: Any) -> Any:
    """What a variable of Keras' holds, also where it lies on several devices."""
    value = getattr(variable, "value", variable)
    return value.read_value() if hasattr(value, "read_value") else value


def iterations(optimizer: Any) -> int:
    """How many steps an optimizer has taken, also those whose gradients it has only gathered."""
    optimizer = getattr(optimizer, "inner_optimizer", None) or optimizer
    found = getattr(optimizer, "_iterations", None)
    found = optimizer.iterations if found is None else found
    return int(value_of(found))


# -- the model ------------------------------------------------------------------------------------


def summary(model: Any) -> str:
    """The layers of a model with the shapes of what they learn, one line each."""
    rows = []
    for path, layer in _layers(model):
        below = _below(layer)
        own = [each for each in layer.weights if id(each) not in below]
        shapes = ", ".join(f"{each.name} {list(each.shape)}" for each in own)
        rows.append((path, type(layer).__name__, shapes, f"{count(own):,}" if own else ""))
    return networks.table(rows, count(model.weights))


def _layers(model: Any) -> Iterator[tuple[str, Any]]:
    for layer in model._flatten_layers():
        path = getattr(layer, "path", None) or layer.name
        yield ("(whole)" if layer is model else path), layer


def _below(layer: Any) -> set[int]:
    """The identities of the variables of the layers within a layer."""
    inner = layer._flatten_layers(include_self=False, recursive=False)
    return {id(each) for one in inner for each in one.weights}


def signature(model: Any, x: Any) -> ModelSignature | None:
    """What a model takes, as it was trained on, and what it gives.

    What a functional or sequential model gives is known; of a subclassed one only what it takes.

    Args:
        model: The model.
        x: What it was trained on.
    """
    inputs = list(getattr(model, "inputs", None) or ())
    names = _names(getattr(model, "_inputs_struct", None), inputs)
    if hasattr(x, "iloc"):
        given = datasets.schema_of(x, None)
    else:
        known: dict[str, Any] = dict(zip(names, inputs, strict=True))
        is_named = len(names) > 1 or isinstance(getattr(model, "_inputs_struct", None), Mapping)
        specs: Any = _specs_of(x)
        if specs is None:
            specs = known
        else:
            is_named = is_named or set(specs) != {""}
            if known and len(specs) == len(known) and not _says_names(x):
                specs = dict(zip(names, specs.values(), strict=True))
        given = _schema(specs, known, is_named) if specs else None
    outputs = list(getattr(model, "outputs", None) or ())
    if not outputs:
        return None if given is None else ModelSignature(given)
    struct = getattr(model, "_outputs_struct", None)
    named = getattr(model, "output_names", None) or [each.name for each in outputs]
    named = sorted(struct) if isinstance(struct, Mapping) else named
    answered: dict[str, Any] = dict(zip(named, outputs, strict=True))
    several = len(outputs) > 1 or isinstance(struct, Mapping)
    return ModelSignature(given, _schema(answered, {}, several))


def _names(struct: Any, tensors: Sequence[Any]) -> list[str]:
    if isinstance(struct, Mapping) and len(struct) == len(tensors):
        return sorted(struct)
    return [each.name for each in tensors]


def _schema(tensors: Mapping[str, Any], known: Mapping[str, Any], is_named: bool) -> Schema:
    """The types of these tensors, and their shapes, as the model's own leave them open."""
    np = lazy.imported("numpy", "numpy", purpose="a signature")
    specs = []
    for name, each in tensors.items():
        shape, kind = tuple(each.shape), str(getattr(each.dtype, "name", each.dtype))
        own = known.get(name)
        if own is not None and len(own.shape) == len(shape):
            shape = tuple(own.shape)
        open_shape = (-1, *(-1 if size is None else int(size) for size in shape[1:]))
        kind = {"bfloat16": "float32", "string": "str"}.get(kind, kind.removeprefix("torch."))
        specs.append(TensorSpec(np.dtype(kind), open_shape, name if is_named else None))
    return Schema(specs)


# -- the data -------------------------------------------------------------------------------------


def _is_arrays(data: Any) -> bool:
    """Whether data are an array, a frame or a tensor, or several of them."""
    if isinstance(data, Mapping):
        return all(_is_arrays(each) for each in data.values())
    if isinstance(data, list | tuple):
        return all(_is_arrays(each) for each in data)
    return hasattr(data, "shape") and (hasattr(data, "dtype") or hasattr(data, "columns"))


def _elements(x: Any) -> Any:
    """What stands for the features of data; those of a :class:`tf.data.Dataset` it says itself."""
    spec = getattr(x, "element_spec", None)
    if spec is None:
        return x
    return spec[0] if isinstance(spec, tuple) else spec


def _says_names(x: Any) -> bool:
    return isinstance(_elements(x), Mapping)


def _specs_of(x: Any) -> dict[str, Any] | None:
    """What has the shapes and types of the data, by name; a single one has none."""
    x = _elements(x)
    if isinstance(x, Mapping):
        found = {str(name): each for name, each in x.items()}
    elif isinstance(x, list | tuple):
        found = {f"input_{at}": each for at, each in enumerate(x)}
    else:
        found = {"": x}
    told = all(hasattr(each, "shape") and hasattr(each, "dtype") for each in found.values())
    return found if told and found else None


def dataset(x: Any, y: Any, name: str) -> tuple[Any, Any]:
    """Data as what the recorder takes: arrays where they are some, else what describes them.

    Of a ``tf.data.Dataset`` that is what it says of its elements; of a loader, a ``PyDataset`` or a
    generator its kind, and the size of its batches. Nothing is iterated or repeated, and no length
    is counted.
    """
    x, y = _plain(x), _plain(y)
    if isinstance(x, list | tuple) and x and all(hasattr(each, "dtype") for each in x):
        x = {f"input_{at}": each for at, each in enumerate(x)}
    if isinstance(y, list | tuple) and y and all(hasattr(each, "dtype") for each in y):
        y = {f"output_{at}": each for at, each in enumerate(y)}
    spec = getattr(x, "element_spec", None)
    if spec is None and (x is None or _is_arrays(x)):
        return x, y
    data: Any = import_module("tracklet.data")
    parts = () if spec is None else spec if isinstance(spec, tuple) else (spec,)
    schema: dict[str, Any] = {}
    for role, part in zip(("features", "targets"), parts, strict=False):
        specs = _specs_of(part)
        if specs is not None:
            schema[role] = _schema(specs, {}, set(specs) != {""}).to_json()
    told = {"mlflow_tensorspec": {"features": None, "targets": None, **schema}} if schema else None
    kind = "tf.data.Dataset" if spec is not None else type(x).__name__
    profile = {"kind": kind, "batch_size": batch_size(x)}
    if kind == "DataLoader":
        profile["dataset"] = type(getattr(x, "dataset", None)).__name__
    text = json.dumps([type(x).__name__, told, profile])
    described = data.Dataset(
        x,
        source=data.source_of(None),
        name=name,
        digest=hashlib.sha256(text.encode()).hexdigest()[:8],
        schema=lambda: told,
        profile=lambda: profile,
    )
    return described, None


def first_rows(x: Any) -> Any:
    """The first five rows of arrays or a frame; None of what would have to be iterated for them."""
    x = _plain(x)
    if isinstance(x, Mapping):
        return {name: each[:5] for name, each in x.items()} if _is_arrays(x) else None
    if isinstance(x, list | tuple):
        return None
    if hasattr(x, "iloc"):
        return x.iloc[:5]
    return x[:5] if _is_arrays(x) else None


def _plain(value: Any) -> Any:
    """Tensors as arrays, which share their memory; also of several."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    library = type(value).__module__.partition(".")[0]
    if library in ("tensorflow", "torch", "jax", "jaxlib") and hasattr(value, "dtype"):
        return lazy.imported("numpy", "numpy", purpose="a dataset").asarray(
            value.detach().cpu() if library == "torch" else value
        )
    return value
