"""Whole Python objects as files: pickled, or by skops, whose files run nothing when read.

For models whose framework has no format of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import cloudpickle

from tracklet import lazy
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import environment

FORMATS: Final = ("cloudpickle", "pickle", "skops")
DEFAULT: Final = "cloudpickle"


def format_of(kind: Any) -> str:
    """The format that was asked for.

    Raises:
        InvalidParameterValue: There is no such format.
    """
    kind = kind or DEFAULT
    if kind not in FORMATS:
        raise InvalidParameterValue(
            f"serialization_format={kind!r} is unknown; choose from {', '.join(FORMATS)}"
        )
    return kind


def dump(model: Any, folder: Path, kind: str) -> tuple[Path, set[str]]:
    """Write an object.

    Args:
        model: The object.
        folder: Where to.
        kind: One of :data:`FORMATS`.

    Returns:
        The file, and the top-level modules that it refers to.

    Raises:
        MissingDependency: skops is not installed.
        TrackletException: The object cannot be written so.
    """
    file = folder / ("model.skops" if kind == "skops" else "model.pkl")
    try:
        if kind == "skops":
            _skops().dump(model, file)
            return file, {"skops", type(model).__module__.partition(".")[0]}
        with file.open("wb") as stream:
            (cloudpickle if kind == "cloudpickle" else pickle).dump(model, stream)
    except (TrackletException, OSError):
        raise
    except Exception as error:
        raise TrackletException(
            f"{type(model).__name__} cannot be saved with {kind}: {type(error).__name__}: {error}"
        ) from error
    modules = environment.pickled_modules_of(file)
    return file, modules | ({"cloudpickle"} if kind == "cloudpickle" else set())


def check_trusted(model: Any, file: Path, trusted: Iterable[str]) -> None:
    """Refuse to save with skops what would not load again.

    Raises:
        InvalidParameterValue: The file holds types that are not among the trusted ones.
    """
    unknown = sorted(set(_skops().get_untrusted_types(file=file)) - set(trusted))
    if unknown:
        raise InvalidParameterValue(
            f"{type(model).__name__} holds types that skops does not trust by itself: {unknown}. "
            "Name those that you trust in skops_trusted_types, or choose another "
            "serialization_format"
        )


def load_skops(file: Path, trusted: Iterable[str]) -> Any:
    """The object that a file of skops' holds.

    Args:
        file: The file.
        trusted: Types that it may hold, beside those that skops trusts by itself.

    Raises:
        MissingDependency: skops is not installed.
        TrackletException: The file is missing or corrupt, or holds other types.
    """
    skops = _skops()
    if not file.is_file():
        raise TrackletException(f"the model is corrupt: {file} is missing")
    try:
        found = set(skops.get_untrusted_types(file=file))
        # skops refuses a name that is trusted and does not occur in some versions.
        return skops.load(file, trusted=sorted(found & set(trusted)))
    except Exception as error:
        raise TrackletException(
            f"{file} cannot be loaded by skops: it is corrupt, or holds types that are not "
            f"trusted; name them in skops_trusted_types ({type(error).__name__}: {error})"
        ) from error


def _skops() -> Any:
    return lazy.imported("skops.io", "skops", purpose="serialization_format='skops'")
