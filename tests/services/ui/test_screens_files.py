"""Files in the browser: side by side in several runs, pictures of a series, notebooks, Parquet."""

from __future__ import annotations

import csv
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
Open = Callable[..., Any]
Own = tuple[Any, Any, str, str]
HOSTILE = "<img src=x onerror=parent.__pwned=1><script>parent.__pwned=1</script>"


def picture(colour: tuple[int, int, int], size: int = 8) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    lines = (b"\0" + bytes(colour) * size) * size
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def put(client: Any, run_id: str, path: str, data: bytes, tmp_path: Path) -> None:
    local = tmp_path / Path(path).name
    local.write_bytes(data)
    client.log_artifact(run_id, str(local), str(Path(path).parent).lstrip("."))


def two(own: Own) -> tuple[str, str]:
    _, client, experiment, first = own
    second = client.create_run(experiment, run_name="second").info.run_id
    client.set_terminated(second)
    return first, second


def roc(y: float) -> dict[str, Any]:
    line = {"type": "scatter", "mode": "lines"}
    return {
        "data": [
            {**line, "name": "roc", "x": [0, 0.5, 1], "y": [0, y, 1]},
            {**line, "name": "chance", "x": [0, 1], "y": [0, 1], "line": {"dash": "dash"}},
        ],
        "layout": {"title": "ROC"},
    }


def test_roc_curves_of_two_models_are_drawn_over_one_another(own: Own, open_page: Open) -> None:
    server, client, _, _ = own
    first, second = two(own)
    client.log_dict(first, roc(0.7), "roc.json")
    client.log_dict(second, roc(0.9), "roc.json")
    page = open_page(f"#/compare?runs={first},{second}", server=server)
    expect(page.locator(".legend li")).to_have_text(["first: roc", "chance", "second: roc"])
    expect(page.locator(".figure path[stroke-dasharray='7 5']")).to_have_count(1)
    page.get_by_role("button", name="side by side").click()
    expect(page.locator(".panel figure")).to_have_count(2)


def test_pictures_of_one_path_are_side_by_side(own: Own, open_page: Open, tmp_path: Path) -> None:
    server, client, _, _ = own
    first, second = two(own)
    for run_id in (first, second):
        put(client, run_id, "plots/cm.png", picture((200, 0, 0)), tmp_path)
    client.log_text(first, "only here", "a.txt")
    page = open_page(f"#/compare?runs={first},{second}", server=server)
    expect(page.get_by_alt_text("plots/cm.png of first")).to_be_visible()
    expect(page.get_by_alt_text("plots/cm.png of second")).to_be_visible()
    page.get_by_label("file").select_option("a.txt")
    expect(page.get_by_text("only here")).to_be_visible()
    expect(page.get_by_text("Not there in second.")).to_be_visible()


def test_a_series_of_pictures_is_looked_through_by_step(
    own: Own, open_page: Open, tmp_path: Path
) -> None:
    server, client, _, run_id = own
    for step in (0, 10, 20):
        name = f"images/val~sample+step+{step}+timestamp+1+abc.png"
        put(client, run_id, name, picture((step, 0, 0)), tmp_path)
    page = open_page(f"#/runs/{run_id}?tab=artifacts&path=images", server=server)
    shown = page.get_by_alt_text("val/sample")
    expect(shown).to_have_attribute("src", re.compile("step%2B20"))
    page.get_by_role("slider", name="step").fill("1")
    expect(shown).to_have_attribute("src", re.compile("step%2B10"))


def test_a_notebook_is_shown_and_runs_nothing(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    outputs = [
        {"output_type": "stream", "text": ["printed\n", HOSTILE]},
        {"output_type": "display_data", "data": {"text/html": [HOSTILE, "<b>table</b>"]}},
        {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: no"]},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", HOSTILE]},
        {"cell_type": "code", "source": "print('x')", "outputs": outputs},
        {"cell_type": "code", "source": None, "outputs": None},
    ]
    client.log_text(run_id, json.dumps({"cells": cells}), "n.ipynb")
    page = open_page(
        f"#/runs/{run_id}?tab=artifacts&path=n.ipynb",
        server=server,
        allowed=("img-src data: blob:", "Blocked a frame"),
    )
    expect(page.get_by_role("heading", name="Title")).to_be_visible()
    expect(page.get_by_text("ValueError: no")).to_be_visible()
    expect(page.get_by_text("print('x')")).to_be_visible()
    page.get_by_role("button", name="show it").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("table")).to_be_visible()
    expect(page.locator("iframe")).to_have_attribute("sandbox", "allow-scripts")


def test_parquet_is_a_table(own: Own, open_page: Open, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    server, client, _, run_id = own
    data = {"n": range(2_000), "t": [HOSTILE] * 2_000, "odd": [float("nan")] * 2_000}
    table = arrow.table({key: list(values) for key, values in data.items()})
    parquet.write_table(table, tmp_path / "d.parquet")
    client.log_artifact(run_id, str(tmp_path / "d.parquet"))
    client.log_text(run_id, "no parquet\0", "torn.parquet")
    page = open_page(
        f"#/runs/{run_id}?tab=artifacts&path=d.parquet", server=server, allowed=("400 (Bad",)
    )
    expect(page.get_by_text("1,000 of 2,000 rows, 3 columns")).to_be_visible()
    expect(page.get_by_role("columnheader", name="n int64")).to_be_visible()
    expect(page.get_by_role("cell", name="NaN").first).to_be_visible()
    page.get_by_role("treeitem", name="torn.parquet").click()
    expect(page.get_by_text("cannot be read as Parquet")).to_be_visible()


def test_a_folder_is_downloaded_as_one_file(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    client.log_text(run_id, "one", "some/deep/1.txt")
    client.log_text(run_id, "two", "some/2.txt")
    page = open_page(f"#/runs/{run_id}?tab=artifacts", server=server)
    expect(page.get_by_text("2 files, 6 B")).to_be_visible()
    page.get_by_role("treeitem", name="some").click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="download the folder (zip)").click()
    assert coming.value.suggested_filename == "some.zip"
    with zipfile.ZipFile(coming.value.path()) as packed:
        assert sorted(packed.namelist()) == ["2.txt", "deep/1.txt"]


def test_a_chart_is_exported_as_it_is_seen_and_its_points_as_they_are(
    own: Own, open_page: Open
) -> None:
    server, client, experiment, run_id = own
    hidden = client.create_run(experiment, run_name="<i>second").info.run_id
    for run in (run_id, hidden):
        for step in range(20):
            client.log_metric(run, "val/b loss", step / 7, step=step)
    page = open_page(f"#/compare?runs={run_id},{hidden}&tab=charts&keys=val", server=server)
    chart = page.get_by_role("article", name="val/b loss")
    expect(chart.locator("canvas")).to_be_visible()

    def exported(item: str, role: str = "button") -> Path:
        chart.get_by_role("button", name="export val/b loss").click()
        with page.expect_download() as coming:
            page.get_by_role("dialog").get_by_role(role, name=item).click()
        assert coming.value.suggested_filename.startswith("val-b-loss.")
        return Path(coming.value.path())

    assert exported("picture (PNG)").read_bytes().startswith(b"\x89PNG\r\n")
    drawn = ElementTree.fromstring(exported("lines (SVG)").read_text("utf-8"))
    svg = "{http://www.w3.org/2000/svg}"
    assert {one.text for one in drawn.iter(f"{svg}title")} == {"first", "<i>second"}
    paths = [one.find(f"{svg}path") for one in drawn.iter(f"{svg}g") if one.get("stroke")]
    assert [path.attrib["d"].count(",") for path in paths if path is not None] == [20, 20]
    points = exported("all points (CSV)", "link").read_text("utf-8")
    rows = list(csv.DictReader(points.splitlines()))
    assert [row["value"] for row in rows if row["run_id"] == hidden] == [
        repr(step / 7) for step in range(20)
    ]
    assert len(rows) == 40
