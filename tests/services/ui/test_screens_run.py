"""The page of a run: what it printed, what it was made of, its family."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
Open = Callable[..., Any]
Own = tuple[Any, Any, str, str]

HOSTILE = "<img src=x onerror=window.__pwned=1>"


def test_what_a_run_printed_is_shown_as_a_terminal_would(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    printed = f"\x1b[31mred\x1b[0m {HOSTILE}\n 10%\r 99%\nlast\x1b]0;title\x07 words"
    client.log_text(run_id, printed, "tracklet/output.log")
    page = open_page(f"#/runs/{run_id}?tab=logs", server=server)
    expect(page.locator(".line")).to_have_text([f"1red {HOSTILE}\n", "2 99%\n", "3last words\n"])
    expect(page.locator(".ansi.red")).to_have_text("red")


def test_of_a_long_log_only_lines_in_view_are_in_the_page(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    client.log_text(run_id, "".join(f"step {i}\n" for i in range(30_000)), "tracklet/output.log")
    page = open_page(f"#/runs/{run_id}?tab=logs", server=server)
    expect(page.get_by_text("30,000 lines")).to_be_visible()
    page.get_by_role("region", name="what the run printed").evaluate("b => b.scrollTo(0, 1e9)")
    expect(page.locator(".line").last).to_have_text("30000step 29999\n")
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    page.get_by_label("find lines").fill("step 12345")
    expect(page.locator(".line")).to_have_text(["12346step 12345\n"])


def test_a_log_that_grows_is_followed(own: Own, open_page: Open, tmp_path: Path) -> None:
    server, client, experiment, _ = own
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "first\n", "tracklet/output.log")
    page = open_page(f"#/runs/{run.info.run_id}?tab=logs", server=server)
    expect(page.locator(".line")).to_have_count(1)
    log = Path(client.download_artifacts(run.info.run_id, "tracklet/output.log"))
    with log.open("ab") as file:
        file.write("half é".encode()[:-1])
        file.flush()
        expect(page.locator(".line")).to_have_count(2)
        file.write("é".encode()[-1:] + b"\n" + b"more\n" * 500)
    expect(page.get_by_text("502 lines")).to_be_visible()
    expect(page.locator(".line", has_text="half é")).to_have_count(0)  # the end is in view
    expect(page.locator(".line").last).to_have_text("502more\n")


def test_what_a_run_was_made_of_is_shown(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    machine = {"command": ["train.py", "--name", "a b"], "arguments": {"lr": HOSTILE}, "host": "h1"}
    patch = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"
    for path, text in {
        "machine.json": json.dumps(machine),
        "packages.txt": "numpy==2.0\nscipy==1.1\n",
        "code/train.py": "import x\n",
        "code/uncommitted.patch": patch,
    }.items():
        client.log_text(run_id, text, f"tracklet/{path}")
    page = open_page(f"#/runs/{run_id}?tab=code", server=server)
    expect(page.get_by_text("train.py --name 'a b'")).to_be_visible()
    expect(page.get_by_role("row", name=f"lr {HOSTILE}")).to_be_visible()
    expect(page.locator(".line.added")).to_have_text("5+new\n")
    expect(page.locator(".line.removed")).to_have_text("4-old\n")
    expect(page.get_by_role("region", name="script")).to_contain_text("import x")
    page.get_by_label("find packages").fill("sci")
    expect(page.locator(".packages li")).to_have_text(["scipy==1.1"])


def test_metrics_of_the_machine_have_a_tab_of_their_own(own: Own, open_page: Open) -> None:
    server, client, _, run_id = own
    client.log_metric(run_id, "system/cpu_utilization_percentage", 50.0)
    page = open_page(f"#/runs/{run_id}?tab=charts", server=server)
    expect(page.get_by_role("heading", name="m", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="system/cpu")).to_have_count(0)
    page.get_by_role("tab", name="system").click()
    expect(page.get_by_role("heading", name="system/cpu")).to_be_visible()
    expect(page.get_by_label("horizontal axis")).to_have_value("wall")


def test_a_run_says_whose_child_it_is_and_which_are_its_children(own: Own, open_page: Open) -> None:
    server, client, experiment, parent = own
    for i in range(12):
        tags = {"mlflow.parentRunId": parent}
        child = client.create_run(experiment, run_name=f"child {i}", tags=tags).info.run_id
        client.set_terminated(child, "FAILED" if i == 3 else "FINISHED")
    page = open_page(f"#/runs/{parent}", server=server)
    expect(page.get_by_text("12 children: 11 done, 1 failed")).to_be_visible()
    page.get_by_label("find in children").fill("child 3")
    page.get_by_role("link", name="child 3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("child 3")
    page.get_by_role("link", name="first").click()
    page.get_by_role("link", name="as a table").click()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "13")


def test_a_run_without_any_of_this_says_so(own: Own, open_page: Open) -> None:
    server, _, _, run_id = own
    page = open_page(f"#/runs/{run_id}?tab=logs", server=server)
    expect(page.get_by_text("Nothing that this run printed was kept.")).to_be_visible()
    page.get_by_role("tab", name="code").click()
    expect(page.get_by_text("of runs of tracklet that last three seconds")).to_be_visible()
