"""From a filter's text to tokens and to a tree, by a recursive-descent parser; and from an order's.

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
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, cast

from tracklet import entities
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen
from tracklet.search.fields import ValueType, Vocabulary
from tracklet.search.syntax import (
    And,
    Comparison,
    Filter,
    Key,
    KeyKind,
    Not,
    Operator,
    Or,
    OrderBy,
    Scalar,
)

MAX_ITEMS: Final = 30
MAX_CLAUSES: Final = 1_000
MAX_DEPTH: Final = 50
_INFINITIES: Final = {"inf": math.inf, "infinity": math.inf}
MAX_LENGTH: Final = 100_000
KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE"})

TokenKind: TypeAlias = Literal[
    "name", "keyword", "string", "number", "operator", "(", ")", ",", "end"
]

# A text may contain its own quote doubled or after a backslash; neither is unescaped, as in MLflow.
_SINGLE = r"'(?:''|\\'|[^'])*'"
_DOUBLE = r'"(?:""|\\"|[^"])*"'
_PART = rf"`[^`]*`|{_DOUBLE}"
_TOKEN = rf"""
    (?P<space>\s+)
  | (?P<name>(?:[^\W\d]\w*|{_PART})(?:\.(?:(?:[\w:/@.-]*[\w:/@-])|{_PART}))+)
  | (?P<word>[^\W\d]\w*|`[^`]*`)
  | (?P<string>{_SINGLE}|{_DOUBLE})
  | (?P<number>(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-][iI][nN][fF])(?![\w.]))
  | (?P<operator>==|!=|<>|>=|<=|=|>|<)
  | (?P<mark>[(),])
    """
_PARTS = rf"{_PART}|[^.`\"]+"
_SYNONYMS: Final = {"==": "=", "<>": "!="}


# -- tokens, and errors that point at them ------------------------------------------------------


class Token(Frozen):
    """A piece of a filter.

    Attributes:
        kind: What it is.
        text: Keywords and operators in canonical form, texts without their quotes, else as written.
        position: Where it starts, in characters.
        source: As written.
        parts: Of a name, what stands between the dots, without quotes: one part, or a prefix
            and a key.
    """

    kind: TokenKind
    text: str
    position: int
    source: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else _short(self.source)


class FilterText:
    """A filter under examination, which knows how to complain.

    Args:
        text: The filter.
        noun: What is searched, for messages: ``"runs"``.
        example: A correct filter, for messages.
    """

    def __init__(self, text: str, *, noun: str, example: str) -> None:
        self.text = text
        self.noun = noun
        self.example = example

    def error(
        self, problem: str, position: int, example: str | None = None
    ) -> InvalidParameterValue:
        """An error that shows the filter and a caret under the position."""
        start = max(0, position - 60)
        end = min(len(self.text), max(start + 100, position + 40))
        shown = re.sub(r"\s", " ", self.text[start:end])
        before = "…" if start else ""
        after = "…" if end < len(self.text) else ""
        caret = " " * (len(before) + position - start) + "^"
        return InvalidParameterValue(
            f"invalid filter for {self.noun}: {problem}\n"
            f"    {before}{shown}{after}\n"
            f"    {caret}\n"
            f"For example: {example or self.example}",
            position=position,
            problem=problem,
        )

    def kind_and_word(self, name: Token, prefixes: Mapping[str, KeyKind]) -> tuple[KeyKind, str]:
        """The kind of key that a name's prefix announces, and the rest of the name."""
        if len(name.parts) == 1:
            return "attribute", name.parts[0]
        prefix, word = name.parts
        if prefix not in prefixes:
            raise self.error(
                f"unknown prefix {prefix!r}; choose from {', '.join(sorted(prefixes))}",
                name.position,
            )
        return prefixes[prefix], word

    def tokens(self) -> list[Token]:
        """All tokens, the last of which is the end.

        Raises:
            InvalidParameterValue: The text is too long, or holds what is no token.
        """
        text = self.text
        if len(text) > MAX_LENGTH:
            raise InvalidParameterValue(
                f"a filter has at most {MAX_LENGTH} characters; this one has {len(text)}"
            )
        found: list[Token] = []
        match_token = re.compile(_TOKEN, re.VERBOSE).match  # compiled for the first filter only
        position = 0
        while position < len(text):
            match = match_token(text, position)
            if match is None:
                raise self._no_token(position)
            group = match.lastgroup
            source = match.group()
            if group != "space":
                found.append(_token(group, source, position))
            position = match.end()
        found.append(Token("end", "", len(text), ""))
        return found

    def _no_token(self, position: int) -> InvalidParameterValue:
        char = self.text[position]
        if char in "'\"`":
            return self.error(f"the quote {char} is never closed", position)
        if char == ";":
            return self.error("a filter is one condition; leave ';' out", position)
        if char.isdigit() or char in "+-.":
            word = re.compile(r"[\w.+-]+").match(self.text, position)
            return self.error(f"{_short(word.group() if word else char)} is no number", position)
        return self.error(f"unexpected {char!r}", position)


def _token(group: str | None, source: str, position: int) -> Token:
    if group == "name":
        prefix = re.match(_PARTS, source)
        assert prefix is not None
        rest = source[prefix.end() + 1 :]
        parts = (_unquoted(prefix.group()), _unquoted(rest))
        return Token("name", source, position, source, parts)
    if group == "word":
        if source.upper() in KEYWORDS:
            return Token("keyword", source.upper(), position, source)
        return Token("name", source, position, source, (_unquoted(source),))
    if group == "string":
        return Token("string", source[1:-1], position, source, (source[1:-1],))
    if group == "operator":
        return Token("operator", _SYNONYMS.get(source, source), position, source)
    if group == "number":
        return Token("number", source, position, source)
    return Token(source, source, position, source)  # type: ignore[arg-type]


def _unquoted(part: str) -> str:
    if len(part) >= 2 and part[0] == part[-1] and part[0] in '`"':
        return part[1:-1]
    return part


def _short(source: str) -> str:
    return source if len(source) <= 40 else source[:37] + "…"


# -- the filter ---------------------------------------------------------------------------------


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


# -- the order ----------------------------------------------------------------------------------


def parse_order_by(
    items: Sequence[str | Mapping[str, Any]] | None, vocabulary: Vocabulary
) -> tuple[OrderBy, ...]:
    """The criteria of an order, most important first.

    Args:
        items: Texts like ``metrics.loss DESC``, or dictionaries with ``field_name``,
            ``ascending``, ``dataset_name`` and ``dataset_digest``.
        vocabulary: The words that it may use.

    Raises:
        InvalidParameterValue: An item is malformed, or a key comes twice.
    """
    if items is None:
        return ()
    if isinstance(items, str | Mapping) or not isinstance(items, Sequence):
        raise InvalidParameterValue(
            f"order_by is a list, such as {[_example(vocabulary)]!r}; got {items!r}"
        )
    if len(items) > MAX_ITEMS:
        raise InvalidParameterValue(f"order_by has {len(items)} items; at most {MAX_ITEMS} do")
    found: list[OrderBy] = []
    subjects: list[tuple[Any, ...]] = []
    for item in items:
        order = (
            _from_text(item, vocabulary)
            if isinstance(item, str)
            else _from_mapping(item, vocabulary)
        )
        subject = (order.key, order.dataset_name, order.dataset_digest)
        if subject in subjects:
            raise InvalidParameterValue(
                f"order_by names {order.key.name!r} twice: {list(items)!r}. Leave one of them out"
            )
        subjects.append(subject)
        found.append(order)
    return tuple(found)


def _example(vocabulary: Vocabulary) -> str:
    return "metrics.loss ASC" if "metric" in vocabulary.orderable else "name ASC"


def _from_text(item: str, vocabulary: Vocabulary) -> OrderBy:
    source = _OrderText(item, vocabulary)
    alias, *direction = item.strip().rsplit(None, 1) or [""]
    if not direction or direction[0].upper() not in ("ASC", "DESC"):
        alias, direction = item.strip(), ["ASC"]
    if " " in alias and alias in vocabulary.aliases:  # of two words, without quotes
        aliased = Key("attribute", vocabulary.aliases[alias])
        return OrderBy(aliased, direction[0].upper() == "ASC")
    tokens = source.tokens()
    name = tokens[0]
    if name.kind not in ("name", "string") or name.source.startswith("'"):
        raise source.error(f"expected a key, got {name}", name.position)
    ascending = True
    rest = tokens[1]
    if rest.kind != "end":
        if rest.source.upper() not in ("ASC", "DESC"):
            raise source.error(f"expected ASC, DESC or the end, got {rest}", rest.position)
        ascending = rest.source.upper() == "ASC"
        if tokens[2].kind != "end":
            raise source.error(f"expected the end, got {tokens[2]}", tokens[2].position)
    return OrderBy(_key(name, source, vocabulary), ascending)


def _from_mapping(item: Any, vocabulary: Vocabulary) -> OrderBy:
    if not isinstance(item, Mapping) or not isinstance(item.get("field_name"), str):
        raise InvalidParameterValue(
            "an item of order_by is a text or a dictionary with 'field_name', such as "
            f"{{'field_name': 'metrics.loss', 'ascending': True}}; got {item!r}"
        )
    unknown = set(item) - {"field_name", "ascending", "dataset_name", "dataset_digest"}
    if unknown:
        raise InvalidParameterValue(
            f"order_by does not know {sorted(unknown)}; it takes field_name, ascending, "
            "dataset_name and dataset_digest"
        )
    source = _OrderText(item["field_name"], vocabulary)
    tokens = source.tokens()
    if len(tokens) != 2 or tokens[0].kind != "name":
        raise source.error("expected one key", 0)
    key = _key(tokens[0], source, vocabulary)
    ascending = item.get("ascending", True)
    ascending = True if ascending is None else ascending
    if not isinstance(ascending, bool):
        raise InvalidParameterValue(f"'ascending' is True or False; got {ascending!r}")
    name, digest = item.get("dataset_name") or None, item.get("dataset_digest") or None
    if digest and not name:
        raise InvalidParameterValue("order_by has a dataset_digest, so it needs a dataset_name too")
    if name and key.kind != "metric":
        raise InvalidParameterValue(
            f"order_by restricts {item['field_name']!r} to a dataset; only metrics have one"
        )
    return OrderBy(key, ascending, name, digest)


def _key(name: Token, source: FilterText, vocabulary: Vocabulary) -> Key:
    kind, word = source.kind_and_word(name, vocabulary.prefixes)
    if kind == "attribute":
        attribute = vocabulary.order_aliases.get(word) or vocabulary.canonical(word)
        if attribute is None or attribute not in vocabulary.orderable:
            known = sorted(vocabulary.orderable - {"metric", "param", "tag"})
            raise source.error(
                f"unknown attribute {word!r}; choose from {', '.join(known)}", name.position
            )
        return Key("attribute", attribute)
    if kind not in vocabulary.orderable or not word:
        raise source.error(f"{vocabulary.noun} cannot be ordered by {name}", name.position)
    return Key(kind, word)


class _OrderText(FilterText):
    """An item of an order, which knows how to complain."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        super().__init__(text, noun=f"the order of {vocabulary.noun}", example=_example(vocabulary))

    def error(
        self, problem: str, position: int, example: str | None = None
    ) -> InvalidParameterValue:
        error = super().error(problem, position, example)
        message = error.message.replace("invalid filter for the order", "invalid order_by item", 1)
        return InvalidParameterValue(message)
