"""YAML as models' files have it, by the C library where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tracklet.errors import TrackletException

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def dump_yaml(data: Any, *, sort_keys: bool = True) -> str:
    """The text in block style."""
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=sort_keys, default_flow_style=False, allow_unicode=True
    )


def load_yaml(text: str, source: Path | str) -> Any:
    """The data of a text; plain values only, no objects.

    Raises:
        TrackletException: The text is no YAML; the message names ``source``.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise TrackletException(f"{source} is corrupt: it is no YAML ({error})") from error
