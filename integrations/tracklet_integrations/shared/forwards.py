"""What a module of PyTorch's takes and gives, seen at its first forwards; none is made for it.

They are heard of by torch's hook for all modules: the module itself is left as it is, so that what
is copied, pickled or compiled of it is its own, and layers that ask for hooks of their modules take
the way that they always took. Where something is compiled nobody looks.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from tracklet.state import ProcessState

_FORWARDS: Final = 8
_CALLS: Final = 1000
_ANSWERS: Final = ("label", "target")  # what only a training gives
_QUESTION: Final = "_has_any_global_hook"

Shape = tuple[int, ...]


class Forwards:
    """A hook that looks at the first calls of a module and leaves.

    Args:
        model: The module; it is held weakly.
    """

    def __init__(self, model: Any) -> None:
        import torch

        self._model = weakref.ref(model)
        self._torch: Any = torch
        self.home: Any = torch.nn.modules.module
        """Where torch keeps its hooks for all modules."""
        self._forwards, self._calls = _FORWARDS, _CALLS
        self._seen: list[dict[str, tuple[Shape, str]]] | None = None
        self._is_known = True
        self.precision: str | None = None
        """The type that autocast computed with while it was trained, or ``"False"``."""
        self._handle: Any = None
        # The compiler's own word of what it is about to do: it must see no hook that goes later.
        # It is imported by the first step of an optimizer.
        self._compiler: Any = sys.modules.get("torch._dynamo.callback")
        if self._compiler is not None and not _is_compiled(model):
            register = self.home.register_module_forward_hook
            self._handle = register(self._look, with_kwargs=True)
            self._compiler.callback_handler.register_start_callback(self._close)
            _looking.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return object, ()  # in another process nobody looks

    def _look(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        if self._handle is None:
            return
        self._calls -= 1
        try:
            if module is self._model():
                self._forwards -= 1
                self._note(module, args, kwargs, output)
            if self._forwards <= 0 or self._calls <= 0:
                self.leave()
        except Exception:  # noqa: BLE001 (what the user's objects raise, when they are looked at)
            self._is_known = False
            self.leave()

    def _close(self, *_: Any) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()
            # Torch itself leaves this behind, and takes it for a hook ever after.
            getattr(self.home, "_global_forward_hooks_with_kwargs", {}).pop(handle.id, None)
            _looking.discard(self)

    def leave(self) -> None:
        """Look no more."""
        self._close()
        compiler, self._compiler = self._compiler, None
        if compiler is not None:
            with suppress(ValueError):  # somebody may have cleared all
                compiler.callback_handler.remove_start_callback(self._close)

    def _note(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        torch = self._torch
        if torch._C._get_tracing_state() is not None:
            return
        # A forward that is wrapped, as accelerate's is, may have its own autocast within.
        is_plain = "forward" not in vars(module) and not hasattr(module.forward, "__wrapped__")
        if is_plain and module.training and self.precision is None:
            kind = next((each.device.type for each in module.parameters()), "cpu")
            is_on = torch.is_autocast_enabled(kind)
            dtype = torch.get_autocast_dtype(kind) if is_on else False
            self.precision = str(dtype).removeprefix("torch.")
        given, answer = self._given(module, args, kwargs), self._kinds(output)
        if given is None or not answer:
            self._is_known = False
        elif self._seen is None:
            self._seen = [given, answer]
        else:
            self._seen = [*map(_merged, self._seen, (given, answer))]

    def _given(self, module: Any, args: Any, kwargs: Any) -> dict[str, tuple[Shape, str]] | None:
        """The kinds of what it is called with, by name if that is more than one tensor.

        What is no tensor, or only a training's, and may be left out is no input.
        """
        signature = inspect.signature(type(module).forward)
        given = signature.bind(module, *args, **kwargs).arguments
        kinds: dict[str, tuple[Shape, str]] = {}
        for name, value in [*given.items()][1:]:
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                return None
            is_open = parameter.kind is parameter.VAR_KEYWORD
            for key, each in value.items() if is_open else [(name, value)]:
                may_miss = is_open or parameter.default is not parameter.empty
                kind = self._kind(each)
                if kind is not None and not (may_miss and any(map(key.__contains__, _ANSWERS))):
                    kinds[key] = kind
                elif not may_miss:
                    return None
        is_alone = len(args) == len(kinds) == 1
        return {"": next(iter(kinds.values()))} if is_alone else kinds or None

    def _kinds(self, output: Any) -> dict[str, tuple[Shape, str]]:
        if not isinstance(output, Mapping):
            output = {"": output}
        kinds = {
            str(name): self._kind(value, {"bfloat16": "float32"}) for name, value in output.items()
        }
        return {name: kind for name, kind in kinds.items() if kind is not None}

    def _kind(
        self, value: Any, answered_as: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Shape, str] | None:
        """The shape of one of a batch, and NumPy's name of the type; None of what has none."""
        torch = self._torch
        if type(value) not in (torch.Tensor, torch.nn.Parameter) or not value.dim():
            return None
        kind = str(value.dtype).removeprefix("torch.")
        kind = answered_as.get(kind, kind)
        if kind.startswith(("bfloat", "float8", "float4", "q", "complex32", "bits")):
            return None
        return (-1, *map(int, value.shape[1:])), kind

    def signature(self) -> Any:
        """The signature; None if it was called with, or gave, what has none.

        What differed among the calls has any length.
        """
        if self._seen is None or not self._is_known or not all(self._seen):
            return None
        import numpy as np

        from tracklet.models import ModelSignature
        from tracklet.types import Schema, TensorSpec

        given, answer = (
            Schema(
                [
                    TensorSpec(np.dtype(kinds[name][1]), kinds[name][0], name or None)
                    for name in kinds
                ]
            )
            for kinds in self._seen
        )
        return ModelSignature(given, answer)


class _Looking(ProcessState):
    """Those that look now. What is compiled warns of a hook for all modules: it finds none.

    While somebody looks, torch's own question whether there is such a hook ends that first.
    """

    def begin(self) -> None:
        self._all: dict[int, Forwards] = {}
        self._asked: Any = None

    def add(self, one: Forwards) -> None:
        home = one.home
        self._all[id(one)] = one
        if self._asked is None and hasattr(home, _QUESTION):
            self._asked = getattr(home, _QUESTION)
            setattr(home, _QUESTION, self._ask)

    def discard(self, one: Forwards) -> None:
        self._all.pop(id(one), None)
        if not self._all and self._asked is not None:
            setattr(one.home, _QUESTION, self._asked)
            self._asked = None

    def _ask(self) -> Any:
        asked = self._asked
        for one in list(self._all.values()):
            one.leave()
        return asked()

    def forget(self) -> None:
        for one in list(self._all.values()):
            one.leave()
        self.begin()


_looking = _Looking()


def _merged(
    one: dict[str, tuple[Shape, str]], other: dict[str, tuple[Shape, str]]
) -> dict[str, tuple[Shape, str]]:
    """What fits both; nothing if there is none."""
    found = {}
    if one.keys() != other.keys():
        return {}
    for name, (shape, kind) in one.items():
        again, same = other[name]
        if kind != same or len(shape) != len(again):
            return {}
        lengths = (a if a == b else -1 for a, b in zip(shape, again, strict=True))
        found[name] = tuple(lengths), kind
    return found


def _is_compiled(model: Any) -> bool:
    """Whether this module, or anything else so far, is compiled."""
    if vars(model).get("_compiler_ctx") is not None or "_compiled_call_impl" in vars(model):
        return True
    known: Any = sys.modules.get("torch._dynamo.utils")
    return bool(getattr(known, "counters", {}).get("frames"))
