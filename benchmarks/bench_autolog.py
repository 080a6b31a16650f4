"""scikit-learn under autologging against the bare fit, and against MLflow: CPU seconds and memory.

Every subject is measured in a fresh process: first bare, then watched. "before return" is what the
fit itself took longer; "in all" includes what is drawn in the background and child processes.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import environment, mlflow_python, report

SCRIPT = """
    import json, resource, statistics, sys, time, warnings
    warnings.simplefilter("ignore")
    import numpy as np
    from sklearn.datasets import load_breast_cancer, make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    library, place, subject, repeats = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    options = json.loads(sys.argv[5])
    if subject == "forest":
        X, y = make_classification(20_000, 20, random_state=0)
        def fit():
            RandomForestClassifier(20, random_state=0).fit(X, y)
    elif subject == "search":
        X, y = load_breast_cancer(return_X_y=True)
        X = X / X.max(axis=0)
        grid = {"C": np.logspace(-2, 2, 20).tolist()}
        def fit():
            GridSearchCV(LogisticRegression(), grid, cv=5).fit(X, y)
    else:
        X, y = load_breast_cancer(return_X_y=True)
        X = X / X.max(axis=0)
        def fit():
            LogisticRegression().fit(X, y)

    def children():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def cpu(repeats, flush):
        before, whole = [], []
        for _ in range(repeats):
            start, started = time.process_time(), children()
            thread = time.thread_time()
            fit()
            before.append(time.thread_time() - thread)
            flush()
            whole.append(time.process_time() - start + children() - started)
        return [statistics.median(before), statistics.median(whole)]

    fit()
    found = {"bare": cpu(repeats, lambda: None)}
    if library != "none":
        tracking = __import__(library)
        tracking.set_tracking_uri(place)
        tracking.sklearn.autolog(**options)
        flush = tracking.autolog.flush if library == "tracklet" else lambda: None
        fit(); flush()
        found["watched"] = cpu(repeats, flush)
    print(json.dumps(found))
"""

IMPORTS = """
    import time
    {enable}
    start = time.process_time()
    import sklearn.ensemble, sklearn.linear_model, sklearn.model_selection, sklearn.cluster
    print(time.process_time() - start)
"""

MEMORY = """
    import resource, sys, warnings
    warnings.simplefilter("ignore")
    import tracklet
    tracklet.set_tracking_uri(sys.argv[1])
    tracklet.sklearn.autolog(silent=True)
    from sklearn.linear_model import LogisticRegression

    def rss():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    sizes = []
    for number in range({fits}):
        LogisticRegression().fit(X, y)
        if number % 100 == 99:
            tracklet.autolog.flush()
            sizes.append(rss())
    print(sizes[0], sizes[-1])
"""

SUBJECTS = {
    "small fit with its model": ("small", {}, 15, "<= 50,000 before return, <= 250,000 in all"),
    "small fit without model": ("small", {"log_models": False}, 15, "<= 10,000 before return"),
    "small fit, params and metrics only": (
        "small",
        {"log_models": False, "log_datasets": False, "log_plots": False, "log_html": False},
        15,
        "<= 10,000",
    ),
    "random forest, 20,000 x 20": ("forest", {}, 3, "<= 500,000 in all"),
    "grid search, 20 x 5": ("search", {}, 3, "<= 300,000 in all"),
}
OURS_ONLY = ("log_plots", "log_html")


def run(python: str, script: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-c", textwrap.dedent(script), *arguments],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def measure(python: str, library: str, subject: str, options: dict, repeats: int, folder: Path):
    arguments = (library, str(folder / library), subject, str(repeats), json.dumps(options))
    return json.loads(run(python, SCRIPT, folder, *arguments).splitlines()[-1])


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    for name, (subject, options, repeats, target) in SUBJECTS.items():
        ours = measure(sys.executable, "tracklet", subject, options, repeats, folder)
        more, theirs = {}, None
        before = ours["watched"][0] - ours["bare"][0]
        more["before_return_us"] = round(before * 1e6)
        if python := mlflow_python():
            same = {key: value for key, value in options.items() if key not in OURS_ONLY}
            found = measure(python, "mlflow", subject, {**same, "silent": True}, 2, folder)
            theirs = found["watched"][1]
            more["mlflow_over_bare_us"] = round((theirs - found["bare"][1]) * 1e6)
        report(name, ours["watched"][1], ours["bare"][1], theirs, target=target, **more)

    plain, watched = [], []
    for _ in range(7):
        plain.append(float(run(sys.executable, IMPORTS.format(enable=""), folder)))
        enable = "import tracklet; tracklet.autolog()"
        watched.append(float(run(sys.executable, IMPORTS.format(enable=enable), folder)))
    report("import of scikit-learn", min(watched), min(plain), target="ratio <= 1.02")

    first, last = map(
        int, run(sys.executable, MEMORY.format(fits=1000), folder, str(folder / "m")).split()
    )
    print(
        json.dumps(
            {
                "subject": "memory of 1,000 fits in one process",
                "after_100_mb": round(first / 1e6, 1),
                "after_1000_mb": round(last / 1e6, 1),
                "target": "does not grow",
            }
        )
    )
