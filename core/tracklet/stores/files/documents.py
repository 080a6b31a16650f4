"""``meta.yaml`` documents: flat YAML mappings.

Nearly all of them consist of lines that need no YAML library: reading and writing those directly
is an order of magnitude faster and keeps ``yaml`` out of the training process. Whatever is not
obviously such a line goes to PyYAML; both ways give the same bytes and values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tracklet import entities
from tracklet.errors import StorageError

if TYPE_CHECKING:
    from tracklet.entities.entity import Entity

_LINE: Final = (
    r"(?P<key>[A-Za-z_][A-Za-z0-9_]*):"
    r"(?: (?:(?P<int>-?(?:0|[1-9][0-9]*))"
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
_KEY: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_BESIDE: Final = frozenset({"tags", "params", "metrics", "aliases", "latest_versions"})
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
    text = _dump_lines(mapping)
    return (_dump_yaml(mapping) if text is None else text).encode()


# -- what the document of each entity says -----------------------------------------------------


def experiment(given: entities.Experiment) -> dict[str, Any]:
    """The document of an experiment."""
    return _fields(given) | {"effective_trace_archival_retention": None}


def run(info: entities.RunInfo) -> dict[str, Any]:
    """The document of a run."""
    return _fields(info) | {
        "entry_point_name": "",
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "status": entities.RunStatus.from_string(info.status),
        "tags": [],
    }


def logged_model(model: entities.LoggedModel) -> dict[str, Any]:
    """The document of a logged model, which mentions the trash only for one that is there."""
    document = _fields(model) | {"status": model.status.to_int()}
    if model.lifecycle_stage != entities.LifecycleStage.DELETED:
        del document["lifecycle_stage"]
    return document


def registered_model(model: entities.RegisteredModel) -> dict[str, Any]:
    """The document of a registered model."""
    return _fields(model) | {
        "aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "deployment_job_id": None,
        "deployment_job_state": None,
        "workspace": "default",
    }


def model_version(version: entities.ModelVersion) -> dict[str, Any]:
    """The document of a model version."""
    return _fields(version) | {"deployment_job_state": None, "workspace": "default"}


def model_output(output: entities.LoggedModelOutput) -> dict[str, Any]:
    """The document that links a run to a logged model that it produced."""
    return {
        "destination_id": output.model_id,
        "destination_type": "MODEL_OUTPUT",
        "source_id": output.model_id,
        "source_type": "RUN_OUTPUT",
        "step": output.step,
        "tags": {},
    }


def _fields(entity: Entity) -> dict[str, Any]:
    """What is no file or folder of its own beside the document."""
    return {name: value for name, value in entity if name not in _BESIDE}


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


def _dump_lines(mapping: dict[str, Any]) -> str | None:
    lines = []
    for key in sorted(mapping):
        if not re.fullmatch(_KEY, key) or key.lower() in _WORDS or len(key) > 100:
            return None
        value = mapping[key]
        kind = type(value)
        if value is None:
            text = "null"
        elif kind is int:
            text = str(value)
        elif kind is str:
            if not value:
                text = "''"
            elif re.fullmatch(_DIGITS, value):
                text = f"'{value}'"
            elif (
                re.fullmatch(_PLAIN, value)
                and value.lower() not in _WORDS
                and (len(value) + len(key) <= _FOLDED or " " not in value)
            ):
                text = value
            else:
                return None
        elif not value and kind in (list, dict):
            text = "[]" if kind is list else "{}"
        else:
            return None
        lines.append(f"{key}: {text}\n")
    return "".join(lines) or None


def _load_yaml(text: str, path: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        mapping = yaml.load(text, loader)
    except (yaml.YAMLError, ValueError) as error:
        raise StorageError(
            f"{path!r} is no readable YAML document ({error}); restore it from a copy, or move "
            "the folder away"
        ) from error
    if not isinstance(mapping, dict):
        raise StorageError(
            f"{path!r} must hold a YAML mapping, but holds {mapping!r}; restore it from a copy, "
            "or move the folder away"
        )
    return mapping


def _dump_yaml(mapping: dict[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(mapping, Dumper=dumper, default_flow_style=False, allow_unicode=True)
