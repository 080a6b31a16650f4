"""Where a plain loop can be looked at: functions of torch's, replaced by plain ones.

Functions that run inside of, or right after, a region that ``torch.compile`` has compiled would be
compiled themselves: they are marked to be skipped, by torch's C extension, which does not import
its compiler. Where it has no such mark, the doors stay closed while the compiler is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType

from tracklet.patching import PatchError
from tracklet_integrations.shared.doors import Door


class Hook(Door):
    """A function that torch itself calls, once it is registered.

    Args:
        module: The module that holds the target.
        target: What registers it, and gives a handle.
        hook: The function.
        close: Called when it is registered no more.
    """

    __slots__ = ("_hook",)

    def __init__(
        self, module: str, target: str, hook: Callable[..., None], close: Callable[[], None]
    ) -> None:
        super().__init__(module, target, lambda original: original, close)
        self._hook = hook

    def _open(self) -> Callable[[], None]:
        owner, name = self._resolved()
        register = getattr(owner, name, None)
        if register is None:
            raise PatchError(f"there is no {self.place} to watch")
        return register(self._hook).remove


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
