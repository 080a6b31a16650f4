"""Where a plain loop can be looked at: functions of torch's, replaced by plain ones.

An advice is a generator, and costs more than a loop's whole step may. A door is one function that
calls the original and then notes; it holds what it notes back to a list.

Functions that run inside of, or right after, a region that ``torch.compile`` has compiled would be
compiled themselves: they are marked to be skipped, by torch's C extension, which does not import
its compiler. Where it has no such mark, the doors stay closed while the compiler is there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable
from types import FunctionType
from typing import Any

from tracklet.patching import Call, Outcome, Patch, PatchError


def _nothing(call: Call) -> Generator[None, Outcome, None]:
    yield


class Door(Patch):
    """A replaced attribute, which is put back as it was.

    Args:
        module: The module that holds the target.
        target: The function or ``Class.method``.
        make: Gives the replacement of the original.
    """

    __slots__ = ("_make", "_undo")

    def __init__(self, module: str, target: str, make: Callable[[Any], Any]) -> None:
        super().__init__(module, target, _nothing)
        self._make = make
        self._undo: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        """Whether calls of the target are seen."""
        return self._undo is not None

    def apply(self) -> None:
        """Replace the target; again changes nothing.

        Raises:
            PatchError: The target is missing.
        """
        if self._undo is None:
            self._undo = self._open()

    def revert(self) -> None:
        """Put the original back, if nobody has replaced it since."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def _open(self) -> Callable[[], None]:
        owner, name = self._resolved()
        original = getattr(owner, name, None)
        if original is None:
            raise PatchError(f"there is no {self.place} to watch")
        replacement = functools.wraps(original)(self._make(original))
        inherited = name not in vars(owner)
        setattr(owner, name, replacement)

        def undo() -> None:
            if vars(owner).get(name) is not replacement:
                return
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

        return undo


class Hook(Door):
    """A function that torch itself calls, once it is registered.

    Args:
        module: The module that holds the target.
        target: What registers it, and gives a handle.
        hook: The function.
        close: Called when it is registered no more.
    """

    __slots__ = ("_close", "_hook")

    def __init__(
        self, module: str, target: str, hook: Callable[..., None], close: Callable[[], None]
    ) -> None:
        super().__init__(module, target, lambda original: original)
        self._hook = hook
        self._close = close

    def _open(self) -> Callable[[], None]:
        owner, name = self._resolved()
        register = getattr(owner, name, None)
        if register is None:
            raise PatchError(f"there is no {self.place} to watch")
        handle = register(self._hook)

        def undo() -> None:
            handle.remove()
            self._close()

        return undo


def skip(functions: Iterable[FunctionType], *, within: bool) -> bool:
    """Have the compiler pass functions over; whether this version of torch can be told so.

    Args:
        functions: The functions.
        within: Also everything that they call.
    """
    from torch._C._dynamo import eval_frame

    codes = [each.__code__ for each in functions]
    mark = getattr(eval_frame, "set_code_exec_strategy", None)
    if mark is None:
        older = getattr(eval_frame, "skip_code", None)  # of before 2.7
        if older is None:
            return False
        for code in codes:
            older(code)
        return True
    skipped, default = eval_frame._FrameAction.SKIP, eval_frame._FrameAction.DEFAULT
    strategy = eval_frame._FrameExecStrategy(skipped, skipped if within else default)
    for code in codes:
        mark(code, strategy)
    return True


def methods(owner: type) -> list[FunctionType]:
    """The functions of a class."""
    return [each for each in vars(owner).values() if isinstance(each, FunctionType)]
