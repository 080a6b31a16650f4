"""Models: logging one, checking a row of data, loading, and a scoring request over a socket."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import environment, mlflow_python, report

COLUMNS = 20

COMMON = """
    import resource, statistics, sys, time, warnings
    warnings.simplefilter("ignore")
    import logging; logging.disable(logging.WARNING)
    import numpy as np, pandas as pd
    from sklearn.linear_model import LinearRegression

    def spent():
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                            resource.RUSAGE_CHILDREN))
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

    def cpu(call, times, repeats=5):
        taken = []
        for _ in range(repeats):
            start = spent()
            for _ in range(times):
                call()
            taken.append((spent() - start) / times)
        return statistics.median(taken)

    names = [f"c{{i}}" for i in range({columns})]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, {columns})), columns=names)
    model = LinearRegression().fit(X, X.sum(axis=1))
    row = X[:1]
    import {library} as tracking, {library}.sklearn, {library}.pyfunc, {library}.models
    tracking.set_tracking_uri(sys.argv[1])
"""

LOG = """
    import cloudpickle
    quiet = {{}}
    signature = tracking.models.infer_signature(X, model.predict(X))

    def log():
        tracking.sklearn.log_model(model, name="model", signature=signature,
                                   serialization_format="cloudpickle")

    with tracking.start_run():
        start = spent()
        log()
        print(spent() - start)
        print(cpu(log, 1, {repeats}))
        for step in range({points}):
            tracking.log_metric("loss", 0.5, step=step)
        print(cpu(log, 1, {repeats}))
    print(cpu(lambda: cloudpickle.dumps(model), 20))
"""

CHECK = """
    class Nothing(tracking.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input
    signature = tracking.models.infer_signature(X)
    path = sys.argv[1] + "-nothing"
    tracking.pyfunc.save_model(path, python_model=Nothing(), signature=signature,
                               pip_requirements=["numpy"])
    loaded = tracking.pyfunc.load_model(path)
    bare = Nothing()
    print(cpu(lambda: bare.predict(None, row), 2000) * 1)
    print(cpu(lambda: loaded.predict(row), 200))
    print(cpu(lambda: tracking.pyfunc.load_model(path), 5))
    saved = sys.argv[1] + "-line"
    tracking.sklearn.save_model(model, saved, signature=tracking.models.infer_signature(X),
                                serialization_format="cloudpickle", pip_requirements=["numpy"])
    print(cpu(lambda: model.predict(row), 200))
"""


def run(python: str, library: str, script: str, folder: Path, **values: object) -> list[float]:
    text = textwrap.dedent(COMMON) + textwrap.dedent(script)
    text = text.format(library=library, columns=COLUMNS, **values)
    done = subprocess.run(
        [python, "-c", text, str(folder / library)],
        cwd=folder,
        env=settings(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(line) for line in done.stdout.split()]


def settings(folder: Path) -> dict[str, str]:
    return {**environment(folder), "TRACKLET_CONFIG_DIR": str(folder / "config")}


class Server:
    """A scoring server as a child, and its CPU time from the system's books."""

    def __init__(self, command: list[str], folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.child = subprocess.Popen(
            [*command, str(self.port)],
            cwd=folder,
            env=settings(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def cpu(self) -> float:
        """Seconds of user and system time of the child and its children that ended or run."""
        import os

        tick = os.sysconf("SC_CLK_TCK")
        total = 0
        waiting = [self.child.pid]
        while waiting:
            pid = waiting.pop()
            fields = re.split(r"\) ", Path(f"/proc/{pid}/stat").read_text(), maxsplit=1)[1].split()
            total += int(fields[11]) + int(fields[12])
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        return total / tick


def asked(server: Server, body: bytes, times: int) -> tuple[float, float]:
    """CPU seconds of the server and wall seconds, both per request, over one connection."""
    import http.client
    import time

    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", "/ping")
            assert connection.getresponse().read() is not None
            break
        except OSError:
            time.sleep(0.2)
    else:
        raise SystemExit("the server does not answer")
    headers = {"Content-Type": "application/json"}

    def ask() -> None:
        connection.request("POST", "/invocations", body, headers)
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text

    for _ in range(20):
        ask()
    before, start = server.cpu(), time.perf_counter()
    for _ in range(times):
        ask()
    return (server.cpu() - before) / times, (time.perf_counter() - start) / times


OURS = "from tracklet.cli import main; main()"
THEIRS = """
import sys, uvicorn, mlflow
from mlflow.pyfunc import scoring_server
uvicorn.run(scoring_server.init(mlflow.pyfunc.load_model(sys.argv[1])), port=int(sys.argv[2]),
            log_level="warning")
"""

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    other = mlflow_python()
    first, warm, long, bare = run(sys.executable, "tracklet", LOG, folder, repeats=15, points=20000)
    theirs = run(other, "mlflow", LOG, folder, repeats=1, points=200) if other else [None] * 4
    report("first log_model of a process", first, bare, theirs[0], target="at most 100,000 us over")
    report("further log_model", warm, bare, theirs[1], target="at most 20,000 us over")
    report("log_model in a run with 20,000 points of a metric", long, bare, None)

    nothing, checked, loading, predicting = run(sys.executable, "tracklet", CHECK, folder)
    theirs = run(other, "mlflow", CHECK, folder) if other else [None] * 4
    report(f"pyfunc.predict of one row of {COLUMNS} columns, checked", checked, nothing, theirs[1],
           target="at most 50 us over")  # fmt: skip
    report("load_model of a small model", loading, 0, theirs[2])

    names = [f"c{i}" for i in range(COLUMNS)]
    body = json.dumps({"dataframe_split": {"columns": names, "data": [[0.5] * COLUMNS]}}).encode()
    model = str(folder / "tracklet-line")
    server = Server([sys.executable, "-c", OURS, "models", "serve", "-m", model, "-p"], folder)
    try:
        ours, wall = asked(server, body, 1000)
    finally:
        server.child.terminate()
        server.child.wait()
    their_cpu = their_wall = None
    if other:
        server = Server([other, "-c", THEIRS, str(folder / "mlflow-line")], folder)
        try:
            their_cpu, their_wall = asked(server, body, 200)
        finally:
            server.child.terminate()
            server.child.wait()
    report(
        "a scoring request for one row",
        ours,
        predicting,
        their_cpu,
        target="at most 1,000 us over the bare predict",
        requests_per_second=round(1 / wall),
        mlflow_requests_per_second=round(1 / their_wall) if their_wall else None,
    )
