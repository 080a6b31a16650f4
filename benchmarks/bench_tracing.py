"""A traced call, alone and inside another, against the files that it makes; searching traces."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import cpu_of_call, environment, mlflow_python, report

CALLS = 500

LOOPS = """
    import statistics, sys, time
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    calls = int(sys.argv[2])

    @tracking.trace
    def step(x): return x

    @tracking.trace
    def around():
        for n in range(calls):
            step(n)

    def cpu(call):
        start = time.process_time()
        call()
        tracking.flush_trace_async_logging()
        return time.process_time() - start

    def alone():
        for n in range(calls):
            step(n)

    step(0)
    print(statistics.median(cpu(alone) for _ in range(3)) / calls)
    print(statistics.median(cpu(around) for _ in range(3)) / calls)
    print(cpu(lambda: tracking.search_traces(
        max_results=100, return_type="list", filter_string="tags.`mlflow.traceName` = 'step'")))
"""


def run(python: str, library: str, folder: Path) -> list[float]:
    folder.mkdir()
    done = subprocess.run(
        [
            python,
            "-c",
            textwrap.dedent(LOOPS.format(library=library)),
            str(folder / "mlruns"),
            str(CALLS),
        ],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(line) for line in done.stdout.split()[-3:]]


def bare_files(folder: Path) -> None:
    """What keeping as many traces costs at the least: their folders, files and renames."""
    for number in range(CALLS):
        trace = folder / str(number)
        staged = f"{trace}.tmp"
        os.mkdir(staged)
        for part in ("tags", "request_metadata", "artifacts"):
            os.mkdir(f"{staged}/{part}")
        for name in range(12):
            descriptor = os.open(f"{staged}/tags/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(descriptor, b"text")
            os.close(descriptor)
        os.rename(staged, trace)


with tempfile.TemporaryDirectory() as scratch:
    floors = []
    for attempt in range(3):
        folder = Path(scratch) / f"floor{attempt}"
        folder.mkdir()
        floors.append(cpu_of_call(lambda folder=folder: bare_files(folder), repeats=1) / CALLS)
    floor = sorted(floors)[1]
    ours = run(sys.executable, "tracklet", Path(scratch) / "tracklet")
    python = mlflow_python()
    theirs = run(python, "mlflow", Path(scratch) / "mlflow") if python else [None] * 3
    report("a traced call, kept", ours[0], floor, theirs[0])
    report("a traced call inside another", ours[1], 0.0, theirs[1])
    report(f"search of {3 * CALLS + 4} traces, first 100", ours[2], 0.0, theirs[2])
