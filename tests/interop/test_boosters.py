"""XGBoost and LightGBM: models both ways, and the same record as MLflow's autologging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tracklet
from tracklet import pyfunc

pytestmark = pytest.mark.interop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
ASK = FRAME[:10]

MAKE = """
import numpy as np, pandas as pd
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])

def make(kind):
    if kind.startswith("xgb"):
        import xgboost
        if kind == "xgb booster":
            return xgboost.train({"nthread": 1}, xgboost.DMatrix(FRAME, label=Y), 3)
        return xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(FRAME, Y)
    import lightgbm
    params = {"num_threads": 1, "verbosity": -1}
    if kind == "lgb booster":
        return lightgbm.train(params, lightgbm.Dataset(FRAME, label=Y), 3)
    return lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1).fit(FRAME, Y)

def ask(kind, model):
    if kind == "xgb booster":
        import xgboost
        return model.predict(xgboost.DMatrix(FRAME[:10]))
    return model.predict(FRAME[:10])
"""
exec(MAKE)

KINDS = ["xgb booster", "xgb wrapper", "lgb booster", "lgb wrapper"]


@pytest.mark.parametrize("kind", KINDS)
def test_mlflow_loads_what_we_log(
    kind: str, in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    """Natively and as pyfunc, by path; and the answers are ours."""
    name = "xgboost" if kind.startswith("xgb") else "lightgbm"
    model = make(kind)  # noqa: F821 (defined by the script above)
    path = tracklet_home / "model"
    getattr(tracklet, name).save_model(model, path, input_example=ASK)
    native, view, signature = in_mlflow(
        MAKE
        + """
name, kind, path = arguments
import os
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
native = getattr(mlflow, name).load_model(path)
view = mlflow.pyfunc.load_model(path)
answer([ask(kind, native).tolist(), np.asarray(view.predict(FRAME[:10])).tolist(),
        view.metadata.signature is not None])
""",
        name,
        kind,
        str(path),
    )
    expected = ask(kind, model).tolist()  # noqa: F821
    assert native == expected
    assert view == expected
    assert signature


@pytest.mark.parametrize("format", [None, "pickle", "json"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_load_what_mlflow_saves(
    kind: str, format: str | None, in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    """Natively and as pyfunc, in MLflow's default format and in another."""
    name = "xgboost" if kind.startswith("xgb") else "lightgbm"
    if (name, format) in (("xgboost", "pickle"), ("lightgbm", "json")):
        pytest.skip("no format of this flavor")
    path = tracklet_home / "model"
    expected = in_mlflow(
        MAKE
        + """
name, kind, path, format = arguments
model = make(kind)
options = {}
if format and name == "xgboost":
    options["model_format"] = format
if format and name == "lightgbm" and kind == "lgb wrapper":
    options["serialization_format"] = format
if not format and kind == "lgb wrapper":  # skops, which asks for the types to trust
    options["skops_trusted_types"] = [
        "collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier",
        "collections.defaultdict", "lightgbm.sklearn._LGBMLabelEncoder",
        "numpy.dtype", "sklearn.preprocessing._label.LabelEncoder"]
getattr(mlflow, name).save_model(model, path, input_example=FRAME[:10], **options)
answer(ask(kind, model).tolist())
""",
        name,
        kind,
        str(path),
        format or "",
    )
    native = tracklet.models.load_model(path, trust=True)
    assert ask(kind, native).tolist() == expected  # noqa: F821
    assert np.asarray(pyfunc.load_model(path, trust=True).predict(ASK)).tolist() == expected


RECORD = """
import json, sys, warnings, logging
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
library, store = sys.argv[1:]
if library == "mlflow":
    import mlflow
    from mlflow import MlflowClient
    logging.disable()
else:
    import tracklet as mlflow
    from tracklet import MlflowClient
import lightgbm, xgboost, sklearn.metrics
mlflow.set_tracking_uri(store)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
noisy = np.where(RNG.random(200) < 0.3, 1, X[:, 0] > 0).astype(int)
three = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
mlflow.xgboost.autolog(importance_types=["weight", "gain"], silent=True)
mlflow.lightgbm.autolog(silent=True)

def xgb_native(**options):
    data = xgboost.DMatrix(X[:100], label=noisy[:100])
    held = xgboost.DMatrix(X[100:], label=noisy[100:])
    params = {"objective": "binary:logistic", "eval_metric": ["rmse", "logloss"], "eta": 0.3,
              "max_depth": 3, "nthread": 1}
    xgboost.train(params, data, 30, evals=[(data, "train"), (held, "held")], verbose_eval=False,
                  **options)

def lgb_native(callbacks):
    data = lightgbm.Dataset(X[:100], label=noisy[:100])
    held = lightgbm.Dataset(X[100:], label=noisy[100:], reference=data)
    params = {"objective": "binary", "metric": ["l2", "binary_logloss"], "learning_rate": 0.2,
              "num_threads": 1, "verbosity": -1}
    lightgbm.train(params, data, 30, valid_sets=[data, held], valid_names=["train", "held"],
                   callbacks=callbacks)

def evaluated(model):
    X_te, y_te = X[50:], three[50:]
    p = model.predict(X_te)
    sklearn.metrics.accuracy_score(y_te, p)
    sklearn.metrics.log_loss(y_te, model.predict_proba(X_te))
    model.score(X_te, y_te)

cases = {
    "xgb": lambda: xgb_native(),
    "xgb stopped": lambda: xgb_native(early_stopping_rounds=3),
    "xgb wrapper": lambda: xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(
        X, three, eval_set=[(X[:50], three[:50])], verbose=False),
    "lgb": lambda: lgb_native(None),
    "lgb stopped": lambda: lgb_native([lightgbm.early_stopping(3, verbose=False)]),
    "lgb wrapper": lambda: lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbosity=-1).fit(
        X, three, eval_set=[(X[:50], three[:50])]),
    "xgb wrapper evaluated": lambda: evaluated(
        xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, three)),
    "lgb wrapper evaluated": lambda: evaluated(
        lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1).fit(X, three)),
}
client = MlflowClient()
found = {}
for name, train in cases.items():
    train()
    if library == "tracklet":  # what is made off the training's path
        mlflow.autolog.flush()
    run = client.get_run(mlflow.last_active_run().info.run_id)
    id = run.info.run_id
    # MLflow writes the points of step 0 a second time when it links them to the model.
    histories = {key: sorted({(m.step, m.value) for m in client.get_metric_history(id, key)})
                 for key in run.data.metrics}
    files = sorted(f.path for f in client.list_artifacts(id) if f.path != "model")
    scores = {}
    for file in files:
        if file.endswith(".json"):
            local = mlflow.artifacts.download_artifacts(run_id=id, artifact_path=file)
            scores[file] = open(local).read()
    tags = {k: v for k, v in run.data.tags.items()
            if not k.startswith(("mlflow.", "tracklet.")) or k == "mlflow.autologging"}
    inputs = sorted((i.dataset.name, i.tags[0].value) for i in run.inputs.dataset_inputs)
    about = mlflow.models.get_model_info(f"runs:/{id}/model")
    flavors = {k: v for k, v in about.flavors["xgboost" if "xgb" in name else "lightgbm"].items()
               if k in ("data", "model_class", "model_format", "code")}
    outputs = [mlflow.get_logged_model(o.model_id) for o in run.outputs.model_outputs]
    model_metrics = {m.key: m.value for each in outputs for m in each.metrics}
    found[name] = dict(status=run.info.status, params=run.data.params, histories=histories,
        files=files, scores=scores, tags=tags, inputs=inputs, flavors=flavors,
        signature=about.signature.to_dict() if about.signature else None,
        models=[each.name for each in outputs], model_metrics=model_metrics)
print(json.dumps(found))
"""


def recorded(python: str, library: str, folder: Path) -> dict[str, Any]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACKLET_TRACKING")}
    done = subprocess.run(
        [python, "-W", "ignore", "-c", RECORD, library, str(folder)],
        capture_output=True,
        text=True,
        env={
            **inherited,
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
        },
        cwd=folder.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def once(histories: dict[str, list[list[float]]]) -> dict[str, float]:
    """Take the repeated points out of the histories, and return them.

    A repeated point is one that stands beside another of the same step, or beyond the last round,
    and whose value some round has.
    """
    found = {}
    last = int(max(point[0] for points in histories.values() for point in points))
    for key, points in histories.items():
        if len(points) == 1:
            continue
        values = [point[1] for point in points]
        for point in points:
            same_step = [each for each in points if each[0] == point[0]]
            beyond = point[0] == last and len(points) == last + 1
            if values.count(point[1]) > 1 and (len(same_step) > 1 or (beyond and point[0])):
                found[key] = point[1]
                points.remove(point)
                break
    return found


def test_the_record_of_a_training_is_mlflows(tracklet_home: Path) -> None:
    """Params, histories, files, importances, tags, datasets, flavor keys and signatures."""
    python = os.environ.get("TRACKLET_MLFLOW_PYTHON")
    if not python:
        pytest.skip("TRACKLET_MLFLOW_PYTHON names no interpreter with MLflow")
    ours = recorded(sys.executable, "tracklet", tracklet_home / "ours")
    theirs = recorded(python, "mlflow", tracklet_home / "theirs")
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        found = ours[name]
        if "stopped" in name:
            # The best round's metrics come once more: ours as the round after the last, which is
            # what MLflow's code means to do; MLflow's at step 0.
            repeated = [once(found["histories"]), once(expected["histories"])]
            assert repeated[0] == repeated[1], name
        if "wrapper" in name:  # ours has all that the constructor takes, MLflow's a part of it
            found["params"] = {key: found["params"].get(key) for key in expected["params"]}
        for fact in ("status", "params", "histories", "files", "scores", "tags", "models"):
            assert found[fact] == expected[fact], (name, fact)
        if name == "lgb wrapper":  # MLflow calls all of a wrapper's datasets "dataset"
            expected["inputs"] = [["dataset", "train"], ["valid_0", "eval"]]
        assert found["inputs"] == expected["inputs"], name
        assert found["signature"] == expected["signature"], name
        if not name.startswith("lgb wrapper"):  # ours is pickled, MLflow's is skops
            assert found["flavors"] == expected["flavors"], name
        if "wrapper" not in name:
            assert found["model_metrics"] == expected["model_metrics"], name
