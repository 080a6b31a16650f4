"""Storing, listing and fetching artifacts."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

import tracklet
from tracklet.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")


def paths(run: tracklet.ActiveRun, folder: str | None = None) -> list[str]:
    listed = tracklet.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path=folder)
    return [info.path for info in listed]


def test_files_and_folders_are_stored_under_their_names(tmp_path: Path) -> None:
    (tmp_path / "图").mkdir()
    (tmp_path / "图" / "数据.txt").write_text("内容", encoding="utf-8")
    (tmp_path / "a.txt").write_text("a")
    with tracklet.start_run() as run:
        tracklet.log_artifact(tmp_path / "a.txt")
        tracklet.log_artifact(str(tmp_path / "a.txt"), artifact_path="plots/deep")
        tracklet.log_artifact(tmp_path / "图")
        tracklet.log_artifacts(str(tmp_path / "图"), artifact_path="outputs")
    assert paths(run) == ["a.txt", "outputs", "plots", "图"]
    assert paths(run, "plots/deep") == ["plots/deep/a.txt"]
    assert paths(run, "图") == ["图/数据.txt"]
    assert paths(run, "a.txt") == []
    assert paths(run, "nowhere") == []
    uri = f"runs:/{run.info.run_id}/outputs/数据.txt"
    assert tracklet.artifacts.load_text(uri) == "内容"


def test_what_is_not_there_or_no_regular_file_cannot_be_logged(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with tracklet.start_run() as run:
        with pytest.raises(FileNotFoundError, match="nothing-here"):
            tracklet.log_artifact(tmp_path / "nothing-here")
        with pytest.raises(InvalidParameterValue, match="not a regular file"):
            tracklet.log_artifact(tmp_path / "fifo")
        with pytest.raises(FileNotFoundError, match="no folder"):
            tracklet.log_artifacts(str(tmp_path / "nothing-here"))
    assert paths(run) == []


@pytest.mark.parametrize("path", ["../x.txt", "/etc/x.txt", "a/../../x.txt"])
def test_an_artifact_stays_below_the_run(path: str) -> None:
    with tracklet.start_run() as run:
        with pytest.raises(InvalidParameterValue, match="cannot be an artifact path"):
            tracklet.log_text("x", path)
        with pytest.raises(InvalidParameterValue, match="cannot be an artifact path"):
            tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path)


def test_an_absent_artifact_is_named_with_what_there_is() -> None:
    with tracklet.start_run() as run:
        tracklet.log_text("x", "there.txt")
    with pytest.raises(ResourceDoesNotExist, match=r"absent\.txt.*there\.txt"):
        tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="absent.txt")


def test_texts_and_dictionaries_are_readable_files(tmp_path: Path) -> None:
    with tracklet.start_run() as run:
        tracklet.log_text("ä\r\n", "notes/t.txt")
        tracklet.log_dict({"b": [1, 2], "p": Path("x")}, "d.json")
        tracklet.log_dict({"b": [1, {"c": "é"}]}, "d.yaml")
        tracklet.log_stream(io.BytesIO(b"\0\1" * 5), "s.bin")
    root = Path(run.info.artifact_uri or "")
    assert (root / "notes/t.txt").read_bytes() == "ä\r\n".encode()
    assert json.loads((root / "d.json").read_text()) == {"b": [1, 2], "p": "x"}
    assert yaml.safe_load((root / "d.yaml").read_text()) == {"b": [1, {"c": "é"}]}
    assert (root / "s.bin").read_bytes() == b"\0\1" * 5
    uri = f"runs:/{run.info.run_id}"
    assert tracklet.artifacts.load_dict(f"{uri}/d.json") == {"b": [1, 2], "p": "x"}
    assert tracklet.artifacts.load_dict(f"{uri}/d.yaml") == {"b": [1, {"c": "é"}]}
    with pytest.raises(BadRequest, match="not JSON"):
        tracklet.artifacts.load_dict(f"{uri}/notes/t.txt")
    copied = tracklet.artifacts.download_artifacts(f"{uri}/notes", dst_path=str(tmp_path))
    assert (Path(copied) / "t.txt").exists()


def test_figures_are_stored_in_the_format_of_their_name() -> None:
    figure = Figure()
    figure.subplots().plot([1, 2])
    with tracklet.start_run() as run:
        tracklet.log_figure(figure, "f/plot.png")
        tracklet.log_figure(figure, "f/plot.svg", save_kwargs={"dpi": 50})
        with pytest.raises(TypeError, match="matplotlib or plotly"):
            tracklet.log_figure(object(), "x.png")
    assert paths(run, "f") == ["f/plot.png", "f/plot.svg"]
    assert paths(run) == ["f"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 5), dtype=np.uint8),
        np.ones((4, 5, 1)),
        np.random.default_rng(0).random((4, 5, 3)),
        np.full((4, 5, 4), 255),
        np.ones((4, 5), dtype=bool),
    ],
)
def test_arrays_of_an_images_shape_are_images(array: np.ndarray) -> None:
    with tracklet.start_run() as run:
        tracklet.log_image(array, "i.png")
    image = tracklet.artifacts.load_image(f"runs:/{run.info.run_id}/i.png")
    assert image.size == (5, 4)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2, 2)), np.full((2, 2), 300)])
def test_other_arrays_are_no_images(array: np.ndarray) -> None:
    with tracklet.start_run(), pytest.raises(ValueError, match="image array"):
        tracklet.log_image(array, "i.png")


def test_images_of_a_series_carry_step_and_time_in_their_names() -> None:
    with tracklet.start_run() as run:
        tracklet.log_image(np.zeros((300, 600, 3)), key="val/dogs", step=3, timestamp=99)
        with pytest.raises(TypeError, match="exactly one"):
            tracklet.log_image(np.zeros((2, 2)))
        with pytest.raises(ValueError, match="image key"):
            tracklet.log_image(np.zeros((2, 2)), key="a*b")
    preview, full = sorted(paths(run, "images"))
    assert full.startswith("images/val~dogs+step+3+timestamp+99+")
    assert preview == full.removesuffix(".png") + "+compressed.webp"
    assert tracklet.get_run(run.info.run_id).data.tags["mlflow.loggedImages"] == "True"


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_table_grows_and_is_read_over_runs(ending: str) -> None:
    name = f"tables/t.{ending}"
    ids = []
    for number in range(2):
        with tracklet.start_run() as run:
            tracklet.log_param("number", number)
            tracklet.log_table({"a": [1, 2], "b": ["x", "y"]}, name)
            tracklet.log_table(pd.DataFrame({"a": [3], "c": [0.5]}), name)
            ids.append(run.info.run_id)
    table = tracklet.load_table(name, run_ids=[ids[0]])
    assert table["a"].tolist() == [1, 2, 3]
    assert table["c"].isna().tolist() == [True, True, False]
    both = tracklet.load_table(name, extra_columns=["run_id", "params.number"])
    assert sorted(set(both["run_id"])) == sorted(ids)
    assert len(both) == 6
    tags = tracklet.get_run(ids[0]).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": name, "type": "table"}]
    with pytest.raises(ResourceDoesNotExist, match="absent"):
        tracklet.load_table("absent.json")


def test_image_cells_of_a_table_become_files() -> None:
    with tracklet.start_run() as run:
        tracklet.log_table({"image": [tracklet.Image(np.zeros((2, 2)))], "n": [1]}, "t.json")
    cell = tracklet.load_table("t.json", run_ids=[run.info.run_id])["image"][0]
    assert cell["type"] == "image"
    for kind in ("filepath", "compressed_filepath"):
        assert Path(
            tracklet.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=cell[kind])
        ).exists()


@pytest.mark.parametrize("name", ["t.csv", "a:b.json", "a'b.json"])
def test_a_table_needs_a_name_of_the_right_form(name: str) -> None:
    with tracklet.start_run(), pytest.raises(ValueError, match="table"):
        tracklet.log_table({"a": [1]}, name)


def test_the_artifact_uri_names_a_folder_of_the_run() -> None:
    with tracklet.start_run() as run:
        assert tracklet.get_artifact_uri() == run.info.artifact_uri
        assert tracklet.get_artifact_uri("a/b") == f"{run.info.artifact_uri}/a/b"
