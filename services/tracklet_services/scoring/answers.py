"""What a scoring request gets back: predictions as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tracklet.models import examples


def answer_body(predictions: Any, *, whole: bool = False) -> bytes:
    """The body of an answer.

    Frames and series become one object per row, arrays nested lists; what JSON has no number for
    (NaN, infinities) becomes null.

    Args:
        predictions: What the model gave.
        whole: Leave out the object with the key ``predictions`` around it.

    Raises:
        InvalidParameterValue: JSON has no way to say it.
    """
    shown = _shown(predictions)
    document = shown if whole else {"predictions": shown}
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, default=_leaf)
    except (ValueError, TypeError):
        text = json.dumps(_finite(examples.plain(document)), allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", errors="surrogatepass")


def _shown(data: Any) -> Any:
    if hasattr(data, "iloc"):
        if not hasattr(data, "columns"):
            data = data.to_frame()
        names = [str(name) for name in data.columns]
        values = [data.iloc[:, position].tolist() for position in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    if hasattr(data, "tolist") and getattr(getattr(data, "dtype", None), "kind", "O") in "biuf":
        return data.tolist()
    if isinstance(data, Mapping):
        return {str(key): _shown(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_shown(item) for item in data]
    return data


def _leaf(value: Any) -> Any:
    if hasattr(value, "toarray"):
        return value.toarray().tolist()
    if hasattr(value, "to_dicts"):  # polars
        return value.to_dicts()
    return examples.plain(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
