"""A patch: one advice on one target, applied and reverted without a trace."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracklet.patching.call import Advice, PatchError

if TYPE_CHECKING:
    from tracklet.patching.joint import Joint


@dataclass(slots=True, eq=False, weakref_slot=True)
class Patch:
    """Watch ``module``'s ``target`` with an advice.

    Args:
        module: The module that holds the target, such as ``"xgboost.training"``. It must have
            been imported when the patch is applied; a patch imports nothing.
        target: A function or ``Class.method`` of it, such as ``"train"``.
        advice: A generator function with exactly one ``yield``; see :class:`Call`.
        owner: The class or module that holds the attribute, for a class that cannot be reached
            through its module. It is held weakly. ``target`` is still the dotted name.
        label: Whose patch it is, for messages and for counting faults.
        priority: Of several patches of one target, the advice of the higher runs outermost; of
            equal ones that of the first applied.
    """

    module: str
    target: str
    advice: Advice
    owner: Any = field(default=None, repr=False)
    label: str = ""
    priority: int = 0
    _joint: Joint | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        if self.owner is not None:
            self.owner = weakref.ref(self.owner)

    @property
    def place(self) -> str:
        """What is watched, as a dotted path."""
        return f"{self.module}.{self.target}"

    @property
    def active(self) -> bool:
        """Whether calls of the target run the advice."""
        return self._joint is not None and self in self._joint.subscribers

    def apply(self) -> None:
        """Watch the target from now on; again changes nothing.

        Raises:
            PatchError: The module was not imported, the target is missing, or it is of a kind
                that cannot be watched.
        """
        # Here, because it brings wrapt along, which nobody needs before something is watched.
        from tracklet.patching import joint

        owner, name = self._resolved()
        if self._joint is not None and joint.find(owner, name) is not self._joint:
            # The attribute was replaced, by a reload or by a wrapper that shows nothing of what
            # is beneath it; leaving the old joint first keeps the advice from running twice.
            self.revert()
        self._joint = joint.subscribe(owner, name, self)

    def revert(self) -> None:
        """Watch it no more and put the original back; without ``apply`` this does nothing."""
        left, self._joint = self._joint, None
        if left is None:
            return
        from tracklet.patching import joint

        try:
            owner, _ = self._resolved()
        except PatchError:
            owner = None
        joint.unsubscribe(owner, left, self)

    def _resolved(self) -> tuple[Any, str]:
        *path, name = self.target.split(".")
        if self.owner is not None:
            owner = self.owner()
            if owner is None:
                raise PatchError(f"{self.place} is gone")
            return owner, name
        owner = sys.modules.get(self.module)
        if owner is None:
            raise PatchError(
                f"{self.module} was not imported, so {self.place} cannot be watched yet"
            )
        for part in path:
            owner = getattr(owner, part, None)
            if owner is None:
                raise PatchError(f"there is no {self.place} to watch: {part!r} is missing")
        return owner, name


def existing_classes(base: type) -> Iterator[type]:
    """The class and all its subclasses that exist now, each once."""
    seen = {base}
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        yield cls
        for each in type.__subclasses__(cls):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
