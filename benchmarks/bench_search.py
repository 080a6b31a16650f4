"""Searching many runs: the first search of a process, cold and indexed, and the next ones.

``python bench_search.py [runs ...]``; 3, 1,000 and 10,000 runs by default, of 10 params, 10 metrics
and 5 tags each. More runs than that (``100000`` takes some minutes) have 3 params, 3 metrics and 1
tag each. All but the first hundreds are made of hard links to those: what is read of a file is
then often in memory already, for the bare read as for ours. Every search happens in a new process,
beside a bare read of the same files, the same question to plain SQLite over the same rows, the
first search of the real MLflow in the same folder (``TRACKLET_MLFLOW_PYTHON``), and another version
of this library (``TRACKLET_BEFORE_PYTHON``: the interpreter of its environment).
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from measure import cpu_of_call, environment, mlflow_python, report

SIZES = [int(size) for size in sys.argv[1:]] or [3, 1_000, 10_000]
FILTER = "metrics.m1 > 0.5 and params.p2 = '7'"
WRITTEN = 300

TARGETS = {
    "cold": "at most 3 bare reads, and less than MLflow's",
    "indexed": "at most 100,000 us with 10,000 runs",
    "next": "at most 10,000 us, and 1.5 times plain SQLite",
    "fresh": "at most 5,000 us",
    "ended": "at most 300 us",
}

OURS = """
    import statistics, sys, time
    start = time.process_time()
    import tracklet
    client = tracklet.TrackletClient(sys.argv[1])
    def search():
        client.search_runs(["0"], sys.argv[2], max_results=100, order_by=["metrics.m2 DESC"])
    search()
    first = time.process_time() - start
    taken = []
    for _ in range(20):
        start = time.process_time(); search(); taken.append(time.process_time() - start)
    fresh = []
    for number in range(int(sys.argv[3])):
        run = client.create_run("0").info.run_id
        client.log_metric(run, "m0", 0.5)
        client.set_terminated(run)
        start = time.process_time()
        client.search_runs(["0"], max_results=1)
        fresh.append(time.process_time() - start)
    many, known = 100, []
    for number in range(9):
        start = time.process_time()
        client.search_runs(["0"], max_results=1)
        known.append(time.process_time() - start)
    for number in range(many * bool(fresh)):
        run = client.create_run("0").info.run_id
        client.log_metric(run, "m0", 0.5)
        client.set_terminated(run)
    start = time.process_time()
    client.search_runs(["0"], max_results=1)
    ended = (time.process_time() - start - statistics.median(known)) / many
    print(first, statistics.median(taken), statistics.median(fresh or [0]), ended)
"""

MLFLOW = """
    import sys, time
    from mlflow.tracking import MlflowClient
    client = MlflowClient(sys.argv[1])
    start = time.process_time()
    client.search_runs(["0"], sys.argv[2], max_results=100, order_by=["metrics.m2 DESC"])
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


def make_store(store: Path, runs: int) -> list[Any]:
    """Runs as our API writes them; beyond the first hundreds, links to their files.

    Returns:
        The first runs, which the others are like, in turn.
    """
    import tracklet
    from tracklet.entities import Metric

    client = tracklet.TrackletClient(str(store))
    dice = random.Random(0)
    each, tags = (10, 5) if runs <= 10_000 else (3, 1)
    templates = []
    for _ in range(min(runs, WRITTEN)):
        run_id = client.create_run(
            "0", tags={f"t{i}": str(dice.randrange(9)) for i in range(tags)}
        ).info.run_id
        client.log_batch(
            run_id,
            metrics=[Metric(f"m{i}", dice.random(), 1_790_000_000_000, 0) for i in range(each)],
            params={f"p{i}": str(dice.randrange(10)) for i in range(each)},
        )
        client.set_terminated(run_id)
        templates.append(client.get_run(run_id))
    sources = [linkable(store / "0" / run.info.run_id) for run in templates]
    for number in range(runs - len(templates)):
        folder, document, folders, files = sources[number % len(sources)]
        name = f"{dice.getrandbits(128):032x}"
        copy = store / "0" / name
        copy.mkdir()
        for path in folders:
            os.mkdir(f"{copy}/{path}")
        for path in files:
            os.link(f"{folder}/{path}", f"{copy}/{path}")
        (copy / "meta.yaml").write_text(document.replace(folder.name, name))
    return templates


def linkable(folder: Path) -> tuple[Path, str, list[str], list[str]]:
    """The document of a run, and its folders and files as paths below its folder."""
    below = [path for path in sorted(folder.rglob("*")) if path.name != "meta.yaml"]
    folders = [str(path.relative_to(folder)) for path in below if path.is_dir()]
    files = [str(path.relative_to(folder)) for path in below if path.is_file()]
    return folder, (folder / "meta.yaml").read_text(), folders, files


def asked(python: str, code: str, folder: Path, store: Path, new: int = 0) -> list[float]:
    """The numbers that a new process prints."""
    done = subprocess.run(
        [python, "-c", textwrap.dedent(code), str(store), FILTER, str(new)],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def searches(python: str, folder: Path, store: Path) -> dict[str, float]:
    """CPU seconds with the imports: cold, indexed; of a later search, and after new runs."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    cold, *_ = asked(python, OURS, folder, store)
    indexed = sorted(asked(python, OURS, folder, store) for _ in range(3))[1]
    _, _, fresh, ended = asked(python, OURS, folder, store, 9)
    later = {"next": indexed[1], "fresh": fresh, "ended": ended}
    return {"cold": cold, "indexed": indexed[0], **later}


def plain_sqlite(templates: list[Any], runs: int) -> float:
    """CPU seconds of the same question to plain tables, asked through the standard library."""
    db = sqlite3.connect(":memory:")
    for table, type_ in (("m", "real"), ("p", "text"), ("t", "text")):
        columns = f"run integer, key text, value {type_}, primary key (run, key)"
        db.execute(f"create table {table} ({columns}) without rowid")
    for run in range(runs):
        data = templates[run % len(templates)].data
        for table, pairs in (("m", data.metrics), ("p", data.params), ("t", data.tags)):
            rows = [(run, key, value) for key, value in pairs.items()]
            db.executemany(f"insert into {table} values (?, ?, ?)", rows)
    for table in "mpt":
        db.execute(f"create index {table}k on {table} (key, value, run)")
    db.execute("analyze")

    def ask() -> None:
        rows = db.execute(
            "select a.run from m a join p on p.run = a.run and p.key = 'p2' and p.value = '7' "
            "join m b on b.run = a.run and b.key = 'm2' "
            "where a.key = 'm1' and a.value > 0.5 order by b.value desc limit 100"
        ).fetchall()
        for (run,) in rows:
            for table in "mpt":
                db.execute(f"select key, value from {table} where run = ?", (run,)).fetchall()

    taken = cpu_of_call(ask, 10)
    db.close()
    return taken


def measure(runs: int, folder: Path) -> None:
    """Report the searches of one store."""
    os.environ["TRACKLET_CACHE_DIR"] = str(folder / "cache")
    store = folder / "store"
    templates = make_store(store, runs)
    asked(sys.executable, OURS, folder, store)  # compiles the modules, and warms the disk's cache
    (bare,) = asked(sys.executable, BARE, folder, store)
    ours = searches(sys.executable, folder, store)
    before: dict[str, float] = {}
    if other := os.environ.get("TRACKLET_BEFORE_PYTHON"):
        before = searches(other, folder, store)
    python = mlflow_python()
    theirs = asked(python, MLFLOW, folder, store)[0] if python else None
    plain = plain_sqlite(templates, runs)
    rows = {
        "cold": ("first search of {} runs, which are not indexed yet", bare, theirs),
        "indexed": ("first search of a process, {} runs indexed before", bare, theirs),
        "next": ("next search of {} runs, beside plain SQLite", plain, None),
        "fresh": (
            "latest run after a new one, of {}, beside reading one",
            bare / runs,
            None,
        ),
        "ended": (
            "one of 100 runs that ended taken in, of {}, beside reading one",
            bare / runs,
            None,
        ),
    }
    for what, (subject, floor, mlflow) in rows.items():
        more = {"before_us": round(before[what] * 1e6, 2)} if before else {}
        report(subject.format(runs), ours[what], floor, mlflow, target=TARGETS[what], **more)


for size in SIZES:
    with tempfile.TemporaryDirectory() as scratch:
        measure(size, Path(scratch))
