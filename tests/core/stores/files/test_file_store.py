"""The file store passes the contract of a store."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from unittest import mock

from tracklet.stores.files import FileStore
from tracklet.testing import StoreContract
from tracklet_testing.store import store_machine


class TestFileStore(StoreContract):
    """Every sentence of the contract holds for folders."""

    def make_store(self, tmp_path):
        return FileStore(tmp_path / "mlruns")


@contextmanager
def fresh_store():
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, TRACKLET_CACHE_DIR=f"{folder}/cache"),
    ):
        store = FileStore(f"{folder}/mlruns")
        yield store
        store.close()


TestFileStoreMachine = store_machine(fresh_store).TestCase
