"""The file store: experiments, runs, models and the registry as folders in MLflow's layout.

The folders are the truth. What a training process writes is with the operating system when a call
returns; search goes through an index that can be rebuilt from the folders at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet.lazy import lookup

if TYPE_CHECKING:
    from tracklet.stores.files.backend import FileStore

__all__ = ["FileStore"]

__getattr__ = lookup(__name__, {"FileStore": "tracklet.stores.files.backend"})
