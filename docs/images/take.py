"""Take the pictures of the pages that the README and docs/ui.md show, light and dark.

    pip install -e '.[ui]' playwright pillow
    python docs/images/take.py

They are of a record made here, in Debian's chromium.
"""

from __future__ import annotations

import io
import math
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

import tracklet
from tracklet_services.server import personal
from tracklet_services.ui.place import Place

HERE = Path(__file__).parent
TOKEN = "p" * 40
LARGEST = 100_000
ROC = {
    "layout": {"title": {"text": "ROC curve"}, "xaxis": {"title": {"text": "false positives"}}},
    "data": [
        {"name": "xgb", "x": [0, 0.05, 0.2, 0.5, 1], "y": [0, 0.6, 0.85, 0.96, 1]},
        {"name": "mlp", "x": [0, 0.1, 0.3, 0.6, 1], "y": [0, 0.5, 0.76, 0.92, 1]},
        {"name": "chance", "x": [0, 1], "y": [0, 1], "line": {"dash": "dash", "color": "grey"}},
    ],
}


def recorded(root: Path) -> tuple[str, list[str]]:
    """An experiment with a dozen trainings, and their ids."""
    client, chance = tracklet.TrackletClient(str(root)), random.Random(7)
    experiment = client.create_experiment("churn")
    runs: list[str] = []
    for i in range(12):
        model, lr, depth = ("xgb", "mlp", "forest")[i % 3], 10 ** chance.uniform(-4, -1), 3 + i % 5
        run_id = client.create_run(experiment, run_name=f"{model}-{i}").info.run_id
        params = {"model": model, "lr": f"{lr:.3g}", "depth": str(depth)}
        client.log_batch(run_id, params=params)
        points, best = [], 0.95 - abs(math.log10(lr) + 2.4) / 12 + depth / 300
        for step in range(2_000):
            value = best * (1 - math.exp(-step / 300)) + chance.gauss(0, 0.01)
            points.append((1_760_000_000_000 + 500 * step, value, step))
        writer = client.store.open_run(run_id)
        writer.log_series("val/auc", points)
        spiked = [(at, 1.2 - value + (2 if i == 1 and step == 1_234 else 0), step)
                  for at, value, step in points]  # fmt: skip
        writer.log_series("val/loss", spiked)
        writer.close()
        client.log_dict(run_id, ROC, "figures/roc.json")
        client.set_terminated(run_id)
        runs.append(run_id)
    return experiment, runs


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The address of the pages over a record."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    place = Place(str(root))
    app = personal.create_app(place, token=TOKEN, port=port)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)
    place.close()


def main() -> None:
    """Make the record, open it, and keep what is seen."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder, "mlruns")) as address:
        experiment, runs = recorded(Path(folder, "mlruns"))
        screens = {
            "runs": (f"#/experiments/{experiment}?order=metric.val/auc DESC", ".row .name a", 640),
            "charts": (f"#/experiments/{experiment}?view=charts", ".chart canvas", 610),
            "parallel": (f"#/experiments/{experiment}?view=parallel", ".parallel canvas", 800),
            "figure": (f"#/runs/{runs[0]}?tab=artifacts&path=figures/roc.json", ".figure svg", 800),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
            for scheme in schemes:
                page = browser.new_page(
                    color_scheme=scheme, viewport={"width": 1280, "height": 820}
                )
                page.goto(f"{address}?token={TOKEN}")
                for name, (at, seen, height) in screens.items():
                    page.set_viewport_size({"width": 1280, "height": height})
                    page.goto(f"{address}{at}")
                    page.locator(seen).first.wait_for()
                    page.locator("[aria-busy=true]").wait_for(state="detached")
                    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                    path = HERE / f"{name}-{scheme}.png"
                    picture.quantize(128).save(path, optimize=True)
                    assert path.stat().st_size <= LARGEST, path
            browser.close()


if __name__ == "__main__":
    main()
