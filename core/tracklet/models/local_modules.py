"""Modules of the user's own that a model needs: those that no distribution brings."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from tracklet.models.environment import source_modules

_NEVER = frozenset(("__main__", "tracklet", "tracklet_flavors", "tracklet_integrations"))


def used_by(modules: Iterable[str]) -> list[Path]:
    """The files and folders of local modules, with those that they import themselves.

    Args:
        modules: Names of top-level modules that the model refers to.

    Returns:
        Sorted paths: a package's folder or a module's file.
    """
    waiting, found = list(modules), set[Path]()
    seen: set[str] = set(_NEVER)
    while waiting:
        name = waiting.pop().partition(".")[0]
        if name in seen or name in sys.stdlib_module_names:
            continue
        seen.add(name)
        place = _place(name)
        if place is None:
            continue
        found.add(place)
        sources = place.rglob("*.py") if place.is_dir() else [place]
        for source in sources:
            waiting += source_modules(source.read_text(encoding="utf-8", errors="replace"))
    return sorted(found)


def _place(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    try:
        spec = loaded.__spec__ if isinstance(loaded, ModuleType) else importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin).resolve()
    if any(origin.is_relative_to(root) for root in _installed_roots()):
        return None
    return origin.parent if origin.name == "__init__.py" else origin


def _installed_roots() -> set[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    roots = {Path(sysconfig.get_path(name)).resolve() for name in names}
    packages = {"site-packages", "dist-packages"}
    return roots | {Path(entry).resolve() for entry in sys.path if Path(entry).name in packages}
