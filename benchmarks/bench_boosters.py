"""1,000 rounds on 50,000 × 20 with an evaluation set, one thread: what autologging adds.

The bare training, one with a callback that does nothing, and MLflow are measured in the same
invocation. Trainings take turns within one process, because a busy machine is slower at one time
than at another. What is added hardly depends on the number of rows, so it is measured on
1,000 × 20 as well, where the training itself is short and a busy machine's noise is small beside
the difference. What the callback that does nothing seems to add shows how large the noise is; the
time inside of the rounds' recording hardly has any.
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

    library, place, framework = sys.argv[1:4]
    rows, repeats, options = int(sys.argv[4]), int(sys.argv[5]), json.loads(sys.argv[6])
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 20)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=rows) > 0).astype(int)
    ROUNDS = 1_000

    def cpu():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)

    def train_xgboost(flush, idle):
        import xgboost
        data = xgboost.DMatrix(X, label=y, nthread=1)
        held = xgboost.DMatrix(X[:500], label=y[:500], nthread=1)
        params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
        callbacks = [xgboost.callback.TrainingCallback()] if idle else None
        start = cpu()
        xgboost.train(
            params, data, ROUNDS, evals=[(held, "valid")], verbose_eval=False, callbacks=callbacks
        )
        flush()
        return cpu() - start

    def train_lightgbm(flush, idle):
        import lightgbm
        params = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbosity": -1}
        data = lightgbm.Dataset(X, label=y, params=params)
        held = lightgbm.Dataset(X[:500], label=y[:500], reference=data)
        data.construct()
        callbacks = [lambda env: None] if idle else None
        start = cpu()
        lightgbm.train(params, data, ROUNDS, valid_sets=[held], callbacks=callbacks)
        flush()
        return cpu() - start

    train = dict(xgboost=train_xgboost, lightgbm=train_lightgbm)[framework]
    tracking = __import__(library)
    tracking.set_tracking_uri(place)
    watch = getattr(tracking, framework).autolog
    flush = tracking.autolog.flush if library == "tracklet" else lambda: None
    nothing = lambda: None
    train(nothing, False)
    found = [[], [], []]
    for number in range(repeats + 1):
        bare, idle = train(nothing, False), train(nothing, True)
        watch(**options)
        watched = train(flush, False)
        watch(disable=True)
        if number:  # the first ones import what they need
            for values, value in zip(found, (bare, idle, watched)):
                values.append(value)
    found.append([])
    if library == "tracklet":
        # Once more, timed from within: what recording the rounds takes, whatever the noise.
        from tracklet_integrations.shared.boosting import BoostingRecord
        record = BoostingRecord.round
        def timed(*arguments):
            start = time.thread_time()
            record(*arguments)
            found[3].append(time.thread_time() - start)
        BoostingRecord.round = timed
        watch(**options)
        train(flush, False)
    print(json.dumps([*found[:3], sum(found[3])]))
"""

MODES = {"with its model": ({}, 0.15), "without model": ({"log_models": False}, 0.05)}
SIZES = ((1_000, 15), (50_000, 7))


def trainings(
    python: str, library: str, framework: str, options: dict, rows: int, repeats: int, folder: Path
) -> tuple[list[float], list[float], list[float], float]:
    """CPU seconds: bare, with a callback that does nothing, watched; and inside of all rounds."""
    quiet = {**options, "silent": True} if library == "mlflow" else options
    arguments = [str(folder / library), framework, str(rows), str(repeats), json.dumps(quiet)]
    done = subprocess.run(
        [python, "-c", textwrap.dedent(SCRIPT), library, *arguments],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(framework: str, folder: Path) -> None:
    for mode, (options, limit) in MODES.items():
        for rows, repeats in SIZES:
            bare, idle, ours, inside = trainings(
                sys.executable, "tracklet", framework, options, rows, repeats, folder
            )
            theirs = None
            if python := mlflow_python():
                found = trainings(python, "mlflow", framework, options, rows, 2, folder)
                theirs = found[0], found[2]
            report_added(
                f"{framework}: 1,000 rounds on {rows:,} x 20, {mode}",
                bare,
                ours,
                limit=limit,
                mlflow=theirs,
                recording_rounds_ms=round(inside * 1e3, 2),
                idle_callback_adds_ms=round((min(idle) - min(bare)) * 1e3, 2),
            )


with tempfile.TemporaryDirectory() as scratch:
    for name in sys.argv[1:] or ("xgboost", "lightgbm"):
        measure(name, Path(scratch))
