"""The names that frameworks give their metrics, as names that MLflow takes."""

from __future__ import annotations

import re
from typing import Final

from tracklet.validation import MAX_KEY_LENGTH

# Other characters are replaced.
_OTHER: Final = re.compile(r"[^/\w.\- :]")


def metric_key(name: str) -> str:
    """A metric's name that MLflow takes: ``@`` is ``_at_``, other odd characters are ``_``."""
    key = _OTHER.sub("_", name.replace("@", "_at_")).replace("//", "/").strip("/")
    return key[:MAX_KEY_LENGTH] or "metric"
