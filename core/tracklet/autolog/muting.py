"""Switching autologging off for a block of code, in this context only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ALL: Final = "*"
_muted: ContextVar[frozenset[str]] = ContextVar("tracklet_muted", default=frozenset())


@contextmanager
def disable_autologging() -> Iterator[None]:
    """In this block no integration records anything. Nests, and other threads are not affected."""
    with disable_discrete_autologging([_ALL]):
        yield


@contextmanager
def disable_discrete_autologging(names: Iterable[str]) -> Iterator[None]:
    """In this block these integrations record nothing; their options stay as they are.

    Args:
        names: Names of integrations, such as ``["sklearn"]``.
    """
    token = _muted.set(_muted.get() | frozenset(names))
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(name: str) -> bool:
    """Whether an integration records nothing here."""
    muted = _muted.get()
    return bool(muted) and (_ALL in muted or name in muted)


def is_all_muted() -> bool:
    """Whether nothing at all is recorded here."""
    return _ALL in _muted.get()
