"""The UI's server: its start, and the CPU of what a screen asks for, without a browser.

``TRACKLET_BENCH_RUNS`` and ``TRACKLET_BENCH_METRICS`` give the size of the table, 10,000 runs with
100 metrics by default. Peers are not in it: their pages ask by other requests.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tracklet
from tracklet_services.ui import columns, series
from tracklet_services.ui.app import STATIC
from tracklet_services.ui.place import Place

RUNS = int(os.environ.get("TRACKLET_BENCH_RUNS", "10000"))
METRICS = int(os.environ.get("TRACKLET_BENCH_METRICS", "100"))
POINTS = 1_000_000


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


if __name__ == "__main__":
    main()
