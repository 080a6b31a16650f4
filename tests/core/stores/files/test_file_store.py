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
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, TrackletException
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


@pytest.mark.parametrize("kept", ["metrics/loss", "params/p", "artifacts/notes.txt"])
def test_a_run_of_a_chosen_id_takes_no_folder_that_holds_something(
    tmp_path: Path, kept: str
) -> None:
    """Not even one that no run can be read from: it stays as it is."""
    run_id, root = "b" * 32, tmp_path / "store"
    file = root / "0" / run_id / kept
    file.parent.mkdir(parents=True)
    file.write_text("1 1.0 0\n")
    with pytest.raises(InvalidParameterValue, match="in the way"):
        FileStore(str(root)).create_run("0", run_id=run_id)
    assert file.read_text() == "1 1.0 0\n"


def test_what_a_creation_left_that_was_cut_off_hinders_no_other(tmp_path: Path) -> None:
    """It holds nothing; but what a link in its place leads to is somebody's."""
    run_id, root = "b" * 32, tmp_path / "store"
    for part in ("metrics", "params", "artifacts", "tags"):
        (root / "0" / run_id / part).mkdir(parents=True)
    (root / "0" / run_id / "tags" / "old").write_text("x")
    store = FileStore(str(root))
    assert "old" not in store.create_run("0", run_id=run_id).data.tags
    store.log_batch(run_id, [Metric("loss", 1.0, 1, 0)])
    with pytest.raises(ResourceAlreadyExists):
        store.create_run("0", run_id=run_id)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    (root / "0" / ("c" * 32)).symlink_to(mine)
    with pytest.raises(InvalidParameterValue, match="in the way"):
        store.create_run("0", run_id="c" * 32)
    assert (mine / "file").read_text() == "mine"


def test_a_model_that_cannot_be_made_anew_keeps_its_versions(tmp_path: Path) -> None:
    """Its document was lost; what a refused call removes is what it has made."""
    store = FileStore(str(tmp_path / "store"))
    store.create_registered_model("m", tags={"a": "1"})
    version = store.create_model_version("m", "models:/m-1")
    (tmp_path / "store" / "models" / "m" / "meta.yaml").unlink()
    with contextlib.suppress(TrackletException):
        FileStore(str(tmp_path / "store")).create_registered_model("m", tags={"b": "2"})
    assert (tmp_path / "store" / "models" / "m" / f"version-{version.version}").is_dir()
