"""An entry of an artifact listing."""

from __future__ import annotations

from tracklet.entities.entity import Entity


class FileInfo(Entity):
    """A file or folder below an artifact root; ``file_size`` in bytes, None for folders."""

    path: str
    is_dir: bool
    file_size: int | None = None
