"""The file store: the verbs over a folder."""

from __future__ import annotations

import os

from tracklet.record.store import Store
from tracklet.stores.files.backend import FolderBackend


class FileStore(Store):
    """Tracking and registry in a folder, in MLflow's layout.

    Nothing is written until something is recorded. Writes need no lock on the training path, no
    daemon and no database; searches go through an index in the user's cache folder.

    Args:
        uri: A path or ``file:`` URI. A relative path is made absolute at once.

    Raises:
        StorageError: The path is relative and the working directory was deleted.
    """

    backend: FolderBackend

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        super().__init__(FolderBackend(uri))

    @property
    def root(self) -> str:
        """The folder."""
        return self.backend.root
