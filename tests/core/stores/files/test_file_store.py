"""The file store passes the contract of a store."""

from __future__ import annotations

import contextlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tracklet.entities import Metric
from tracklet.errors import TrackletException
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


@pytest.mark.parametrize("planted", ["metrics/loss", "params/loss", "tags/loss"])
def test_nothing_is_written_over_a_link_in_a_runs_folder(tmp_path: Path, planted: str) -> None:
    """Who may write there could have a file of mine appended to or overwritten."""
    store = FileStore(str(tmp_path / "store"))
    run_id = store.create_run("0").info.run_id
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "store" / "0" / run_id / planted).symlink_to(mine)
    given: dict[str, Any] = {
        "metrics": [Metric("loss", 1.0, 1, 0)],
        "params": {"loss": "1"},
        "tags": {"loss": "1"},
    }
    for what in given:
        with contextlib.suppress(TrackletException):
            store.log_batch(run_id, **{what: given[what]})
    assert mine.read_text() == "mine"
