"""Whole Python objects as files: pickled, or by skops, whose files run nothing when read.

For models whose framework has no format of its own.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType
from typing import IO, Any, Final

import cloudpickle

from tracklet import lazy
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import environment

FORMATS: Final = ("cloudpickle", "pickle", "skops")
DEFAULT: Final = "cloudpickle"

# In protocol 5: a module's name, and then a global's name and the opcode that looks it up, or a
# call with this one text, which is how cloudpickle brings modules back. A frame may begin between.
_TEXT: Final = rb"\x8c.([A-Za-z_][\w.]*)"
_NEXT: Final = rb"\x94?(?:\x95.{8})?"
_NAMED: Final = re.compile(
    rb"%b%b(?:\x8c.[\w.<>]+%b\x93|\x85%bR)" % (_TEXT, _NEXT, _NEXT, _NEXT), re.DOTALL
)
_LONGEST: Final = 1 << 10
"""More bytes than any of these has; a name has at most 255."""


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
        The file, and the modules that it refers to.

    Raises:
        MissingDependency: skops is not installed.
        TrackletException: The object cannot be written so.
    """
    file = folder / ("model.skops" if kind == "skops" else "model.pkl")
    try:
        if kind == "skops":
            _skops().dump(model, file)
            return file, {"skops", type(model).__module__}
        if kind == "cloudpickle":
            return file, pickle_to(file, model, Pickler) | {"cloudpickle"}
        return file, pickle_to(file, model, pickle.Pickler)
    except (TrackletException, OSError):
        raise
    except Exception as error:
        raise TrackletException(
            f"{type(model).__name__} cannot be saved with {kind}: {type(error).__name__}: {error}"
        ) from error


class Pickler(cloudpickle.Pickler):
    """Notes which modules the functions import that go into the pickle as code."""

    def __init__(self, stream: Any, protocol: int | None = None) -> None:
        super().__init__(stream, protocol)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """How an object is pickled; cloudpickle asks."""
        made = super().reducer_override(obj)
        if made is not NotImplemented and isinstance(obj, FunctionType):
            self.modules |= environment.code_modules(obj.__code__)
        return made


def pickle_to(file: Path, model: Any, pickler: Callable[[Any, int], Any]) -> set[str]:
    """Pickle an object; it goes to the file as it comes, and is nowhere in memory as a whole.

    Args:
        file: Where to.
        model: The object.
        pickler: What makes the pickler of a stream and a protocol.

    Returns:
        The modules that the pickle refers to.

    Raises:
        OSError: The disk refused.
        Exception: Whatever the object's parts raise that cannot be pickled.
    """
    with file.open("wb") as stream:
        searched = _Searched(stream)
        # Earlier protocols copy each array before it is written.
        made = pickler(searched, 5)
        made.dump(model)
    return searched.modules | getattr(made, "modules", set())


class _Searched:
    """A stream on the way to which a pickle is searched for modules; nothing is unpickled.

    Args:
        stream: Where the bytes go.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.modules: set[str] = set()
        self._stream = stream
        self._tail = b""

    def write(self, data: Any) -> int:
        """Search and pass on."""
        if isinstance(data, bytes):  # anything else is an array's content
            self._search(self._tail + data[:_LONGEST])
            self._search(data)
            self._tail = data[-_LONGEST:]
        return self._stream.write(data)

    def _search(self, data: bytes) -> None:
        self.modules.update(match.group(1).decode() for match in _NAMED.finditer(data))


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
        trusted: Types that it may hold, beside those that skops trusts by itself.

    Raises:
        MissingDependency: skops is not installed.
        TrackletException: The file is missing or corrupt, holds other types, or kills who reads it.
    """
    skops = _skops()
    if not file.is_file():
        raise TrackletException(f"the model is corrupt: {file} is missing")
    try:
        found = set(skops.get_untrusted_types(file=file))
        # skops refuses a name that is trusted and does not occur in some versions.
        named = sorted(found & set(trusted))
        if named:
            from tracklet.models import native_files  # what a training has no use for

            native_files.try_skops(file, named)
        return skops.load(file, trusted=named)
    except TrackletException:
        raise
    except Exception as error:
        raise TrackletException(
            f"{file} cannot be loaded by skops: it is corrupt, or holds types that are not "
            f"trusted; name them in skops_trusted_types ({type(error).__name__}: {error})"
        ) from error


def _skops() -> Any:
    return lazy.imported("skops.io", "skops", purpose="serialization_format='skops'")
