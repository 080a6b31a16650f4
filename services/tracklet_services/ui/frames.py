"""Binary answers: a JSON header and buffers of numbers, which a browser reads without parsing.

``u32`` length of the header (little-endian), the header, then the buffers, each at a multiple of
eight bytes. The header's ``buffers`` say the type and the number of items of each.
"""

from __future__ import annotations

import json
import sys
from array import array
from typing import Any, Final

_NAMES: Final = {"d": "f64", "i": "i32", "I": "u32", "B": "u8"}

MEDIA_TYPE: Final = "application/octet-stream"


class Frame:
    """A frame in the making.

    Args:
        header: What the header says beside the buffers.
    """

    def __init__(self, **header: Any) -> None:
        self.header = header
        self._buffers: list[array[Any]] = []

    def add(self, buffer: array[Any]) -> int:
        """Put a buffer in, and say its number."""
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def encode(self) -> bytes:
        """The bytes."""
        self.header["buffers"] = [[_NAMES[b.typecode], len(b)] for b in self._buffers]
        head = json.dumps(self.header, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        parts = [len(head).to_bytes(4, "little"), head]
        length = 4 + len(head)
        for buffer in self._buffers:
            padding = -length % 8
            if sys.byteorder == "big":
                buffer.byteswap()
            data = buffer.tobytes()
            parts += [b"\0" * padding, data]
            length += padding + len(data)
        return b"".join(parts)


def text_column(frame: Frame, values: list[str | None]) -> dict[str, Any]:
    """A column of texts: what they are, and a code for each row, 0 where there is none."""
    codes: dict[str, int] = {}
    column = array("I", (0 if v is None else codes.setdefault(v, len(codes) + 1) for v in values))
    return {"kind": "text", "texts": list(codes), "buffer": frame.add(column)}


def number_column(frame: Frame, values: list[float | None]) -> dict[str, Any]:
    """A column of numbers: NaN where there is none; ``present`` tells the two apart, if need be."""
    nan = float("nan")
    column: dict[str, Any] = {"kind": "number"}
    column["buffer"] = frame.add(array("d", (nan if v is None else v for v in values)))
    if any(v is not None and v != v for v in values):
        column["present"] = frame.add(array("B", (v is not None for v in values)))
    return column
