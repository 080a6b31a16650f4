"""``log_metric`` through a tracking server, at the caller: seconds of the clock for a call.

tracklet over its own server and over MLflow's, beside MLflow over its own; without a server the
call over a folder is the floor. Each child reports the least of its rounds; what tracklet sends
meanwhile is sent by another process, which takes part of the machine.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from measure import environment, mlflow_python, printed_by, report

LOOP = """
import json, sys, time
library = __import__(sys.argv[1])
library.set_tracking_uri(sys.argv[2])
calls, best = int(sys.argv[3]), 1.0
with library.start_run():
    for _ in range(20):
        began = time.perf_counter()
        for step in range(calls):
            library.log_metric("loss", 0.5, step=step)
        best = min(best, (time.perf_counter() - began) / calls)
print(json.dumps(best))
"""


@contextmanager
def served(command: list[str], folder: Path):
    """A server's place while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=folder,
        env=environment(folder),
        stdout=quiet,
        stderr=quiet,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=1):
                break
            time.sleep(0.1)
        yield uri
    finally:
        process.terminate()
        process.wait()


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
    folder = Path(scratch)
    os.environ["TRACKLET_SPOOL_DIR"] = str(folder / "spool")

    def taken(python: str, library: str, uri: str, calls: int) -> float:
        return printed_by([python, "-c", LOOP, library, uri, str(calls)], folder)

    floor = taken(sys.executable, "tracklet", str(folder / "mlruns"), 1000)
    own = [sys.executable, "-m", "tracklet", "server", "--backend-store-uri", str(folder / "kept")]
    with served(own, folder) as uri:
        report("log_metric, our server", taken(sys.executable, "tracklet", uri, 1000), floor)
    python = mlflow_python()
    if python is not None:
        database = f"sqlite:///{folder}/ml.db"
        theirs = [python, "-m", "mlflow", "server", "--backend-store-uri", database]
        theirs += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
        with served(theirs, folder) as uri:
            ours = taken(sys.executable, "tracklet", uri, 1000)
            report("log_metric, MLflow's server", ours, floor, taken(python, "mlflow", uri, 3))
