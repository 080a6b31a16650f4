"""Any value as JSON text: what goes into a span must never fail, nor change the value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_text(value: Any) -> str:
    """The value as JSON, as it is now; never raises.

    Dataclasses and pydantic models become objects, NumPy's scalars numbers; whatever else JSON
    has no form for becomes the text that ``str`` makes of it. NaN and the infinities are spelled
    as Python's :mod:`json` does.
    """
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except Exception:  # noqa: BLE001 - keys that are no text, cycles, classes that misbehave
        pass
    try:
        return json.dumps(_with_text_keys(value), ensure_ascii=False, default=_plain)
    except Exception:  # noqa: BLE001
        return json.dumps(_text(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    dump = getattr(kind, "model_dump", None)
    if callable(dump):
        try:
            return dump(value)
        except Exception:  # noqa: BLE001 - then its text will do
            return _text(value)
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        plain = value.item()
        return plain if isinstance(plain, bool | int | float | str) else _text(value)
    return _text(value)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_keys(item) for item in value]
    return value


def _key(key: Any) -> Any:
    return key if isinstance(key, str | int | float | bool | None) else _text(key)


def _text(value: Any) -> str:
    try:
        text = str(value)
        return text if type(text) is str else str.__str__(text)
    except Exception:  # noqa: BLE001 - a value whose text fails still has a type
        return f"<{type(value).__name__}>"
