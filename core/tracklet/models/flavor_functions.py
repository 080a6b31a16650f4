"""``save_model`` and ``log_model`` of a flavor, by the names and the order that scripts know.

A flavor declares a function without a body: its signature and its docstring are what people see.
What it does is the same for every flavor, and is given to it here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tracklet.models import saving

_P = ParamSpec("_P")
_R = TypeVar("_R")


def saves_as(
    flavor: str, *, made_of: Callable[..., Any] | None = None
) -> Callable[[Callable[_P, None]], Callable[_P, None]]:
    """Have a declared function save a model as :func:`tracklet.models.save_model` does.

    Args:
        flavor: The flavor's name.
        made_of: Gives the model from the arguments that its parameters name; by default it is the
            declared function's first argument. All others are passed on, and so are those that it
            takes by keyword only.
    """
    return functools.partial(_passing_on, saving.save_model, flavor, made_of)


def logs_as(
    flavor: str, *, made_of: Callable[..., Any] | None = None
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Have a declared function log a model as :func:`tracklet.models.log_model` does.

    The arguments are those of :func:`saves_as`.
    """
    return functools.partial(_passing_on, saving.log_model, flavor, made_of)


def _passing_on(
    verb: Callable[..., Any],
    flavor: str,
    made_of: Callable[..., Any] | None,
    declared: Callable[_P, _R],
) -> Callable[_P, _R]:
    signature = inspect.signature(declared)
    first = next(iter(signature.parameters))
    looked_at = inspect.signature(made_of).parameters if made_of else {}
    parts = [name for name, each in looked_at.items() if each.kind is not each.KEYWORD_ONLY]

    @functools.wraps(declared)
    def function(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        declared(*args, **kwargs)  # has no body: it refuses what does not fit, in Python's words
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        model = made_of(**{name: given[name] for name in looked_at}) if made_of else given[first]
        passed = {name: given[name] for name in given if name not in (parts or (first,))}
        return verb(model, flavor=flavor, **passed)

    return function
