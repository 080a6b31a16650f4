"""Leaving the user's random numbers as they are.

Our own choices come from private sources. What we call of the user's or of a framework's (predict,
repr, pickle) may draw from a global one, so its state is saved before and put back after.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_left_alone: ContextVar[bool] = ContextVar("tracklet_randomness_left_alone", default=False)


@contextmanager
def left_alone() -> Iterator[None]:
    """In this block nothing is drawn, so that nothing is put back.

    For a thread beside the training's: what it would put back there the training has drawn.
    """
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)


def is_left_alone() -> bool:
    """Whether it is such a block."""
    return _left_alone.get()


class preserved:  # noqa: N801 (used as a function, like contextlib's own)
    """In this block random numbers may be drawn, and afterwards nobody can tell.

    Covers ``random``, NumPy's global state, torch's CPU and CUDA generators, each if it is loaded,
    and the given generators.

    Args:
        *generators: ``numpy.random.Generator`` and ``RandomState`` objects to cover as well.
    """

    __slots__ = ("_generators", "_numpy", "_python", "_torch")

    def __init__(self, *generators: Any) -> None:
        self._generators = [(each, _state_of(each)) for each in generators]

    def __enter__(self) -> None:
        self._python = random.getstate()
        numpy: Any = sys.modules.get("numpy.random")
        self._numpy = numpy.get_state(legacy=False) if hasattr(numpy, "get_state") else None
        self._torch = _torch_state()

    def __exit__(self, *_: object) -> None:
        if random.getstate() != self._python:
            random.setstate(self._python)
        numpy: Any = sys.modules.get("numpy.random")
        if self._numpy is not None and not _same(numpy.get_state(legacy=False), self._numpy):
            numpy.set_state(self._numpy)
        _restore_torch(self._torch)
        for generator, state in self._generators:
            _restore(generator, state)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = one["state"], other["state"]
    return (
        a.get("pos") == b.get("pos")
        and one.get("has_gauss") == other.get("has_gauss")
        and bool((a["key"] == b["key"]).all())
    )


def _state_of(generator: Any) -> Any:
    bits = getattr(generator, "bit_generator", None)
    return bits.state if bits is not None else generator.get_state(legacy=False)


def _restore(generator: Any, state: Any) -> None:
    bits = getattr(generator, "bit_generator", None)
    if bits is not None:
        bits.state = state
    else:
        generator.set_state(state)


def _torch_state() -> tuple[Any, Any] | None:
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_rng_state"):
        return None
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if on_gpu else None


def _restore_torch(state: tuple[Any, Any] | None) -> None:
    if state is None:
        return
    torch: Any = sys.modules["torch"]
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state_all(state[1])
