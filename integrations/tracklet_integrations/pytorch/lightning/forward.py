"""What a module takes and gives, seen at its first forward; none is made for it."""

from __future__ import annotations

from typing import Any


class FirstForward:
    """A forward hook that looks at one call and leaves.

    Copied or pickled with the module it is somebody else's, and looks at nothing.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._seen: tuple[Any, Any] | None = None

    @classmethod
    def of(cls, module: Any) -> FirstForward | None:
        """The hook, hung on a module; None for one that is compiled, hooks and all."""
        if vars(module).get("_compiler_ctx") is not None:
            return None
        found = cls()
        found._handle = module.register_forward_hook(found, with_kwargs=True)
        return found

    def __deepcopy__(self, memo: Any) -> FirstForward:
        return FirstForward()

    def __reduce__(self) -> tuple[Any, ...]:
        return FirstForward, ()

    def __call__(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Note shapes and types, and go."""
        if self._handle is None:
            return
        self.leave()
        if len(args) == 1 and not kwargs:
            given, answer = _kind(args[0]), _kind(output)
            if given is not None and answer is not None:
                self._seen = given, answer

    def leave(self) -> None:
        """Take the hook down."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()

    def signature(self) -> Any:
        """The signature; None if the forward had other than one tensor, or gave other than one."""
        if self._seen is None:
            return None
        import numpy as np

        from tracklet.models import infer_signature

        given, answer = (np.zeros((1, *shape), kind) for shape, kind in self._seen)
        return infer_signature(given, answer)


def _kind(value: Any) -> tuple[tuple[int, ...], str] | None:
    """The shape of one of a batch, and NumPy's name of the type; None of what has none."""
    import torch

    if not isinstance(value, torch.Tensor) or not value.dim():
        return None
    kind = str(value.dtype).removeprefix("torch.")
    known = value.dtype.is_floating_point or not value.dtype.is_complex
    if not known or kind.startswith(("bfloat", "float8", "q")):
        return None
    return tuple(map(int, value.shape[1:])), kind
