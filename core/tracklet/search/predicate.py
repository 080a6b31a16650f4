"""A filter as a predicate, for what is searched without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tracklet.search.syntax import OPERATORS, And, Comparison, Filter, Key, Not, Or


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
