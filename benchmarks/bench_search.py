"""Searching many runs: the first search of a process, cold and indexed, and the next ones.

``python bench_search.py [runs ...]``; 3 and 10,000 runs of 10 params, 10 metrics and 5 tags by
default; 100,000 take a while and some 15 GB. Every search happens in a new process, beside a bare
read of the same files, the same question to plain SQLite, the first search of the real MLflow in
the same folder (``TRACKLET_MLFLOW_PYTHON``), and another version of this library
(``TRACKLET_BEFORE_PYTHON``: the interpreter of its environment).
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path

from measure import cpu_of_call, environment, mlflow_python, report

SIZES = [int(size) for size in sys.argv[1:]] or [3, 10_000]
FILTER = "metrics.m3 > 0.5 and params.p2 = '7'"
WRITTEN = 300

OURS = """
    import statistics, sys, time
    start = time.process_time()
    import tracklet
    client = tracklet.TrackletClient(sys.argv[1])
    def search():
        client.search_runs(["0"], sys.argv[2], max_results=100, order_by=["metrics.m5 DESC"])
    search()
    first = time.process_time() - start
    taken = []
    for _ in range(20):
        start = time.process_time(); search(); taken.append(time.process_time() - start)
    print(first, statistics.median(taken))
"""

MLFLOW = """
    import sys, time
    from mlflow.tracking import MlflowClient
    client = MlflowClient(sys.argv[1])
    start = time.process_time()
    client.search_runs(["0"], sys.argv[2], max_results=100, order_by=["metrics.m5 DESC"])
    print(time.process_time() - start)
"""

BARE = """
    import os, sys, time
    start = time.process_time()
    for folder, below, names in os.walk(sys.argv[1]):
        below[:] = [name for name in below if name not in ("artifacts", ".tracklet")]
        for name in names:
            descriptor = os.open(f"{folder}/{name}", os.O_RDONLY)
            os.read(descriptor, 1 << 16)
            os.close(descriptor)
    print(time.process_time() - start)
"""


def make_store(store: Path, runs: int) -> None:
    """Runs as our API writes them; beyond the first hundreds, as copies of their files."""
    import tracklet
    from tracklet.entities import Metric

    client = tracklet.TrackletClient(str(store))
    dice = random.Random(0)
    templates = []
    for _ in range(min(runs, WRITTEN)):
        run = client.create_run("0", tags={f"t{i}": str(dice.randrange(9)) for i in range(5)})
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(f"m{i}", dice.random(), 1_790_000_000_000, 0) for i in range(10)],
            params={f"p{i}": str(dice.randrange(10)) for i in range(10)},
        )
        client.set_terminated(run.info.run_id)
        templates.append(store / "0" / run.info.run_id)
    for number in range(runs - len(templates)):
        template = templates[number % len(templates)]
        copy = store / "0" / uuid.uuid4().hex
        shutil.copytree(template, copy)
        document = copy / "meta.yaml"
        document.write_text(document.read_text().replace(template.name, copy.name))


def asked(python: str, code: str, folder: Path, store: Path) -> list[float]:
    """The numbers that a new process prints."""
    done = subprocess.run(
        [python, "-c", textwrap.dedent(code), str(store), FILTER],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def searches(python: str, folder: Path, store: Path) -> tuple[float, float, float]:
    """CPU seconds with the imports: cold, indexed; and of a later search."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    cold, _ = asked(python, OURS, folder, store)
    indexed = sorted(asked(python, OURS, folder, store) for _ in range(3))[1]
    return cold, indexed[0], indexed[1]


def plain_sqlite(runs: int) -> float:
    """CPU seconds of the same question to plain tables, asked through the standard library."""
    dice = random.Random(0)
    db = sqlite3.connect(":memory:")
    db.execute("create table m (run text, key text, value real)")
    db.execute("create table p (run text, key text, value text)")
    for run in map(str, range(runs)):
        db.executemany(
            "insert into m values (?, ?, ?)", [(run, f"m{i}", dice.random()) for i in range(10)]
        )
        db.executemany(
            "insert into p values (?, ?, ?)",
            [(run, f"p{i}", str(dice.randrange(10))) for i in range(10)],
        )
    db.execute("create index mi on m (run, key, value)")
    db.execute("create index mk on m (key, value, run)")
    db.execute("create index pi on p (key, value, run)")
    db.execute("create index pr on p (run)")

    def ask() -> None:
        rows = db.execute(
            "select a.run from m a join p on p.run = a.run and p.key = 'p2' and p.value = '7' "
            "join m b on b.run = a.run and b.key = 'm5' "
            "where a.key = 'm3' and a.value > 0.5 order by b.value desc limit 100"
        ).fetchall()
        for (run,) in rows:
            db.execute("select key, value from m where run = ?", (run,)).fetchall()
            db.execute("select key, value from p where run = ?", (run,)).fetchall()

    taken = cpu_of_call(ask, 10)
    db.close()
    return taken


def measure(runs: int, folder: Path) -> None:
    """Report the searches of one store."""
    os.environ["TRACKLET_CACHE_DIR"] = str(folder / "cache")
    store = folder / "store"
    make_store(store, runs)
    asked(sys.executable, OURS, folder, store)  # compiles the modules, and warms the disk's cache
    (bare,) = asked(sys.executable, BARE, folder, store)
    cold, indexed, warm = searches(sys.executable, folder, store)
    before: dict[str, object] = {}
    if other := os.environ.get("TRACKLET_BEFORE_PYTHON"):
        asked(other, OURS, folder, store)
        names = ("before_cold_s", "before_indexed_s", "before_next_s")
        figures = searches(other, folder, store)
        before = {name: round(taken, 4) for name, taken in zip(names, figures, strict=True)}
    python = mlflow_python()
    theirs = asked(python, MLFLOW, folder, store)[0] if python else None
    report(
        f"first search of {runs} runs, which are not indexed yet",
        cold,
        bare,
        theirs,
        target="at most 3 bare reads, and less than MLflow's",
        **before,
    )
    report(
        f"first search of a process, {runs} runs indexed before; its imports included",
        indexed,
        bare,
        theirs,
        target="at most 100,000 us with 10,000 runs",
    )
    report(
        f"next search of {runs} runs",
        warm,
        plain_sqlite(runs),
        target="at most 10,000 us",
    )


for size in SIZES:
    with tempfile.TemporaryDirectory() as scratch:
        measure(size, Path(scratch))
