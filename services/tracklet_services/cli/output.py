"""What the commands print: aligned tables for people, JSON for machines.

Names, keys and values may be anybody's, and a terminal obeys what it is sent. So all that is
printed goes through :func:`say` and :func:`as_json`, which let no control character pass.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any, Final

import click

from tracklet_services.masking import mask as mask

# Controls, C1 ones too, what sets the direction of writing or is not seen, and half characters.
_CONTROL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def say(words: str = "", *, err: bool = False) -> None:
    """Print words of one line or more; the only way to a terminal."""
    click.echo(plain(words), err=err)


def plain(words: str) -> str:
    """Words without control characters but the end of a line."""
    return _CONTROL.sub(" ", words)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print columns, each as wide as its widest cell; numbers are set to the right.

    Args:
        headings: One per column.
        rows: Cells of any type; None is shown as nothing.
    """
    cells = [[text(cell) for cell in row] for row in rows]
    raw = [[text(heading) for heading in headings], *cells]
    widths = [max(len(row[column]) for row in raw) for column in range(len(headings))]
    right = [
        bool(cells) and all(_is_number(row[column]) for row in cells)
        for column in range(len(headings))
    ]
    for row in raw:
        line = "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        )
        say(line.rstrip())


def section(title: str, pairs: Iterable[tuple[str, Any]]) -> None:
    """Print a title and indented ``key  value`` lines; nothing if there are no pairs."""
    lines = [(text(key), text(value)) for key, value in pairs]
    if not lines:
        return
    say(f"\n{text(title)}")
    width = max(len(key) for key, _ in lines)
    for key, value in lines:
        say(f"  {key.ljust(width)}  {value}".rstrip())


def as_json(document: Any, target: IO[str] | None = None) -> None:
    """Print a document as JSON; numbers that JSON lacks become the texts NaN and ±Infinity."""
    click.echo(
        escaped(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)),
        target,
    )


def escaped(text: str) -> str:
    """The same JSON, with control characters in its texts written as escapes."""
    return _CONTROL.sub(lambda found: json.dumps(found.group())[1:-1], text)


def answer(document: Any, words: str, json_output: bool) -> None:
    """Print what a command did: as JSON for machines, in words for people."""
    if json_output:
        as_json(document)
    else:
        say(words)


def text(value: Any) -> str:
    """One cell: on one line, without control characters, floats with six significant digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return plain(str(value)).replace("\n", " ")


def clock(milliseconds: int | None) -> str:
    """A point in time in the local time zone; the number if no calendar has it."""
    if milliseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def duration(start: int | None, end: int | None) -> str:
    """The time between two points, such as ``1h 02m`` or ``3.2s``."""
    if start is None or end is None:
        return ""
    seconds = max(end - start, 0) / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def size(count: int | None) -> str:
    """A number of bytes, such as ``1.2 MB``."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _finite(value: Any) -> Any:
    """The same document with NaN and infinities as texts, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True
