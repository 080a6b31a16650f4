"""What is shown to others holds no password."""

from __future__ import annotations

import re
from typing import Final

_USER_INFO: Final = re.compile(r"(?<=://)[^/@:\s]*(:[^@\s]*)?(?=@)")  # a password may have slashes


def mask(words: str) -> str:
    """The same words without the user names and passwords of the URIs in them."""
    return _USER_INFO.sub("***", words)
