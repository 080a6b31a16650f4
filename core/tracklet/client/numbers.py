"""What counts as a metric's value, step and timestamp."""

from __future__ import annotations

import time
from typing import Any

from tracklet import validation
from tracklet.errors import InvalidParameterValue


def metric_value(key: str, value: Any) -> float:
    """The value as a float.

    Numbers, booleans, numeric text and one-element arrays and tensors of any library are values.

    Raises:
        InvalidParameterValue: It is None, other text, an array of several elements, or too big.
        TypeError: It is of a kind that holds no number, such as a list or a complex number.
    """
    if isinstance(value, int | float | str):
        source: Any = value
    else:
        item = getattr(value, "item", None)
        try:
            source = item() if callable(item) else value
        except (ValueError, RuntimeError) as error:
            raise _no_number(key, value) from error
    try:
        return float(source)
    except (ValueError, OverflowError) as error:
        raise _no_number(key, value) from error
    except TypeError as error:
        if value is None:
            raise _no_number(key, value) from error
        raise TypeError(_message(key, value)) from error


def metric_step(key: str, step: Any) -> int:
    """The step as an int; None is 0, and integral floats and NumPy integers are fine."""
    if step is None:
        return 0
    if type(step) is not int and not isinstance(step, bool | str):
        try:
            number = int(step)
            if number == step:
                step = number
        except (TypeError, ValueError, OverflowError):
            pass  # refused below, with the value as the user gave it
    return validation.validate_step(key, step)


def metric_timestamp(key: str, timestamp: Any) -> int:
    """The timestamp in milliseconds; None and 0 are now."""
    if not timestamp:
        return now()
    if isinstance(timestamp, float) and timestamp.is_integer():
        timestamp = int(timestamp)
    return validation.validate_timestamp(key, timestamp)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _no_number(key: str, value: Any) -> InvalidParameterValue:
    return InvalidParameterValue(_message(key, value))


def _message(key: str, value: Any) -> str:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    return (
        f"the value of metric {key!r} must be one number; got {shown} of type "
        f"{type(value).__name__}"
    )
