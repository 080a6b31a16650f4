"""From a filter's text to tokens, and from a token to an error that points at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen
from tracklet.search.syntax import KeyKind

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
            f"For example: {example or self.example}"
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
