"""The UI's server: its start, and the CPU of what a screen asks for, without a browser.

``TRACKLET_BENCH_RUNS`` and ``TRACKLET_BENCH_METRICS`` give the size of the table, 10,000 runs with
100 metrics by default. Where ``TRACKLET_MLFLOW_PYTHON`` names an environment with MLflow, its UI's
server shows the same folder beside ours: each is asked what its own table of runs asks for.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_server import Served
from measure import mlflow_python

import tracklet
from tracklet_services.ui import columns, series
from tracklet_services.ui.app import STATIC
from tracklet_services.ui.place import Place

RUNS = int(os.environ.get("TRACKLET_BENCH_RUNS", "10000"))
METRICS = int(os.environ.get("TRACKLET_BENCH_METRICS", "100"))
POINTS = 1_000_000
SHARED_RUNS, SHARED_METRICS = 500, 50
CHANGES, IDLE = 10, 10.0


def say(name: str, **values: float) -> None:
    print(json.dumps({"benchmark": f"ui {name}", **values}), flush=True)


def cpu(call: Callable[[], Any], times: int = 5) -> float:
    """The least CPU seconds of several calls."""
    least = math.inf
    for _ in range(times):
        began = time.process_time()
        call()
        least = min(least, time.process_time() - began)
    return round(least, 4)


def wide(path: Path) -> tuple[str, str]:
    """A database of many runs with many metrics, filled by hand: its URI and the experiment."""
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
                for i in range(RUNS)
            ),
        )
        keys = sorted(f"val/m{k}" for k in range(METRICS))
        db.executemany(
            "INSERT INTO latest_metrics (run, key, value, timestamp, step) VALUES (?, ?, ?, 0, 0)",
            ((i + 1, key, math.sin(i * len(key))) for i in range(RUNS) for key in keys),
        )
    db.close()
    return uri, experiment


def main() -> None:
    began = os.times()
    imports = "import tracklet_services.server.personal, uvicorn"
    subprocess.run([sys.executable, "-c", imports], check=True)
    ended = os.times()
    say("start", cpu_s=round(ended.children_user - began.children_user, 3))
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    say("static files", bytes=sum(path.stat().st_size for path in files))

    with tempfile.TemporaryDirectory() as folder:
        uri, experiment = wide(Path(folder) / "runs.db")
        place = Place(uri)
        names = [f"metric.val/m{k}" for k in range(14)]
        asked = (place, [experiment], "", [], 1, names)
        say("first rows", runs=RUNS, metrics=METRICS, bytes=len(columns.table(*asked)))
        say("first rows", runs=RUNS, metrics=METRICS, cpu_s=cpu(lambda: columns.table(*asked)))
        made = columns.table(*asked)
        since = json.loads(made[4 : 4 + int.from_bytes(made[:4], "little")])["since"]
        further = [f"metric.val/m{k}" for k in range(14, 33)]
        say("19 further columns", cpu_s=cpu(lambda: columns.more(place, since, further)))
        filtered = (place, [experiment], "metrics.`val/m3` > 0.5", [], 1, names)
        say("filter", cpu_s=cpu(lambda: columns.table(*filtered)))

        place.close()
        long(str(Path(folder) / "mlruns"), "files")
        long(f"sqlite:///{folder}/long.db", "SQLite")
        beside(Path(folder))


def long(uri: str, kind: str) -> None:
    """Draw a curve of a million points at several zooms."""
    client = tracklet.TrackletClient(uri)
    run_id = client.create_run(client.create_experiment("long")).info.run_id
    writer = client.store.open_run(run_id)
    writer.log_series("m", [(i, math.sin(i / 1e4), i) for i in range(POINTS)])
    writer.close()
    place = Place(uri)

    def draw(low: float | None, high: float | None) -> list[bytes]:
        return list(series.series(place, [run_id], "m", "step", (low, high), 800))

    name = f"a million points in {kind}"
    say(f"{name}, first", cpu_s=cpu(lambda: draw(None, None), 1))
    say(f"{name}, again", cpu_s=cpu(lambda: draw(None, None)))
    for width in (500_000, 50_000, 5_000, 500):
        zoom = cpu(lambda width=width: draw(100_000, 100_000 + width))
        say(f"{name}, zoom", width=width, cpu_s=zoom)
    place.close()


def beside(folder: Path) -> None:
    """Show one folder of runs by each server: its start, its first table, and what changes cost."""
    record = folder / "shared"
    client = tracklet.TrackletClient(str(record))
    experiment = client.create_experiment("shared")
    for number in range(SHARED_RUNS):
        run_id = client.create_run(experiment).info.run_id
        writer = client.store.open_run(run_id)
        for key in range(SHARED_METRICS):
            writer.log_series(f"m{key}", [(number, float(number * key), 0)])
        writer.close()
        client.set_terminated(run_id)
    table = "&".join(f"column=metric.m{key}" for key in range(14))
    ours = [sys.executable, "-m", "tracklet", "ui", str(record), "--no-browser", "--no-token"]
    server = Served("tracklet", ours, folder)
    try:
        path = f"/api/ui/v1/table?experiments={experiment}&{table}"
        shown("tracklet", server, "GET", path, None)
        live(server, client, experiment)
    finally:
        server.stop()
    python = mlflow_python()
    if python is None:
        return
    theirs = [python, "-m", "mlflow", "ui", "--backend-store-uri", str(record), "--workers", "1"]
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    server = Served("mlflow", theirs, folder)
    try:
        body = {"experiment_ids": [experiment], "max_results": SHARED_RUNS}
        shown("mlflow", server, "POST", "/ajax-api/2.0/mlflow/runs/search", body)
    finally:
        server.stop()


def shown(name: str, server: Served, method: str, path: str, body: Any) -> None:
    """Say what a server's start and its table took; the first, and the median of five."""
    say(f"{name}: start", wall_s=round(server.started, 3), cpu_s=server.cpu(), mb=server.memory())
    for which, times in (("first", 1), ("again", 5)):
        cpu, walls, size = server.cpu(), [], 0
        for _ in range(times):
            began = time.perf_counter()
            size = len(server.ask(method, path, body, raw=True))
            walls.append(time.perf_counter() - began)
        used = (server.cpu() - cpu) / times
        wall = round(statistics.median(walls), 4)
        say(f"{name}: {SHARED_RUNS} runs, {which}", wall_s=wall, cpu_s=round(used, 3), bytes=size)


def live(server: Served, client: Any, experiment: str) -> None:
    """Say how soon a metric is heard of, and what a page costs that hears nothing."""
    run_id = client.create_run(experiment).info.run_id
    stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    stream.request("GET", f"/api/ui/v1/events?experiments={experiment}")
    answer = stream.getresponse()
    heard: list[float] = []

    def listen() -> None:
        while line := answer.readline():
            if line == b"event: changed\n":
                heard.append(time.perf_counter())

    threading.Thread(target=listen, daemon=True).start()
    took: list[float] = []
    for step in range(CHANGES):
        # For what is still heard of the change before, and not in step with the server's looks.
        time.sleep(1.5 + step / CHANGES / 2)
        began, known = time.perf_counter(), len(heard)
        client.log_metric(run_id, "live", float(step), step=step)
        while len(heard) == known and time.perf_counter() < began + 60:
            time.sleep(0.001)
        took.append(heard[known] - began)
    say("metric to event", median_s=round(statistics.median(took), 3), most_s=round(max(took), 3))
    cpu = server.cpu()
    time.sleep(IDLE)
    say("idle page", seconds=IDLE, cpu_s=round(server.cpu() - cpu, 3))


if __name__ == "__main__":
    main()
