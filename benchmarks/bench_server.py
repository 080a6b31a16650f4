"""What a tracking server costs: its start, its memory, points, searches and files per second.

Ours over a SQLite file, and MLflow's over its own where ``TRACKLET_MLFLOW_PYTHON`` names an
environment that has it. Both are asked by the same client; CPU seconds are the server's and its
children's. Each has a minute and a half to take in runs; how many it got to is said.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

POINTS, BATCHES, RUNS, CALLS, CLIENTS = 1000, 50, 10_000, 640, 64
PATIENCE = 90.0
FILE = 64 << 20


class Served:
    """A server in a process of its own.

    Args:
        name: Whose it is.
        command: What starts it, but for the port.
        folder: Where it keeps its record.
    """

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.name = name
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                if self.ask("GET", "/health", raw=True) == b"OK":
                    break
            except OSError:
                time.sleep(0.02)
        self.started = time.perf_counter() - began

    def ask(
        self, method: str, path: str, body: Any = None, raw: bool = False, at: Any = None
    ) -> Any:
        """The answer to a request; anything but 200 is an error."""
        connection = at or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        if isinstance(body, bytes) or body is None:
            connection.request(method, path, body)
        else:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {content[:300]!r}")
        return content if raw else json.loads(content)

    def post(self, verb: str, at: Any = None, **body: Any) -> Any:
        """The answer to a verb of the protocol."""
        return self.ask("POST", f"/api/2.0/mlflow/{verb}", body, at=at)

    def processes(self) -> list[int]:
        """The server's process and those below it."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
        return found

    def cpu(self) -> float:
        """The CPU seconds that they used."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """The MB that they hold."""
        kilobytes = 0
        for pid in self.processes():
            status = Path(f"/proc/{pid}/status").read_text()
            kilobytes += int(status.partition("VmRSS:")[2].split()[0])
        return kilobytes >> 10

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)


def measured(server: Served) -> dict[str, Any]:
    """What everything cost."""
    found: dict[str, Any] = {
        "start_s": server.started,
        "start_cpu_s": server.cpu(),
        "idle_mb": server.memory(),
    }
    experiment = server.post("experiments/create", name="bench")["experiment_id"]
    run = server.post("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]
    run_id = run["run_id"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def timed(name: str, count: int, call: Any) -> None:
        cpu, wall = server.cpu(), time.perf_counter()
        for number in range(count):
            call(number)
        found[f"{name}_cpu_ms"] = (server.cpu() - cpu) / count * 1000
        found[f"{name}_ms"] = (time.perf_counter() - wall) / count * 1000

    def batch(number: int) -> None:
        at = number * POINTS
        points = [
            {"key": "loss", "value": 1 / (step + 1), "timestamp": step, "step": step}
            for step in range(at, at + POINTS)
        ]
        server.post("runs/log-batch", connection, run_id=run_id, metrics=points)

    timed("batch_of_1000", BATCHES, batch)
    found["points_per_cpu_s"] = POINTS / found["batch_of_1000_cpu_ms"] * 1000
    point = {"run_id": run_id, "key": "one", "value": 1.0}
    timed(
        "log_metric",
        CALLS,
        lambda n: server.post("runs/log-metric", connection, **point, timestamp=n, step=n),
    )
    until = time.perf_counter() + PATIENCE
    for number in range(RUNS):
        if time.perf_counter() > until:
            break
        found["runs"] = number + 1
        made = server.post("runs/create", connection, experiment_id=experiment, start_time=number)
        server.post(
            "runs/log-batch",
            connection,
            run_id=made["run"]["info"]["run_id"],
            metrics=[{"key": f"m{n}", "value": n, "timestamp": 1, "step": 0} for n in range(10)],
            params=[{"key": f"p{n}", "value": str(number)} for n in range(10)],
        )
    search = {"experiment_ids": [experiment], "max_results": 1000, "filter": "metrics.m3 > 1"}
    timed("search_of_1000", 5, lambda n: server.post("runs/search", connection, **search))
    latencies: list[float] = []

    def client() -> None:
        own = http.client.HTTPConnection("127.0.0.1", server.port)
        for number in range(CALLS // CLIENTS):
            began = time.perf_counter()
            server.post("runs/log-metric", own, **point, timestamp=number, step=number)
            latencies.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found[f"log_metric_p99_of_{CLIENTS}_clients_ms"] = (
        statistics.quantiles(latencies, n=100)[98] * 1000
    )
    uri = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    path = f"/api/2.0/mlflow-artifacts/artifacts/{uri}/file.bin"
    timed("upload_64_mb", 1, lambda n: server.ask("PUT", path, bytes(FILE), raw=True))
    timed("download_64_mb", 1, lambda n: server.ask("GET", path, raw=True))
    found["busy_mb"] = server.memory()
    return found


def main() -> None:
    """Measure each server."""
    commands = {
        "tracklet": [
            sys.executable, "-m", "tracklet", "server", "--backend-store-uri", "sqlite:///own.db",
        ],
    }  # fmt: skip
    python = os.environ.get("TRACKLET_MLFLOW_PYTHON")
    if python:
        commands["mlflow"] = [
            python, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db",
            "--workers", "1",
        ]  # fmt: skip
    results: dict[str, dict[str, Any]] = {}
    for name, command in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            server = Served(name, command, Path(folder))
            try:
                results[name] = measured(server)
            finally:
                server.stop()
    for what, ours in results["tracklet"].items():
        row: dict[str, Any] = {"subject": f"server: {what}", "tracklet": round(ours, 3)}
        if "mlflow" in results:
            theirs = results["mlflow"][what]
            row |= {"mlflow": round(theirs, 3), "mlflow_over_tracklet": round(theirs / ours, 1)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
