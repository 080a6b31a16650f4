"""What a filter means: a tree of comparisons, and of what each operator says."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

from tracklet.frozen import Frozen, as_dictionary

KeyKind: TypeAlias = Literal[
    "attribute",
    "metric",
    "param",
    "tag",
    "dataset",
    "metadata",
    "span",
    "feedback",
    "expectation",
]
Operator: TypeAlias = Literal[
    "=",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "LIKE",
    "NOT LIKE",
    "ILIKE",
    "NOT ILIKE",
    "RLIKE",
    "IN",
    "NOT IN",
    "IS NULL",
    "IS NOT NULL",
]
Scalar: TypeAlias = str | int | float


class Key(Frozen):
    """What a clause looks at: an attribute by its canonical name, or a metric, param or tag."""

    kind: KeyKind
    name: str


class Comparison(Frozen):
    """One clause.

    A comparison with a missing value is false, whatever the operator: ``!=``, ``NOT IN`` and
    ``NOT LIKE`` need the key to exist. A metric that is NaN satisfies ``!=`` and ``NOT IN`` only.

    Attributes:
        key: The left side.
        operator: In capitals.
        value: The right side; a tuple for ``IN`` and ``NOT IN``, None for null tests.
        position: Where the clause starts in the filter, in characters.
    """

    key: Key
    operator: Operator
    value: Scalar | tuple[Scalar, ...] | None
    position: int


class And(Frozen):
    """All of the operands, of which there are at least two."""

    operands: tuple[Filter, ...]


class Or(Frozen):
    """Any of the operands, of which there are at least two."""

    operands: tuple[Filter, ...]


class Not(Frozen):
    """The opposite of the operand: true where it is false, also for want of a value."""

    operand: Filter


Filter: TypeAlias = Comparison | And | Or | Not


def keys(tree: Filter | None) -> Iterator[Key]:
    """All keys that a filter mentions, in order, with repetitions."""
    if isinstance(tree, Comparison):
        yield tree.key
    elif isinstance(tree, Not):
        yield from keys(tree.operand)
    elif tree is not None:
        for operand in tree.operands:
            yield from keys(operand)


class OrderBy(Frozen):
    """One criterion; entities without the key come last in both directions.

    Attributes:
        key: What to order by.
        ascending: The direction.
        dataset_name: Only points measured on a dataset of this name count (logged models).
        dataset_digest: And of this digest.
    """

    key: Key
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


# -- what operators mean; null tests are about keys, not values ---------------------------------


class Meaning(Frozen):
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
    holds, *texts = as_dictionary(meaning).values()
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


# -- a filter as a predicate, for what is searched without a database ---------------------------


def matches(tree: Filter | None, values_of: Callable[[Key], Iterable[Any]]) -> bool:
    """Whether something satisfies a filter.

    Args:
        tree: The filter; None is satisfied by everything.
        values_of: The values that it has for a key: none, one, or several, of which one must
            satisfy the comparison. Asked for only as far as the answer depends on it.
    """
    if tree is None:
        return True
    if isinstance(tree, And):
        return all(matches(operand, values_of) for operand in tree.operands)
    if isinstance(tree, Or):
        return any(matches(operand, values_of) for operand in tree.operands)
    if isinstance(tree, Not):
        return not matches(tree.operand, values_of)
    return _compare(tree, [value for value in values_of(tree.key) if value is not None])


def _compare(clause: Comparison, values: list[Any]) -> bool:
    wanted: Any = clause.value
    if isinstance(wanted, int | float):
        values = [number for value in values if (number := _number(value)) is not None]
    if clause.operator == "IS NULL":
        return not values
    if clause.operator == "IS NOT NULL":
        return bool(values)
    holds = OPERATORS[clause.operator].holds
    return any(holds(value, wanted) for value in values)


def _number(value: Any) -> int | float | None:
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except ValueError:
        return None
