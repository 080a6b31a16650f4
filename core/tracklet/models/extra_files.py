"""Files of the user's own that are kept beside a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tracklet.errors import InvalidParameterValue


def save(files: Any, path: Path) -> list[dict[str, str]]:
    """Copy files into a model's folder.

    Args:
        files: A list of paths or URIs.
        path: The model's folder.

    Returns:
        What the flavor's entry says of them, under ``extra_files``.

    Raises:
        InvalidParameterValue: It is no list, one is no file, or two have one name.
    """
    if isinstance(files, str | Path):
        raise InvalidParameterValue(f"extra_files is a list of paths; got {str(files)!r}")
    from tracklet.models import uris

    target = path / "extra_files"
    entries = []
    for given in files:
        source = uris.resolve(str(given))
        if not source.is_file():
            raise InvalidParameterValue(f"extra_files names {str(given)!r}, which is no file")
        if (target / source.name).exists():
            raise InvalidParameterValue(f"two of extra_files are called {source.name!r}")
        target.mkdir(exist_ok=True)
        shutil.copyfile(source, target / source.name)
        entries.append({"path": f"{target.name}/{source.name}"})
    return entries
