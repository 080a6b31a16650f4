"""What an advice sees: the call before the original runs, and its outcome afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tracklet.errors import TrackletException


class PatchError(TrackletException):
    """The target of a patch is not there, or is of a kind that cannot be watched."""


@dataclass(slots=True)
class Call:
    """One call of a watched function.

    ``args`` and ``kwargs`` are the caller's, without the instance; an advice may replace them, for
    instance to add a callback, and must not change the objects in them. ``instance`` is None for
    functions and static methods, and the class for class methods.
    """

    instance: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    _function: Callable[..., Any] | None = field(default=None, repr=False)
    _bound: bool = field(default=False, repr=False)

    def arguments(self) -> Mapping[str, Any]:
        """The arguments by the names of the original's parameters, without the instance.

        Only what the caller gave; no defaults are filled in. Parameters that collect
        (``*args``, ``**kwargs``) appear under their own names.

        Raises:
            TypeError: The call does not fit the signature; the original will say so, too.
        """
        if self._function is None:
            return dict(self.kwargs)
        signature = inspect.signature(self._function)
        positional = (self.instance, *self.args) if self._bound else self.args
        given = signature.bind(*positional, **self.kwargs).arguments
        if self._bound and given:
            given.pop(next(iter(signature.parameters)), None)
        return given


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the original ended: with a value, or with the error that the user will see."""

    value: Any = None
    error: BaseException | None = None


Advice: TypeAlias = Callable[[Call], Generator[None, Outcome, None]]
"""A generator function with exactly one ``yield``, which evaluates to the :class:`Outcome`."""
