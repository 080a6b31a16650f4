"""What a tracking server costs its callers: seconds of the clock for ``log_metric``, a fit, a file.

tracklet over its own server and over MLflow's, beside MLflow over its own; without a server the
call over a folder, or a copy of the file, is the floor. Each child reports the least of its rounds;
what tracklet sends meanwhile is sent by another process, which takes part of the machine.
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

FIT = """
import json, sys, time
import numpy
from sklearn.linear_model import LogisticRegression
library = __import__(sys.argv[1])
library.set_tracking_uri(sys.argv[2])
library.autolog(log_input_examples=False)
features = numpy.random.default_rng(0).normal(size=(2000, 20))
best = 1e9
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    LogisticRegression().fit(features, features[:, 0] > 0)
    best = min(best, time.perf_counter() - began)
print(json.dumps(best))
"""

FILE = """
import json, os, shutil, sys, tempfile, time
library = __import__(sys.argv[1])
client = library.MlflowClient(sys.argv[2])
library.set_tracking_uri(sys.argv[2])
run_id = client.create_run("0").info.run_id
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file.bin")
    with open(path, "wb") as file:
        for _ in range(int(sys.argv[3])):
            file.write(os.urandom(1 << 20))
    best = [1e9, 1e9]
    for number in range(4):
        began = time.perf_counter()
        client.log_artifact(run_id, path)
        up = time.perf_counter()
        there = os.path.join(folder, str(number))
        os.makedirs(there)
        begun = time.perf_counter()
        client.download_artifacts(run_id, "file.bin", there)
        best = [min(best[0], up - began), min(best[1], time.perf_counter() - begun)]
        shutil.rmtree(there)
    print(json.dumps(best))
"""

COPY = """
import json, os, shutil, sys, tempfile, time
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file.bin")
    with open(path, "wb") as file:
        for _ in range(int(sys.argv[1])):
            file.write(os.urandom(1 << 20))
    best = 1e9
    for number in range(4):
        began = time.perf_counter()
        shutil.copyfile(path, path + "2")
        best = min(best, time.perf_counter() - began)
    print(json.dumps(best))
"""
MEGABYTES = 200


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

    def ours(script: str, uri: str, count: int):
        return printed_by([sys.executable, "-c", script, "tracklet", uri, str(count)], folder)

    def theirs(script: str, uri: str, count: int):
        return printed_by([python, "-c", script, "mlflow", uri, str(count)], folder)

    python = mlflow_python()
    floor = ours(LOOP, str(folder / "mlruns"), 1000)
    floor_of_fit = ours(FIT, str(folder / "mlruns"), 5)
    copied = printed_by([sys.executable, "-c", COPY, str(MEGABYTES)], folder)
    own = [sys.executable, "-m", "tracklet", "server", "--backend-store-uri", str(folder / "kept")]
    with served(own, folder) as uri:
        call, fit, (up, down) = ours(LOOP, uri, 1000), ours(FIT, uri, 5), ours(FILE, uri, MEGABYTES)
    rivals: list[float | None] = [None] * 4
    if python is not None:
        database = f"sqlite:///{folder}/ml.db"
        command = [python, "-m", "mlflow", "server", "--backend-store-uri", database]
        command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
        with served(command, folder) as uri:
            report("log_metric, MLflow's server", ours(LOOP, uri, 1000), floor)
            rivals = [theirs(LOOP, uri, 3), theirs(FIT, uri, 2), *theirs(FILE, uri, MEGABYTES)]
    report("log_metric, our server", call, floor, rivals[0])
    report("autologged fit, our server", fit, floor_of_fit, rivals[1])
    report(f"{MEGABYTES} MB up, our server", up, copied, rivals[2])
    report(f"{MEGABYTES} MB down, our server", down, copied, rivals[3])
