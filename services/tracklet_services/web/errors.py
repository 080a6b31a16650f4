"""Errors as answers: one shape, and nothing of this machine in it."""

from __future__ import annotations

import re
from typing import Final

from tracklet.errors import TrackletException

_PATH: Final = re.compile(r"""(?<![\w.])(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\s'"()\[\],;]*""")
_LONGEST: Final = 2000


def shown(text: str) -> str:
    """A message that may leave the machine: no paths, no novel."""
    safe = _PATH.sub("…", text)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 1] + "…"


class Unprocessable(TrackletException):
    """The request lacks something without which it means nothing."""

    code = "INVALID_PARAMETER_VALUE"
