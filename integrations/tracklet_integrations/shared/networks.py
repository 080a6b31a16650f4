"""What a module of PyTorch's is: its size and its layers; nothing is run for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

# What stands around a module to run it: on several devices, or compiled.
_WRAPPERS: Final = (
    "torch.nn.parallel.",
    "torch._dynamo.",
    "lightning.fabric.",
    "lightning_fabric.",
)


def model_params(model: Any) -> dict[str, Any]:
    """The class of a module, and how many numbers it learns."""
    parameters = list(model.parameters())
    return {
        "model": type(model).__name__,
        "parameters": sum(each.numel() for each in parameters),
        "trainable_parameters": sum(each.numel() for each in parameters if each.requires_grad),
    }


def summary(model: Any) -> str:
    """The layers of a module with the shapes of what they learn, one line each."""
    rows = []
    for name, module in model.named_modules():
        own = list(module.named_parameters(recurse=False))
        shapes = ", ".join(f"{each} {list(value.shape)}" for each, value in own)
        count = sum(value.numel() for _, value in own)
        rows.append((name or "(whole)", type(module).__name__, shapes, f"{count:,}" if own else ""))
    return table(rows, sum(each.numel() for each in model.parameters()))


def table(layers: Iterable[tuple[str, str, str, str]], total: int) -> str:
    """Layers as a table: name, type, shapes, how many numbers they learn."""
    rows = [("layer", "type", "shapes", "parameters"), *layers]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = [
        "  ".join([*(row[at].ljust(widths[at]) for at in range(3)), row[3]]).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, f"{total:,} parameters", ""])


def unwrapped(model: Any) -> Any:
    """The module itself, without what runs it on several devices or compiled."""
    while type(model).__module__.startswith(_WRAPPERS):
        model = next(model.children())
    return model


def size_of(model: Any) -> int:
    """How many bytes what a module learned has."""
    return sum(each.numel() * each.element_size() for each in model.parameters())
