"""What a process pays to begin: ``import tracklet``, a hello run, and what a fit has to load.

Each is a process of its own, against a bare interpreter, MLflow, and an earlier version.
"""

import importlib.util
import tempfile
import textwrap
from pathlib import Path

from measure import (
    cpu_of_child,
    mlflow_python,
    printed_by,
    report_counts,
    report_versions,
    take_turns,
    versions,
)

HELLO = """
    import {library} as tracking
    tracking.set_tracking_uri("{library}")
    with tracking.start_run():
        tracking.log_param("rate", 0.1)
        tracking.log_metric("loss", 0.5)
"""

FIT = """
    import {library} as tracking
    tracking.set_tracking_uri("{library}")
    tracking.autolog(silent=True)
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
"""

# What of ours is loaded at the end: modules, and the lines in their files.
LOADED = """
    import json, sys
    ours = [m for name, m in sys.modules.items() if name.partition(".")[0].startswith("tracklet")]
    files = [open(m.__file__, encoding="utf-8") for m in ours if getattr(m, "__file__", None)]
    print(json.dumps({"modules": len(ours), "lines": sum(len(f.readlines()) for f in files)}))
"""

SUBJECTS = {"import": ("import {library}", 15), "hello run": (HELLO, 15)}


def script(text: str, library: str = "tracklet") -> str:
    return textwrap.dedent(text).replace("{library}", library)


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    pythons = versions()
    if python := mlflow_python():
        pythons["mlflow"] = python
    for name in pythons:
        (folder / name).mkdir()  # each has a record of its own

    def run(name: str, code: str) -> float:
        return cpu_of_child([pythons[name], "-c", code], folder / name)

    for subject, (text, repeats) in SUBJECTS.items():
        calls = {}
        for name in pythons:
            code = script(text, "mlflow" if name == "mlflow" else "tracklet")
            # MLflow takes seconds: a turn of its is measured once in five of ours.
            calls[name] = lambda name=name, code=code: run(name, code)
            calls[f"bare {name}"] = lambda name=name: run(name, "pass")
        theirs = {key: calls.pop(key) for key in ("mlflow", "bare mlflow") if key in calls}
        taken = take_turns(calls, repeats) | take_turns(theirs, max(1, repeats // 5))
        floors = {name: taken.pop(f"bare {name}") for name in pythons}
        report_versions(subject, taken, floors)

    for subject, text in {"hello run": HELLO, "fit": FIT}.items():
        if subject == "fit" and importlib.util.find_spec("sklearn") is None:
            continue
        counts = {
            name: printed_by([python, "-c", script(text) + script(LOADED)], folder / name)
            for name, python in versions().items()
        }
        report_counts(f"loaded by a {subject}", counts)
