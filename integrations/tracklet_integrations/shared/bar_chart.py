"""Bar charts as PNG images, drawn without a plotting library.

A chart of a training's importances is wanted at the end of every training. Importing a plotting
library and drawing one costs more CPU time than all else that is recorded; this takes a few
milliseconds, has no state, and draws the same bytes everywhere.
"""

from __future__ import annotations

import base64
import functools
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

MAX_BARS: Final = 60
"""Of more labels, only those with the largest values are drawn."""

_WIDTH: Final = 860
_GLYPH_WIDTH: Final = 7
_GLYPH_HEIGHT: Final = 13
_MAX_LABEL: Final = 36
_BAR: Final = 12

# White, text, grid, and the colours of the series.
_PALETTE: Final = bytes.fromhex(
    "ffffff 262626 d9d9d9 1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf"
)
_TEXT: Final = 1
_GRID: Final = 2
_SERIES: Final = 3
_COLOURS: Final = 10

# The printable ASCII characters as bitmaps of 7 × 13, after DejaVu Sans Mono, whose licence allows
# it: one byte per line, compressed.
_FONT: Final = (
    "c-n1LO>dkq5amnMLWnx94;+x=aae_2bt{sUR(n98_Lf@@=`ZNLih8b+zh2Lb&629KXyN&dhc_Q4N#2<tO9TO}^_8"
    "jAqV;P(u$vi%uBs-1jxXPT*Ya1@5YtK79(V3GM!QCq!Enj{lSxU`q3aGCPcd)y(SnSR-M@0_mK6mBvk1%yb^s?s%"
    "!S`G6EKkGWi6KoOr8R}m1U(Kmn<VNTRZ1z%6mRa`{e<GoA<ys$q)ei6&QTFO|xmEYt4Z{NFi;;E?@P(`d>8L<;@t"
    "f%*uN0Lh}jk_xt-%Vu9<rR?5GOg#!2sSZH%&z1?sZCg<0|v7E(Pf7xXV?7HU;!XCe2!Cf4BTel`db6k7Z5981~cC"
    "&088cwI<F$RE#{eHK*W8hl?YfDISR1lebWgG+s?6mghO@zS=LSZdDfKtj=g}~RRryu9DbIjnnQmo*o)7=^X+bCL|"
    "gEo$3OZm`X76lGM8{R31Y5Q-<f9x$0#ru^hGtQY%oXL5MLt#d1M`C<64KgN9wetlbP}1;U&keg}9Yy>6h=@iiO!m"
    "A5LX70b4MOH6<W`4h^8qb@Ycx{eEgmjb9XrGd_-Gh~;i5KsDZ|7|`3H#@z-^Or&VNT@K3VqsJPZMxwGjFo-FmHCA"
    "^8N%McqnDuEDf0w`To1h5BI5B|cta=`SDX_7|kRNO="
)


def bar_chart(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], axis: str = ""
) -> bytes:
    """Horizontal bars, the largest on top.

    Args:
        title: Stands above them.
        labels: One per bar, or per group of bars.
        series: Values by the name in the legend; there is no legend for a single one.
        axis: What the values are.

    Returns:
        A PNG file's bytes.
    """
    order = sorted(
        range(len(labels)), key=lambda i: -max((_size(v[i]) for v in series.values()), default=0.0)
    )
    shown = order[:MAX_BARS]
    names = list(series)
    group = _BAR * max(1, len(names)) + 8
    legend = 20 * len(names) if len(names) > 1 else 0
    top, bottom = 40 + legend, 44 if len(order) <= MAX_BARS else 64
    canvas = _Canvas(_WIDTH, top + group * max(1, len(shown)) + bottom)
    canvas.text(16, 14, title)
    for position, name in enumerate(names if legend else ()):
        canvas.fill(16, 36 + 20 * position, 12, 12, _colour(position))
        canvas.text(34, 36 + 20 * position, name)
    widest = min(max((len(labels[i]) for i in shown), default=0), _MAX_LABEL)
    left = 24 + widest * _GLYPH_WIDTH
    values = [values[i] for values in series.values() for i in shown if math.isfinite(values[i])]
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    span = (high - low) or 1.0
    scale = (_WIDTH - left - 96) / span
    zero = left + round(-low * scale)
    end = top + group * len(shown)
    canvas.fill(zero, top - 4, 1, end - top + 4, _GRID)
    for row, i in enumerate(shown):
        y = top + row * group
        label = labels[i] if len(labels[i]) <= _MAX_LABEL else labels[i][: _MAX_LABEL - 1] + "~"
        canvas.text(left - 8 - len(label) * _GLYPH_WIDTH, y + (group - 8 - 13) // 2, label)
        for position, name in enumerate(names):
            value = series[name][i]
            length = round(value * scale) if math.isfinite(value) else 0
            x = zero if length >= 0 else zero + length
            canvas.fill(x, y + position * _BAR, abs(length), _BAR - 2, _colour(position))
            after = zero + max(length, 0) + 6
            canvas.text(after, y + position * _BAR - 2, f"{value:.4g}")
    canvas.text(left, end + 10, axis)
    if len(order) > MAX_BARS:
        canvas.text(left, end + 30, f"and {len(order) - MAX_BARS} more, with smaller values")
    return canvas.png()


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


def _colour(position: int) -> int:
    return _SERIES + position % _COLOURS


class _Canvas:
    """An image of palette colours."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._rows = [bytearray(width) for _ in range(height)]

    def fill(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """A rectangle, cut off at the edges."""
        first, last = max(x, 0), min(x + width, self.width)
        if last <= first:
            return
        line = bytes((colour,)) * (last - first)
        for row in self._rows[max(y, 0) : max(y + height, 0)]:
            row[first:last] = line

    def text(self, x: int, y: int, text: str) -> None:
        """A line of text; characters that the font lacks are a question mark."""
        glyphs = _glyphs()
        for position, character in enumerate(text):
            glyph = glyphs.get(character, glyphs["?"])
            start = x + position * _GLYPH_WIDTH
            if start < 0 or start + _GLYPH_WIDTH > self.width:
                continue
            for line, dots in enumerate(glyph):
                if 0 <= y + line < self.height:
                    row = self._rows[y + line]
                    for dot in dots:
                        row[start + dot] = _TEXT

    def png(self) -> bytes:
        """The image as a file."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        data = zlib.compress(b"".join(b"\x00" + row for row in self._rows), 6)
        chunks = ((b"IHDR", header), (b"PLTE", _PALETTE), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )


@functools.cache
def _glyphs() -> dict[str, list[list[int]]]:
    """The columns that are set, by line, by character."""
    bits = zlib.decompress(base64.b85decode("".join(_FONT)))
    glyphs = {}
    for code in range(32, 127):
        lines = bits[(code - 32) * _GLYPH_HEIGHT : (code - 31) * _GLYPH_HEIGHT]
        glyphs[chr(code)] = [
            [column for column in range(_GLYPH_WIDTH) if line >> (_GLYPH_WIDTH - 1 - column) & 1]
            for line in lines
        ]
    return glyphs
