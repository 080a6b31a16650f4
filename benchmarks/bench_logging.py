"""``log_metric`` and ``log_metrics`` against bare writes; reading back; a whole small run."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import cpu_of_call, cpu_of_process, environment, mlflow_python, report

CALLS = 20_000

LOOPS = """
    import statistics, sys, time
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    calls = int(sys.argv[2])

    def cpu(call):
        start = time.process_time()
        call()
        return time.process_time() - start

    def single():
        for step in range(calls):
            tracking.log_metric("loss", 0.125, step=step)

    ten = {{f"m{{i}}": 0.5 for i in range(10)}}

    def batch():
        for step in range(calls // 10):
            tracking.log_metrics(ten, step=step)

    with tracking.start_run():
        single()
        print(statistics.median(cpu(single) for _ in range(3)) / calls)
        print(statistics.median(cpu(batch) for _ in range(3)) / (calls // 10))
"""

COLD = """
    import sys
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    with tracking.start_run():
        tracking.log_param("p", 1)
        tracking.log_metric("m", 0.5)
"""

READ = """
    import sys, time
    import {library} as tracking
    from {library}.tracking import MlflowClient
    tracking.set_tracking_uri(sys.argv[1])
    client = MlflowClient()
    client.get_run(sys.argv[2])
    start = time.process_time()
    assert len(client.get_metric_history(sys.argv[2], "loss")) == 100_000
    print(time.process_time() - start)
"""


def run(python: str, script: str, library: str, folder: Path, *arguments: str) -> list[float]:
    done = subprocess.run(
        [python, "-c", textwrap.dedent(script.format(library=library)), *arguments],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(line) for line in done.stdout.split()]


def bare_writes(descriptor: int, lines: int) -> None:
    for step in range(lines):
        os.write(descriptor, b"1790000000000 0.125 %d\n" % step)


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    store, other = str(folder / "ours"), str(folder / "theirs")
    descriptor = os.open(folder / "bare", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    bare = cpu_of_call(lambda: bare_writes(descriptor, CALLS)) / CALLS
    mine = run(sys.executable, LOOPS, "tracklet", folder, store, str(CALLS))
    python = mlflow_python()
    theirs = run(python, LOOPS, "mlflow", folder, other, "200") if python else [None, None]
    report("log_metric", mine[0], bare, theirs[0], target="at most 3 us a call")
    report("log_metrics of ten keys", mine[1], 10 * bare, theirs[1], target="at most 20 us")

    def cold(interpreter: str, library: str, place: str) -> float:
        script = textwrap.dedent(COLD.format(library=library))
        return cpu_of_process([interpreter, "-c", script, place], folder)

    report(
        "process with one small run",
        cold(sys.executable, "tracklet", store),
        cpu_of_process([sys.executable, "-c", "pass"], folder),
        cold(python, "mlflow", other) if python else None,
        target="at most 120,000 us",
    )

    fill = """
        import sys
        import {library} as tracking
        tracking.set_tracking_uri(sys.argv[1])
        with tracking.start_run() as run:
            for step in range(100_000):
                tracking.log_metric("loss", 1 / (step + 1), step=step)
        print(int(run.info.run_id, 16))
    """
    script = textwrap.dedent(fill.format(library="tracklet"))
    done = subprocess.run(
        [sys.executable, "-c", script, store],
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    run_id = f"{int(done.stdout):032x}"
    history = next(Path(store).glob(f"*/{run_id}/metrics/loss"))

    def parse() -> None:
        for line in history.read_bytes().splitlines():
            timestamp, value, step = line.split()
            int(timestamp), float(value), int(step)

    report(
        "reading 100,000 points",
        run(sys.executable, READ, "tracklet", folder, store, run_id)[0],
        cpu_of_call(parse),
        run(python, READ, "mlflow", folder, store, run_id)[0] if python else None,
        target="at most 100,000 us",
    )
