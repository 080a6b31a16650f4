"""The pages of models, traces, lineage, doctor and settings."""

from __future__ import annotations

import json
import os
import re
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tracklet
from tracklet.entities import (
    AssessmentSource,
    Dataset,
    DatasetInput,
    Feedback,
    InputTag,
    LoggedModelOutput,
    Metric,
)
from tracklet.entities.span import Span, SpanEvent, SpanStatus, SpanStatusCode
from tracklet.entities.trace import TraceInfo, TraceLocation, TraceState

expect = pytest.importorskip("playwright.sync_api").expect
HOSTILE = "<img src=x onerror='window.__pwned=1'><script>window.__pwned=1</script>"
ML_MODEL = """\
    artifact_path: model
    flavors:
      python_function:
        loader_module: mlflow.sklearn
        python_version: 3.12.0
      sklearn:
        pickled_model: model.pkl
        sklearn_version: 1.9.1
    mlflow_version: 3.17.0
    model_id: {model_id}
    signature:
      inputs: '[{{"type": "double", "name": "age", "required": true}}, {{"type": "long", "name": "visits", "required": false}}]'
      outputs: '[{{"type": "tensor", "tensor-spec": {{"dtype": "int64", "shape": [-1]}}}}]'
      params: null
    utc_time_created: '2026-11-30 20:00:00.000000'
    """  # noqa: E501


class Library(NamedTuple):
    """What was recorded, by id."""

    client: tracklet.TrackletClient
    experiment: str
    run: str
    model: str
    trace: str


def made(uri: str, text: str = "") -> Library:
    """A run with a data set, its model in two versions, and a trace that failed.

    Args:
        uri: Where.
        text: What every field says that a client can write; by default what makes sense there.
    """
    client = tracklet.TrackletClient(uri)
    experiment = client.create_experiment("churn")
    run = client.create_run(experiment, run_name=text or "training").info.run_id
    client.log_inputs(run, [_dataset(text)])
    model = client.create_logged_model(
        experiment,
        "classifier",
        run,
        tags={"kind": text or "tree"},
        params={"C": text or "0.5"},
        model_type=text or "binary",
    ).model_id
    document = textwrap.dedent(ML_MODEL).format(model_id=model)
    _put(client, model, "MLmodel", document)
    _put(client, model, "requirements.txt", f"scikit-learn==1.9.1\n{text}\n")
    client.finalize_logged_model(model, "READY")
    client.log_outputs(run, [LoggedModelOutput(model, 0)])
    client.log_batch(run, [Metric("auc", 0.91, 1, 3, model, text or "customers", "abc12345", run)])
    client.create_registered_model("churn", {"team": text or "growth"}, text or "Who **leaves**")
    for note in ("first", text or "second"):
        client.create_model_version(
            "churn", f"models:/{model}", run, {"by": text or "hand"}, description=note,
            model_id=model,
        )  # fmt: skip
    client.set_registered_model_alias("churn", "champion", "1")
    client.set_terminated(run)
    return Library(client, experiment, run, model, _trace(client, experiment, run, text))


def _dataset(text: str) -> Any:
    dataset = Dataset(text or "customers", "abc12345", "local", '{"uri": "customers.csv"}')
    return DatasetInput(dataset, [InputTag("mlflow.data.context", text or "training")])


def _put(client: tracklet.TrackletClient, model: str, name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        client.log_model_artifact(model, str(path))


def span(number: int, parent: int | None, name: str, at: int, end: int, **said: Any) -> Span:
    """A span whose id is its number; times are in ms."""
    attributes = {key: json.dumps(value) for key, value in said.pop("attributes", {}).items()}
    above = None if parent is None else f"{parent:016x}"
    began = 1_760_000_000_000_000_000
    return Span(
        "tr-" + "0" * 32, f"{number:016x}", above, name, began + at * 10**6, began + end * 10**6,
        attributes=attributes, **said,
    )  # fmt: skip


def keep(
    client: tracklet.TrackletClient, experiment: str, name: str, spans: list[Span], **said: Any
) -> str:
    """Keep a trace of spans."""
    trace_id = f"tr-{os.urandom(16).hex()}"
    tags = {"mlflow.traceName": name, **said.pop("tags", {})}
    info = TraceInfo(
        trace_id, TraceLocation.from_experiment_id(experiment), said.pop("at", 1_760_000_000_000),
        said.pop("state", TraceState.OK), execution_duration=100, tags=tags, **said,
    )  # fmt: skip
    client.store.traces.log_trace(info, spans)
    return trace_id


def _trace(client: tracklet.TrackletClient, experiment: str, run: str, text: str) -> str:
    failure = SpanEvent(
        "exception",
        1_760_000_000_070_000_000,
        {"exception.type": text or "ValueError", "exception.message": text or "no such table",
         "exception.stacktrace": text or "Traceback: line 3"},
    )  # fmt: skip
    said = {"mlflow.spanInputs": {text or "question": text or "why?"},
            "mlflow.spanOutputs": [text or "because", 3, None, True],
            "mlflow.spanType": text or "AGENT", "tokens": text or 812}  # fmt: skip
    spans = [
        span(1, None, text or "answer", 0, 100, attributes=said),
        span(2, 1, text or "search", 5, 30),
        span(3, 1, text or "lookup", 40, 90, events=[failure],
             status=SpanStatus(SpanStatusCode.ERROR, text or "it failed")),
    ]  # fmt: skip
    trace_id = keep(
        client, experiment, text or "answer", spans, state=TraceState.ERROR,
        request_preview=text or "why?", response_preview=text or "because",
        trace_metadata={"mlflow.sourceRun": run}, tags={"team": text or "growth"},
    )  # fmt: skip
    source = AssessmentSource("HUMAN", text or "ada")
    client.log_assessment(
        trace_id,
        Feedback(text or "correct", text or "no", source=source,
                                   rationale=text or "It made that up."),
    )  # fmt: skip
    return trace_id


Open = Callable[..., Any]
Shown = tuple[Any, Library]


@pytest.fixture(scope="session", params=["folder", "database"])
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, serving: Any
) -> Iterator[Shown]:
    """A record that is looked at, in each kind of place."""
    root = tmp_path_factory.mktemp("library")
    if request.param == "database":
        pytest.importorskip("sqlalchemy")
    uri = str(root / "mlruns") if request.param == "folder" else f"sqlite:///{root / 'runs.db'}"
    kept = made(uri)
    one = serving(uri)
    yield one, kept
    one.stop()


IN_A_FOLDER = pytest.mark.parametrize("shown", ["folder"], indirect=True)
"""For what does not depend on where the record is kept."""


@pytest.fixture
def mine(tmp_path: Path, serving: Any) -> Iterator[Shown]:
    """A record that is changed."""
    kept = made(str(tmp_path / "mlruns"))
    one = serving(tmp_path / "mlruns")
    yield one, kept
    one.stop()


def heading(page: Any) -> Any:
    return page.get_by_role("heading", level=1)


# -- the registry and logged models ----------------------------------------------------------------


def test_from_the_registry_to_what_a_version_came_from(shown: Shown, open_page: Open) -> None:
    server, kept = shown
    page = open_page("#/models", server=server)
    expect(page.get_by_role("link", name="@champion → 1")).to_be_visible()
    page.get_by_role("link", name="churn", exact=True).click()
    expect(page.locator(".markdown strong")).to_have_text("leaves")
    expect(page.get_by_role("rowheader", name=re.compile("^Version"))).to_have_text(
        ["Version 2", "Version 1"]
    )
    expect(page.get_by_label("metric")).to_have_value("auc")
    page.get_by_role("button", name="as a table").click()
    expect(page.locator(".figure tbody td").first).to_have_text("1")
    page.get_by_role("link", name="Version 1").click()
    expect(heading(page)).to_have_text("churn version 1")
    expect(page.get_by_text("@champion")).to_be_visible()
    expect(page.get_by_role("row", name="age double")).to_be_visible()
    expect(page.get_by_role("row", name="visits long, optional")).to_be_visible()
    expect(page.get_by_role("row", name="auc 0.91 3 customers abc12345")).to_be_visible()
    page.get_by_role("link", name=kept.model).click()
    expect(heading(page)).to_have_text("classifier")
    expect(page.get_by_role("link", name="churn 2")).to_be_visible()
    page.get_by_role("link", name="training").click()
    expect(heading(page)).to_have_text("training")
    page.get_by_role("link", name="classifier").click()
    expect(page).to_have_url(re.compile(kept.model))


def test_models_are_found_and_sorted(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    for name in ("apples", "zebras"):
        kept.client.create_registered_model(name, {"colour": "green"} if name == "zebras" else None)
    page = open_page("#/models?order=name DESC", server=server)
    names = page.get_by_role("rowheader")
    expect(names).to_have_text(["zebras", "churn", "apples"])
    page.get_by_role("button", name="Name").click()
    expect(names).to_have_text(["apples", "churn", "zebras"])
    kept.client.create_registered_model("mangos")
    expect(names).to_have_text(["apples", "churn", "mangos", "zebras"])
    page.get_by_label("find models").fill("green")
    expect(names).to_have_text(["zebras"])
    assert "find=green" in page.url
    page.reload()
    expect(names).to_have_text(["zebras"])


def test_many_models_are_drawn_a_hundred_at_a_time(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    for number in range(1, 301):
        kept.client.create_registered_model(f"model-{number}")
    page = open_page("#/models?order=name DESC", server=server)
    expect(page.get_by_role("rowheader").first).to_have_text("model-300")
    expect(page.get_by_text("120 of 301 are shown.")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    page.get_by_label("find models").fill("model-7")
    expect(page.get_by_role("rowheader")).to_have_count(11)


def test_logged_models_are_filtered_and_shown_with_their_files(
    shown: Shown, open_page: Open
) -> None:
    server, kept = shown
    page = open_page(f"#/experiments/{kept.experiment}/models", server=server)
    row = page.get_by_role("row", name="classifier")
    expect(row).to_contain_text("0.91")
    page.get_by_label("filter models").fill("metrics.auc > 0.95")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_label("filter models").fill("metrics.auc > 0.9")
    expect(row).to_be_visible()
    page.get_by_role("link", name="classifier").click()
    expect(page.get_by_text(f'load_model("models:/{kept.model}")')).to_be_visible()
    expect(page.get_by_text("scikit-learn==1.9.1").first).to_be_visible()
    page.get_by_role("tab", name="files").click()
    page.get_by_role("treeitem", name="requirements.txt").click()
    expect(page.get_by_label("requirements.txt").first).to_be_visible()
    expect(page.locator(".preview")).to_contain_text("scikit-learn==1.9.1")


def test_a_model_that_is_kept_elsewhere_or_incomplete_is_said_to_be(
    mine: Shown, open_page: Open
) -> None:
    server, kept = mine
    agent = kept.client.create_logged_model(kept.experiment, "agent").model_id
    _put(kept.client, agent, "MLmodel", "flavors: {}\n")
    page = open_page(f"#/experiments/{kept.experiment}/models/{agent}", server=server)
    expect(page.get_by_text("Its files are not complete.")).to_be_visible()
    kept.client.log_outputs(kept.run, [LoggedModelOutput(agent, 0)])
    kept.client.finalize_logged_model(agent, "READY")
    expect(page.get_by_text("It is kept elsewhere")).to_be_visible()
    expect(page.get_by_role("link", name="training")).to_be_visible()


def test_a_version_says_what_it_takes_otherwise_than_the_one_before(
    mine: Shown, open_page: Open
) -> None:
    server, kept = mine
    client = kept.client
    page = open_page("#/models/churn/versions/2", server=server)
    expect(page.get_by_text("It takes and gives the same.")).to_be_visible()
    other = client.create_logged_model(kept.experiment, "other", kept.run).model_id
    document = textwrap.dedent(ML_MODEL).format(model_id=other)
    document = document.replace('"type": "double"', '"type": "float"').replace("visits", "clicks")
    _put(client, other, "MLmodel", document)
    client.finalize_logged_model(other, "READY")
    client.create_model_version("churn", f"models:/{other}", kept.run, model_id=other)
    page.goto(f"{server.address}#/models/churn/versions/3")
    expect(page.get_by_role("row", name="inputs age double → float")).to_be_visible()
    expect(page.get_by_role("row", name="inputs visits").locator("del")).to_be_visible()
    expect(page.get_by_role("row", name="inputs clicks").locator("ins")).to_be_visible()


def test_what_points_at_a_version_is_changed_and_changed_back(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    client = kept.client
    page = open_page("#/models/churn/versions/2", server=server)
    page.get_by_label("alias", exact=True).fill("champion")
    expect(page.get_by_text("This moves @champion here from version 1.")).to_be_visible()
    page.get_by_role("button", name="set the alias").click()
    expect(page.get_by_text("@champion points at version 2.")).to_be_visible()
    assert client.get_registered_model("churn").aliases == {"champion": 2}
    page.keyboard.press("Escape")
    page.get_by_role("button", name="undo").click()
    expect(page.get_by_text("No alias points at it.")).to_be_visible()
    assert client.get_registered_model("churn").aliases == {"champion": 1}
    page.get_by_label("stage").select_option("Production")
    page.get_by_role("button", name="move from None to Production").click()
    expect(page.locator(".title .badge")).to_have_text("Production")
    assert client.get_model_version("churn", "2").current_stage == "Production"
    page.get_by_role("button", name="edit the description").click()
    page.get_by_role("textbox", name="description").fill("**better**")
    page.get_by_role("button", name="save the description").click()
    expect(page.locator(".markdown strong")).to_have_text("better")
    heading(page).click()
    page.keyboard.press("Control+z")
    expect(page.locator(".markdown")).to_have_text("second")
    page.get_by_label("key of a tag").fill("checked")
    page.get_by_label("value of a tag").fill("yes")
    page.get_by_role("button", name="set", exact=True).click()
    expect(page.get_by_role("rowheader", name="checked")).to_be_visible()
    page.get_by_role("button", name="remove the tag by").click()
    expect(page.get_by_role("rowheader", name="by", exact=True)).to_have_count(0)
    version = client.get_model_version("churn", "2")
    assert version.description == "second"
    assert version.tags == {"checked": "yes"}


def test_a_model_is_renamed_and_deleted_by_its_name(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    page = open_page("#/models/churn", server=server)
    page.get_by_role("button", name="rename").click()
    page.get_by_label("name of the model").fill("leavers")
    page.get_by_role("button", name="save", exact=True).click()
    expect(heading(page)).to_have_text("leavers")
    page.get_by_role("button", name="delete the model").click()
    box = page.get_by_label("name of the model, to delete it")
    box.fill("leaver")
    expect(page.get_by_role("button", name="delete for good")).to_be_disabled()
    box.fill("leavers")
    page.get_by_role("button", name="delete for good").click()
    expect(page.get_by_text("No model is registered yet")).to_be_visible()
    assert kept.client.search_registered_models() == []


# -- traces ----------------------------------------------------------------------------------------


def test_a_trace_shows_what_failed_in_it(shown: Shown, open_page: Open) -> None:
    server, kept = shown
    page = open_page(f"#/experiments/{kept.experiment}/traces?state=OK", server=server)
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_label("state").select_option("ERROR")
    page.get_by_role("link", name="answer").click()
    rows = page.locator(".span-row")
    expect(rows).to_have_count(3)
    detail = page.get_by_role("region", name="span", exact=True)
    expect(detail).to_contain_text("questionwhy?")
    expect(detail.get_by_role("group", name="Outputs")).to_contain_text("because")
    expect(detail.get_by_role("group", name="Attributes")).to_contain_text("812")
    page.get_by_label("only errors").check()
    expect(rows).to_have_count(1)
    rows.click()
    expect(detail).to_contain_text("ValueError no such table")
    expect(detail).to_contain_text("it failed")
    expect(page.get_by_text("It made that up.")).to_be_visible()
    assert "span=" in page.url


def test_traces_are_filtered_by_state_time_and_tags(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    now = round(time.time() * 1000)
    for name, ago in (("fresh", 60_000), ("yesterday", 20 * 3_600_000)):
        tags = {"team": name}
        keep(kept.client, kept.experiment, name, [], at=now - ago, tags=tags)
    page = open_page("#/traces", server=server, allowed=("400",))
    names = page.get_by_role("rowheader")
    expect(names).to_have_text(["fresh", "yesterday", "answer"])
    page.get_by_label("time").select_option("last hour")
    expect(names).to_have_text(["fresh"])
    page.get_by_label("time").select_option("last day")
    expect(names).to_have_text(["fresh", "yesterday"])
    page.get_by_label("filter traces").fill("tags.team = 'yesterday'")
    expect(names).to_have_text(["yesterday"])
    page.get_by_label("filter traces").fill("tags.team =")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(names).to_have_text(["yesterday"])


def test_of_ten_thousand_spans_only_those_in_view_are_in_the_page(
    mine: Shown, open_page: Open
) -> None:
    server, kept = mine
    spans = [span(1, None, "root", 0, 20_000)]
    spans += [span(n, 1, f"step {n}", n, n + 1) for n in range(2, 5_001)]
    spans += [span(n, n - 1, f"deep {n}", n, 20_000) for n in range(5_001, 10_001)]
    trace = keep(kept.client, kept.experiment, "large", spans)
    page = open_page(f"#/experiments/{kept.experiment}/traces/{trace}", server=server)
    tree = page.get_by_role("treegrid", name="spans")
    expect(tree).to_have_attribute("aria-rowcount", "10000")
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    tree.focus()
    page.keyboard.press("End")
    last = page.locator(".span-row[aria-selected=true]")
    expect(last).to_have_attribute("aria-rowindex", "10000")
    expect(last).to_contain_text("deep 10000")
    expect(page.get_by_role("region", name="span", exact=True)).to_contain_text("deep 10000")
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    page.get_by_role("button", name="fold all").click()
    expect(tree).to_have_attribute("aria-rowcount", "5000")
    page.get_by_label("find spans").fill("step 4321")
    expect(page.locator(".span-row")).to_have_count(1)


def test_spans_that_make_no_tree_are_all_shown(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    spans = [
        span(1, 2, "one", 0, 9),
        span(2, 1, "other", 1, 8),
        span(3, 99, "orphan", 2, 3),
        span(4, 4, "its own", 3, 4),
    ]
    trace = keep(kept.client, kept.experiment, "odd", spans)
    page = open_page(f"#/traces/{trace}", server=server)
    expect(page.locator(".span-row .name")).to_have_text(["orphan", "its own", "one", "other"])


# -- lineage, doctor, settings, keys ---------------------------------------------------------------


def test_the_lineage_leads_from_the_data_to_the_version(shown: Shown, open_page: Open) -> None:
    server, kept = shown
    for of in (f"run:{kept.run}", f"model:{kept.model}", "version:churn/2"):
        page = open_page(f"#/lineage?of={of}", server=server)
        nodes = page.locator(".node")
        expect(nodes).to_have_count(5)
        for name in ("customers", "training", "classifier", "churn 1", "churn 2"):
            expect(nodes.get_by_text(name, exact=True)).to_be_visible()
        expect(page.locator(".lineage svg g path")).to_have_count(4)
        expect(page.locator(".node.focus")).to_have_count(1)
    page.get_by_role("button", name="as a list").click()
    expect(page.get_by_role("row", name="version churn 2")).to_contain_text("registered classifier")


def test_the_doctor_says_what_is_wrong_and_the_way_out(mine: Shown, open_page: Open) -> None:
    server, kept = mine
    page = open_page("#/doctor", server=server)
    expect(page.get_by_text("tracklet is well")).to_be_visible()
    root = Path(kept.client.tracking_uri)
    (root / kept.experiment / kept.run / "meta.yaml").write_text("{torn")
    page.get_by_role("button", name="examine again").click()
    expect(page.get_by_text("tracklet has a problem")).to_be_visible()
    row = page.locator(".check-row", has_text="left out")
    expect(row).to_contain_text("cannot be read")
    expect(row).to_contain_text("Mend or move what is named")


@IN_A_FOLDER
def test_settings_are_kept_in_the_browser(shown: Shown, open_page: Open) -> None:
    server, kept = shown
    page = open_page("#/settings", server=server, timezone_id="Asia/Tokyo")
    page.get_by_role("radio", name="dark").check()
    page.get_by_role("radio", name="compact").check()
    page.get_by_role("radio", name="UTC", exact=True).check()
    page.get_by_role("radio", name="single letters do nothing").check()
    page.reload()
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(root).to_have_attribute("data-density", "compact")
    expect(page.get_by_role("radio", name="single letters do nothing")).to_be_checked()
    page.goto(f"{server.address}#/traces/{kept.trace}")
    expect(page.get_by_text("2025-10-09 08:53:20 UTC")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


@IN_A_FOLDER
def test_places_are_reached_by_keys(shown: Shown, open_page: Open) -> None:
    page = open_page(server=shown[0])
    expect(heading(page)).to_have_text("Experiments")
    for key, title in (("m", "Registered models"), ("t", "Traces"), ("s", "Settings")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(heading(page)).to_have_text(title)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("to the filter or find box")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


# -- on every screen -------------------------------------------------------------------------------


def screens(kept: Library) -> list[str]:
    of = f"#/experiments/{kept.experiment}"
    return [
        "#/models", "#/models/churn", "#/models/churn/versions/2", f"{of}/models",
        f"{of}/models/{kept.model}", f"{of}/traces", f"{of}/traces/{kept.trace}",
        f"{of}/traces/{kept.trace}?span={3:016x}", f"#/lineage?of=run:{kept.run}",
        f"#/lineage?of=run:{kept.run}&view=list", "#/doctor", "#/settings", of,
    ]  # fmt: skip


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "narrow and dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
}


@IN_A_FOLDER
@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(shown: Shown, open_page: Open, look: str) -> None:
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    server, kept = shown
    page = open_page(server=server, **LOOKS[look])
    width = 320 if "narrow" in look else 1280
    page.set_viewport_size({"width": width, "height": 800})
    tags = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found: dict[tuple[str, str], list[str]] = {}
    for at in screens(kept):
        page.goto(server.address + at)
        expect(heading(page)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if at == screens(kept)[-1]:
            expect(page.get_by_role("gridcell").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, at
        for one in Axe().run(page, options=tags).response["violations"]:
            found[at, one["id"]] = [node["html"][:160] for node in one["nodes"]][:3]
    assert not found


@pytest.fixture
def hostile(tmp_path: Path, serving: Any) -> Iterator[Shown]:
    """A record whose every text would be markup, were it not shown as text."""
    kept = made(str(tmp_path / "mlruns"), HOSTILE)
    one = serving(tmp_path / "mlruns")
    yield one, kept
    one.stop()


def test_nothing_that_a_client_wrote_becomes_markup(hostile: Shown, open_page: Open) -> None:
    server, kept = hostile
    page = open_page(server=server)
    for at in (*screens(kept), f"#/runs/{kept.run}"):
        page.goto(server.address + at)
        expect(heading(page)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if not at.startswith(("#/doctor", "#/settings")):
            expect(page.get_by_text("window.__pwned=1").first).to_be_attached()
        assert page.locator("img:not([src*=icon])").count() == 0


def test_empty_screens_say_the_line_that_fills_them(
    own: tuple[Any, Any, str, str], open_page: Open
) -> None:
    server, _, experiment, run_id = own
    page = open_page("#/models", server=server)
    expect(page.get_by_text("tracklet.register_model(")).to_be_visible()
    page.goto(f"{server.address}#/experiments/{experiment}/models")
    expect(page.get_by_text("tracklet.sklearn.log_model(")).to_be_visible()
    page.goto(f"{server.address}#/experiments/{experiment}/traces")
    expect(page.get_by_text("@tracklet.trace")).to_be_visible()
    page.goto(f"{server.address}#/lineage?of=run:{run_id}")
    expect(page.get_by_text("tracklet.log_input(dataset)")).to_be_visible()


@IN_A_FOLDER
def test_what_is_not_there_is_said(shown: Shown, open_page: Open) -> None:
    page = open_page(server=shown[0], allowed=("400", "404"))
    for at in ("models/none", "models/none/versions/1", "experiments/0/models/m-none", "lineage",
               "experiments/0/traces/tr-none", "lineage?of=model:m-none"):  # fmt: skip
        page.goto(f"{shown[0].address}#/{at}")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_role("button", name="try again")).to_be_visible()
