"""The screens in a browser. Any error on the console, any violation of the policy and any request
to another host fails a test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet

expect = pytest.importorskip("playwright.sync_api").expect
Open = Callable[..., Any]


def test_from_the_list_of_experiments_to_a_run(open_page: Open) -> None:
    page = open_page()
    assert "token" not in page.url
    page.get_by_role("link", name="我的首个ML项目").click()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "4")
    page.get_by_role("link", name="baseline").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("baseline")
    expect(page.get_by_role("row", name="val/auc 0.549")).to_be_visible()
    expect(page.get_by_role("row", name="lr 0.01")).to_be_visible()


def test_a_note_is_shown_as_it_was_meant_and_runs_nothing(open_page: Open, run_id: str) -> None:
    page = open_page(f"#/runs/{run_id}")
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    expect(page.get_by_text("<script>window.__pwned = 1</script>")).to_be_visible()
    assert page.locator(".markdown a").count() == 0


def test_a_filter_and_its_error(open_page: Open, experiment: str) -> None:
    page = open_page(f"#/experiments/{experiment}")
    box = page.get_by_label("filter runs")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "4")
    box.fill("params.model = 'xgb'")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "3")
    expect(page.get_by_text("2 of 3 runs").first).to_be_visible()
    box.fill("brave")
    expect(page.get_by_text("1 of 3 runs").first).to_be_visible()


def test_a_wrong_filter_keeps_the_table(open_page: Open, experiment: str) -> None:
    page = open_page(f"#/experiments/{experiment}", allowed=("400 (Bad Request)",))
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "4")
    page.get_by_label("filter runs").fill("params.model >> 1")
    expect(page.get_by_role("alert")).to_contain_text("At character 14")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "4")


def test_what_a_screen_shows_is_in_its_address(open_page: Open, experiment: str) -> None:
    page = open_page(f"#/experiments/{experiment}")
    page.get_by_role("columnheader", name="val/auc").click()
    expect(page.get_by_role("columnheader", name="val/auc")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_label("filter runs").fill("params.model = 'xgb'")
    expect(page.get_by_text("2 of 3 runs").first).to_be_visible()
    again = open_page("#" + page.url.partition("#")[2])
    expect(again.get_by_text("2 of 3 runs").first).to_be_visible()
    expect(again.get_by_label("filter runs")).to_have_value("params.model = 'xgb'")
    expect(again.get_by_role("columnheader", name="val/auc")).to_have_attribute(
        "aria-sort", "descending"
    )


def test_without_a_mouse(open_page: Open, experiment: str) -> None:
    page = open_page(f"#/experiments/{experiment}")
    grid = page.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "4")
    page.keyboard.press("/")
    expect(page.get_by_label("filter runs")).to_be_focused()
    grid.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="compare 2")).to_be_enabled()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("baseline")


def test_comparing_shows_what_differs(open_page: Open, record: Path, experiment: str) -> None:
    client = tracklet.TrackletClient(str(record))
    ids = [run.info.run_id for run in client.search_runs([experiment])]
    page = open_page(f"#/compare?runs={','.join(ids)}")
    expect(page.get_by_role("rowheader", name="lr", exact=True)).to_be_visible()
    expect(page.get_by_role("rowheader", name="same", exact=True)).to_have_count(0)
    page.get_by_label("only what differs").uncheck()
    expect(page.get_by_role("rowheader", name="same", exact=True)).to_be_visible()


def test_artifacts_are_shown_as_what_they_are(open_page: Open, run_id: str) -> None:
    page = open_page(
        f"#/runs/{run_id}?tab=artifacts&path=figures/roc.json", allowed=('"img-src data: blob:"',)
    )
    figure = page.get_by_role("img", name="ROC curve: xgb, mlp, chance")
    expect(figure).to_be_visible()
    expect(page.locator(".legend li")).to_have_text(["xgb", "mlp", "chance"])
    expect(figure.locator("path[stroke-dasharray='7 5']")).to_have_count(1)
    page.get_by_role("treeitem", name="表").click()
    page.get_by_role("treeitem", name="#?% table.csv").click()
    expect(page.get_by_role("cell", name="y, z")).to_be_visible()
    page.get_by_role("treeitem", name="page.html").click()
    page.get_by_role("button", name="show it").click()
    expect(page.locator("iframe")).to_have_attribute("sandbox", "allow-scripts")


@pytest.fixture
def wide(tmp_path: Path, serving: Any) -> Iterator[tuple[Any, str]]:
    """A record of 10,000 runs with 40 metrics each."""
    pytest.importorskip("sqlalchemy")
    uri, experiment = wide_record(tmp_path / "runs.db", 10_000, 40)
    one = serving(uri)
    yield one, experiment
    one.stop()


def test_the_table_of_ten_thousand_runs_shows_every_cell(
    wide: tuple[Any, str], open_page: Open
) -> None:
    server, experiment = wide
    at = f"#/experiments/{experiment}?cols=metric.*&order=metric.m0 ASC"
    page = open_page(at, server=server)
    grid = page.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "10001")
    expect(grid).to_have_attribute("aria-colcount", "44")
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    grid.evaluate("g => g.scrollTo(1e9, 1e9)")
    cell = page.locator(".row[aria-rowindex='10001'] .cell[aria-colindex='44']")
    expect(cell).to_have_text("10008")
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500


def wide_record(path: Path, runs: int, metrics: int) -> tuple[str, str]:
    """A database in which run i measured i + k as its metric mk: its URI and the experiment."""
    import sqlite3

    uri = f"sqlite:///{path}"
    client = tracklet.TrackletClient(uri)
    experiment = client.create_experiment("wide")
    client.store.backend.close()
    db = sqlite3.connect(path)
    with db:
        db.executemany(
            "INSERT INTO runs (id, run_id, experiment_id, name, status, start_time, end_time, "
            "lifecycle_stage) VALUES (?, ?, ?, ?, 'FINISHED', ?, ?, 'active')",
            (
                (i + 1, f"{i:032x}", experiment, f"run {i}", 1_000 + i, 2_000 + i)
                for i in range(runs)
            ),
        )
        keys = sorted(f"m{k}" for k in range(metrics))
        db.executemany(
            "INSERT INTO latest_metrics (run, key, value, timestamp, step) VALUES (?, ?, ?, 0, 0)",
            ((i + 1, key, float(i + int(key[1:]))) for i in range(runs) for key in keys),
        )
    db.close()
    return uri, experiment


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off_on_a_narrow_screen(
    open_page: Open, experiment: str, run_id: str, scheme: str, width: int
) -> None:
    page = open_page(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for at in ("#/", f"#/experiments/{experiment}", f"#/runs/{run_id}"):
        page.goto(page.url.partition("#")[0] + at)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


# -- curves ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def spiked(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[tuple[Any, str]]:
    """A curve of 100,000 points at 0, with one spike and one NaN."""
    root = tmp_path_factory.mktemp("spiked") / "mlruns"
    client = tracklet.TrackletClient(str(root))
    run_id = client.create_run(client.create_experiment("spiked"), run_name="one").info.run_id
    writer = client.store.open_run(run_id)
    values = [0.0] * 100_000
    values[61_803], values[20_000] = 10.0, float("nan")
    writer.log_series("m", [(1_000 + step, value, step) for step, value in enumerate(values)])
    writer.close()
    client.set_terminated(run_id)
    one = serving(root)
    yield one, run_id
    one.stop()


COLOURED = """() => {
    const canvas = document.querySelector('.plot canvas');
    const {data, width, height} = canvas.getContext('2d').getImageData(
        0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let y = 0; y < height / 3; y++) for (let x = 0; x < width; x++) {
        const at = 4 * (y * width + x);
        const [r, g, b, a] = data.slice(at, at + 4);
        if (a > 20 && Math.max(r, g, b) - Math.min(r, g, b) > 40) count++;
    }
    return count;
}"""


@pytest.mark.parametrize("zoom", ["", "60000,64000", "61700,61900", "61802,61804"])
def test_a_spike_is_seen_at_every_zoom(open_page: Open, spiked: tuple[Any, str], zoom: str) -> None:
    server, run_id = spiked
    page = open_page(f"#/runs/{run_id}?tab=charts{zoom and f'&zoom={zoom}'}", server=server)
    expect(page.get_by_text("100,000 points")).to_be_visible()
    expect(page.locator(".plot canvas")).to_be_visible()
    until = time.monotonic() + 20
    while not page.evaluate(COLOURED) and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert page.evaluate(COLOURED) > 0


def test_what_is_not_finite_is_named(open_page: Open, spiked: tuple[Any, str]) -> None:
    server, run_id = spiked
    page = open_page(f"#/runs/{run_id}?tab=charts", server=server)
    expect(page.get_by_text("not finite: 1 points, the first at step")).to_be_visible()


# -- changes -----------------------------------------------------------------------------------


def test_what_others_record_appears_by_itself(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, experiment, _ = own
    page = open_page(f"#/experiments/{experiment}", server=server)
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "2")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    other = client.create_run(experiment, run_name="second").info.run_id
    expect(page.get_by_role("link", name="second")).to_be_visible()
    client.log_metric(other, "m", 0.25, step=7)
    expect(page.get_by_role("gridcell", name="0.25")).to_be_visible()
    client.set_terminated(other, "FAILED")
    expect(page.get_by_role("gridcell", name="failed")).to_be_visible()


@pytest.mark.parametrize("status", [500, 410])
def test_columns_that_do_not_come_are_asked_for_again_when_a_person_says_so(
    own: tuple[Any, Any, str, str], open_page: Open, status: int
) -> None:
    server, client, experiment, run_id = own
    # The first twelve columns come with the table itself.
    for key, value in {**{f"k{i:02}": 7.0 for i in range(12)}, "n": 0.25}.items():
        client.log_metric(run_id, key, value)
    at = f"#/experiments/{experiment}?cols=metric.m"
    page = open_page(at, server=server, allowed=(f"status of {status}",))
    page.set_viewport_size({"width": 3000, "height": 800})
    expect(page.get_by_role("gridcell", name="1", exact=True)).to_be_visible()
    asked: list[Any] = []

    def refuse(route: Any) -> None:
        asked.append(route)
        route.fulfill(status=status, body='{"message": "refused"}')

    page.route("**/table?since=*", refuse)
    page.goto(f"{server.address}{at},metric.k*,metric.n")
    expect(page.get_by_role("alert")).to_contain_text("refused")
    page.evaluate(
        "new Promise(done => { let n = 60; const next = () => n-- ? "
        "requestAnimationFrame(next) : done(); next(); })"
    )
    assert len(asked) <= 4
    page.unroute("**/table?since=*")
    page.get_by_role("button", name="try again").click()
    expect(page.get_by_role("gridcell", name="0.25")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_slow_answer_is_waited_for_whatever_changes_meanwhile(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, experiment, _ = own
    page = open_page(f"#/experiments/{experiment}", server=server)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    given_up: list[int] = []
    page.on("requestfailed", lambda request: "/table" in request.url and given_up.append(1))
    held: list[Any] = []
    page.route("**/table?experiments=*", lambda route: held.append(route))
    client.create_run(experiment, run_name="second")
    until = time.monotonic() + 20
    while not held and time.monotonic() < until:
        page.wait_for_timeout(50)
    for name in ("third", "fourth"):
        with page.expect_event("console", lambda message: message.text == "heard"):
            page.evaluate(
                "() => { const one = new EventSource('api/ui/v1/events'); one.onerror = null;"
                "one.addEventListener('changed', () => { one.close(); console.log('heard'); });"
                "return new Promise(opened => one.addEventListener('open', opened)); }"
            )
            client.create_run(experiment, run_name=name)
    assert len(held) == 1
    assert not given_up
    held[0].continue_()
    page.unroute("**/table?experiments=*")
    expect(page.get_by_role("link", name="fourth")).to_be_visible()


def test_changes_are_heard_again_after_another_tab_and_after_a_refusal(open_page: Open) -> None:
    page = open_page(allowed=("status of 503", "MIME type"))
    live = page.get_by_text("live", exact=True)
    expect(live).to_be_visible()
    for hidden, state in (("true", "paused"), ("false", "live")):
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});"
            "dispatchEvent(new Event('visibilitychange'))"
        )
        expect(page.get_by_text(state, exact=True)).to_be_visible()
    page.route("**/events*", lambda route: route.fulfill(status=503))
    page.evaluate("dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("the server is gone; trying again")).to_be_visible()
    page.unroute("**/events*")
    expect(live).to_be_visible()


def test_what_was_not_written_is_said(own: tuple[Any, Any, str, str], open_page: Open) -> None:
    server, client, _, run_id = own
    page = open_page(f"#/runs/{run_id}", server=server, allowed=("ERR_FAILED",))
    page.get_by_role("button", name="write a note").click()
    page.get_by_role("textbox", name="note").fill("kept")
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("button", name="save the note").click()
    expect(page.get_by_text("The note was not saved.")).to_be_visible()
    expect(page.get_by_role("textbox", name="note")).to_have_value("kept")
    page.unroute("**/api/**")
    page.goto(f"{server.address}#/")
    page.get_by_label("select changing").check()
    page.route("**/experiments/delete", lambda route: route.abort())
    page.get_by_role("button", name="to the trash").click()
    expect(page.get_by_text("nothing was changed")).to_be_visible()
    expect(page.get_by_text("1 moved")).to_have_count(0)
    assert client.get_experiment_by_name("changing").lifecycle_stage == "active"


def test_data_sets_of_one_name_are_told_apart(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    from tracklet.entities import Dataset, DatasetInput, InputTag

    server, client, experiment, run_id = own
    other = client.create_run(experiment).info.run_id
    for one, digest in ((run_id, "aaa"), (other, "bbb")):
        used = [
            DatasetInput(Dataset("d", sha, "local", "{}"), [InputTag("mlflow.data.context", of)])
            for of, sha in (("train", digest), ("eval", "same"))
        ]
        client.log_inputs(one, used)
    page = open_page(f"#/compare?runs={run_id},{other}", server=server)
    expect(page.get_by_role("row", name="d (train) aaa bbb")).to_be_visible()
    expect(page.get_by_role("rowheader", name="d (eval)")).to_have_count(0)


def test_a_file_that_cannot_be_drawn_leaves_the_page_standing(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, client, _, run_id = own
    client.log_text(run_id, '{"columns": ["a"], "data": [null]}', "broken.json")
    page = open_page(f"#/runs/{run_id}?tab=artifacts&path=broken.json", server=server)
    expect(page.locator(".preview").get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("link", name="download")).to_be_visible()


@pytest.mark.parametrize("mark", ["[", "![", "[a](b", "**a ", "`", "<https:", "# a    "])
def test_a_note_of_unclosed_marks_is_shown_at_once(open_page: Open, mark: str) -> None:
    page = open_page()
    shown = page.evaluate(
        "async text => { const at = document.querySelector('script[src*=main]').src;"
        "const { Markdown } = await import(new URL('lib/markdown.js', at).href);"
        "return Boolean(Markdown({ text })); }",
        "x " + mark * (200_000 // len(mark)),
    )
    assert shown


def test_a_run_is_edited_in_its_page(own: tuple[Any, Any, str, str], open_page: Open) -> None:
    server, client, _, run_id = own
    page = open_page(f"#/runs/{run_id}", server=server)
    page.get_by_role("button", name="write a note").click()
    page.get_by_role("textbox", name="note").fill("## Seen\n\nIt **works**.")
    page.get_by_role("button", name="save the note").click()
    expect(page.get_by_role("heading", name="Seen")).to_be_visible()
    page.get_by_role("button", name="rename").click()
    page.get_by_label("name of the run").fill("renamed")
    page.get_by_role("button", name="save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("renamed")
    page.get_by_label("key of a tag").fill("team")
    page.get_by_label("value of a tag").fill("growth")
    page.get_by_role("button", name="set", exact=True).click()
    expect(page.get_by_role("rowheader", name="team")).to_be_visible()
    page.get_by_role("button", name="move to the trash").click()
    expect(page.get_by_text("in the trash", exact=True)).to_be_visible()
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    page.get_by_role("button", name="undo").click()
    expect(page.get_by_text("in the trash", exact=True)).to_have_count(0)
    run = client.get_run(run_id)
    assert run.info.run_name == "renamed"
    assert run.data.tags["team"] == "growth"
    assert run.data.tags["mlflow.note.content"] == "## Seen\n\nIt **works**."
