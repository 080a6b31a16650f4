"""The values that a trainer has at hand, held until they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

from tracklet.entities import Metric
from tracklet.names import now
from tracklet_integrations.pytorch.values import Late, Transfer, reader
from tracklet_integrations.shared.metric_keys import metric_key

_SECONDS: Final = 1.0
_MOST: Final = 4096


class Series:
    """Points that are written together, once nothing must be waited for.

    Args:
        run_id: The run that they belong to.
        write: Writes points.
    """

    def __init__(self, run_id: str, write: Callable[[list[Metric]], None]) -> None:
        self._run_id = run_id
        self._write = write
        self._value_of = reader()
        # What was taken last under each name. The tensors are held: their storage is not used anew.
        self._taken: dict[str, Any] = {}
        self._events: list[tuple[str, Any, int, int]] = []
        self._waiting: list[tuple[list[tuple[str, Any, int, int]], Transfer]] = []
        self._due = monotonic() + _SECONDS
        self.last: dict[str, Metric] = {}
        """The newest point of each metric."""

    def take(self, values: Mapping[str, Any], step: int) -> None:
        """Note what is new among these values; nothing is waited for.

        Args:
            values: Scalars by name.
            step: Their step.
        """
        stamp = now()
        for name, value in values.items():
            if same(self._taken.get(name), value):
                continue
            self._taken[name] = value
            number = value if isinstance(value, int | float) else self._value_of(value)
            if number is not None:
                self._events.append((metric_key(name), number, stamp, step))
        if len(self._events) >= _MOST or monotonic() >= self._due:
            self.flush(everything=False)

    def flush(self, *, everything: bool = True) -> None:
        """Write what is there, or of that what need not be waited for."""
        self._due = monotonic() + _SECONDS
        events, self._events = self._events, []
        if events:
            lates = [value for _, value, _, _ in events if isinstance(value, Late)]
            self._waiting.append((events, Transfer(lates)))
        points: list[Metric] = []
        while self._waiting and (everything or self._waiting[0][1].has_arrived()):
            arrived, transfer = self._waiting.pop(0)
            for key, value, stamp, step in arrived:
                number = transfer.value(value)
                if number is not None:
                    point = Metric(key, float(number), stamp, step, run_id=self._run_id)
                    points.append(point)
                    self.last[key] = point
        if points:
            self._write(points)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the very same; tensors may be aliases of one storage."""
    if one is other:
        return one is not None
    pointer = getattr(one, "data_ptr", None)
    return pointer is not None and hasattr(other, "data_ptr") and pointer() == other.data_ptr()
