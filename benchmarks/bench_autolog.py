"""scikit-learn under autologging against the bare fit, and against MLflow: CPU seconds and memory.

Bare and watched fits take turns within one process; MLflow's do the same in its environment.
"before return" is what the fit itself took longer; "in all" includes what is drawn in the
background and by child processes. A first fit, with all imports, is measured as a whole process.
What a small fit's record is made of stands in a table of parts, by tracklet's own tally, each with
its budget in units of what MLflow adds in the same run.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import environment, mlflow_python, report_added

SCRIPT = """
    import json, resource, sys, time, warnings
    warnings.simplefilter("ignore")
    import numpy as np
    from sklearn.datasets import load_breast_cancer, load_iris, make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    library, place, subject, repeats = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    options = json.loads(sys.argv[5])
    if subject == "forest":
        X, y = make_classification(20_000, 20, random_state=0)
        def fit():
            RandomForestClassifier(20, random_state=0).fit(X, y)
    elif subject == "loop":
        X, y = load_iris(return_X_y=True)
        def fit():
            for _ in range(100):
                LogisticRegression().fit(X, y)
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

    def cpu(flush):
        start, started, thread = time.process_time(), children(), time.thread_time()
        fit()
        before = time.thread_time() - thread
        flush()
        return before, time.process_time() - start + children() - started

    tracking = __import__(library)
    tracking.set_tracking_uri(place)
    flush = tracking.autolog.flush if library == "tracklet" else lambda: None
    bare, watched = [], []
    for number in range(repeats + 1):
        found = cpu(lambda: None)
        tracking.sklearn.autolog(**options)
        seen = cpu(flush)
        tracking.sklearn.autolog(disable=True)
        if number:  # the first fits import what they need
            bare.append(found)
            watched.append(seen)
    tallies = []
    if library == "tracklet":
        runs = tracking.search_runs(output_format="list")
        # A search's trials have none of their own.
        told = [run.data.tags.get("tracklet.overhead_ms") for run in runs]
        tallies = [json.loads(tally) for tally in told if tally][:repeats]
    print(json.dumps([list(zip(*bare)), list(zip(*watched)), tallies]))
"""

IMPORTS = """
    import sys, time
    if sys.argv[1] != "bare":
        __import__(sys.argv[1]).autolog()
    start = time.process_time()
    import sklearn.ensemble, sklearn.linear_model, sklearn.model_selection, sklearn.cluster
    print(time.process_time() - start)
"""

FIRST_FIT = """
    import json, resource, sys, time
    library, place, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if library != "bare":
        tracking = __import__(library)
        tracking.set_tracking_uri(place)
        tracking.sklearn.autolog(**options)
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    X, y = load_breast_cancer(return_X_y=True)
    LogisticRegression().fit(X / X.max(axis=0), y)
    if library == "tracklet":
        tracking.autolog.flush()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(time.process_time() + children.ru_utime + children.ru_stime)
"""

MEMORY = """
    import gc, json, resource, sys, warnings
    warnings.simplefilter("ignore")
    import tracklet
    tracklet.set_tracking_uri(sys.argv[1])
    tracklet.sklearn.autolog(silent=True)
    from sklearn.linear_model import LogisticRegression

    def megabytes():
        with open("/proc/self/statm") as file:
            return round(int(file.read().split()[1]) * resource.getpagesize() / 1e6, 1)

    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    found = []
    for number in range(1_000):
        LogisticRegression().fit(X, y)
        if number % 100 == 99:
            tracklet.autolog.flush()
            gc.collect()
            found.append((megabytes(), len(gc.get_objects())))
    print(json.dumps(list(zip(*found))))
"""

NO_MODEL = {"log_models": False}
BARE_RECORD = {**NO_MODEL, "log_datasets": False, "log_plots": False, "log_html": False}
OURS_ONLY = ("log_plots", "log_html")
SUBJECTS = (
    # name, subject, options, repeats, most before the return, most in all, and of what MLflow adds
    ("small fit with its model", "small", {}, 15, 0.05, 0.07, 0.015),
    ("small fit without model", "small", NO_MODEL, 15, 0.01, None, 0.08),
    ("small fit, params and metrics only", "small", BARE_RECORD, 15, 0.01, 0.01, None),
    ("a hundred small fits in a loop", "loop", {}, 5, None, 1.5, None),
    ("random forest, 20,000 x 20", "forest", {}, 5, None, 0.5, None),
    ("grid search, 20 x 5", "search", {}, 5, None, 0.3, None),
)
# The parts of a small fit without its model, each with its share of what MLflow adds to it.
PARTS = {
    "start": 0.007,
    "params": 0.006,
    "dataset": 0.007,
    "training metrics": 0.025,
    "metrics": 0.008,
    "plots": 0.03,
}
# With its model these come on top; the shares are of what MLflow adds for the model.
MODEL_PARTS = {"model": 0.005, "signature": 0.001}
MOST_KEPT = 50  # objects that the last 500 fits may leave; one each would be a leak
MOST_GROWN = 4.0  # megabytes in the last 500 fits; drawing leaves the allocator that uneven


def run(python: str, script: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-c", textwrap.dedent(script), *arguments],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()[-1]


def fits(python: str, library: str, subject: str, options: dict, repeats: int, folder: Path):
    arguments = (library, str(folder / library), subject, str(repeats), json.dumps(options))
    return json.loads(run(python, SCRIPT, folder, *arguments))


def taking_turns(python: str, script: str, folder: Path, library: str, repeats: int, *more: str):
    """CPU seconds of processes without and with the library, in turn."""
    bare, watched = [], []
    for number in range(repeats + 1):
        without = float(run(python, script, folder, "bare", *more))
        with_it = float(run(python, script, folder, library, *more))
        if number:  # the first ones compile the modules
            bare.append(without)
            watched.append(with_it)
    return bare, watched


def small_and_large(folder: Path, theirs: str | None) -> None:
    for name, subject, options, repeats, most_before, most, share in SUBJECTS:
        bare, ours, _ = fits(sys.executable, "tracklet", subject, options, repeats, folder)
        found = None
        if theirs and subject != "loop":  # it takes minutes there
            same = {key: value for key, value in options.items() if key not in OURS_ONLY}
            found = fits(theirs, "mlflow", subject, {**same, "silent": True}, 3, folder)
        for position, (what, limit, limit_share) in enumerate(
            (("before return", most_before, None), ("in all", most, share))
        ):
            mlflow = (found[0][position], found[1][position]) if found else None
            report_added(
                f"{name}, {what}",
                bare[position],
                ours[position],
                limit=limit,
                limit_of_mlflow=limit_share,
                mlflow=mlflow,
            )


def parts_of_small_fit(folder: Path, theirs: str | None) -> None:
    """The least that each part took, because whatever else the machine does only ever adds."""
    bare, ours, tallies = fits(sys.executable, "tracklet", "small", {}, 15, folder)
    added = {}
    for name, options in (("model", {"silent": True}), ("rest", {**NO_MODEL, "silent": True})):
        if theirs:
            without, watched, _ = fits(theirs, "mlflow", "small", options, 3, folder)
            added[name] = (min(watched[1]) - min(without[1])) * 1e3
    floor, rest = min(bare[1]) * 1e3, (min(ours[1]) - min(bare[1])) * 1e3
    parts = {key: min(each.get(key, 0.0) for each in tallies) for key in tallies[0]}
    parts.pop("total")
    rest -= sum(parts.values())
    for part, spent in {**parts, "the rest: the watched call, the run's end": rest}.items():
        row = {"part": part, "ms": round(spent, 2), "of_bare_fit": round(spent / floor, 2)}
        if theirs:
            of_model = part in MODEL_PARTS
            whole = added["model"] - added["rest"] if of_model else added["rest"]
            row["of_mlflow"] = round(spent / whole, 4)
            budget = (MODEL_PARTS if of_model else PARTS).get(part)
            if budget is not None:
                row["target"] = f"<= {budget:g} of MLflow's {'model' if of_model else 'rest'}"
                row["verdict"] = "ok" if spent <= budget * whole else "miss"
        print(json.dumps(row), flush=True)


def imports(folder: Path, theirs: str | None) -> None:
    bare, ours = taking_turns(sys.executable, IMPORTS, folder, "tracklet", 15)
    found = taking_turns(theirs, IMPORTS, folder, "mlflow", 5) if theirs else None
    report_added("import of scikit-learn", bare, ours, limit_ratio=1.02, mlflow=found)


def first_fits(folder: Path, theirs: str | None) -> None:
    for name, options in (
        ("with its model", {}),
        ("without model", NO_MODEL),
        ("params and metrics only", BARE_RECORD),
    ):
        more = (str(folder / "first"), json.dumps(options))
        bare, ours = taking_turns(sys.executable, FIRST_FIT, folder, "tracklet", 7, *more)
        found = None
        if theirs:
            same = {key: value for key, value in options.items() if key not in OURS_ONLY}
            more = (str(folder / "first_mlflow"), json.dumps({**same, "silent": True}))
            found = taking_turns(theirs, FIRST_FIT, folder, "mlflow", 2, *more)
        report_added(f"a whole process with one small fit, {name}", bare, ours, mlflow=found)


def memory(folder: Path) -> None:
    megabytes, objects = json.loads(run(sys.executable, MEMORY, folder, str(folder / "memory")))
    grown, kept = megabytes[-1] - megabytes[4], objects[-1] - objects[4]
    row = {
        "subject": "memory of 1,000 fits in one process",
        "mb_after_each_100": megabytes,
        "objects_after_each_100": objects,
        "target": f"the last 500 keep <= {MOST_KEPT} objects and {MOST_GROWN:g} MB",
        "verdict": "ok" if grown <= MOST_GROWN and kept <= MOST_KEPT else "miss",
    }
    print(json.dumps(row), flush=True)


with tempfile.TemporaryDirectory() as scratch:
    parts = {
        "fits": small_and_large,
        "parts": parts_of_small_fit,
        "imports": imports,
        "first": first_fits,
        "memory": memory,
    }
    for part in sys.argv[1:] or parts:
        if part == "memory":
            memory(Path(scratch))
        else:
            parts[part](Path(scratch), mlflow_python())
