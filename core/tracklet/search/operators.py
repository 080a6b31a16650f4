"""What each operator of a comparison means: of a value, and in the SQL of both databases.

Null tests are not here: they are about keys, not values.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Meaning(NamedTuple):
    """What an operator says of a value and of what that is compared with.

    Attributes:
        holds: Whether it is so.
        sqlite: The same of a column and a value in SQLite.
        postgresql: The same in PostgreSQL.
        ascii: The same in SQLite, but faster, if the value is ASCII.
    """

    holds: Callable[[Any, Any], bool]
    sqlite: str = ""
    postgresql: str = ""
    ascii: str = ""


def is_like(value: object, pattern: str, flags: int = 0) -> bool:
    """Whether a pattern, in which ``%`` and ``_`` are special, fits the whole text."""
    return _compiled(pattern, flags).fullmatch(str(value)) is not None


@functools.lru_cache(maxsize=128)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | flags)


def _negated(meaning: Meaning) -> Meaning:
    holds, *texts = meaning
    opposite = (text and f"NOT ({text})" for text in texts)
    return Meaning(lambda value, wanted: not holds(value, wanted), *opposite)


is_ilike: Final = functools.partial(is_like, flags=re.IGNORECASE)
_LIKE: Final = Meaning(is_like, "{} GLOB {}", "{} LIKE {} ESCAPE ''")
_ILIKE: Final = Meaning(
    is_ilike,
    "tracklet_ilike({}, {})",
    "{} COLLATE \"default\" ILIKE {} ESCAPE ''",  # unlike "C", it folds letters beyond ASCII
    "{} LIKE {}",
)
_WRITTEN_ALIKE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "IN": lambda value, wanted: value in wanted,
    "NOT IN": lambda value, wanted: value not in wanted,
}
OPERATORS: Final[dict[str, Meaning]] = {
    **{
        word: Meaning(holds, f"{{}} {word} {{}}", f"{{}} {word} {{}}")
        for word, holds in _WRITTEN_ALIKE.items()
    },
    "LIKE": _LIKE,
    "NOT LIKE": _negated(_LIKE),
    "ILIKE": _ILIKE,
    "NOT ILIKE": _negated(_ILIKE),
    "RLIKE": Meaning(lambda value, wanted: re.search(str(wanted), str(value)) is not None),
}
