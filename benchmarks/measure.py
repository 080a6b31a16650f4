"""What all benchmarks share: CPU time of this process or of a child, and ratios side by side.

Figures are CPU seconds (user and system), which a busy machine disturbs less than wall time.
Every benchmark prints JSON lines: what was measured, the floor it is compared with, the ratio.

With ``TRACKLET_BEFORE_PYTHON`` (``python benchmarks --before PYTHON``), the interpreter of an
environment with an earlier version of tracklet, that version is measured beside this one in the
same run: a benchmark runs its script under each of :func:`versions`, lets them take turns with
:func:`take_turns` and prints them with :func:`report_versions`.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def cpu_of_call(call: Callable[[], object], repeats: int = 5) -> float:
    """The median CPU seconds of a call."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def cpu_of_process(arguments: list[str], cwd: Path, repeats: int = 5) -> float:
    """The median CPU seconds of a child process and its children."""
    return statistics.median(
        take_turns({"it": lambda: cpu_of_child(arguments, cwd)}, repeats)["it"]
    )


def cpu_of_child(arguments: list[str], cwd: Path) -> float:
    """The CPU seconds of a child process and its children, once."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, cwd=cwd, check=True, capture_output=True, env=environment(cwd))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def printed_by(arguments: list[str], cwd: Path) -> Any:
    """The JSON that a child process prints as its last line, such as what it took by itself."""
    done = subprocess.run(
        arguments, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True, env=environment(cwd)
    )
    return json.loads(done.stdout.splitlines()[-1])


def versions() -> dict[str, str]:
    """The interpreters to compare: this one as ``tracklet``, and ``before`` where there is one."""
    before = os.environ.get("TRACKLET_BEFORE_PYTHON")
    return {"tracklet": sys.executable, **({"before": before} if before else {})}


def take_turns(
    calls: Mapping[str, Callable[[], float]], repeats: int = 5
) -> dict[str, list[float]]:
    """What each call returned, by name; they take turns (A B A B), so that noise meets all alike.

    A first round is not counted: it compiles modules and fills caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            seconds = call()
            if number:
                taken[name].append(seconds)
    return taken


def environment(folder: Path) -> dict[str, str]:
    """The environment for a child: one thread, caches of its own, MLflow allowed to use files."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "PYTHONWARNINGS": "ignore",
        "TRACKLET_CACHE_DIR": str(folder / "cache"),
    }


def mlflow_python() -> str | None:
    """The interpreter of an environment with the real MLflow, if one is at hand."""
    return os.environ.get("TRACKLET_MLFLOW_PYTHON")


def report(
    subject: str, ours: float, floor: float, mlflow: float | None = None, **more: object
) -> None:
    """Print one comparison; times in microseconds."""
    row: dict[str, object] = {
        "subject": subject,
        "tracklet_us": round(ours * 1e6, 2),
        "floor_us": round(floor * 1e6, 2),
        "over_floor_us": round((ours - floor) * 1e6, 2),
        "ratio_to_floor": round(ours / floor, 2) if floor else None,
    }
    if mlflow is not None:
        row["mlflow_us"] = round(mlflow * 1e6, 2)
        row["mlflow_over_tracklet"] = round(mlflow / ours, 1)
    json.dump({**row, **more}, sys.stdout)
    print(flush=True)


def report_versions(
    subject: str,
    taken: Mapping[str, list[float]],
    floors: Mapping[str, list[float]] | None = None,
    **more: object,
) -> None:
    """Print what the versions took, by medians, in milliseconds, and the ratio of both.

    Args:
        subject: What is measured.
        taken: CPU seconds of ``tracklet``, and of ``before`` and ``mlflow`` where they took part.
        floors: What each of them would take without tracking, such as its bare interpreter; taken
            off before the ratio is made.
        more: Further columns.
    """
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    over = {name: seconds - _floor(floors, name) for name, seconds in medians.items()}
    row: dict[str, object] = {"subject": subject}
    for name, seconds in medians.items():
        row[f"{name}_ms"] = round(seconds * 1e3, 2)
        if floors is not None:
            row[f"{name}_over_floor_ms"] = round(over[name] * 1e3, 2)
    for name in medians.keys() - {"tracklet"}:
        row[f"{name}_over_tracklet"] = round(over[name] / over["tracklet"], 2)
    json.dump({**row, **more}, sys.stdout)
    print(flush=True)


def report_counts(subject: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Print numbers that are the same in every run, such as modules loaded, of each version."""
    row = {f"{version}_{what}": n for version, of in counts.items() for what, n in of.items()}
    json.dump({"subject": subject, **row}, sys.stdout)
    print(flush=True)


def _floor(floors: Mapping[str, list[float]] | None, name: str) -> float:
    return statistics.median(floors[name]) if floors is not None else 0.0


def report_added(
    subject: str,
    bare: list[float],
    ours: list[float],
    *,
    limit: float | None = None,
    limit_of_mlflow: float | None = None,
    limit_ratio: float | None = None,
    mlflow: tuple[list[float], list[float]] | None = None,
    **more: object,
) -> None:
    """Print what watching adds to bare runs that it took turns with; times in milliseconds.

    The verdict is on the least of each, because whatever else the machine does only ever adds;
    the median of the differences between neighbours stands beside it.

    Args:
        subject: What is measured.
        bare: CPU seconds of the bare runs.
        ours: Those of the watched ones, in the same order.
        limit: How many seconds may be added.
        limit_of_mlflow: How much of what MLflow adds may be added, if MLflow is at hand.
        limit_ratio: How many times the bare run it may take.
        mlflow: The bare and the watched runs in MLflow's environment.
        more: Further columns.
    """
    added, least = min(ours) - min(bare), min(bare)
    row: dict[str, object] = {
        "subject": subject,
        "bare_ms": round(least * 1e3, 2),
        "tracklet_ms": round(min(ours) * 1e3, 2),
        "added_ms": round(added * 1e3, 2),
        "added_median_ms": round(_median_difference(bare, ours) * 1e3, 2),
        "ratio": round(min(ours) / least, 3),
    }
    if mlflow is not None:
        theirs = min(mlflow[1]) - min(mlflow[0])
        row["mlflow_added_ms"] = round(theirs * 1e3, 2)
        row["mlflow_ratio"] = round(min(mlflow[1]) / min(mlflow[0]), 3)
        row["mlflow_over_tracklet"] = round(theirs / added, 1) if added > 0 else None
        row["of_mlflow"] = round(added / theirs, 4)
    if mlflow is not None and limit_of_mlflow is not None:
        kept = row["of_mlflow"] <= limit_of_mlflow
        row |= {
            "target_of_mlflow": f"<= {limit_of_mlflow:g}",
            "verdict_of_mlflow": _verdict(kept),
        }
    if limit is not None:
        row |= {"target": f"adds <= {limit * 1e3:g} ms", "verdict": _verdict(added <= limit)}
    if limit_ratio is not None:
        kept = min(ours) <= limit_ratio * least
        row |= {"target": f"ratio <= {limit_ratio:g}", "verdict": _verdict(kept)}
    json.dump({**row, **more}, sys.stdout)
    print(flush=True)


def _median_difference(bare: list[float], ours: list[float]) -> float:
    return statistics.median(b - a for a, b in zip(bare, ours, strict=True))


def _verdict(kept: bool) -> str:
    return "ok" if kept else "miss"
