"""What is known of the process that starts a run: the system tags of a new run.

Providers run in this order, later ones overriding earlier ones: the process itself, git, a
notebook, the ``RUN_CONTEXT`` option, then plugins of the group ``tracklet.run_context`` (an
object or class with ``in_context() -> bool`` and ``tags() -> dict``). A provider that fails is
logged and skipped.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from tracklet import lazy, plugins, settings
from tracklet.state import remembered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["commit_of", "resolve_tags", "user"]

_HASH = r"[0-9a-f]{40}|[0-9a-f]{64}"

_logger = lazy.logger(__name__)


def resolve_tags(tags: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The system tags of a run that starts now, and over them those that are given."""
    found: dict[str, Any] = dict(_process_tags())
    for provider in (_notebook_tags, _environment_tags, _plugin_tags):
        try:
            found.update(provider())
        except Exception as error:  # noqa: BLE001 - context is nice to have, the run is needed
            _logger.warning("run context of %s is left out: %r", provider.__name__, error)
    return {**found, **(tags or {})}


@remembered
def user() -> str:
    """The name of the operating system's user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


@remembered
def _process_tags() -> dict[str, str]:
    script = sys.argv[0] if sys.argv else ""
    found = {
        "mlflow.user": user(),
        "mlflow.source.name": script or "<console>",
        "mlflow.source.type": "LOCAL",
    }
    commit = commit_of(script) if script and not script.startswith("-") else None
    if commit:
        found["mlflow.source.git.commit"] = commit
    return found


def _notebook_tags() -> dict[str, str]:
    if "ipykernel" not in sys.modules:
        return {}
    name = os.environ.get("JPY_SESSION_NAME")
    found = {"mlflow.source.type": "NOTEBOOK"}
    if name:
        found["mlflow.source.name"] = name
    return found


def _environment_tags() -> dict[str, str]:
    text = settings.option("RUN_CONTEXT")
    if not text:
        return {}
    import json

    return {str(key): str(value) for key, value in json.loads(text).items()}


def _plugin_tags() -> dict[str, str]:
    found: dict[str, str] = {}
    if not plugins.may_have("run_context"):
        return found
    for name in plugins.entry_points("run_context"):
        provider = plugins.load("run_context", name)
        provider = provider() if isinstance(provider, type) else provider
        if provider.in_context():
            found.update({str(key): str(value) for key, value in provider.tags().items()})
    return found


def commit_of(path: str | Path) -> str | None:
    """The hash that HEAD points at in the work tree holding ``path``; None outside of one.

    It is read from git's own files: no child process, no library.
    """
    from pathlib import Path  # what a search of runs has no use for

    try:
        git_dir = _git_dir(Path(path).resolve())
        return None if git_dir is None else _head(git_dir)
    except (OSError, UnicodeDecodeError):
        return None


def _git_dir(path: Path) -> Path | None:
    for folder in (path, *path.parents):
        candidate = folder / ".git"
        if candidate.is_dir():
            return candidate
        if candidate.is_file():  # a linked work tree or a submodule points to its own folder
            pointer = candidate.read_text().strip().removeprefix("gitdir:").strip()
            return (folder / pointer).resolve()
    return None


def _head(git_dir: Path) -> str | None:
    head = (git_dir / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head if re.fullmatch(_HASH, head) else None
    name = head.removeprefix("ref:").strip()
    common = git_dir
    pointer = git_dir / "commondir"
    if pointer.is_file():
        common = (git_dir / pointer.read_text().strip()).resolve()
    for folder in (git_dir, common):
        reference = folder / name
        if reference.is_file():
            return reference.read_text().strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            commit, _, ref = line.partition(" ")
            if ref == name:
                return commit
    return None
