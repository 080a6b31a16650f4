"""Which commit a file belongs to, read from git's own files: no child process, no library."""

from __future__ import annotations

import re
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_of(path: Path) -> str | None:
    """The hash that HEAD points at in the work tree holding ``path``; None outside of one."""
    try:
        git_dir = _git_dir(path.resolve())
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
        return head if _HASH.fullmatch(head) else None
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
