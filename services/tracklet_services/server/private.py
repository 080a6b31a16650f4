"""What a server keeps for itself beside the record, in a SQLite file that its owner alone reads."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklet.errors import StorageError


class PrivateFile:
    """A SQLite file.

    Args:
        path: Where it is; it is made if it is not there.
        tables: The statements that make its tables, unless they are there.

    Raises:
        StorageError: It cannot be made, or is another file.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            with self.at() as at:
                at.executescript(tables)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"{path} cannot be written, or is no file of ours: {error}"
            ) from error

    @contextmanager
    def at(self) -> Iterator[sqlite3.Connection]:
        """A transaction."""
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            with connection:
                yield connection
        finally:
            connection.close()
