"""Writing small artifacts into a run, also after it has ended."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tracklet.errors import InvalidParameterValue
from tracklet.repositories import repository, validate_artifact_path


class RunFiles:
    """A run's artifacts.

    Args:
        uri: Where they are kept.
    """

    def __init__(self, uri: str | None) -> None:
        if uri is None:
            raise InvalidParameterValue("the run has no place for artifacts")
        self._repository = repository(uri)

    def put(self, contents: Mapping[str, bytes | str]) -> None:
        """Store artifacts by path, replacing earlier ones; each is there wholly or not at all."""
        if not contents:
            return
        with tempfile.TemporaryDirectory(prefix="tracklet-") as scratch:
            for path, content in contents.items():
                target = Path(scratch, validate_artifact_path(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.encode() if isinstance(content, str) else content)
            self._repository.put_tree(Path(scratch))
