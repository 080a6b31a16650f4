"""What a pickle would call, read without unpickling it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path
from typing import IO, Any, Final

_SUFFIXES: Final = frozenset((".pkl", ".pickle", ".joblib", ".cloudpickle"))
COMPRESSED: Final[dict[str, Any]] = {".xz": lzma, ".bz2": bz2, ".gz": gzip}
"""What opens a compressed file, by the ending of its name."""
_MAX_BYTES: Final = 64 << 20
_MAX_OPCODES: Final = 500_000
_SHOWN: Final = 12


def is_pickle(path: Path) -> bool:
    """Whether a file looks like a pickle, by its name or its first bytes."""
    suffix = path.suffix
    if suffix in COMPRESSED:
        suffix = Path(path.stem).suffix
    if suffix in _SUFFIXES:
        return True
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
    except OSError:
        return False
    if start == b"PK":
        return bool(_pickles_in(path))
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _pickles_in(archive: Path) -> dict[str, bytes]:
    """The pickles in an archive, such as torch writes; none if it is no archive."""
    import zipfile  # who only loads a pickle does not need it
    import zlib

    try:
        with zipfile.ZipFile(archive) as files:
            names = [each for each in files.infolist() if each.filename.endswith(".pkl")]
            return {each.filename: files.open(each).read(_MAX_BYTES) for each in names}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):
        return {}


def of_file(path: Path) -> list[str]:
    """The globals that a pickle names, such as ``os.system``; those of the standard library first.

    A damaged file gives what could be read of it.
    """
    names = all_of_file(path)
    ours = sys.stdlib_module_names
    ranked = sorted(names, key=lambda name: (name.partition(".")[0] not in ours, name))
    return [*ranked[:_SHOWN], *(["…"] if len(ranked) > _SHOWN else [])]


def all_of_file(path: Path) -> set[str]:
    """All globals that a pickle, or an archive with pickles, names; unranked."""
    opener = COMPRESSED.get(path.suffix)
    try:
        with path.open("rb") if opener is None else opener.open(path, "rb") as stream:
            content = stream.read(_MAX_BYTES)
    except (OSError, EOFError, lzma.LZMAError):
        return set()
    pickles = [content] if content[:2] != b"PK" else _pickles_in(path).values()
    return set[str]().union(*(of_stream(io.BytesIO(each)) for each in pickles))


def of_stream(stream: IO[bytes]) -> set[str]:
    """All globals that a pickle names."""
    import pickletools  # who only loads a pickle does not need it

    found: set[str] = set()
    texts: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number > _MAX_OPCODES:
                break
            match opcode.name:
                case "GLOBAL" | "INST":
                    found.add(str(argument).replace(" ", "."))
                case "STACK_GLOBAL":
                    found.add(".".join(str(text) for text in texts[-2:]))
                case "MEMOIZE":
                    memo[len(memo)] = texts[-1] if texts else None
                case "PUT" | "BINPUT" | "LONG_BINPUT":
                    memo[argument] = texts[-1] if texts else None
                case "GET" | "BINGET" | "LONG_BINGET":
                    texts.append(memo.get(argument))
                case name if "UNICODE" in name or "STRING" in name:
                    texts.append(argument)
    except Exception:  # noqa: BLE001 - a damaged pickle fails in any way whatever
        return found
    return found
