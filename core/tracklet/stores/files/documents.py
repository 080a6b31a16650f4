"""``meta.yaml`` documents: YAML mappings, nearly all of them flat.

Nearly all of them consist of lines that need no YAML library: reading and writing those directly
is an order of magnitude faster and keeps ``yaml`` out of the training process. Whatever is not
obviously such a line goes to PyYAML; both ways give the same bytes and values. What reading costs
is bounded, whatever the document says: a few lines can name each other a billion times.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tracklet import entities
from tracklet.errors import InvalidArgument, StorageError

if TYPE_CHECKING:
    from tracklet.record.backend import Kind

LINKED_NS: Final = "linked_ns"
"""When a run was linked to what it used or produced, in ns: links are listed in that order."""

_LINE: Final = (
    r"(?P<key>[A-Za-z_][A-Za-z0-9_]*):"
    r"(?: (?:(?P<int>-?(?:0|[1-9][0-9]{0,18}))"
    r"|(?P<hex>(?!0b[01]{30})(?=[0-9]*[a-f])[0-9a-f]{32})"
    r"|(?P<plain>[A-Za-z/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./][A-Za-z0-9_./-]*)*)"
    r"|'(?P<quoted>(?:[^']|'')*)'"
    r"|(?P<empty>\[\]|\{\})))"
)
_PLAIN: Final = (
    r"(?!0b[01]{30})(?=[0-9]*[a-f])[0-9a-f]{32}"
    r"|[A-Za-z/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./][A-Za-z0-9_./-]*)*"
)
_DIGITS: Final = r"0|[1-9][0-9]*"
_KEY: Final = r"[A-Za-z_][A-Za-z0-9_.-]*"
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_BESIDE: Final = frozenset({"tags", "params", "metrics", "aliases", "latest_versions"})
_ALSO: Final[Mapping[str, dict[str, Any]]] = {
    "experiment": {"effective_trace_archival_retention": None},
    "run": {
        "entry_point_name": "",
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "tags": [],
    },
    "registered model": {
        "deployment_job_id": None,
        "deployment_job_state": None,
        "workspace": "default",
    },
    "model version": {"deployment_job_state": None, "workspace": "default"},
}
"""What documents mention beside the fields of the entities: MLflow's readers expect it."""
_TEXTS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge", "value"))
_COLLECTIONS: Final = frozenset({None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_LONGEST_NUMBER: Final = 64
_VALUE_SIZE: Final = 64
_MAX_SIZE: Final = 64 << 20
_DEEPEST: Final = 16
_FOLDED: Final = 60
"""Texts with spaces up to this length fit a line of YAML whatever the key."""


def loads(data: bytes, path: str) -> dict[str, Any]:
    """The mapping that a document holds.

    Args:
        data: The document.
        path: Where it comes from, for the message.

    Raises:
        StorageError: It is no YAML mapping.
    """
    text = data.decode("utf-8", "replace")
    mapping = _load_lines(text)
    return _load_yaml(text, path) if mapping is None else mapping


def dumps(mapping: dict[str, Any]) -> bytes:
    """The document of a mapping: sorted keys, block style, UTF-8."""
    text = dump_lines(mapping)
    return (_dump_yaml(mapping) if text is None else text).encode()


# -- what the document of each entity says -----------------------------------------------------


def of(kind: Kind, given: Any) -> dict[str, Any]:
    """The document of an entity, of a run its info; what lies beside it is left out."""
    document = spelled(kind, {name: value for name, value in given if name not in _BESIDE})
    if kind == "registered model":
        document["aliases"] = {alias: str(number) for alias, number in given.aliases.items()}
    elif kind == "logged model" and given.lifecycle_stage == entities.LifecycleStage.ACTIVE:
        del document["lifecycle_stage"]
    return document | _ALSO.get(kind, {})


def spelled(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an entity as its document has them."""
    document = dict(fields)
    if kind == "run" and "status" in fields:
        document["status"] = entities.RunStatus.from_string(fields["status"])
    elif kind == "logged model" and "status" in fields:
        document["status"] = fields["status"].to_int()
    return document


def model_output(output: entities.LoggedModelOutput) -> dict[str, Any]:
    """The document that links a run to a logged model that it produced."""
    return {
        "destination_id": output.model_id,
        "destination_type": "MODEL_OUTPUT",
        "source_id": output.model_id,
        "source_type": "RUN_OUTPUT",
        "step": output.step,
        "tags": {},
        LINKED_NS: time.time_ns(),
    }


# -- lines -------------------------------------------------------------------------------------


def _load_lines(text: str) -> dict[str, Any] | None:
    if not text.endswith("\n") or "\r" in text:
        return None
    mapping: dict[str, Any] = {}
    match_line = re.compile(_LINE).fullmatch
    for line in text[:-1].split("\n"):
        match = match_line(line)
        if match is None:
            return None
        kind = match.lastgroup
        value: Any = match[kind]  # type: ignore[index]
        if kind == "int":
            value = int(value)
        elif kind == "plain":
            if value == "null":
                value = None
            elif value.lower() in _WORDS:
                return None
        elif kind == "quoted":
            if not value.isprintable():
                return None
            value = value.replace("''", "'")
        elif kind == "empty":
            value = [] if value == "[]" else {}
        elif kind == "key":
            return None
        mapping[match["key"]] = value
    return mapping


def dump_lines(mapping: dict[str, Any], *, quoting: bool = False, margin: str = "") -> str | None:
    """The document of a mapping of plain values, and of such mappings; None for any other.

    Args:
        quoting: Also take other printable texts, on one line each, where the library folds them.
        margin: What its lines begin with.
    """
    lines = []
    is_key, is_plain, is_digits = (re.compile(each).fullmatch for each in (_KEY, _PLAIN, _DIGITS))
    if len(margin) > _DEEPEST or not {*map(type, mapping)} <= {str}:
        return None
    for key in sorted(mapping):
        if not is_key(key) or key.lower() in _WORDS or len(key) > 100:
            return None
        value = mapping[key]
        kind = type(value)
        if value is None:
            text = " null"
        elif kind is int:
            text = f" {value}"
        elif kind is bool:
            text = " true" if value else " false"
        elif kind is str:
            if not value:
                text = " ''"
            elif is_digits(value):
                text = f" '{value}'"
            elif (
                is_plain(value)
                and value.lower() not in _WORDS
                and (" " not in value or len(margin) + len(key) + len(value) <= _FOLDED)
            ):
                text = f" {value}"
            elif quoting and value.isprintable():
                text = " '" + value.replace("'", "''") + "'"
            else:
                return None
        elif not value and kind in (list, dict):
            text = " []" if kind is list else " {}"
        elif kind is dict:
            inner = dump_lines(value, quoting=quoting, margin=f"{margin}  ")
            if inner is None:
                return None
            lines.append(f"{margin}{key}:\n{inner}")
            continue
        else:
            return None
        lines.append(f"{margin}{key}:{text}\n")
    return "".join(lines) or None


def plain_yaml(text: str) -> Any:
    """The value of a document of plain scalars, lists and mappings.

    Raises:
        ValueError: It is no such document, is nested too deeply, or would become too large.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        return _Composer(loader).document()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error) or "it is nested too deeply") from error
    finally:
        loader.dispose()


class _Composer:
    """Makes values of a parser's events.

    An alias counts as what it repeats, so that the size of all values together is bounded; the
    library's own way shares them, and whoever prints or copies one pays for all.
    """

    def __init__(self, loader: Any) -> None:
        import yaml

        self._yaml: Any = yaml
        self._loader = loader
        self._left = _MAX_SIZE
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:
        """The value of the only document; None if there is none."""
        events = self._loader
        events.get_event()  # the stream
        if events.check_event(self._yaml.StreamEndEvent):
            return None
        events.get_event()
        value = self._value()
        events.get_event()
        if not events.check_event(self._yaml.StreamEndEvent):
            raise ValueError("it holds more than one document")
        return value

    def _value(self) -> Any:
        event = self._loader.get_event()
        before = self._left
        if isinstance(event, self._yaml.AliasEvent):
            value, size = self._anchors.get(event.anchor, (None, _MAX_SIZE))
            self._spend(size)
            return value
        if isinstance(event, self._yaml.ScalarEvent):
            self._spend(_VALUE_SIZE + len(event.value))
            value = self._scalar(event)
        elif event.tag not in _COLLECTIONS:
            raise ValueError(f"it holds an object, {event.tag}")
        elif isinstance(event, self._yaml.SequenceStartEvent):
            value = self._items(self._yaml.SequenceEndEvent)
        else:
            items = self._items(self._yaml.MappingEndEvent)
            value = dict(zip(items[::2], items[1::2], strict=True))
        if event.anchor is not None:
            self._anchors[event.anchor] = value, before - self._left
        return value

    def _items(self, end: type) -> list[Any]:
        self._spend(_VALUE_SIZE)
        items: list[Any] = []
        while not self._loader.check_event(end):
            items.append(self._value())
        self._loader.get_event()
        return items

    def _scalar(self, event: Any) -> Any:
        text = event.value
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(self._yaml.ScalarNode, text, event.implicit)
        if tag in _TEXTS or len(text) > _LONGEST_NUMBER:
            return text
        return self._loader.construct_object(self._yaml.ScalarNode(tag, text))

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError("it names too much, or an alias that is not there")


def _load_yaml(text: str, path: str) -> dict[str, Any]:
    try:
        mapping = plain_yaml(text)
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"{path!r} is no readable YAML document ({error}); restore it from a copy, or move "
            "the folder away"
        ) from error
    if not isinstance(mapping, dict):
        raise StorageError(
            f"{path!r} must hold a YAML mapping, but holds a {type(mapping).__name__}; restore it "
            "from a copy, or move the folder away"
        )
    return mapping


def _dump_yaml(mapping: dict[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        return yaml.dump(mapping, Dumper=dumper, default_flow_style=False, allow_unicode=True)
    except yaml.representer.RepresenterError as error:
        raise InvalidArgument(f"there is something in it that no file can hold: {error}") from error
