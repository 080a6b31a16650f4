"""Which epoch it is by the variable of the script's own loop over epochs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Final

from tracklet_integrations.shared import sites

_MAX_FRAMES: Final = 32
_OUTSIDE: Final = frozenset({"keras", "tensorflow", "torch", "tracklet", "tracklet_integrations"})


def user_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The script's frames from the inside out: those of the frameworks and ours are passed over."""
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _OUTSIDE:
            yield frame
        frame = frame.f_back


class EpochVariable:
    """The variable of the outermost loop that is one over epochs by its names.

    Args:
        code: Whose variable it is.
        name: Its name.
        from_one: Whether it counts from 1; None if the source does not say.
    """

    __slots__ = ("_code", "_from_one", "name")

    def __init__(self, code: CodeType, name: str, from_one: bool | None) -> None:
        self._code = code
        self._from_one = from_one
        self.name = name

    @classmethod
    def around(cls, frame: FrameType | None) -> EpochVariable | None:
        """The one around a frame; None if there is none."""
        found = None
        for each in user_frames(frame):
            for name, loop in sites.loops(each):
                if _is_epoch(name, loop.iter) and type(sites.variable(each, name)) is int:
                    found = cls(each.f_code, name, _counts_from_one(loop.iter))
                    break
        return found

    def read(self, frame: FrameType | None) -> int | None:
        """Its value; None if its function is left."""
        while frame is not None and frame.f_code is not self._code:
            frame = frame.f_back
        value = sites.variable(frame, self.name) if frame is not None else None
        return value if type(value) is int else None

    def number(self, value: int, first: int) -> int:
        """The number of an epoch, from 1.

        Args:
            value: The variable's value in it.
            first: Its first one.
        """
        from_one = first == 1 if self._from_one is None else self._from_one
        return value if from_one and first else value + 1


class Turns:
    """The epochs of a loop, as its steps tell of them: it must only rise."""

    __slots__ = ("_first", "_is_lost", "_steps", "_value", "length", "variable")

    def __init__(self) -> None:
        self.variable: EpochVariable | None = None
        self._value = self._first = -1
        self._steps = 0
        self._is_lost = False
        # How many steps each epoch had; 0 if none is over, None if that differs.
        self.length: int | None = 0

    def at_step(self, step: int) -> int | None:
        """The number of the epoch that is over at a step, which is not of it; else None.

        Asked for at each step, or at 1, 2, 4, 8, … as long as there is no variable.
        """
        variable = self.variable
        frame = sys._getframe(1)
        if variable is None:
            if self._is_lost:
                return None
            variable = self.variable = EpochVariable.around(frame)
            if variable is None:
                return None
        value = variable.read(frame)
        if value is None or self._is_lost:
            return None
        before, steps = self._value, self._steps
        if value == before:
            self._steps += 1
            return None
        self._value, self._steps = value, 1
        if before < 0:
            self._first = value
            self._steps = step  # of what was before it nothing is known
            return None
        if value < before:
            self._is_lost = True
            return None
        self.length = steps if self.length in (0, steps) else None
        return variable.number(before, self._first)

    def add(self, other: Turns) -> None:
        """Count the steps that another optimizer has taken in the epoch that goes on."""
        if other.variable is not None and other._value == self._value:
            self._steps += other._steps

    def at_end(self) -> int | None:
        """The number of the last epoch, if it had as many steps as each before."""
        if self.variable is None or self._is_lost or not self._steps:
            return None
        if not self.length or self._steps != self.length:
            return None
        self._steps = 0
        return self.variable.number(self._value, self._first)

    def look(self) -> int | None:
        """The number of the epoch that goes on; None if none can be told."""
        frame = sys._getframe(1)
        variable = self.variable = self.variable or EpochVariable.around(frame)
        value = variable.read(frame) if variable is not None else None
        if variable is None or value is None or self._is_lost or value < self._value:
            self._is_lost = self._is_lost or value is not None
            return None
        self._first = value if self._value < 0 else self._first
        self._value = value
        return variable.number(value, self._first)


def _is_epoch(name: str, over: ast.expr) -> bool:
    words = sites.words(name)
    text = ast.unparse(over).lower()
    return (
        "epoch" in words or "epochs" in words or name in ("ep", "e") or "epoch" in text
    ) and "episode" not in text


def _counts_from_one(over: ast.expr) -> bool | None:
    """Whether ``range(1, n + 1)`` or its like is looped over; None if there is no range."""
    for node in ast.walk(over):
        if isinstance(node, ast.Call) and "range" in sites.last_name(node.func):
            if len(node.args) < 2:
                return False
            start, stop = node.args[:2]
            if isinstance(start, ast.Constant):
                return start.value == 1
            return (
                isinstance(stop, ast.BinOp)
                and isinstance(stop.op, ast.Add)
                and isinstance(stop.right, ast.Constant)
                and stop.right.value == 1
            )
    return None
