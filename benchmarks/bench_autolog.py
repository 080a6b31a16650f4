"""A small fit under autologging, with model, signature and requirements, against the bare fit."""

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import environment, mlflow_python, report

SCRIPT = """
    import statistics, sys, time, warnings
    warnings.simplefilter("ignore")
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    X, y = load_breast_cancer(return_X_y=True)
    X = X / X.max(axis=0)

    def fit():
        LogisticRegression().fit(X, y)

    def cpu(repeats):
        taken = []
        for _ in range(repeats):
            start = time.process_time()
            children = __import__("resource").getrusage(-1)
            fit()
            now = __import__("resource").getrusage(-1)
            taken.append(time.process_time() - start
                         + now.ru_utime - children.ru_utime + now.ru_stime - children.ru_stime)
        return statistics.median(taken)

    fit()
    print(cpu(15))
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    {enable}
    fit()
    print(cpu(int(sys.argv[2])))
"""

MODES = {
    "small fit with its model": "tracking.sklearn.autolog({silent})",
    "small fit without model": "tracking.sklearn.autolog(log_models=False{comma}{silent})",
}


def run(python: str, library: str, enable: str, folder: Path, repeats: int) -> list[float]:
    script = textwrap.dedent(SCRIPT.format(library=library, enable=enable))
    done = subprocess.run(
        [python, "-c", script, str(folder / library), str(repeats)],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(line) for line in done.stdout.split()]


with tempfile.TemporaryDirectory() as scratch:
    for subject, call in MODES.items():
        enable = call.format(silent="", comma="")
        bare, ours = run(sys.executable, "tracklet", enable, Path(scratch), 15)
        theirs = bare_there = None
        if python := mlflow_python():
            quiet = call.format(silent="silent=True", comma=", ")
            bare_there, theirs = run(python, "mlflow", quiet, Path(scratch), 2)
        more = {}
        if theirs is not None and bare_there is not None:
            more["mlflow_over_bare_us"] = round((theirs - bare_there) * 1e6)
        report(subject, ours, bare, theirs, target="at most 100,000 us over the bare fit", **more)
