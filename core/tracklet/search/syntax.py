"""What a filter means: a tree of comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from tracklet.frozen import Frozen

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
