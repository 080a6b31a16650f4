"""What a module of PyTorch's is: its size and its layers. And how a trained one is recorded.

Nothing is run for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet.entities import Metric

_MOST_BYTES: Final = 2**30
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
    rows = [("layer", "type", "shapes", "parameters")]
    for name, module in model.named_modules():
        own = list(module.named_parameters(recurse=False))
        shapes = ", ".join(f"{each} {list(value.shape)}" for each, value in own)
        count = sum(value.numel() for _, value in own)
        rows.append((name or "(whole)", type(module).__name__, shapes, f"{count:,}" if own else ""))
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = [
        "  ".join([*(row[at].ljust(widths[at]) for at in range(3)), row[3]]).rstrip()
        for row in rows
    ]
    total = sum(each.numel() for each in model.parameters())
    return "\n".join([*lines, f"{total:,} parameters", ""])


def unwrapped(model: Any) -> Any:
    """The module itself, without what runs it on several devices or compiled."""
    while type(model).__module__.startswith(_WRAPPERS):
        model = next(model.children())
    return model


def log_model(
    recorder: Recorder,
    model: Any,
    *,
    params: Mapping[str, str],
    points: Iterable[Metric],
    signature: Any = False,
    registered_model_name: str | None = None,
    otherwise: str,
) -> None:
    """Log a trained module, unless what it learned has more than a GiB.

    Args:
        recorder: Of the run.
        model: The module.
        params: The params to link with it.
        points: The newest point of each metric, to link with it.
        signature: Its signature; False for none.
        registered_model_name: Also register it under this name.
        otherwise: What has it, if it is too large.
    """
    size = 0
    with recorder.step("model"):
        size = sum(each.numel() * each.element_size() for each in model.parameters())
    if size > _MOST_BYTES:
        gib = f"{size / 2**30:.1f} GiB"
        recorder.tags({"tracklet.model": f"left out: {gib}; {otherwise}"})
        return
    info = recorder.model(
        model, signature=signature, params=params, registered_model_name=registered_model_name
    )
    if info is not None and info.model_id is not None:
        with recorder.step("model"):
            linked = [replace(each, model_id=info.model_id) for each in points if each.step]
            recorder.run.writer.link_metrics(linked)
