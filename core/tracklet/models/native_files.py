"""Files that a library's native code parses: a stranger's, first in a process of its own.

Such parsers die over files that were made, or damaged, to that end, and take the process along.
A second process costs some 50 ms of CPU and dies alone. It keeps no code from running that a file
brings to run by a hole of the parser: against that, only the library's next version helps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tracklet import lazy
from tracklet.errors import TrackletException
from tracklet.models import trust

_log = lazy.logger(__name__)

_SECONDS: Final = 600
_UNABLE: Final = 3
# They say nothing: what the file lacks is said by whoever loads it next, in this process.
_LIMITS: Final = """
import os, sys
file = sys.argv[1]
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = (16 << 30) + 64 * os.path.getsize(file)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
except (ImportError, ValueError, OSError):
    pass
"""
_LIBRARY: Final = f"""
import ctypes
try:
    library = ctypes.CDLL(sys.argv[2])
except OSError:
    sys.exit({_UNABLE})
handle = ctypes.c_void_p()
"""
_SKOPS: Final = f"""
try:
    from skops.io import load
except ImportError:
    sys.exit({_UNABLE})
try:
    load(file, trusted=sys.argv[2:])
except Exception:
    pass
"""


def try_apart(file: Path, library: Any, steps: str) -> None:
    """Have another process parse a file, unless its model is this user's own or trusted.

    Args:
        library: The library's handle, by :mod:`ctypes`.
        steps: Python statements that parse ``file`` by ``library`` into ``handle``.

    Raises:
        TrackletException: That process died of it.
    """
    name = getattr(library, "_name", None)
    if name:
        _try(file, ["-S", "-c", _LIMITS + _LIBRARY + steps, str(file), str(name)])


def try_skops(file: Path, trusted: Sequence[str]) -> None:
    """The same for a file of skops': what native code parses is somewhere inside, as boosters are.

    Args:
        trusted: The types that it may hold.

    Raises:
        TrackletException: That process died of it.
    """
    _try(file, ["-c", _LIMITS + _SKOPS, str(file), *trusted])


def _try(file: Path, arguments: list[str]) -> None:
    if trust.is_known(file) or not _is_python(sys.executable):
        return
    import subprocess

    try:
        code = subprocess.run(
            [sys.executable, "-I", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        ).returncode
    except subprocess.TimeoutExpired:
        code = None
    except OSError:  # no process may be started here
        code = _UNABLE
    if code == _UNABLE:  # what no file can bring about
        _log.warning("%s is read without being tried by another process first", file)
    elif code != 0:
        how = "takes too long" if code is None else "kills the process that does it"
        raise TrackletException(
            f"the model is corrupt, or made to harm: reading {file} {how}. It was not written by "
            "you on this machine; fetch it again, or load it with trust=True if you know better"
        )


def _is_python(executable: str | None) -> bool:
    """Whether that is a Python to run, and no program that has one in it."""
    return os.path.basename(executable or "").lower().startswith(("python", "pypy"))
