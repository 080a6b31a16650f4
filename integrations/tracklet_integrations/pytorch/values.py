"""What a tensor was worth at a moment: read at once on the CPU, and later on an accelerator.

Reading a value that an accelerator computes would wait for it. A detached alias is kept instead,
and all that was kept is brought over together, without waiting either, where CUDA allows that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Late:
    """A scalar on an accelerator, as it is now.

    Args:
        tensor: The scalar; an alias without its graph is kept.
    """

    __slots__ = ("tensor", "version")

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor.detach()
        self.version = tensor._version

    def was_changed(self) -> bool:
        """Whether its storage was written to since, so that its value is gone."""
        return self.tensor._version != self.version


def reader() -> Callable[[Any], Any]:
    """What gives the value of a scalar: a number, a :class:`Late`, or None if none can be told."""
    import torch

    item: Any = torch._C.TensorBase.item
    is_wrapped: Any = vars(torch._C)["_functorch"].is_functorch_wrapped_tensor
    kinds = (torch.Tensor, torch.nn.Parameter)

    def value_of(tensor: Any) -> Any:
        if type(tensor) not in kinds or is_wrapped(tensor) or tensor.numel() != 1:
            return None
        if tensor.is_cpu:
            number = item(tensor)
            if type(number) is float:
                return number
            return None if isinstance(number, complex) else float(number)
        if tensor.is_cuda and torch.cuda.is_current_stream_capturing():
            return None
        return None if tensor.is_complex() or tensor.is_meta else Late(tensor)

    return value_of


def norm_of(optimizer: Any) -> Any:
    """The norm of the gradients that an optimizer has applied; None if they are no plain tensors.

    A distributed tensor would have other processes compute, and gradients that the optimizer
    itself unscales are not what it applied.
    """
    import torch

    norms: Any = vars(torch)["_foreach_norm"]
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    gradients = [each.grad for each in parameters if each.grad is not None]
    if not gradients or getattr(optimizer, "grad_scale", None) is not None:
        return None
    first = gradients[0]
    if not all(
        type(each) is torch.Tensor
        and type(parameter) in (torch.Tensor, torch.nn.Parameter)
        and each.layout is torch.strided
        and each.is_floating_point()
        and each.device == first.device
        for each, parameter in zip(
            gradients, (p for p in parameters if p.grad is not None), strict=True
        )
    ) or (first.is_cuda and torch.cuda.is_current_stream_capturing()):
        return None
    with torch.no_grad():
        return torch.linalg.vector_norm(torch.stack(norms(gradients)))


class Transfer:
    """Values on their way from accelerators.

    Args:
        lates: What to bring over.
    """

    def __init__(self, lates: Sequence[Late]) -> None:
        import torch

        self._arrived: dict[int, float] = {}
        self._waiting: list[tuple[list[Late], Any, Any]] = []
        groups: dict[Any, list[Late]] = {}
        for late in lates:
            if not late.was_changed():
                groups.setdefault((late.tensor.device, late.tensor.dtype), []).append(late)
        for (device, _), group in groups.items():
            with torch.no_grad():
                stacked = torch.stack([late.tensor.reshape(()) for late in group])
                if device.type != "cuda":
                    self._take(group, stacked)
                    continue
                with torch.cuda.device(device):
                    host = torch.empty(
                        stacked.shape, dtype=stacked.dtype, device="cpu", pin_memory=True
                    )
                    host.copy_(stacked, non_blocking=True)
                    event = torch.cuda.Event()
                    event.record()
            self._waiting.append((group, host, event))

    def has_arrived(self) -> bool:
        """Whether reading the values waits for nothing."""
        return all(event.query() for _, _, event in self._waiting)

    def value(self, value: Any) -> float | None:
        """The number; None if it has none, or if it was overwritten before it could be read."""
        if not isinstance(value, Late):
            return value
        while self._waiting:
            group, host, event = self._waiting.pop()
            event.synchronize()
            self._take(group, host)
        return self._arrived.get(id(value))

    def _take(self, group: list[Late], values: Any) -> None:
        self._arrived.update(zip(map(id, group), map(float, values.tolist()), strict=True))
