"""The order of a search's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen
from tracklet.search.fields import Vocabulary
from tracklet.search.syntax import Key
from tracklet.search.tokens import FilterText, Token

MAX_ITEMS: Final = 30


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
