"""Which installed distribution a module belongs to, and in which version; no child process.

Answers are remembered for the life of the process: the first question about a module costs a
look at its metadata, later ones nothing.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from typing import Final

# Modules whose distribution has another name than they have themselves. Others are looked up in
# the metadata of all installed distributions, which takes longer.
_ALIASES: Final = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}

# Never a requirement of a model: the standard library, ourselves and what installs packages.
_NEVER: Final = frozenset(
    (
        "__main__",
        "_pytest",
        "conftest",
        "mlflow",
        "pip",
        "pkg_resources",
        "pytest",
        "setuptools",
        "tracklet",
        "tracklet_flavors",
        "tracklet_integrations",
        "wheel",
    )
)


@functools.cache
def version(distribution: str) -> str | None:
    """The version of an installed distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def of_module(module: str) -> str | None:
    """The distribution of a module's top-level package; None if it has none of interest.

    Args:
        module: A dotted name; the module need not be imported.
    """
    top = module.partition(".")[0]
    if top in _NEVER or top in sys.stdlib_module_names or not top:
        return None
    for candidate in (_ALIASES.get(top), top, top.replace("_", "-")):
        if candidate is not None and version(candidate) is not None:
            return candidate
    loaded = sys.modules.get(top)
    if loaded is not None and "site-packages" not in str(getattr(loaded, "__file__", "") or ""):
        return None  # a module of the user's own
    found = _by_module().get(top)
    return found[0] if found else None


@functools.cache
def _by_module() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def pinned(distribution: str) -> str:
    """The requirement that pins a distribution to what is installed.

    The local part of a version (``2.1.0+cu121``) is left out: no index has it.
    """
    found = version(distribution)
    return distribution if found is None else f"{distribution}=={found.partition('+')[0]}"
