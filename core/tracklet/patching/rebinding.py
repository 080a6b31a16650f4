"""Names that the user's code bound before their function was watched.

``from xgboost import train`` above ``tracklet.autolog()`` is how most scripts begin: the script's
own ``train`` is the raw function, which nobody watches. While a function is watched, such names
lead to what stands in its place. Only the user's own modules are touched, and there only names that
are that very function. See docs/decisions/0016-names-bound-before.md.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tracklet.state import ProcessState

_FOLDERS: Final = ("/site-packages/", "/dist-packages/")
_STANDARD: Final = os.path.dirname(os.__file__).replace(os.sep, "/") + "/"


def rebind(old: Any, new: Any) -> None:
    """Let every name of the user's modules that is one object be another."""
    with together():
        assert _noted.pairs is not None
        _noted.pairs.append((old, new))


@contextmanager
def together() -> Iterator[None]:
    """At the end of this block the user's modules are looked through, once for all its patches."""
    if _noted.pairs is not None:
        yield
        return
    _noted.pairs = pairs = []
    try:
        yield
    finally:
        _noted.pairs = None
        if pairs:
            _rebind_all(pairs)


class _Noted(threading.local):
    """What is to be rebound at the end of a thread's block, in its order; None outside of one."""

    pairs: list[tuple[Any, Any]] | None = None


_noted = _Noted()


def _rebind_all(pairs: list[tuple[Any, Any]]) -> None:
    """Rebind by one pair of objects after the other, at one look at each name."""
    at_last: dict[int, Any] = {}
    for old, new in reversed(pairs):
        at_last[id(old)] = at_last.get(id(new), new)
    for module in _users_modules():
        names = vars(module)
        for name, value in [*names.items()]:
            new = at_last.get(id(value), value)
            if new is not value:
                names[name] = new


class _Judged(ProcessState):
    """The modules that were looked at, and those of them that are the user's, by name."""

    def begin(self) -> None:
        self.seen: set[str] = set()
        self.users: set[str] = set()


_judged = _Judged()


def _users_modules() -> Iterator[ModuleType]:
    for name in {*sys.modules} - _judged.seen:
        # Past a module's own `__getattr__`, which may import something.
        place = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
        in_file = isinstance(place, str)
        if library_of(place) is None if in_file else name == "__main__":  # as in a notebook
            _judged.users.add(name)
    _judged.seen.update(sys.modules)
    for name in [*_judged.users]:
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            yield module


@functools.lru_cache(maxsize=4096)
def library_of(filename: str) -> str | None:
    """The top-level package of an installed library that a file of code is of; None of others.

    Of the standard library it is ``"python"``.
    """
    path = filename.replace(os.sep, "/")
    for folder in _FOLDERS:
        head, found, rest = path.rpartition(folder)
        if found:
            package = rest.partition("/")[0].removesuffix(".py")
            return None if package in _own_packages(head + folder) else package
    return "python" if path.startswith((_STANDARD, "<frozen")) else None


@functools.cache
def _own_packages(folder: str) -> frozenset[str]:
    """The packages in a folder of libraries that come from a folder or repository of the user's.

    Installers say so in ``direct_url.json``; a file there may be a wheel that an index gave, and
    conda names the folders of whoever built its packages.
    """
    found: set[str] = set()
    for origin in Path(folder).glob("*.dist-info/direct_url.json"):
        try:
            said = json.loads(origin.read_text())
            if not ("dir_info" in said or "vcs_info" in said):
                continue
            if origin.with_name("INSTALLER").read_text().strip() == "conda":
                continue
            files = origin.with_name("RECORD").read_text().splitlines()
        except (OSError, ValueError, TypeError):
            continue
        found.update(file.partition(",")[0].partition("/")[0].removesuffix(".py") for file in files)
    return frozenset(found)
