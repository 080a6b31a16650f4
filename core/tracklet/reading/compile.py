"""From a filter's tree to SQL: what a clause means, written once for both databases.

The meaning is two-valued. A clause about a value that is missing is false, so ``NOT`` of it is
true; SQL's own answer, NULL, would make both vanish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Table,
    Text,
    and_,
    case,
    collate,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.elements import Grouping

from tracklet.reading.types import Double
from tracklet.search import And, Comparison, Filter, Key, Not, OrderBy

# Databases plan many joins slowly; clauses beyond these become subqueries.
MAX_JOINS: Final = 8
_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})
_HEAD: Final = 100


@dataclass(frozen=True)
class Subject:
    """How one kind of entity lies in the tables.

    Attributes:
        table: One row per entity, with the column ``id``.
        attributes: The columns of the attributes by their canonical names.
        values: The tables of its metrics, params and tags: per kind of key, the table and the
            name of the column that refers to ``id``. A table has the columns key and value.
        source: The table joined with what else the attributes come from.
        unique: The kinds of which an entity has one value per key, so that joining is safe.
        datasets: Where a clause on datasets looks, if the entity has any.
    """

    table: Table
    attributes: Mapping[str, ColumnElement[Any]]
    values: Mapping[str, tuple[Table, str]]
    source: FromClause | None = None
    unique: frozenset[str] = frozenset({"metric", "param", "tag"})
    datasets: Any = None


@dataclass
class Plan:
    """A search, ready to be put into a SELECT.

    Attributes:
        source: The table with all joins.
        conditions: What the rows must satisfy.
        order: The columns to sort by.
    """

    source: FromClause
    conditions: list[ColumnElement[bool]]
    order: list[ColumnElement[Any]] = field(default_factory=list)


class Compiler:
    """Compiles filters and orders of one kind of entity for one database.

    Args:
        subject: How the entity lies in the tables.
        dialect: ``"sqlite"`` or ``"postgresql"``.
        metric_condition: A further condition on the rows of a metric, given the table.
    """

    def __init__(self, subject: Subject, dialect: str, metric_condition: Any = None) -> None:
        self.subject = subject
        self.sqlite = dialect == "sqlite"
        self.metric_condition = metric_condition
        self._joined: dict[Key, FromClause] = {}

    def plan(self, tree: Filter | None, order_by: Sequence[OrderBy] = ()) -> Plan:
        """The joins, conditions and sort columns of a search."""
        source = self.subject.source
        plan = Plan(self.subject.table if source is None else source, [])
        if tree is not None:
            for clause in tree.operands if isinstance(tree, And) else (tree,):
                if isinstance(clause, Comparison) and self._joinable(clause):
                    self._join(plan, clause)
                else:
                    plan.conditions.append(self.condition(clause))
        if len(plan.conditions) > 50:
            plan.conditions = [_balanced(and_, plan.conditions)]
        for order in order_by:
            self._order(plan, order)
        return plan

    # -- conditions --------------------------------------------------------------------------

    def condition(self, tree: Filter) -> ColumnElement[bool]:
        """The tree as a condition that is true or false, never NULL."""
        if isinstance(tree, Comparison):
            return self._comparison(tree)
        if isinstance(tree, Not):
            return not_(Grouping(self.condition(tree.operand)))
        conditions = [self.condition(operand) for operand in tree.operands]
        return _balanced(and_ if isinstance(tree, And) else or_, conditions)

    def _comparison(self, clause: Comparison) -> ColumnElement[bool]:
        key = clause.key
        if key.kind == "attribute":
            column = self.subject.attributes[key.name]
            if clause.operator in ("IS NULL", "IS NOT NULL"):
                return column.is_(None) if clause.operator == "IS NULL" else column.is_not(None)
            compared = self._compare(column, clause)
            nullable = getattr(column, "nullable", True)
            return and_(column.is_not(None), compared) if nullable else compared
        if key.kind == "dataset":
            found = self._dataset(clause)
        else:
            found = self._value_exists(clause)
        return not_(found) if clause.operator == "IS NULL" else found

    def _value_exists(self, clause: Comparison) -> ColumnElement[bool]:
        table, owner = self.subject.values[clause.key.kind]
        rows = table.alias()
        return exists().where(
            rows.c[owner] == self.subject.table.c.id,
            rows.c.key == clause.key.name,
            *self._value_conditions(rows, clause),
        )

    def _value_conditions(self, rows: FromClause, clause: Comparison) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if clause.key.kind == "metric" and self.metric_condition is not None:
            conditions.append(self.metric_condition(rows))
        if not clause.operator.endswith("NULL"):
            conditions.append(self._compare(rows.c.value, clause))
        if clause.operator == "=" and not self.sqlite and isinstance(clause.value, str):
            conditions.append(func.substr(rows.c.value, 1, _HEAD) == clause.value[:_HEAD])
        return conditions

    def _dataset(self, clause: Comparison) -> ColumnElement[bool]:
        column, rows, condition = self.subject.datasets(clause.key.name)
        compared = true() if clause.operator.endswith("NULL") else self._compare(column, clause)
        return exists().select_from(rows).where(condition, compared)

    def _compare(self, column: ColumnElement[Any], clause: Comparison) -> ColumnElement[bool]:
        operator, value = clause.operator, clause.value
        nan = isinstance(column.type, Double)
        if operator == "=":
            return column == value
        if operator == "!=":
            return or_(column != value, column.is_(None)) if nan else column != value
        if operator == ">":
            return column > value
        if operator == ">=":
            return column >= value
        if operator == "<":
            return column < value
        if operator == "<=":
            return column <= value
        if operator in ("IN", "NOT IN"):
            assert isinstance(value, tuple)
            if operator == "IN":
                return column.in_(value)
            return or_(column.not_in(value), column.is_(None)) if nan else column.not_in(value)
        assert isinstance(value, str)
        negated = operator.startswith("NOT ")
        matched = self._like(column, value, folded=operator.endswith("ILIKE"))
        return not_(matched) if negated else matched

    def _like(
        self, column: ColumnElement[Any], pattern: str, *, folded: bool
    ) -> ColumnElement[bool]:
        """A match in which only ``%`` and ``_`` are special."""
        if not self.sqlite:
            # The default locale folds letters beyond ASCII, which "C" does not.
            if folded:
                return collate(column, "default").ilike(literal(pattern, Text()), escape="")
            return column.like(pattern, escape="")
        if not folded:
            return column.bool_op("GLOB")(pattern.translate(_GLOB))
        if pattern.isascii():
            return column.bool_op("LIKE")(pattern)
        return func.tracklet_ilike(pattern, column) == literal(1)

    # -- joins and orders --------------------------------------------------------------------

    def _joinable(self, clause: Comparison) -> bool:
        return (
            clause.key.kind in self.subject.unique
            and clause.operator != "IS NULL"
            and (clause.key in self._joined or len(self._joined) < MAX_JOINS)
        )

    def _join(self, plan: Plan, clause: Comparison) -> None:
        rows = self._joined.get(clause.key)
        if rows is None:
            rows = self._joined[clause.key] = self._value_rows(plan, clause.key, outer=False)
        plan.conditions.extend(self._value_conditions(rows, clause))

    def _value_rows(self, plan: Plan, key: Key, *, outer: bool) -> FromClause:
        table, owner = self.subject.values[key.kind]
        rows = table.alias()
        plan.source = plan.source.join(
            rows,
            and_(rows.c[owner] == self.subject.table.c.id, rows.c.key == key.name),
            isouter=outer,
        )
        return rows

    def _order(self, plan: Plan, order: OrderBy) -> None:
        key = order.key
        if key.kind == "attribute":
            column = self.subject.attributes[key.name]
            if getattr(column, "nullable", True):
                plan.order.append(case((column.is_(None), 1), else_=0))
            plan.order.append(column.asc() if order.ascending else column.desc())
            return
        if key.kind not in self.subject.unique:
            self._order_by_latest(plan, order)
            return
        rows = self._joined.get(key)
        present = rows is not None
        if rows is None:
            rows = self._joined[key] = self._value_rows(plan, key, outer=True)
        owner = rows.c[self.subject.values[key.kind][1]]
        if key.kind == "metric":
            empty = case((rows.c.value.is_not(None), 0), (owner.is_not(None), 1), else_=2)
            plan.order.append(empty)
        elif not present:
            plan.order.append(case((owner.is_(None), 1), else_=0))
        value = rows.c.value
        plan.order.append(value.asc() if order.ascending else value.desc())

    def _order_by_latest(self, plan: Plan, order: OrderBy) -> None:
        """By the latest of several points."""
        table, owner = self.subject.values[order.key.kind]
        rows = table.alias()
        of_key = [rows.c[owner] == self.subject.table.c.id, rows.c.key == order.key.name]
        if order.dataset_name is not None:
            of_key.append(rows.c.dataset_name == order.dataset_name)
        if order.dataset_digest is not None:
            of_key.append(rows.c.dataset_digest == order.dataset_digest)
        value = (
            select(rows.c.value)
            .where(*of_key)
            .order_by(rows.c.step.desc(), rows.c.timestamp.desc(), rows.c.value.desc().nulls_last())
            .limit(1)
            .correlate(self.subject.table)
            .scalar_subquery()
        )
        present = exists().where(*of_key).correlate(self.subject.table)
        plan.order.append(case((value.is_not(None), 0), (present, 1), else_=2))
        plan.order.append(value.asc() if order.ascending else value.desc())


def _balanced(connect: Any, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Many conditions as a flat tree; SQLite refuses expressions that are 1,000 levels deep."""
    while len(conditions) > 50:
        # IS TRUE changes nothing, but keeps SQLAlchemy from taking the groups apart again.
        conditions = [
            connect(*conditions[start : start + 50]).is_(true())
            for start in range(0, len(conditions), 50)
        ]
    return Grouping(connect(*conditions))
