"""The process's random numbers: started over, and looked at."""

from __future__ import annotations

import random
import sys
from typing import Any

_SEED = 20240229


def start_over() -> None:
    """Seed Python's global generator, and NumPy's if it is loaded."""
    random.seed(_SEED)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(_SEED)


def state() -> tuple[Any, ...]:
    """What the next numbers follow from; equal states give equal numbers."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return (random.getstate(),)
    kind, key, *rest = numpy.random.get_state()
    return random.getstate(), kind, key.tobytes(), *rest
