"""What is known of a training when it begins: its optimizer, model, criterion and loader.

Attributes are read; nothing of the user's is called, and nothing is kept alive.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet_integrations.shared.epochs import user_frames
from tracklet_integrations.shared.phases import Data

_MAX_NODES: Final = 40
_MAX_ITEMS: Final = 16
_REDUCTIONS: Final = {0: "none", 1: "mean", 2: "sum"}
_PLAIN: Final = (bool, int, float, str)


def optimizer_params(optimizer: Any) -> dict[str, Any]:
    """The class, and its hyperparameters as they were given."""
    found: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    defaults = getattr(optimizer, "defaults", None)
    if isinstance(defaults, Mapping):
        for name, value in defaults.items():
            if value is None or isinstance(value, (*_PLAIN, tuple)):
                found[f"optimizer_{name}"] = value
    return found


def criterion_params(loss: Any) -> dict[str, Any]:
    """What a loss was computed by, as its graph says; nothing if it is no function of torch's."""
    waiting, seen = [getattr(loss, "grad_fn", None)], 0
    while waiting and seen < _MAX_NODES:
        node = waiting.pop(0)
        if node is None:
            continue
        seen += 1
        name = type(node).__name__.removesuffix("0").removesuffix("Backward")
        if "Loss" in name or name in (
            "BinaryCrossEntropy",
            "BinaryCrossEntropyWithLogits",
            "KlDiv",
        ):
            following = [type(each).__name__ for each, _ in node.next_functions if each is not None]
            if name.startswith("NllLoss") and "LogSoftmaxBackward0" in following:
                name = "CrossEntropyLoss"
            found = {"criterion": name}
            reduction = getattr(node, "_saved_reduction", None)
            if reduction in _REDUCTIONS:
                found["reduction"] = _REDUCTIONS[reduction]
            return found
        waiting += [each for each, _ in node.next_functions]
    return {}


def is_spent(loss: Any) -> bool:
    """Whether backward was called on a scalar: what its graph kept for that is gone then."""
    waiting, seen = [loss.grad_fn], 0
    while waiting and seen < _MAX_NODES:
        node = waiting.pop(0)
        if node is None:
            continue
        seen += 1
        for name in dir(node):
            if not name.startswith("_saved_"):
                continue
            try:
                saved = getattr(node, name)
            except RuntimeError:
                return True
            if hasattr(saved, "grad_fn"):
                return False
        waiting += [each for each, _ in node.next_functions]
    return False


def data_of(iterator: Any) -> Data | None:
    """What a loader reads; its length is that of its sampler, which was asked for it already."""
    import torch

    batches = getattr(iterator, "_index_sampler", None)
    dataset = getattr(iterator, "_dataset", None)
    if type(batches) is torch.utils.data.BatchSampler:
        size, sampler, drops = batches.batch_size, batches.sampler, batches.drop_last
    else:
        size, sampler, drops = None, batches, False
    try:
        length = len(sampler)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 (the user's own may fail; then it is not known)
        length = None
    indices = getattr(sampler, "indices", None)
    if indices is not None:
        chosen = _part(indices)
    elif type(sampler).__module__.startswith("torch.") or _is_whole(dataset, length):
        chosen = ()
    else:  # one of the script's own chooses, and does not say what
        chosen = ("by", type(sampler).__qualname__, id(sampler))
    if size is not None and length is not None and drops:
        length -= length % size
    identity, likeness = _identity(dataset)
    try:
        ref: Any = weakref.ref(dataset)
    except TypeError:
        ref = object  # what cannot be held weakly counts as there
    return Data(ref, (identity, str(chosen)), (likeness, length, str(chosen)), size, length)


def _identity(dataset: Any, depth: int = 4) -> tuple[Any, Any]:
    """What tells a data set from others, and what it has in common with its like."""
    import torch

    kind = f"{type(dataset).__module__}.{type(dataset).__qualname__}"
    if type(dataset) is torch.utils.data.Subset and depth:
        whole, like = _identity(dataset.dataset, depth - 1)
        part = str(_part(dataset.indices))
        return (whole, part), (like, part)
    if type(dataset) is torch.utils.data.TensorDataset and dataset.tensors:
        first = dataset.tensors[0]
        if type(first) is torch.Tensor:
            return (kind, first.data_ptr(), tuple(first.shape)), (kind, tuple(first.shape))
    return (kind, id(dataset)), kind


def _is_whole(dataset: Any, length: int | None) -> bool:
    try:
        return length is None or len(dataset) == length
    except Exception:  # noqa: BLE001 (the user's own may fail, or have no length)
        return True


def _part(indices: Any) -> tuple[Any, ...]:
    """What tells a choice of samples from another: how many they are, and a few of them."""
    import torch

    kind = type(indices)
    # Of any other kind, looking into it may have effects, and on an accelerator would wait for it.
    is_plain = kind in (list, tuple, range) or kind.__module__ == "numpy"
    if not is_plain and not (kind is torch.Tensor and indices.is_cpu):
        return "of", kind.__qualname__, id(indices)
    count = len(indices)
    at = (0, count // 2, count - 1) if count else ()
    return count, *(str(getattr(each := indices[place], "tolist", lambda: each)()) for place in at)


def loader_params(iterator: Any) -> dict[str, Any]:
    """The settings of a loader, as its iterator has them."""
    import torch

    found: dict[str, Any] = {}
    batches = getattr(iterator, "_index_sampler", None)
    if type(batches) is torch.utils.data.BatchSampler:
        found |= {"batch_size": batches.batch_size, "drop_last": batches.drop_last}
        if type(batches.sampler) is torch.utils.data.RandomSampler:
            found["shuffle"] = True
        elif type(batches.sampler) is torch.utils.data.SequentialSampler:
            found["shuffle"] = False
    try:
        found["dataset_size"] = len(getattr(batches, "sampler", batches))  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 (the user's own may fail, or have no length)
        found.pop("dataset_size", None)
    workers = getattr(iterator, "_num_workers", None)
    return {**found, "num_workers": workers} if workers is not None else found


def log_data(recorder: Recorder, dataset: Any) -> None:
    """Record a data set that consists of tensors; of one that makes its samples nothing is read.

    Args:
        recorder: Of the run.
        dataset: The data set of a loader that is trained with.
    """
    import torch

    if type(dataset) is not torch.utils.data.TensorDataset:
        return
    features, *others = dataset.tensors
    if all(type(each) is torch.Tensor and each.is_cpu for each in dataset.tensors):
        with recorder.step("dataset"):
            targets = others[0].detach().numpy() if len(others) == 1 else None
            recorder.dataset(features.detach().numpy(), targets)


def scheduler_params(scheduler: Any) -> dict[str, Any]:
    """The class of a scheduler, and its settings."""
    found: dict[str, Any] = {"scheduler": type(scheduler).__name__}
    for name, value in vars(scheduler).items():
        if name.startswith("_") or name in ("last_epoch", "base_lrs", "verbose"):
            continue
        if type(value) in _PLAIN or (
            isinstance(value, list | tuple) and all(type(each) in _PLAIN for each in value)
        ):
            found[f"scheduler_{name}"] = value
    return found


class Surroundings:
    """What the frames around a step hold: names of optimizers, the model, schedulers.

    Args:
        frame: The frame to begin with; torch's and ours are passed over.
    """

    def __init__(self, frame: FrameType | None) -> None:
        self._named: list[tuple[str, Any]] = []
        for each in user_frames(frame):
            self._named += _variables(each)

    def name_of(self, optimizer: Any) -> str | None:
        """The variable or attribute that holds an optimizer."""
        return next((name for name, value in self._named if value is optimizer), None)

    def scheduler_of(self, optimizer: Any) -> Any:
        """The scheduler of an optimizer, if there is one and not several."""
        import torch

        kinds = (
            torch.optim.lr_scheduler.LRScheduler,
            torch.optim.lr_scheduler.ReduceLROnPlateau,
        )
        found = {
            id(value): value
            for _, value in self._named
            if issubclass(type(value), kinds) and vars(value).get("optimizer") is optimizer
        }
        return next(iter(found.values())) if len(found) == 1 else None

    def scalers(self) -> list[Any]:
        """The scalers of gradients."""
        import torch

        kind = torch.amp.GradScaler
        found = {id(value): value for _, value in self._named if issubclass(type(value), kind)}
        return [*found.values()]

    def has_compiled(self) -> bool:
        """Whether a module is compiled, or will be when it is called."""
        return any(type(value).__name__ == "OptimizedModule" for _, value in self._named)

    def model_of(self, optimizer: Any) -> Any:
        """The smallest module that has all parameters of an optimizer."""
        import torch

        wanted = {id(each) for group in optimizer.param_groups for each in group["params"]}
        found = None
        for _, value in self._named:
            if not issubclass(type(value), torch.nn.Module):
                continue
            own = {id(each) for each in value.parameters()}
            if wanted <= own and (found is None or len(own) < found[0]):
                found = len(own), value
        return None if found is None or not wanted else found[1]


def _variables(frame: FrameType) -> list[tuple[str, Any]]:
    """The variables of a frame, and the attributes of the objects that its methods belong to."""
    values = frame.f_locals
    found = [(name, value) for name, value in values.items() if not name.startswith("__")]
    if (
        sys.version_info < (3, 13)
        and values is not frame.f_globals
        and frame.f_code.co_flags & CO_OPTIMIZED
        and sys.getrefcount(values) <= 3  # of the frame, this name and the argument: no `locals()`
    ):
        values.clear()  # a snapshot, which would keep all of them alive as long as the frame is
    for name, value in [*found]:
        if name == "self":
            with suppress(AttributeError):
                found += object.__getattribute__(value, "__dict__").items()
        elif type(value) is dict and len(value) <= _MAX_ITEMS:
            # Only of these is the text known, and asks nobody.
            found += [
                (f"{name}.{key if type(key) in (str, int) else at}", each)
                for at, (key, each) in enumerate(value.items())
            ]
        elif type(value) in (list, tuple) and len(value) <= _MAX_ITEMS:
            found += [(f"{name}.{position}", each) for position, each in enumerate(value)]
    return [(str(name), value) for name, value in found]
