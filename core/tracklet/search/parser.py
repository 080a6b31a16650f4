"""From tokens to a tree: a recursive-descent parser.

::

    filter     = [ disjunction ]
    disjunction = conjunction { "OR" conjunction }
    conjunction = { "AND" } negation { { "AND" } negation } { "AND" }
    negation   = "NOT" negation | "(" disjunction ")" | comparison
    comparison = name ( operator value | ["NOT"] ("LIKE" | "ILIKE") text
                      | "RLIKE" text
                      | ["NOT"] "IN" "(" value { "," value } [ "," ] ")" | "IS" ["NOT"] "NULL" )

``AND`` may be missing, doubled, or left over at either end, since MLflow takes that.
"""

from __future__ import annotations

import math
import re
from typing import Final, cast

from tracklet import entities
from tracklet.errors import InvalidParameterValue
from tracklet.search.fields import ValueType, Vocabulary
from tracklet.search.syntax import And, Comparison, Filter, Key, Not, Operator, Or, Scalar
from tracklet.search.tokens import FilterText, Token

MAX_CLAUSES: Final = 1_000
MAX_DEPTH: Final = 50
_INFINITIES: Final = {"inf": math.inf, "infinity": math.inf}


def parse_filter(text: str | None, vocabulary: Vocabulary) -> Filter | None:
    """The tree of a filter; None if there is none.

    Args:
        text: The filter; None and ``""`` ask for everything.
        vocabulary: The words that it may use, such as :data:`tracklet.search.RUNS`.

    Raises:
        InvalidParameterValue: The filter is malformed; the message shows where.
    """
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise InvalidParameterValue(
            f"a filter is text; got {text!r} of type {type(text).__name__}. "
            f"For example: {vocabulary.example}"
        )
    return _Parser(text, vocabulary).parse()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.text = FilterText(text, noun=vocabulary.noun, example=vocabulary.example)
        self.tokens = self.text.tokens()
        self.next = 0
        self.clauses = 0
        self.depth = 0

    # -- tokens ------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.tokens[self.next]
        if token.kind != "end":
            self.next += 1
        return token

    def at_keyword(self, *words: str) -> bool:
        return self.token.kind == "keyword" and self.token.text in words

    def fail(
        self, problem: str, token: Token | None = None, example: str | None = None
    ) -> InvalidParameterValue:
        return self.text.error(problem, (token or self.token).position, example)

    # -- structure ---------------------------------------------------------------------------

    def parse(self) -> Filter:
        tree = self.disjunction()
        if self.token.kind != "end":
            if self.token.kind == ")":
                raise self.fail("this parenthesis was never opened")
            raise self.fail(f"expected AND, OR or the end, got {self.token}")
        return tree

    def disjunction(self) -> Filter:
        operands = [self.conjunction()]
        while self.at_keyword("OR"):
            self.take()
            operands.append(self.conjunction())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def conjunction(self) -> Filter:
        self.skip_and()
        operands = [self.negation()]
        while True:
            self.skip_and()
            # MLflow reads two clauses side by side as if AND stood between them.
            if self.token.kind not in ("name", "(") and not self.at_keyword("NOT"):
                break
            operands.append(self.negation())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def skip_and(self) -> None:
        while self.at_keyword("AND"):
            self.take()

    def negation(self) -> Filter:
        if not self.at_keyword("NOT") and self.token.kind != "(":
            return self.comparison()
        opening = self.take()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"more than {MAX_DEPTH} levels of NOT and parentheses", opening)
        if opening.kind == "keyword":
            tree: Filter = Not(self.negation())
        else:
            tree = self.disjunction()
            if self.token.kind != ")":
                raise self.fail(
                    f"expected AND, OR or ')' to close the parenthesis, got {self.token}"
                )
            self.take()
        self.depth -= 1
        return tree

    # -- one clause --------------------------------------------------------------------------

    def comparison(self) -> Comparison:
        name = self.take()
        if name.kind not in ("name", "string") or name.source.startswith("'"):
            raise self.fail(f"expected a condition that starts with a key, got {name}", name)
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise self.fail(f"more than {MAX_CLAUSES} clauses", name)
        key = self.key(name)
        value_type = self.value_type(key)
        operator = self.operator(name, value_type)
        value: Scalar | tuple[Scalar, ...] | None
        if operator.endswith("NULL"):
            value = None
        elif operator.endswith("IN"):
            value = self.value_list(name, value_type)
        else:
            value = self.value(name, value_type, operator)
        return Comparison(key, operator, value, name.position)

    def key(self, name: Token) -> Key:
        known = self.vocabulary
        kind, word = self.text.kind_and_word(name, known.prefixes)
        if word == "" and len(name.parts) > 1:
            raise self.fail(f"the key after {name.parts[0]!r} is empty", name)
        if kind == "attribute":
            attribute = known.canonical(word)
            if attribute is None:
                raise self.fail(self._unknown_attribute(word), name)
            return Key(kind, attribute)
        if kind == "dataset" and word not in known.dataset_fields:
            raise self.fail(
                f"a dataset has no {word!r}; choose from {_choices(known.dataset_fields)}", name
            )
        return Key(kind, word)

    def _unknown_attribute(self, word: str) -> str:
        known = self.vocabulary
        problem = f"unknown attribute {word!r}; choose from {_choices(known.attributes)}"
        kinds = {prefix + "." for prefix, kind in known.prefixes.items() if kind != "attribute"} & {
            "metrics.",
            "params.",
            "tags.",
        }
        return problem + (f", or put {_choices(kinds)} before a key" if kinds else "")

    def value_type(self, key: Key) -> ValueType:
        if key.kind == "metric":
            return "number"
        if key.kind == "attribute":
            return self.vocabulary.attributes[key.name]
        if key.kind in ("feedback", "expectation"):
            return "text or number"
        return "text"

    def operator(self, name: Token, value_type: ValueType) -> Operator:
        token = self.take()
        operator = token.text
        if token.kind == "keyword" and operator == "IS":
            operator = "IS NULL"
            if self.at_keyword("NOT"):
                self.take()
                operator = "IS NOT NULL"
            if not self.at_keyword("NULL"):
                raise self.fail(f"expected NULL or NOT NULL after IS, got {self.token}")
            self.take()
            return cast(Operator, operator)
        if token.kind == "keyword" and operator == "NOT":
            if not self.at_keyword("IN", "LIKE", "ILIKE"):
                raise self.fail(f"expected IN, LIKE or ILIKE after NOT, got {self.token}")
            operator = f"NOT {self.take().text}"
        elif self.vocabulary.regular_expressions and token.source.upper() == "RLIKE":
            operator = "RLIKE"
        elif token.kind != "operator" and operator not in ("IN", "LIKE", "ILIKE"):
            raise self.fail(
                f"expected an operator after {name}, got {token}",
                token,
                self._clause(name, value_type),
            )
        if value_type == "text" and operator in (">", ">=", "<", "<="):
            raise self.fail(
                f"{name} is text, which {operator} does not order; use =, !=, LIKE, ILIKE, "
                "IN or IS NULL",
                token,
                self._clause(name, value_type),
            )
        if value_type in ("number", "version") and operator.endswith("LIKE"):
            raise self.fail(
                f"{name} is a number, which {operator} does not match; use =, !=, >, >=, <, "
                "<=, IN or IS NULL",
                token,
                self._clause(name, value_type),
            )
        if value_type == "model status" and operator in (">", ">=", "<", "<="):
            raise self.fail(f"a status has no order for {operator}; use =, != or IN", token)
        return cast(Operator, operator)

    def value_list(self, name: Token, value_type: ValueType) -> tuple[Scalar, ...]:
        if self.token.kind != "(":
            raise self.fail(f"expected a list in parentheses, got {self.token}")
        self.take()
        values: list[Scalar] = []
        while self.token.kind != ")":
            values.append(self.value(name, value_type, "IN"))
            if self.token.kind != ",":
                break
            self.take()
        if self.token.kind != ")":
            raise self.fail(f"expected ',' or ')' in the list, got {self.token}")
        if not values:
            raise self.fail("the list is empty; it needs at least one value")
        self.take()
        return tuple(values)

    def value(self, name: Token, value_type: ValueType, operator: str) -> Scalar:
        token = self.take()
        if value_type == "text" or (value_type == "model status" and operator.endswith("LIKE")):
            return self.text_value(name, token, operator)
        if value_type == "model status":
            return self.status_value(name, token)
        if value_type == "text or number" and (token.kind == "string" or operator.endswith("LIKE")):
            return self.text_value(name, token, operator)
        if value_type == "version" and token.kind == "string":
            number = _number(token.text.strip())
            if number is not None:
                return number
        return self.number_value(name, token)

    def text_value(self, name: Token, token: Token, operator: str = "=") -> str:
        if token.kind == "string":
            if operator == "RLIKE":
                self.check_pattern(token)
            return token.text
        shown = token.source.strip("`") if token.kind != "end" else "value"
        raise self.fail(
            f"{name} is text: expected a quoted text, got {token}", token, f"{name} = '{shown}'"
        )

    def check_pattern(self, token: Token) -> None:
        try:
            re.compile(token.text)
        except (re.error, OverflowError, RecursionError) as error:
            raise self.fail(f"{token} is no regular expression: {error}", token) from None

    def number_value(self, name: Token, token: Token) -> int | float:
        number = _number(token.source) if token.kind in ("number", "name") else None
        if number is not None:
            return number
        if token.kind == "name" and token.text.lower() == "nan":
            raise self.fail(
                "nothing equals NaN; a metric that is NaN satisfies only != and IS NOT NULL",
                token,
                f"{name} IS NOT NULL",
            )
        quoted = _number(token.text.strip()) if token.kind == "string" else None
        raise self.fail(
            f"{name} is a number: expected an unquoted number, got {token}",
            token,
            f"{name} > {quoted if quoted is not None else 0.5}",
        )

    def status_value(self, name: Token, token: Token) -> str:
        names = [status.value for status in entities.LoggedModelStatus]
        if token.kind == "string":
            return token.text
        number = _number(token.source) if token.kind == "number" else None
        if isinstance(number, int) and 0 <= number < len(names):
            return names[number]
        raise self.fail(
            f"expected a quoted status or its number, got {token}", token, f"{name} = 'READY'"
        )

    def _clause(self, name: Token, value_type: ValueType) -> str:
        return f"{name} = 'value'" if value_type in ("text", "model status") else f"{name} > 0.5"


def _number(text: str) -> int | float | None:
    """The number that a literal spells; integers beyond 64 bits become floats."""
    sign, word = (-1, text[1:]) if text.startswith("-") else (1, text)
    if word.lower() in _INFINITIES:
        return sign * _INFINITIES[word.lower()]
    if not text.isascii() or "_" in text or word.lower() == "nan":
        return None
    try:
        number = int(text) if len(text) < 25 else float(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
    return number if -(2**63) <= number < 2**63 else float(number)


def _choices(words: object) -> str:
    return ", ".join(sorted(words))  # type: ignore[call-overload]
