"""Files that a flavor keeps beside its model because the user wants them there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tracklet.errors import InvalidParameterValue

FOLDER: Final = "extra_files"


def save(files: Iterable[str | Path] | None, path: Path) -> list[dict[str, str]] | None:
    """Copy files into a model's folder.

    Args:
        files: Paths or URIs of files; None for none.
        path: The model's folder.

    Returns:
        What the flavor's entry says of them under ``extra_files``.

    Raises:
        InvalidParameterValue: It is no list of files, or two have one name.
    """
    if files is None:
        return None
    if isinstance(files, str | Path):
        raise InvalidParameterValue(f"extra_files is a list of paths; got {str(files)!r}")
    from tracklet.models import uris

    target = path / FOLDER
    entries = []
    for given in files:
        source = uris.resolve(str(given))
        if not source.is_file():
            raise InvalidParameterValue(f"extra_files names {str(given)!r}, which is no file")
        if (target / source.name).exists():
            raise InvalidParameterValue(f"two of extra_files are called {source.name!r}")
        target.mkdir(exist_ok=True)
        shutil.copyfile(source, target / source.name)
        entries.append({"path": f"{FOLDER}/{source.name}"})
    return entries
