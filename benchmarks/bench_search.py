"""Searching many runs: the index, its first filling and its refresh, against raw SQLite.

``python bench_search.py [runs]``; 10,000 runs of 10 params, 10 metrics and 5 tags by default.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from measure import cpu_of_call, environment, mlflow_python, report

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
FILTER = "metrics.m3 > 0.5 and params.p2 = '7'"

MLFLOW = """
    import statistics, sys, time
    from mlflow.tracking import MlflowClient
    client = MlflowClient(sys.argv[1])
    def search():
        return client.search_runs(["0"], sys.argv[2], max_results=100, order_by=["metrics.m5 DESC"])
    search()
    taken = []
    for _ in range(3):
        start = time.process_time(); search(); taken.append(time.process_time() - start)
    print(statistics.median(taken))
"""

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    os.environ["TRACKLET_CACHE_DIR"] = str(folder / "cache")
    import tracklet
    from tracklet.entities import Metric

    tracklet.set_tracking_uri(folder / "store")
    client = tracklet.TrackletClient()
    dice = random.Random(0)

    def one_run() -> None:
        run = client.create_run("0", tags={f"t{i}": str(dice.randrange(9)) for i in range(5)})
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(f"m{i}", dice.random(), 1_790_000_000_000, 0) for i in range(10)],
            params={f"p{i}": str(dice.randrange(10)) for i in range(10)},
        )
        client.set_terminated(run.info.run_id)

    client.search_experiments()
    start = time.process_time()
    for _ in range(RUNS):
        one_run()
    writing = (time.process_time() - start) / RUNS

    def search() -> list:
        return client.search_runs(["0"], FILTER, max_results=100, order_by=["metrics.m5 DESC"])

    start, wall = time.process_time(), time.perf_counter()
    found = search()
    first, first_wall = time.process_time() - start, time.perf_counter() - wall
    assert len(found) == min(100, len(found)) > 0
    time.sleep(1)
    search()
    warm = cpu_of_call(search, 30)
    one_run()
    start = time.process_time()
    search()
    refresh = time.process_time() - start

    # the floor: the same question to a plain table in SQLite, asked through the standard library
    raw = sqlite3.connect(":memory:")
    raw.execute("create table m (run text, key text, value real)")
    raw.execute("create table p (run text, key text, value text)")
    for number in range(RUNS):
        raw.executemany(
            "insert into m values (?, ?, ?)",
            [(str(number), f"m{i}", dice.random()) for i in range(10)],
        )
        raw.executemany(
            "insert into p values (?, ?, ?)",
            [(str(number), f"p{i}", str(dice.randrange(10))) for i in range(10)],
        )
    raw.execute("create index mi on m (run, key, value)")
    raw.execute("create index mk on m (key, value, run)")
    raw.execute("create index pi on p (key, value, run)")
    raw.execute("create index pr on p (run)")

    def floor() -> None:
        rows = raw.execute(
            "select a.run from m a join p on p.run = a.run and p.key = 'p2' and p.value = '7' "
            "join m b on b.run = a.run and b.key = 'm5' "
            "where a.key = 'm3' and a.value > 0.5 order by b.value desc limit 100"
        ).fetchall()
        for (run,) in rows:
            raw.execute("select key, value from m where run = ?", (run,)).fetchall()
            raw.execute("select key, value from p where run = ?", (run,)).fetchall()

    bare = cpu_of_call(floor, 10)
    raw.close()
    theirs = None
    if python := mlflow_python():
        database = folder / "mlflow.db"
        shutil.rmtree(folder / "cache", ignore_errors=True)
        migrated = subprocess.run(
            [
                str(Path(python).with_name("mlflow")),
                "migrate-filestore",
                "--source",
                str(folder / "store"),
                "--target",
                f"sqlite:///{database}",
            ],
            env=environment(folder),
            capture_output=True,
            text=True,
        )
        if migrated.returncode == 0:
            done = subprocess.run(
                [python, "-c", textwrap.dedent(MLFLOW), f"sqlite:///{database}", FILTER],
                env=environment(folder),
                capture_output=True,
                text=True,
                check=True,
            )
            theirs = float(done.stdout)
    report(
        f"search of {RUNS} runs",
        warm,
        bare,
        theirs,
        target="at most 10,000 us",
        first_index_cpu_s=round(first, 2),
        first_index_wall_s=round(first_wall, 2),
        after_one_more_run_us=round(refresh * 1e6),
        writing_one_run_us=round(writing * 1e6),
    )
    tracklet.testing.reset()
