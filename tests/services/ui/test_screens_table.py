"""The run table: families, groups, columns, best values, completion, exports, views, drawings."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet

expect = pytest.importorskip("playwright.sync_api").expect
Open = Callable[..., Any]
FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[tuple[Any, Any, str]]:
    """A sweep of six trials below a parent, below one of them a retry; and a run beside them."""
    root = tmp_path_factory.mktemp("swept") / "mlruns"
    client = tracklet.TrackletClient(str(root))
    experiment = client.create_experiment("swept")

    def run(name: str, at: int, parent: str = "", **params: str) -> str:
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run_id = client.create_run(experiment, at, tags, name).info.run_id
        client.log_batch(run_id, params=params)
        return run_id

    sweep = run("sweep", 1_000)
    for i in range(6):
        trial = run(f"trial {i}", 2_000 + i, sweep, model="xgb" if i % 2 else FORMULA, lr=f"1e-{i}")
        for step in range(3):
            client.log_metric(trial, "auc", (i + step) / 10, step=step)
            client.log_metric(trial, "val/loss", 1 - (i + step) / 10, step=step)
        client.set_terminated(trial, "FINISHED", 3_000)
    retry = run("retry", 5_000, trial, model="xgb")
    orphan = run("orphan", 6_000, "f" * 32, model="other")
    client.log_metric(orphan, "auc", 0.05)
    for one in (sweep, retry, orphan):
        client.set_terminated(one, "FINISHED", 7_000)
    one = serving(root)
    yield one, client, experiment
    one.stop()


Swept = tuple[Any, Any, str]


def names(page: Any) -> Any:
    return page.locator(".row:not([hidden]) .name a")


def test_children_are_below_their_parents(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}", server=server)
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "3")
    expect(names(page)).to_have_text(["orphan", "sweep (7)"])
    page.get_by_role("treegrid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "9")
    expect(names(page).nth(2)).to_have_text("trial 5 (1)")
    page.locator(".row[aria-rowindex='4'] .fold").click()
    retry = page.locator(".row", has_text="retry")
    expect(retry).to_have_attribute("aria-level", "3")
    again = open_page("#" + page.url.partition("#")[2], server=server)
    expect(again.locator(".row", has_text="retry")).to_be_visible()
    page.get_by_label("flat").check()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "10")


def test_parents_that_go_in_a_circle_are_shown(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, experiment, first = own
    other = client.create_run(experiment, tags={"mlflow.parentRunId": first}).info.run_id
    client.set_tag(first, "mlflow.parentRunId", other)
    page = open_page(f"#/experiments/{experiment}", server=server)
    expect(names(page)).to_have_count(1)
    page.locator(".fold").first.click()
    expect(names(page)).to_have_count(2)


def test_a_group_is_summed_up_over_all_of_its_runs(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}?group=param.model&cols=metric.auc", server=server)
    last = [(i + 2) / 10 for i in range(6)]
    group = page.locator(".row", has_text="model: xgb (4)")
    odd = last[1::2]
    mean, deviation = statistics.mean(odd), statistics.stdev(odd)
    expect(group).to_contain_text(f"{mean:.4g} ± {deviation:.2g}")
    expect(page.get_by_text("9 runs in 4 groups").first).to_be_visible()
    page.get_by_label("what is shown of a group").select_option("greatest")
    expect(group.locator(".cell").last).to_have_text(str(max(odd)))
    group.get_by_text("model: xgb").click()
    expect(names(page).filter(has_text="trial")).to_have_text(["trial 5", "trial 3", "trial 1"])
    expect(names(page).filter(has_text="retry")).to_have_count(1)
    group.locator(".box").click()
    expect(page.get_by_role("button", name="compare 4")).to_be_enabled()


def test_parents_of_one_name_are_groups_of_their_own(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, experiment, _ = own
    for value in (1.0, 3.0):
        at = int(value)  # the order does not hang on the clock
        parent = client.create_run(experiment, start_time=at, run_name="sweep").info.run_id
        tags = {"mlflow.parentRunId": parent}
        child = client.create_run(experiment, start_time=at, tags=tags).info.run_id
        client.log_metric(child, "m", value)
    page = open_page(f"#/experiments/{experiment}?group=parent&cols=metric.m", server=server)
    groups = page.locator(".row:not([hidden])", has_text="parent: sweep")
    expect(groups).to_have_count(2)
    expect(groups.locator(".cell").last).to_have_text("1")


def test_what_acts_on_a_run_does_so_after_others_came(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, experiment, first = own
    client.log_param(first, "kind", "a")
    page = open_page(f"#/experiments/{experiment}", server=server)
    page.get_by_role("grid").focus()
    client.create_run(experiment, run_name="second")
    expect(names(page)).to_have_text(["second", "first"])
    page.keyboard.press(" ")
    expect(page.locator(".row.selected .name a")).to_have_text(["first"])


def test_axes_tell_times_as_all_else_does(swept: Swept, open_page: Open) -> None:
    page = open_page(server=swept[0], timezone_id="Asia/Tokyo")
    ticks = page.evaluate(
        """async () => {
            const main = document.querySelector('script[type=module]').src;
            const load = name => import(main.replace(/main[.]js$/, name));
            const [{ scale }, { time: tell }] = await Promise.all(
                ['figure/scales.js', 'lib/format.js'].map(load));
            const { ticks } = scale([0, 3_600_000], { type: 'date', tell }, 0, 100);
            return ticks.map(one => one[1]);
        }"""
    )
    assert ticks
    assert all(text.startswith(("1970-01-01 09:", "1970-01-01 10:")) for text in ticks)


NUMBERS = {
    "1.2345e-10": "1.234e−10",
    "-1.2345e-300": "−1.234e−300",
    "1.234e20": "1.234e20",
    "1234567.5": "1.2346e6",
    "0.00012": "0.00012",
    "-0": "0",
    "100": "100",
}


def test_numbers_are_shown_as_large_as_they_are(swept: Swept, open_page: Open) -> None:
    page = open_page(server=swept[0])
    shown = page.evaluate(
        """async texts => {
            const main = document.querySelector('script[type=module]').src;
            const { number } = await import(main.replace(/main[.]js$/, 'lib/format.js'));
            return texts.map(text => number(Number(text)));
        }""",
        list(NUMBERS),
    )
    assert dict(zip(NUMBERS, shown, strict=True)) == NUMBERS


WAYS = {
    "val/loss": "min", "train_nll": "min", "validation_0-mlogloss": "min", "merror": "min",
    "valid_0-l2": "min", "mean_test_neg_log_loss": "max", "neg_mean_squared_error": "max",
    "cross_entropy": "min", "smape": "min", "val_auc": "max", "f1_score": "max", "epoch": "none",
}  # fmt: skip


def test_which_way_a_metric_is_better_is_told_by_its_name(swept: Swept, open_page: Open) -> None:
    page = open_page(server=swept[0])
    guessed = page.evaluate(
        """async keys => {
            const main = document.querySelector('script[type=module]').src;
            const { guess } = await import(main.replace(/main[.]js$/, 'table/best.js'));
            return keys.map(guess);
        }""",
        list(WAYS),
    )
    assert dict(zip(WAYS, guessed, strict=True)) == WAYS


def test_the_best_of_each_metric_is_marked(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}?flat=1", server=server)
    expect(page.locator(".cell.best")).to_have_text(["0.7", "0.3"])
    page.get_by_role("columnheader", name="val/loss").hover()
    page.get_by_role("button", name="menu of val/loss").click()
    page.get_by_role("button", name="the greatest").click()
    expect(page.locator(".cell.best")).to_have_text(["0.7", "0.8"])


def test_columns_are_moved_kept_in_view_and_resized_as_the_address_says(
    swept: Swept, open_page: Open
) -> None:
    server, _, experiment = swept
    at = f"#/experiments/{experiment}?cols=metric.auc,metric.val/loss,param.lr"
    page = open_page(at, server=server)
    heads = page.locator(".head:not([hidden]) .title")
    usual = ["Run", "Status", "Age", "Duration", "auc", "val/loss", "lr"]
    expect(heads).to_have_text(usual)
    box = page.get_by_role("columnheader", name="auc").bounding_box()
    to = page.get_by_role("columnheader", name="lr", exact=True).bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(to["x"] + 30, to["y"] + 30, steps=4)
    page.mouse.up()
    expect(heads).to_have_text([*usual[:4], "val/loss", "lr", "auc"])
    box = page.get_by_role("columnheader", name="val/loss").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 77, box["y"] + 20, steps=4)
    page.mouse.up()
    page.get_by_role("columnheader", name="lr", exact=True).hover()
    page.get_by_role("button", name="menu of lr").click()
    page.get_by_role("button", name="keep in view").click()
    page.reload()
    expect(heads).to_have_text(["Run", "lr", "Status", "Age", "Duration", "val/loss", "auc"])
    resized = page.get_by_role("columnheader", name="val/loss").bounding_box()
    assert abs(resized["width"] - box["width"] - 80) <= 2
    page.get_by_role("treegrid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    page.get_by_role("button", name="hide").press("Enter")
    expect(heads).to_have_text(["Run", "Status", "Age", "Duration", "val/loss", "auc"])


def test_others_show_how_far_they_are_from_a_baseline(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}?flat=1&cols=metric.auc", server=server)
    page.locator(".row", has_text="trial 2").locator(".cell").last.click()
    page.get_by_role("grid").press("p")
    expect(names(page).first).to_have_text("trial 2 · baseline")
    expect(page.locator(".row", has_text="trial 3").locator(".better")).to_have_text("0.5 +25%")
    expect(page.locator(".row", has_text="trial 1").locator(".worse")).to_have_text("0.3 −25%")


def test_the_filter_says_what_may_come_next(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}?flat=1", server=server, allowed=("400 (Bad",))
    box = page.get_by_role("combobox", name="filter runs")
    box.press_sequentially("mod")
    # What was typed so far is looked for: that leaves no run, and takes no value from the list.
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_role("option", name="params.model").click()
    box.press_sequentially("=")
    page.get_by_role("option", name="= '", exact=True).click()
    expect(page.get_by_role("option", name="xgb 4")).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("params.model = 'xgb' ")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "5")
    box.press_sequentially("an")
    box.press("ArrowDown")
    box.press("Tab")
    expect(box).to_have_value("params.model = 'xgb' and ")


def test_a_value_among_the_facets_filters(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    page = open_page(f"#/experiments/{experiment}?flat=1", server=server)
    page.get_by_role("button", name="Facets").click()
    page.get_by_role("button", name="xgb 4").click()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "5")
    expect(page.get_by_label("filter runs")).to_have_value("params.`model` = 'xgb'")


def exported(page: Any, kind: str) -> str:
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=kind, exact=True).click()
    return Path(waiting.value.path()).read_text("utf-8")


def test_what_is_exported_is_what_was_recorded_and_no_formula(
    swept: Swept, open_page: Open
) -> None:
    server, client, experiment = swept
    page = open_page(f"#/experiments/{experiment}?cols=param.model,metric.auc", server=server)
    rows = list(csv.DictReader(exported(page, "CSV").splitlines()))
    assert len(rows) == 9
    for row in rows:
        run = client.get_run(row["run_id"])
        auc = run.data.metrics.get("auc")
        assert row["metrics.auc"] == ("" if auc is None else repr(auc))
        assert row["params.model"].lstrip("'") == run.data.params.get("model", "")
        assert not row["params.model"].startswith("=")
    assert json.loads(exported(page, "JSON"))[0]["name"] == "orphan"
    assert "| trial 5 |" in exported(page, "Markdown")
    assert exported(page, "LaTeX").endswith("\\end{tabular}\n")


def test_a_view_is_kept_for_everybody(swept: Swept, open_page: Open) -> None:
    server, client, experiment = swept
    page = open_page(f"#/experiments/{experiment}?group=param.model", server=server)
    page.get_by_role("button", name="Views").click()
    page.get_by_label("name of the view").fill("by model")
    page.get_by_role("button", name="save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    tags = client.get_experiment(experiment).tags
    assert tags["tracklet.view.by model"] == "group=param.model"
    other = open_page(f"#/experiments/{experiment}", server=server)
    other.get_by_role("button", name="Views").click()
    other.get_by_role("link", name="by model").click()
    expect(other.get_by_text("9 runs in 4 groups").first).to_be_visible()
    other.get_by_role("button", name="Views").click()
    other.get_by_role("button", name="forget the view by model").click()
    expect(other.get_by_role("link", name="by model")).to_have_count(0)


PAINTED = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 100 && Math.max(data[i], data[i + 1], data[i + 2])
            - Math.min(data[i], data[i + 1], data[i + 2]) > 60) count++;
    return count;
}"""


def test_runs_are_points_of_two_columns(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    at = f"#/experiments/{experiment}?view=scatter&sx=param.lr&sy=metric.auc"
    page = open_page(at, server=server)
    canvas = page.locator(".scatter canvas")
    expect(
        page.get_by_text("6 of 9 runs have both · rank correlation -1 of 6 runs")
    ).to_be_visible()
    expect(page.get_by_label("log across")).to_be_checked()
    assert canvas.evaluate(PAINTED) > 100
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("auc: 0.7")).to_be_visible()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 200, steps=4)
    page.mouse.up()
    expect(page.get_by_text("3 runs in the box.")).to_be_visible()
    page.get_by_role("button", name="filter by it").click()
    expect(page.get_by_text("3 of 9 runs").first).to_be_visible()


def test_brushes_of_parallel_axes_filter(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    at = f"#/experiments/{experiment}?view=parallel&axes=param.model,param.lr,metric.auc"
    page = open_page(at, server=server)
    canvas = page.locator(".parallel canvas")
    expect(page.get_by_role("status").filter(has_text="9 of 9 runs")).to_be_visible()
    assert canvas.evaluate(PAINTED) > 100
    page.get_by_text("brushes by keys").click()
    page.get_by_label("least of auc").fill("60")
    expect(page.get_by_text("3 of 9 runs within the brushes")).to_be_visible()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 170 * 2.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 170 * 2.5, box["y"] + 41, steps=4)
    page.mouse.up()
    expect(page.get_by_text("1 of 9 runs within the brushes")).to_be_visible()
    page.get_by_role("button", name="filter by them").click()
    expect(page.get_by_text("1 of 9 runs").first).to_be_visible()
    page.get_by_role("button", name="move auc left").click()
    expect(page.locator(".axis-name")).to_have_text(["model", "auc", "lr"])
    grip = page.locator(".axis-name").first.bounding_box()
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] + 5 + 170 * 2, grip["y"] + 5, steps=4)
    page.mouse.up()
    expect(page.locator(".axis-name")).to_have_text(["auc", "lr", "model"])
    assert "axes=metric.auc%2Cparam.lr%2Cparam.model" in page.url


def test_curves_of_a_group_are_drawn_as_their_mean(swept: Swept, open_page: Open) -> None:
    server, _, experiment = swept
    at = f"#/experiments/{experiment}?view=charts&group=param.model&keys=^auc$"
    page = open_page(at, server=server)
    expect(page.get_by_text("mean of each group")).to_be_visible()
    page.get_by_role("button", name="table", exact=True).last.click()
    row = page.get_by_role("row", name="model: xgb")
    expect(row.get_by_role("cell")).to_have_text(["model: xgb", "9", "0.1", "0.7", "0.5"])
