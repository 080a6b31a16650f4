"""1,000 rounds on 50,000 × 20 with an evaluation set, one thread: what autologging adds.

The bare training and MLflow are measured in the same invocation. Trainings alternate between bare
and watched within one process, because a busy machine is slower at one time than at another. What
is added hardly depends on the number of rows, so it is measured on 1,000 × 20 as well, where the
training itself is short and a busy machine's noise is small beside the difference.
"""

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import environment, mlflow_python, report

SCRIPT = """
    import resource, sys, time, warnings
    warnings.simplefilter("ignore")
    import numpy as np
    rng = np.random.default_rng(0)
    ROWS = int(sys.argv[5])
    X = rng.normal(size=(ROWS, 20)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=ROWS) > 0).astype(int)
    held_X, held_y = X[:500], y[:500]
    ROUNDS = int(sys.argv[4])

    def xgboost():
        import xgboost
        data = xgboost.DMatrix(X, label=y, nthread=1)
        held = xgboost.DMatrix(held_X, label=held_y, nthread=1)
        params = {{"objective": "binary:logistic", "max_depth": 2, "nthread": 1}}
        start = cpu()
        xgboost.train(params, data, ROUNDS, evals=[(held, "valid")], verbose_eval=False)
        return cpu() - start

    def lightgbm():
        import lightgbm
        params = {{"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbosity": -1}}
        data = lightgbm.Dataset(X, label=y, params=params)
        held = lightgbm.Dataset(held_X, label=held_y, reference=data)
        data.construct()
        start = cpu()
        lightgbm.train(params, data, ROUNDS, valid_sets=[held])
        return cpu() - start

    def cpu():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)

    train = dict(xgboost=xgboost, lightgbm=lightgbm)[sys.argv[2]]
    train()
    import {library} as tracking
    tracking.set_tracking_uri(sys.argv[1])
    watch = getattr(tracking, sys.argv[2]).autolog
    bare, watched = [], []
    for repeat in range(int(sys.argv[3]) + 1):
        {disable}
        bare.append(train())
        watch({options})
        watched.append(train())
    # The least of each: whatever else the machine does only ever adds.
    print(min(bare[1:]), min(watched[1:]))
"""

MODES = {"with its model": ("", 0.15), "without model": ("log_models=False", 0.05)}
ROUNDS = 1_000


def run(
    python: str, library: str, framework: str, options: str, folder: Path, rows: int, repeats: int
) -> list[float]:
    quiet = "silent=True" if library == "mlflow" else ""
    script = textwrap.dedent(
        SCRIPT.format(
            library=library,
            options=", ".join(filter(None, (options, quiet))),
            disable="watch(disable=True)",
        )
    )
    arguments = [str(folder / library), framework, str(repeats), str(ROUNDS), str(rows)]
    done = subprocess.run(
        [python, "-c", script, *arguments],
        cwd=folder,
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(each) for each in done.stdout.split()]


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    for framework in ("xgboost", "lightgbm"):
        for mode, (options, target) in MODES.items():
            for rows, repeats in ((50_000, 5), (1_000, 15)):
                bare, ours = run(
                    sys.executable, "tracklet", framework, options, folder, rows, repeats
                )
                more = {}
                theirs = None
                if python := mlflow_python():
                    bare_there, theirs = run(python, "mlflow", framework, options, folder, rows, 2)
                    more["mlflow_over_bare_us"] = round((theirs - bare_there) * 1e6)
                report(
                    f"{framework}: {ROUNDS} rounds on {rows:,} x 20, {mode}",
                    ours,
                    bare,
                    theirs,
                    target=f"at most {round(target * 1e6):,} us over the bare training",
                    **more,
                )
