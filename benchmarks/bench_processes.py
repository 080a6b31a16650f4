"""Eight processes that write 2,000 points each into a store that does not exist yet."""

import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from measure import environment, mlflow_python, report

PROCESSES, POINTS = 8, 2_000

WRITER = """
    import sys, time
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    {warm}  # all is imported before the race; the store is not made
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    with tracking.start_run() as run:
        for step in range(int(sys.argv[2])):
            tracking.log_metric("loss", 0.5, step=step)
    print(time.perf_counter() - begun, run.info.run_id)
"""

WARM = {
    "tracklet": "tracking.start_run, tracking.log_metric; import tracklet.stores.files.backend",
    "mlflow": "tracking.start_run, tracking.log_metric; import mlflow.store.tracking.file_store",
}


def race(python: str, library: str, place: Path, points: int) -> tuple[float, int, list[str]]:
    """Wall seconds of the slowest, how many failed, and the ids of the runs."""
    script = textwrap.dedent(WRITER.format(library=library, warm=WARM[library]))
    writers = [
        subprocess.Popen(
            [python, "-c", script, str(place), str(points)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(place.parent),
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        try:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        except BrokenPipeError:
            pass
    lines = [writer.communicate()[0] for writer in writers]
    failed = sum(writer.returncode != 0 for writer in writers)
    reported = [line.split() for line in lines if line.strip()]
    return max(float(words[0]) for words in reported), failed, [words[1] for words in reported]


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    taken, failed, runs = race(sys.executable, "tracklet", folder / "ours", POINTS)
    stored = sum(
        len(path.read_bytes().splitlines()) for path in (folder / "ours").glob("*/*/metrics/loss")
    )
    bare = folder / "bare"
    start = time.perf_counter()
    floor = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os,sys\n"
                "d=os.open(sys.argv[1], os.O_CREAT|os.O_APPEND|os.O_WRONLY)\n"
                f"for i in range({POINTS}): os.write(d, b'1790000000000 0.5 %d\\n' % i)",
                f"{bare}{number}",
            ]
        )
        for number in range(PROCESSES)
    ]
    for process in floor:
        process.wait()
    floor_taken = time.perf_counter() - start
    more: dict[str, object] = {
        "errors": failed,
        "lost": PROCESSES * POINTS - stored,
        "points_per_second": round(stored / taken),
    }
    theirs = None
    if python := mlflow_python():
        few = 50
        theirs_taken, theirs_failed, _ = race(python, "mlflow", folder / "theirs", few)
        theirs = theirs_taken * POINTS / few
        more["mlflow_errors"] = theirs_failed
        more["mlflow_points_per_second"] = round(PROCESSES * few / theirs_taken)
    report("8 processes, new store (wall)", taken, floor_taken, theirs, **more)
