"""An image that charts are drawn on, without a plotting library.

Charts are wanted at the end of every training. Importing a plotting library and drawing with it
costs more CPU time than all else that is recorded; this takes a millisecond or two, has no state,
and draws the same bytes everywhere.
"""

from __future__ import annotations

import base64
import functools
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

GLYPH_WIDTH: Final = 7
GLYPH_HEIGHT: Final = 13

# Colours by position in the palette: white, text, grid, the colours of series, and shades.
TEXT: Final = 1
GRID: Final = 2
_WHITE: Final = 0
_SERIES: Final = 3
_COLOURS: Final = 10
_SHADES: Final = _SERIES + _COLOURS
_MAX_SHADE: Final = 63
_LIGHTEST: Final = (0xF7, 0xFB, 0xFF)
_MIDDLE: Final = (0x5B, 0xA3, 0xD0)
_DARKEST: Final = (0x08, 0x30, 0x6B)
_PLAIN: Final = bytes.fromhex(
    "ffffff 262626 d9d9d9 1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf"
)

# Latin, Greek and Cyrillic characters as bitmaps of 7 × 13, after DejaVu Sans Mono, whose licence
# allows it: one byte per line, compressed.
_RANGES: Final = ((0x20, 0x7F), (0xA1, 0x180), (0x386, 0x3CF), (0x401, 0x460))
_FONT: Final = (
    "c-oCv-ESL35I<iQvsfqha;&1GS}u2&i))+IauQ^j=z4aeJfwMm7E*}^1XYpxz(W<v13W~@zs~IUj1vpCR^#z+KW2Akemk>"
    "KL>kvE;#v?w1Z0q{gt%+Qrdu%{%fX=Ks^iV;Pf7Z5Fw}@l)BO2iz3*lVGpDwxpWuJp(o{oJDW|9>@6b5?L+ZZDO?CC3m@z"
    "$Bsf6ORI;^VGLL*DFPN#*U>h1KCbmfF%r&pP7{r(_3S;esyy0YwcdOb7dNm|a1E87ivsFhMXK?NU+sBindxJ7#TJs81mp*"
    "Nh%9k2f#{By08JHxr%W!z7^6^36{&nA;+^Hd#hk|bFMiy1|$3O<!lbhukW+cj2bYxupYjXJBcgipD`Lg~jGRCWvuSgBEFY"
    "J6_PShd=mecg=b<EA#<O4H2L)#>T;=Wc@PcrrOWJTL;7r1B=wDmx7vvg47uvPf07-ahx-"
    "I;K^$@&{j4S(d@6XyN6nS8o@Kx;BXVJ<E&+zt=+g36vRmZu}s3Zkg--XvbtsIYMsN<QmDF^XQRwA8|&1Y2%`<3wt<i4b3@"
    "4F)z!xM&L9Hg%r-"
    "KYd8=s^tJPcxG~*gsb@PnQId8k>)9O^IG^io#y|?Wv3pDGY~55fD}>p!2GCq^8Lgd#j0Pq&icC%CbSsyA>+xxNs{l7ajW<"
    "`<z$0!yaeRF}9$R4{I2Q}otq~&UsfmD&C3&hhH&okFdmDOovgf1r+*e<h?&z1F2V#i4!!TBS+ce)6Oc`njTDGZ~TKPz!qR"
    "IG9Ef$`53<+8@6lH!?KV@dCf*4!Q-"
    "n{w2o?F{CZPa?`i>%4M@Y1T+d(3?z+5PtRCp!V*HYp_GIi;D=S~4CW$(a`zr*ms7th5>TU%Ytn^=Hs1Z{ihl<MLtZylHZ@"
    "AJ|RS=x_5hT@G)UESMLDF;n(graU0l3i-"
    "U0@C6YU!$O9Iy{$+Bd<aru!@0=Ev+?rsd%}DyfprksF)WC!0>@;>upqVynqmL647-QPj$^W8Sje!jw-wQr6I__c+&?`yoE"
    ")G2YEBa|AHzbnRp6BQN=v@hzGL8tdZy=Qh`7L!g1`k5p6($bLWpu#gg|T$y772Hm=Elu)(K<>>jVMT2||Pg7!$}2#vtYsN"
    "QkhIN){*$v_{m)5ZP%BoS-"
    "#u!r2USqM!t+LNPG(?Bv9R2}~WB52g+ROpQ2EY;^O?=Wh&cArX**Ui|2+6M|4HIE3}l%>)7?$pUELZ>9l3Kx>b1nqcs4h#"
    "&~gL+GW4;wOrq1VqwwMFu~hh(HLZW3X3w#GZjc_y$ubt^F85(js*R?hcj&0S!FDX)49hy&aH5MPUFkl5vsiJ*w^z@{e%}h"
    "0F*EfnR%%mz195Hbh7qG7eGMkIyMU;B+>eZA5<=cKJKfToZMWe`R;^P@Nmf6J2QPq$DJb2}c=9qGQOXD=A4QY3||?7!!~j"
    "Qjw+!V?JecOkJbdc6U9pUjO`Vy<XoLMC9|=24N&^g}}fjaY&w`>?wzG29FVVOj)k?zS@PRCs1XCYP~*6zv2X9o3OtORFe="
    "yAVd&kK<H_|X`VGrv+sy_Ix|GfNPZnNoXmN|n8YIUl9Mqiw%r&;5_H8OE*lgCQSlS<M2DE1+9F)}8y+J#9&?ZLaF=N6yB="
    "2sOyCq$A<|uXYRu9gd!%>(j`u`d(6T}XBq4}Eh>!@81R-Mvg#8_2Dh`VPJqc32q~nk)3v!8bbT1Huk-"
    "`Q{;<IQ@kZ3C+5TZ(vr9a;E2;V<AgIr@CU1LgH6AoF~eOJ)2{1tmVM#xUf+Yjf^nh#o0VJfnOTx}2Q;FYC{&@HQ0kJQ2VK"
    "uGBek@Y+jt9T2f^tDr0|55s`lxyifn{}|;_QRr>9LQ>(t0a2$uns1fo#b*ll{S4RrLV5}9MXmp-"
    "N<h7Y~VX*ql=5?%*VD2DVrs(SPR}H%0BPm_mRz!!gyG;X^uv|qI^G6&Z`${OOjThbvm9ZBg(jsi&eF#gaGO4df^5kr$Bc}"
    "1a-U=!q>OB7>Xe2-"
    "4iDIKqomz>tKEEfJGZpAp4rw=w_>&qCtD;kUIE0U<P9ceZcRbBIdam1p~F#j&*%?^@qK6iO1vPC21=N1o1PFDkr*GuWv7)"
    "u_QH>QHh^{TA$gGcbDz;55DVfUcdhN`p4^EG;n!&d3W{d%9LhqQLP$|A08bX93D<4$H$s%tCLK~B%garfsM_9kU$5mL!fV"
    "u`p(R7|MKN#)Pn(JH=VwE_yS1OLBdAVw~cNWk3{_jhy0&FCn+_3<3a}#aqBt{WBbCiJN-PPPc61DHB-"
    "~f>0Fy;y1gq~2*#1QT+h!xT|xWglB{r|vhMBode*N;lgW3J$;9|;2Mhv7eE#6UtDnzX@{ZIjo5sD)w81_q!GN}M)lA6NLG"
    "Mn6Cn{OX*w0pvX48|}-"
    "N9ZUQSU5t;l?Z$i)rmCpxg4`)z#=JjJ|&PH#;8<58kU(u7P5E<5^4dj(z<>FKO079T9A|cPim;{RC&z>6v>Y#t0mI+;@Vu"
    "(8z7BX{2a;wfksQU6!}HuIMMW;wSb2Lh#!TxfpqNB=t6VgM{znqv<yv?fA>f+bhclZc+DM6)dM}XJTOV92ofEUj&lS%>"
)


def series_colour(position: int) -> int:
    """The colour of a chart's first, second, … series."""
    return _SERIES + position % _COLOURS


def shade(share: float) -> int:
    """The colour that stands for a number from 0 (almost white) to 1 (dark blue)."""
    return _SHADES + round(min(max(share, 0.0), 1.0) * _MAX_SHADE)


class Canvas:
    """A white image; its colours are :data:`TEXT`, :data:`GRID`, a series' or a shade.

    What lies outside of it is not drawn.

    Args:
        width: In pixels.
        height: In pixels; 0 is the top.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._rows = [bytearray(width) for _ in range(height)]

    def copy(self) -> Canvas:
        """Another image that begins as this one is now."""
        other = Canvas(0, 0)
        other.width, other.height = self.width, self.height
        other._rows = [row[:] for row in self._rows]
        return other

    def fill(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """A rectangle."""
        first, last = max(x, 0), min(x + width, self.width)
        if last <= first:
            return
        line = bytes((colour,)) * (last - first)
        for row in self._rows[max(y, 0) : max(y + height, 0)]:
            row[first:last] = line

    def line(self, points: Sequence[tuple[int, int]], colour: int) -> None:
        """Straight lines from point to point, two pixels thick."""
        pair = bytes((colour, colour))
        for (x, y), (to_x, to_y) in pairwise(points):
            right, down = to_x - x, to_y - y
            steps = max(abs(right), abs(down))
            if right == 0 or down == 0 or steps == 1:
                self.fill(min(x, to_x), min(y, to_y), abs(right) + 2, abs(down) + 2, colour)
                continue
            for step in range(steps + 1):
                at_x = x + round(right * step / steps)
                at_y = y + round(down * step / steps)
                if 0 <= at_x < self.width - 1 and 0 <= at_y < self.height - 1:
                    self._rows[at_y][at_x : at_x + 2] = pair
                    self._rows[at_y + 1][at_x : at_x + 2] = pair

    def text(self, x: int, y: int, text: str, *, light: bool = False) -> None:
        """A line of text, from the left top; a character that the font lacks is a question mark.

        Args:
            x: Where it begins.
            y: Its upper edge.
            text: What is written.
            light: White, for a dark ground.
        """
        colour = _WHITE if light else TEXT
        for position, character in enumerate(text):
            start = x + position * GLYPH_WIDTH
            if start < 0 or start + GLYPH_WIDTH > self.width:
                continue
            for line, dots in _glyph(character):
                if 0 <= y + line < self.height:
                    row = self._rows[y + line]
                    for dot in dots:
                        row[start + dot] = colour

    def rising_text(self, x: int, y: int, text: str) -> None:
        """A line of text that is read from below: it begins at ``y``, with ``x`` on its left."""
        for position, character in enumerate(text):
            start = y - position * GLYPH_WIDTH
            if not GLYPH_WIDTH <= start <= self.height or x + GLYPH_HEIGHT > self.width:
                continue
            for line, dots in _glyph(character):
                for dot in dots:
                    self._rows[start - 1 - dot][x + line] = TEXT

    def png(self) -> bytes:
        """The image as a file."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        # Charts are made of runs of one colour: looking for nothing else takes a third of the time.
        deflate = zlib.compressobj(strategy=zlib.Z_RLE)
        data = deflate.compress(b"\x00".join((b"", *self._rows))) + deflate.flush()
        chunks = ((b"IHDR", header), (b"PLTE", _palette()), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )


@functools.cache
def _palette() -> bytes:
    """Red, green and blue of each colour."""
    half = _MAX_SHADE / 2
    shades = bytearray()
    for number in range(_MAX_SHADE + 1):
        lower = number < half
        low, high = (_LIGHTEST, _MIDDLE) if lower else (_MIDDLE, _DARKEST)
        share = number / half if lower else number / half - 1
        shades += bytes(round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return _PLAIN + bytes(shades)


def _glyph(character: str) -> list[tuple[int, list[int]]]:
    glyphs = _glyphs()
    found = glyphs.get(character)
    if found is None:  # an accent fewer, where that helps
        found = glyphs.get(unicodedata.normalize("NFKD", character)[0], glyphs["?"])
    return found


@functools.cache
def _glyphs() -> dict[str, list[tuple[int, list[int]]]]:
    """By character: the lines in which something is set, and its columns."""
    bits = zlib.decompress(base64.b85decode(_FONT))
    columns = [
        [column for column in range(GLYPH_WIDTH) if line >> (GLYPH_WIDTH - 1 - column) & 1]
        for line in range(1 << GLYPH_WIDTH)
    ]
    codes = (code for first, end in _RANGES for code in range(first, end))
    return {
        chr(code): [
            (line, columns[bits[start + line]])
            for line in range(GLYPH_HEIGHT)
            if bits[start + line]
        ]
        for code, start in zip(codes, range(0, len(bits), GLYPH_HEIGHT), strict=True)
    }
