"""Whatever is stored as an artifact can be read back: names, paths and contents, by every verb."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import tracklet
from tracklet.errors import BadRequest, InvalidParameterValue, TrackletException

pytestmark = pytest.mark.usefixtures("tracklet_home")
over_examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ODD_NAMES = [
    *(
        "a:b.txt",
        "c:\\x.txt",
        "..\\x",
        "a\\b",
        "http:x",
        "file:x",
        "s3:x",
        "runs:x",
        "a%20b",
        "%2e",
    ),
    *("a#b", "a?b=c", " ", " lead", "trail ", "ü.txt", "😀", "new\nline", "tab\t", "a;b&c"),
    *("...", "~x", "-x", "*", "<a>|b", "a'b\"c", "x" * 255),
]
parts = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8
)
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
texts = st.text(st.characters(codec="utf-8"), max_size=20)


def walked(run_id: str, folder: str | None = None) -> set[str]:
    """All files of a run, by ``list_artifacts``."""
    found: set[str] = set()
    for info in tracklet.artifacts.list_artifacts(run_id=run_id, artifact_path=folder):
        found |= walked(run_id, info.path) if info.is_dir else {info.path}
    return found


@over_examples
@given(path=paths, text=texts)
def test_what_is_stored_under_a_name_comes_back_by_that_name(
    tracklet_home: Path, path: str, text: str
) -> None:
    with tracklet.start_run() as run:
        run_id = run.info.run_id
        try:
            tracklet.log_text(text, path)
        except InvalidParameterValue:
            assert {"..", "."} & {*path.split("/")}
            assert walked(run_id) == set()
            return
        uri = tracklet.get_artifact_uri(path)
    (listed,) = walked(run_id)
    for way in (f"runs:/{run_id}/{path}", f"runs:/{run_id}/{listed}", uri):
        assert tracklet.artifacts.load_text(way) == text
    client = tracklet.TrackletClient()
    copied = tracklet_home / "copied" / run_id
    for folder in (None, str(copied)):
        assert Path(client.download_artifacts(run_id, path, folder)).read_bytes() == text.encode()
    whole = Path(client.download_artifacts(run_id, "", str(copied / "whole")))
    assert (whole / listed).read_bytes() == text.encode()


@pytest.mark.usefixtures("either_store")
def test_files_and_folders_of_any_name_come_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ODD_NAMES:
        (source / name).write_bytes(name.encode())
    client = tracklet.TrackletClient()
    with tracklet.start_run() as run:
        for name in ODD_NAMES:
            tracklet.log_artifact(source / name, "one by one")
            tracklet.log_stream(io.BytesIO(name.encode()), f"streams/{name}")
        tracklet.log_artifacts(str(source), "together")
        tracklet.log_artifact(source)
    run_id = run.info.run_id
    folders = ("one by one", "streams", "together", "source")
    assert walked(run_id) == {f"{folder}/{name}" for folder in folders for name in ODD_NAMES}
    for folder in folders:
        for name in ODD_NAMES:
            found = client.download_artifacts(run_id, f"{folder}/{name}")
            assert Path(found).read_bytes() == name.encode()
        copied = Path(client.download_artifacts(run_id, folder, str(tmp_path / "new" / "deep")))
        assert sorted(os.listdir(copied)) == sorted(ODD_NAMES)


def test_a_name_that_no_file_can_have_is_refused_before_anything_is_written() -> None:
    with tracklet.start_run() as run:
        for name in ("a\0b", "x" * 256, "é" * 200, "\ud800", "..", "a/../b", "/a", "", ".", None):
            with pytest.raises(InvalidParameterValue):
                tracklet.log_text("x", name)  # type: ignore[arg-type]
            with pytest.raises(InvalidParameterValue):
                tracklet.log_dict({}, name)  # type: ignore[arg-type]
    assert walked(run.info.run_id) == set()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@over_examples
@given(value=values, name=st.sampled_from(["d.json", "d.yaml", "d.yml", "d"]))
def test_a_dictionary_comes_back_as_it_was(value: Any, name: str) -> None:
    with tracklet.start_run() as run:
        tracklet.log_dict(value, name)
    assert tracklet.artifacts.load_dict(f"runs:/{run.info.run_id}/{name}") == value


cells = st.sampled_from(
    [
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.booleans(),
        texts,
        st.datetimes().map(pd.Timestamp),
    ]
)


@over_examples
@given(data=st.data(), ending=st.sampled_from(["json", "parquet"]), rows=st.integers(0, 4))
def test_the_cells_of_a_table_come_back_with_every_digit(
    data: st.DataObject, ending: str, rows: int
) -> None:
    table = {
        f"column {number}": data.draw(st.lists(kind, min_size=rows, max_size=rows))
        for number, kind in enumerate(data.draw(st.lists(cells, min_size=1, max_size=3)))
    }
    name = f"t.{ending}"
    with tracklet.start_run() as run:
        tracklet.log_table(table, name)
        tracklet.log_table(pd.DataFrame(table), name)
    found = tracklet.load_table(name, run_ids=[run.info.run_id])
    for column, given_cells in table.items():
        expected = [
            cell.isoformat() if ending == "json" and isinstance(cell, pd.Timestamp) else cell
            for cell in given_cells
        ]
        assert found[column].tolist() == expected * 2


@pytest.mark.usefixtures("either_store")
def test_tables_of_every_form_come_back() -> None:
    image = tracklet.Image(np.zeros((2, 2)))
    tables: list[tuple[Any, dict[Any, list[Any]]]] = [
        ({"a": 1, "b": "x"}, {"a": [1], "b": ["x"]}),
        (pd.DataFrame([[1, 2]]), {0: [1], 1: [2]}),
        (pd.DataFrame({("a", 1): [1], ("b", 2): [2]}), {("a", 1): [1], ("b", 2): [2]}),
        ({"a": []}, {"a": []}),
        ({"a": [np.inf, 5e-324], "b": [[1], {"k": None}]}, {"a": [np.inf, 5e-324]}),
        ({"path": [Path("x")], "array": [np.arange(2)]}, {"path": ["x"], "array": [[0, 1]]}),
        ({"image": [image, None]}, {}),
    ]
    with tracklet.start_run() as run:
        for number, (data, _) in enumerate(tables):
            tracklet.log_table(data, f"{number}.json")
    for number, (_, expected) in enumerate(tables):
        found = tracklet.load_table(f"{number}.json", run_ids=[run.info.run_id])
        for column, cells_of_it in expected.items():
            assert found[column].tolist() == cells_of_it
    place = tracklet.load_table("6.json")["image"][0]["filepath"]
    assert tracklet.artifacts.load_image(f"runs:/{run.info.run_id}/{place}").size == (2, 2)


@pytest.mark.parametrize(
    "data",
    [
        *("text", [1, 2], 3, None, {"a": [1], "b": [1, 2]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        {"a": [tracklet.Image(np.zeros((2, 2))), "x"]},
        {"a": ["\ud800"]},
    ],
)
def test_what_is_no_table_is_refused_and_leaves_nothing(data: Any) -> None:
    with tracklet.start_run() as run:
        with pytest.raises(InvalidParameterValue):
            tracklet.log_table(data, "t.json")
        with pytest.raises(InvalidParameterValue):
            tracklet.log_table({"a": [1, "x"]}, "t.parquet")
    assert walked(run.info.run_id) == set()
    assert "mlflow.loggedArtifacts" not in tracklet.get_run(run.info.run_id).data.tags


@pytest.mark.usefixtures("either_store")
def test_columns_of_a_run_beside_its_table() -> None:
    for depth in ({}, {"depth": 1}):
        tracklet.start_run()
        tracklet.log_params(depth)
        tracklet.log_metric("loss", len(depth) / 2)
        tracklet.log_table({"a": [len(depth)], "status": ["mine"]}, "t.json")
        tracklet.end_run()
    extra = ["run_id", "params.depth", "metrics.loss", "tags.mlflow.runName", "status"]
    run = tracklet.last_active_run()
    assert run is not None
    found = tracklet.load_table("t.json", extra_columns=extra).set_index("a")
    assert found["params.depth"].tolist() == [None, "1"]
    assert found["metrics.loss"].tolist() == [0.0, 0.5]
    assert found.loc[1, "run_id"] == run.info.run_id
    assert found.loc[1, "tags.mlflow.runName"] == run.info.run_name
    assert found["status"].tolist() == ["mine", "mine"]
    assert found["status_"].tolist() == ["FINISHED", "FINISHED"]
    for unknown in ("depth", "params.depht", "nonsense"):
        with pytest.raises(InvalidParameterValue, match=r"choose from .*params\.depth"):
            tracklet.load_table("t.json", extra_columns=[unknown])


def test_images_and_figures_come_back_pixel_by_pixel(caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3))
    figure = Figure()
    with tracklet.start_run() as run:
        tracklet.log_image(pixels, "plots/i.png")
        tracklet.log_image(pixels.tolist(), key="seen", step=7)
        tracklet.log_figure(figure, "plots/f.png")
        assert not caplog.records
        tracklet.log_image(np.full((1, 1), 7.5), "bright.png")
        assert "floats of an image array lie from 0 to 1" in caplog.text
        for wrong in ({"step": 3}, {"timestamp": 3}, {"key": "k"}):
            with pytest.raises(TypeError, match=r"log_image|series"):
                tracklet.log_image(pixels, "wrong.png", **wrong)  # type: ignore[arg-type]
        for name in ("i.nope", "i"):
            with pytest.raises(InvalidParameterValue, match="unknown file extension"):
                tracklet.log_image(pixels, name)
        with pytest.raises(InvalidParameterValue, match="no image array"):
            tracklet.log_image([[1, 2], [3]], "i.png")
        tracklet.log_text("x", "no.png")
    uri = f"runs:/{run.info.run_id}"
    (full,) = [path for path in walked(run.info.run_id) if "seen+step+7" in path and "png" in path]
    for path in ("plots/i.png", full):
        assert np.array_equal(np.asarray(tracklet.artifacts.load_image(f"{uri}/{path}")), pixels)
    assert tracklet.artifacts.load_image(f"{uri}/plots/f.png").size == (640, 480)
    assert np.asarray(tracklet.artifacts.load_image(f"{uri}/bright.png")).item() == 255
    for load in (tracklet.artifacts.load_image, tracklet.artifacts.load_dict):
        with pytest.raises(BadRequest, match=r"no\.png"):
            load(f"{uri}/no.png")
    with pytest.raises(BadRequest, match="no text"):
        tracklet.artifacts.load_text(f"{uri}/plots/i.png")
    with pytest.raises(TrackletException, match="folder"):
        tracklet.artifacts.load_text(f"{uri}/plots")


@pytest.mark.usefixtures("either_store")
def test_every_uri_is_listed_and_copied_by_one_rule(tmp_path: Path) -> None:
    """Relative to what is above it; after a trailing slash, to itself."""
    with tracklet.start_run() as run:
        tracklet.log_text("x", "a/b/c.txt")
        model = tracklet.create_external_model("m")
    client = tracklet.TrackletClient()
    client.log_model_artifact(model.model_id, _file(tmp_path / "c.txt"), "a/b")
    run_id, place = run.info.run_id, str(run.info.artifact_uri)
    assert client.list_artifacts(run_id, "a/b/")[0].path == "a/b/c.txt"
    for number, root in enumerate((f"runs:/{run_id}", place, Path(place).as_uri())):

        def listed(uri: str) -> list[str]:
            return [info.path for info in tracklet.artifacts.list_artifacts(uri)]

        assert listed(f"{root}/a/b") == listed(f"{root}//a//b") == ["b/c.txt"]
        assert listed(f"{root}/a/b/") == ["c.txt"]
        assert listed(f"{root}/") == ["a"] or number == 0
        assert listed(f"{root}/a/b/c.txt") == []
        new = tmp_path / "new" / str(number) / "deep"
        download = tracklet.artifacts.download_artifacts
        assert download(f"{root}/a/b", dst_path=str(new)) == str(new / "b")
        assert (new / "b" / "c.txt").read_text() == "x"
        assert download(f"{root}/a/b/", dst_path=str(new)) == str(new)
        assert (new / "c.txt").read_text() == "x"
        assert download(f"{root}/a/b/c.txt", dst_path=str(new / "one")) == str(new / "one/c.txt")
        assert sorted(os.listdir(new)) == ["b", "c.txt", "one"]
    assert tracklet.artifacts.load_text(f"models:/{model.model_id}/a/b/c.txt") == "of the model"
    for verb in (tracklet.artifacts.download_artifacts, tracklet.artifacts.list_artifacts):
        with pytest.raises(InvalidParameterValue, match="into the URI itself"):
            verb(f"runs:/{run_id}", artifact_path="a")
        for nonsense in ("", 3, b"x", object()):
            with pytest.raises(InvalidParameterValue):
                verb(nonsense)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterValue, match="cannot be a folder"):
        client.download_artifacts(run_id, "a", str(_file(tmp_path / "file")))


def _file(path: Path) -> Path:
    path.write_text("of the model")
    return path


def test_the_uri_of_an_artifact_keeps_what_follows_the_path_of_the_root() -> None:
    experiment = tracklet.create_experiment("cloud", "s3://bucket/root?endpoint=https://host/x")
    with tracklet.start_run(experiment_id=experiment) as run:
        expected = f"s3://bucket/root/{run.info.run_id}/artifacts"
        query = "?endpoint=https://host/x"
        assert tracklet.get_artifact_uri() == expected + query
        assert tracklet.get_artifact_uri("a/b.txt") == f"{expected}/a/b.txt{query}"
        assert tracklet.get_artifact_uri("a//b/") == f"{expected}/a/b{query}"
