"""Artifacts in a local folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklet import artifacts
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.repositories import LocalArtifacts, repository, validate_artifact_path


@given(st.text(max_size=30))
def test_no_accepted_path_leads_out_of_the_root(path: str) -> None:
    try:
        accepted = validate_artifact_path(path)
    except InvalidParameterValue:
        return
    root = Path("/root/of/artifacts")
    assert Path(os.path.normpath(root / accepted)).is_relative_to(root)


def test_a_file_that_exists_is_replaced_whole(tmp_path: Path) -> None:
    files = LocalArtifacts(str(tmp_path / "root"))
    source = tmp_path / "a.txt"
    for content in ("first, which is longer", "second"):
        source.write_text(content)
        files.put_file(source, "folder")
    assert files.fetch("folder/a.txt").read_text() == "second"
    assert [info.path for info in files.list("folder")] == ["folder/a.txt"]
    assert files.list("folder")[0].file_size == 6


def test_what_an_interrupted_writer_left_is_not_listed(tmp_path: Path) -> None:
    files = LocalArtifacts(tmp_path.as_uri())
    (tmp_path / ".0f.tracklet-partial").write_text("half")
    assert files.list() == []


def test_fetching_copies_only_where_it_is_told_to(tmp_path: Path) -> None:
    files = LocalArtifacts(str(tmp_path / "root"))
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "x").write_text("x")
    files.put_tree(tmp_path / "tree", "t")
    assert files.fetch("t") == tmp_path / "root" / "t" == files.local_path("t")
    copied = files.fetch("t", tmp_path / "copy")
    assert (copied / "deep" / "x").read_text() == "x"
    files.delete("t/deep/x")
    files.delete("t/deep/x")
    with pytest.raises(ResourceDoesNotExist, match="t/deep/x"):
        files.fetch("t/deep/x")


def test_a_root_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(StorageError, match=r"a\.txt could not be stored"):
        LocalArtifacts(str(tmp_path / "file")).put_file(tmp_path / "a.txt", "x")


def test_an_unknown_scheme_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidParameterValue, match=r"gopher://x.*known are plain paths"):
        repository("gopher://x")


@pytest.mark.parametrize("planted", ["here", "here/deep"])
def test_a_link_below_the_root_is_not_followed(
    tmp_path: Path, planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may lead anywhere: nothing is written, read, listed, copied or deleted over it; the root
    itself, and what is above it, may be links."""
    outside, source = tmp_path / "outside", tmp_path / "source"
    for folder in (outside, source / "here" / "deep"):
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("mine")
    real = tmp_path / "real"
    (real / planted).parent.mkdir(parents=True)
    (real / planted).symlink_to(outside)
    (tmp_path / "link").symlink_to(real)
    files = LocalArtifacts(str(tmp_path / "link"))
    for act in (
        lambda: files.put_file(source / "here" / "deep" / "kept.txt", "here/deep"),
        lambda: files.put_tree(source),
        lambda: files.put_tree(source / "here", "here"),
        lambda: files.list("here/deep"),
        lambda: files.fetch("here/deep/kept.txt"),
        lambda: files.fetch("here/deep", tmp_path / "copy"),
        lambda: files.delete("here/deep/kept.txt"),
        lambda: files.local_path("here/deep/kept.txt"),
    ):
        with pytest.raises(InvalidParameterValue, match="is a link"):
            act()
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]
    (info,) = files.list(planted.rpartition("/")[0])
    assert (info.path, info.is_dir) == (planted, False)
    assert not [*files.fetch("", tmp_path / "copy").rglob("kept.txt")]
    assert "links are not followed" in caplog.text
    files.delete(planted)
    assert not (real / planted).is_symlink()
    assert (outside / "kept.txt").read_text() == "mine"
    files.put_tree(source)
    assert files.fetch("here/deep/kept.txt").read_text() == "mine"


def test_who_names_a_link_means_what_it_leads_to(tmp_path: Path) -> None:
    """A path of the caller's own is no planted one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    (tmp_path / "copy").mkdir()
    assert artifacts.load_text(str(tmp_path / "link.txt")) == "a"
    assert artifacts.load_text(str(tmp_path / "link" / "a.txt")) == "a"
    for uri in (str(tmp_path / "link"), (tmp_path / "link").as_uri()):
        copied = artifacts.download_artifacts(uri, dst_path=str(tmp_path / "copy"))
        assert (Path(copied) / "a.txt").read_text() == "a"
        assert len(artifacts.list_artifacts(uri)) == 1
