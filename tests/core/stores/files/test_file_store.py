"""The file store passes the contract of a store."""

from __future__ import annotations

from tracklet.stores.files import FileStore
from tracklet.testing import StoreContract


class TestFileStore(StoreContract):
    """Every sentence of the contract holds for folders."""

    def make_store(self, tmp_path):
        return FileStore(tmp_path / "mlruns")
