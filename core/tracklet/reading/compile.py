"""From a filter's tree to SQL: what a clause means, written once for both databases.

The meaning is two-valued. A clause about a value that is missing is false, so ``NOT`` of it is
true; SQL's own answer, NULL, would make both vanish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen, field
from tracklet.reading.connection import Dialect
from tracklet.reading.tables import TABLES
from tracklet.search import And, Comparison, Filter, Key, Not, Or, OrderBy
from tracklet.search.syntax import OPERATORS
from tracklet.stores.disk import is_text
from tracklet.validation import MAX_INTEGER, MIN_INTEGER, shown

# Databases plan many joins slowly; clauses beyond these become subqueries.
MAX_JOINS: Final = 8
# SQLite refuses expressions that are 1,000 levels deep.
_MANY: Final = 50
# How much of a text PostgreSQL has in its indexes.
_HEAD: Final = 100
_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


class Subject(Frozen):
    """How one kind of entity lies in the tables.

    Attributes:
        table: One row per entity, with the column ``id``.
        entity: The class that a row is made into, by name; of a run, its info.
        fields: The fields of the entity that are columns of its own, and the columns, with their
            tables. The first is ``id``.
        values: The tables of its metrics, params and tags: per kind of key, the table and the
            name of the column that refers to ``id``. A table has the columns key and value.
        source: The table joined with what else the fields come from.
        attributes: What filters call fields, where they have other names for them.
        unique: The kinds of which an entity has one value per key, so that joining is safe.
        datasets: Where a clause on a field of its datasets looks: the column, and the tables of
            which ``i`` refers to a run.
    """

    table: str
    entity: str
    fields: Mapping[str, str]
    values: Mapping[str, tuple[str, str]]
    source: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    unique: frozenset[str] = frozenset({"metric", "param", "tag"})
    datasets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def attribute(self, name: str) -> tuple[str, bool]:
        """The column of an attribute, and whether it may be NULL."""
        column = self.fields[self.attributes.get(name, name)]
        table, _, plain = column.partition(".")
        return column, TABLES[table].columns[plain].optional


Condition = Callable[["Select", str], str]
"""A further condition on the rows of a metric, given the statement and the rows' name."""


class Select:
    """A search for one kind of entity in one database, put together clause by clause.

    A value stands in the text as a number between colons until :meth:`statement` puts all of them
    into the order in which the text mentions them.

    Args:
        subject: How the entity lies in the tables.
        dialect: Which SQL to write.
        metric_condition: What else the rows of a metric must satisfy.

    Attributes:
        conditions: What rows must satisfy.
        order: What they are sorted by.
    """

    def __init__(
        self, subject: Subject, dialect: Dialect, metric_condition: Condition | None = None
    ) -> None:
        self.subject = subject
        self.conditions: list[str] = []
        self.order: list[str] = []
        self._sqlite = dialect == "sqlite"
        self._metric_condition = metric_condition
        self._source = subject.source or subject.table
        self._joined: dict[Key, str] = {}
        self._first: tuple[str, str] | None = None
        self._values: list[Any] = []

    def value(self, value: Any) -> str:
        """What stands for a value in the text.

        Raises:
            InvalidParameterValue: No database can hold it.
        """
        if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
            raise InvalidParameterValue(
                f"a search compares whole numbers of up to 64 bits; got {shown(value)}"
            )
        if isinstance(value, str) and not is_text(value):
            raise InvalidParameterValue(
                f"a search's texts are valid Unicode; {shown(value)} contains a lone surrogate"
            )
        self._values.append(value)
        return f":{len(self._values) - 1}:"

    def listed(self, values: Sequence[Any]) -> str:
        """What stands for several values after ``IN``."""
        return f"({', '.join(map(self.value, values))})"

    def search(self, tree: Filter | None, order_by: Sequence[OrderBy] = ()) -> None:
        """Take a filter and an order in."""
        if tree is not None:
            for clause in tree.operands if isinstance(tree, And) else (tree,):
                if isinstance(clause, Comparison) and self._joinable(clause):
                    self._join(clause)
                else:
                    self.conditions.append(self._condition(clause))
        if len(self.conditions) > _MANY:
            self.conditions = [_connected("AND", self.conditions)]
        for order in order_by:
            self._order(order)

    @property
    def begins_with_numbers(self) -> bool:
        """Whether what has a number of some metric comes first, by that."""
        return self._first is not None

    def statement(self, limit: int, offset: int, numbers: bool = False) -> tuple[str, list[Any]]:
        """The SELECT of the ids, and its values.

        Args:
            limit: How many,
            offset: after how many.
            numbers: Whether only what :attr:`begins_with_numbers`, which an index has in order.
        """
        source, conditions, order = self._source, self.conditions, self.order
        if numbers and self._first is not None:
            rows, value = self._first
            table = self.subject.values["metric"][0]
            source = source.replace(f" LEFT JOIN {table} AS {rows} ", f" JOIN {table} AS {rows} ")
            conditions = [*conditions, f"{rows}.value IS NOT NULL"]
            order = [value, *order[2:]]  # the value and whether it lacks come first
        text = f"SELECT {self.subject.table}.id FROM {source}"
        if conditions:
            text += f" WHERE {' AND '.join(conditions)}"
        text += f" ORDER BY {', '.join(order)}"
        text += f" LIMIT {self.value(limit)} OFFSET {self.value(offset)}"
        values: list[Any] = []

        def mark(match: re.Match[str]) -> str:
            values.append(self._values[int(match[1])])
            return "?" if self._sqlite else "%s"

        return re.sub(r":(\d+):", mark, text), values

    # -- conditions --------------------------------------------------------------------------

    def _condition(self, tree: Filter) -> str:
        """The tree as a condition that is true or false, never NULL."""
        if isinstance(tree, Comparison):
            return self._comparison(tree)
        if isinstance(tree, Not):
            return f"NOT ({self._condition(tree.operand)})"
        conditions = [self._condition(operand) for operand in _operands(tree)]
        return _connected("AND" if isinstance(tree, And) else "OR", conditions)

    def _comparison(self, clause: Comparison) -> str:
        kind, name = clause.key.kind, clause.key.name
        if kind == "attribute":
            column, optional = self.subject.attribute(name)
            if clause.operator.endswith("NULL"):
                return f"{column} {clause.operator}"
            compared = self._compare(column, clause)
            return f"({column} IS NOT NULL AND {compared})" if optional else compared
        if kind == "dataset":
            column, source = self.subject.datasets[name]
            conditions = [f"i.run = {self.subject.table}.id"]
            if not clause.operator.endswith("NULL"):
                conditions.append(self._compare(column, clause))
        else:
            table, owner = self.subject.values[kind]
            source = f"{table} AS x"
            conditions = [f"x.{owner} = {self.subject.table}.id", f"x.key = {self.value(name)}"]
            conditions += self._value_conditions("x", clause)
        found = f"EXISTS (SELECT 1 FROM {source} WHERE {' AND '.join(conditions)})"
        return f"NOT {found}" if clause.operator == "IS NULL" else found

    def _value_conditions(self, rows: str, clause: Comparison) -> list[str]:
        conditions: list[str] = []
        if clause.key.kind == "metric" and self._metric_condition is not None:
            conditions.append(self._metric_condition(self, rows))
        if not clause.operator.endswith("NULL"):
            conditions.append(self._compare(f"{rows}.value", clause))
        if clause.operator == "=" and not self._sqlite and isinstance(clause.value, str):
            head = self.value(clause.value[:_HEAD])
            conditions.append(f"substr({rows}.value, 1, {_HEAD}) = {head}")
        return conditions

    def _compare(self, column: str, clause: Comparison) -> str:
        operator, value = clause.operator, clause.value
        meaning = OPERATORS[operator]
        text = meaning.sqlite if self._sqlite else meaning.postgresql
        metric = clause.key.kind == "metric"
        if isinstance(value, tuple):
            right = self.listed([float(one) for one in value] if metric else value)
        elif metric and value is not None:
            right = self.value(float(value))
        else:
            if self._sqlite and isinstance(value, str):
                if "GLOB" in text:
                    value = value.translate(_GLOB)
                elif value.isascii():
                    text = meaning.ascii or text
            right = self.value(value)
        compared = text.format(column, right)
        if metric and operator in ("!=", "NOT IN"):  # NaN, which is NULL, is no number's equal
            return f"({compared} OR {column} IS NULL)"
        return compared

    # -- joins and orders --------------------------------------------------------------------

    def _joinable(self, clause: Comparison) -> bool:
        return (
            clause.key.kind in self.subject.unique
            and clause.operator != "IS NULL"
            and (clause.key in self._joined or len(self._joined) < MAX_JOINS)
        )

    def _join(self, clause: Comparison) -> None:
        rows = self._joined.get(clause.key) or self._value_rows(clause.key, "JOIN")
        self.conditions += self._value_conditions(rows, clause)

    def _value_rows(self, key: Key, join: str) -> str:
        table, owner = self.subject.values[key.kind]
        rows = self._joined[key] = f"x{len(self._joined)}"
        self._source += (
            f" {join} {table} AS {rows} ON {rows}.{owner} = {self.subject.table}.id"
            f" AND {rows}.key = {self.value(key.name)}"
        )
        return rows

    def _order(self, order: OrderBy) -> None:
        """Sort by a key: what has a number or text, then what has NaN, then what lacks the key."""
        key, lacks, optional = order.key, "", True
        if key.kind == "attribute":
            value, optional = self.subject.attribute(key.name)
        elif key.kind not in self.subject.unique:
            value, lacks = self._latest(order)
        else:
            joined = self._joined.get(key)
            rows = joined or self._value_rows(key, "LEFT JOIN")
            value, optional = f"{rows}.value", key.kind == "metric" or not joined
            if key.kind == "metric" and not joined and not self.order:
                self._first = rows, f"{value} {'ASC' if order.ascending else 'DESC'}"
            if optional and not joined:
                lacks = f"{rows}.{self.subject.values[key.kind][1]} IS NULL"
        last = " NULLS LAST" if optional else ""
        self.order.append(f"{value} {'ASC' if order.ascending else 'DESC'}{last}")
        if lacks:
            self.order.append(lacks)

    def _latest(self, order: OrderBy) -> tuple[str, str]:
        """The value of the latest of several points, and that there is none."""
        table, owner = self.subject.values[order.key.kind]
        of_key = f"x.{owner} = {self.subject.table}.id AND x.key = {self.value(order.key.name)}"
        for column in ("dataset_name", "dataset_digest"):
            wanted = getattr(order, column)
            if wanted is not None:
                of_key += f" AND x.{column} = {self.value(wanted)}"
        points = f"FROM {table} AS x WHERE {of_key}"
        latest = "x.step DESC, x.timestamp DESC, x.value DESC NULLS LAST"
        value = f"(SELECT x.value {points} ORDER BY {latest} LIMIT 1)"
        return value, f"NOT EXISTS (SELECT 1 {points})"


def _operands(tree: And | Or) -> Iterator[Filter]:
    """The operands, without parentheses that change nothing: SQLite's parser has a small stack."""
    for operand in tree.operands:
        if isinstance(operand, And | Or) and type(operand) is type(tree):
            yield from _operands(operand)
        else:
            yield operand


def _connected(word: str, conditions: list[str]) -> str:
    """Conditions in parentheses; many of them as a flat tree."""
    while len(conditions) > _MANY:
        conditions = [
            f"({f' {word} '.join(conditions[start : start + _MANY])})"
            for start in range(0, len(conditions), _MANY)
        ]
    return f"({f' {word} '.join(conditions)})"
