"""A record as people make it, and the application over it."""

from __future__ import annotations

import math
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracklet

ROC = {
    "data": [
        {"type": "scatter", "mode": "lines", "name": "xgb", "x": [0, 0.2, 1], "y": [0, 0.8, 1]},
        {"type": "scatter", "mode": "lines", "name": "mlp", "x": [0, 0.4, 1], "y": [0, 0.7, 1]},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "chance",
            "x": [0, 1],
            "y": [0, 1],
            "line": {"dash": "dash", "color": "grey"},
        },
    ],
    "layout": {"title": {"text": "ROC curve"}, "xaxis": {"title": {"text": "false positives"}}},
}
NOTE = "# Why\n\nA **first** try.\n\n<script>window.__pwned = 1</script> [x](javascript:alert(1))"
HOSTILE = "<img src=x onerror='window.__pwned=1'><script>window.__pwned=1</script>"


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that differ, one of them in the trash, and names that test a page."""
    import os

    root = tmp_path_factory.mktemp("ui") / "mlruns"
    os.environ.setdefault("TRACKLET_CACHE_DIR", str(root.parent / "cache"))
    client = tracklet.TrackletClient(str(root))
    experiment = client.create_experiment("我的首个ML项目")
    for i, name in enumerate(("baseline", "brave-otter-7", HOSTILE)):
        run_id = client.create_run(experiment, 1_000_000 + i * 1000, run_name=name).info.run_id
        client.log_batch(
            run_id,
            params={"lr": 0.01 * (i + 1), "model": ("xgb", "mlp", "xgb")[i], "same": "x"},
            tags={"team": HOSTILE, "mlflow.note.content": NOTE},
        )
        for step in range(50):
            client.log_metric(run_id, "val/auc", 0.5 + i * 0.1 + step / 1000, step=step)
        client.log_metric(run_id, "odd", (math.nan, math.inf, 1.0)[i])
        client.log_dict(run_id, ROC, "figures/roc.json")
        client.log_text(run_id, 'a,b\n1,x\n2,"y, z"\n', "表/#?% table.csv")
        client.log_text(run_id, HOSTILE, "page.html")
        client.set_terminated(run_id, "FINISHED", 2_000_000)
    gone = client.create_run(experiment, run_name="thrown away").info.run_id
    client.set_terminated(gone)
    client.delete_run(gone)
    return root


@pytest.fixture
def place(record: Path) -> Iterator[Any]:
    """The record, opened for a UI."""
    from tracklet_services.ui.place import Place

    opened = Place(str(record))
    yield opened
    opened.close()


# -- screens, in a browser -------------------------------------------------------------------------

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
TOKEN = "s" * 40


class Served:
    """The application over a record, that of one user or of a team, listening."""

    def __init__(self, record: Path | str, team: Any = None) -> None:
        import uvicorn

        from tracklet_services.server import personal
        from tracklet_services.ui.place import Place

        self.socket = socket.create_server(("127.0.0.1", 0))
        port = self.socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        self.place = Place(str(record))
        made = team or personal.create_app(self.place, token=TOKEN, port=port)
        config = uvicorn.Config(
            made, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        run = {"sockets": [self.socket]}
        self.thread = threading.Thread(target=self.server.run, kwargs=run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.place.close()


@pytest.fixture(scope="session")
def serving() -> type[Served]:
    """What serves a record until it is stopped."""
    pytest.importorskip("uvicorn")
    return Served


@pytest.fixture(scope="session")
def served(record: Path, serving: type[Served]) -> Iterator[Served]:
    one = serving(record)
    yield one
    one.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("the screens are looked at in Debian's chromium")
    sync_api.expect.set_options(timeout=20_000)
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Open]:
    """Opens a screen; at the end nothing may have gone wrong on any."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened(
        at: str = "#/", server: Served = served, allowed: tuple[str, ...] = (), **options: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        context.add_init_script(
            "if (self === top) addEventListener('securitypolicyviolation', e => "
            "console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)

        def told(message: Any) -> None:
            if message.type == "error" and not any(one in message.text for one in allowed):
                wrong.append(message.text)

        page.on("console", told)
        page.on(
            "pageerror",
            lambda error: (
                None if any(one in str(error) for one in allowed) else wrong.append(str(error))
            ),
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((server.address, "data:", "blob:"))
                else wrong.append(f"request to {asked.url}")
            ),
        )
        page.goto(f"{server.address}?token={TOKEN}")
        page.goto(f"{server.address}{at}")
        return page

    yield opened
    pwned = [page.evaluate("window.__pwned") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert not wrong
    assert not any(pwned)


@pytest.fixture(scope="session")
def experiment(record: Path) -> str:
    found = tracklet.TrackletClient(str(record)).get_experiment_by_name("我的首个ML项目")
    assert found is not None
    return found.experiment_id


@pytest.fixture(scope="session")
def run_id(record: Path, experiment: str) -> str:
    client = tracklet.TrackletClient(str(record))
    return client.search_runs([experiment], "attributes.run_name = 'baseline'")[0].info.run_id


@pytest.fixture
def own(tmp_path: Path, serving: Any) -> Iterator[tuple[Any, Any, str, str]]:
    """A record of a test's own, with one run; asked for before the page, it outlives that."""
    client = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    experiment = client.create_experiment("changing")
    run_id = client.create_run(experiment, run_name="first").info.run_id
    client.log_metric(run_id, "m", 1.0, step=0)
    client.set_terminated(run_id)
    one = serving(tmp_path / "mlruns")
    yield one, client, experiment, run_id
    one.stop()
