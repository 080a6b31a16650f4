"""Which version of a framework is installed, and whether its integration supports it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final

from tracklet.autolog.integration import Integration

_NAME: Final = re.compile(r"[\w.-]+")
_AT_LEAST: Final = re.compile(r"[\w.-]+\s*>=\s*([\w.]+)")


def installed(plugin: type[Integration], framework: ModuleType) -> str:
    """The framework's version: what it says itself, or else its distribution's."""
    version = getattr(framework, "__version__", None)
    if isinstance(version, str) and version:
        return version
    if not plugin.requires:
        return ""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as distribution_version

    try:
        return distribution_version(_distribution(plugin.requires))
    except PackageNotFoundError:
        return ""


def unsupported(plugin: type[Integration], version: str) -> str:
    """Why this version is declined; empty if it is not, or if nothing can be said."""
    if not plugin.requires or not version:
        return ""
    from packaging.version import InvalidVersion

    try:
        if _includes(plugin.requires, version):
            return ""
    except InvalidVersion:
        return ""
    return f"needs {plugin.requires}, and {_distribution(plugin.requires)} {version} is installed"


def _distribution(requires: str) -> str:
    found = _NAME.match(requires)
    return found[0] if found else requires


def _includes(requires: str, version: str) -> bool:
    """Whether a requirement includes a version; a nightly build is tried rather than declined."""
    from packaging.version import Version

    at_least = _AT_LEAST.fullmatch(requires)
    if at_least is not None:
        # The usual form; to import what reads every form would take 1 % of scikit-learn's import.
        return Version(version) >= Version(at_least[1])
    from packaging.requirements import Requirement

    return Requirement(requires).specifier.contains(version, prereleases=True)
