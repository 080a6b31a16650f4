"""Where the artifacts of a record lie now, the record perhaps having been moved."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final
from urllib.parse import unquote, urlsplit

from tracklet import settings

SERVED: Final = "mlflow-artifacts:"
"""The scheme of artifacts that only a tracking server hands out."""

_ROOTS: Final = ("mlruns", "mlartifacts")


class ArtifactPlaces:
    """Finds artifacts around a record.

    Args:
        folder: The folder that the record lies in; None when it is no file.
        oddities: Counts the locations that could not be found.
    """

    def __init__(self, folder: str | None, oddities: Counter[str]) -> None:
        self._folder = folder
        self._oddities = oddities

    def find(self, recorded: str | None, tail: str) -> str | None:
        """The absolute path or the URI of a recorded location.

        Args:
            recorded: As the record has it.
            tail: How the location ends in a store's own place, such as
                ``"<experiment id>/<run id>/artifacts"``.
        """
        if not recorded:
            return None
        if recorded.startswith(SERVED):
            served = unquote(urlsplit(recorded).path).strip("/")
            found = self._beside([served, tail])
            if found is None:
                self._oddities[
                    "artifact locations begin with mlflow-artifacts:, and their files are not in "
                    "an mlartifacts folder beside the record; only their server has them"
                ] += 1
            return found or recorded
        path = settings.local_path(recorded)
        if path is None:
            return recorded
        absolute = os.path.join(self._folder or os.getcwd(), path)
        absolute = os.path.normpath(absolute)
        if os.path.exists(absolute):
            return recorded if recorded.startswith("file:") else absolute
        return self._beside([tail]) or absolute

    def _beside(self, tails: list[str]) -> str | None:
        if self._folder is None:
            return None
        for root in _ROOTS:
            for tail in tails:
                path = f"{self._folder}/{root}/{tail}"
                if os.path.exists(path):
                    return path
        return None


def own_location(location: str | None, experiment_id: str) -> bool:
    """Whether a store chose an experiment's artifact location by itself."""
    if not location or location.startswith(SERVED):
        return True
    path = settings.local_path(location)
    return path is not None and path.name == experiment_id
