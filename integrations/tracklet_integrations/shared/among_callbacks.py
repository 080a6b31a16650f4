"""A callback of ours among those of a trainer, for as long as a call lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def among_callbacks(
    owner: Any, callback: Any, without: Callable[[Any], bool] = lambda each: False
) -> Iterator[None]:
    """In this block what has a list of callbacks calls this one, after its others.

    The list that it has is the user's, and is what it was before and afterwards.

    Args:
        owner: What has them as ``callbacks``.
        callback: Ours.
        without: Says of one of the others that it is not called meanwhile.
    """
    theirs = owner.callbacks
    resting = {id(each) for each in theirs if without(each)}
    called = [each for each in theirs if id(each) not in resting]
    ours = owner.callbacks = [*called, callback]
    try:
        yield
    finally:
        now = owner.callbacks
        left = [each for each in now if each is not callback]
        if now is not ours:
            now[:] = left  # somebody has made a list of his own
        else:
            if [*map(id, left)] != [*map(id, called)]:  # or has added one, or removed one
                theirs[:] = [*(each for each in theirs if id(each) in resting), *left]
            owner.callbacks = theirs
