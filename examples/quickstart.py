"""Train a pipeline under nothing but ``tracklet.autolog()``, then find the run and load its model.

Run it from anywhere: ``python examples/quickstart.py``. The record lies in ``./mlruns``.
"""

import json

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tracklet

tracklet.autolog()

# -- an ordinary training script ---------------------------------------------------------------
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
model.fit(X_train, y_train)
# ----------------------------------------------------------------------------------------------

run = tracklet.last_active_run()
assert run is not None
client = tracklet.TrackletClient()


def show(title: str, rows: dict[str, object]) -> None:
    print(f"\n{title}")
    width = max(map(len, rows), default=0)
    for key, value in rows.items():
        print(f"  {key:<{width}}  {value}")


print(f"run {run.info.run_name} ({run.info.run_id}): {run.info.status}")
trained = {key: value for key, value in run.data.params.items() if "__" in key}
show(f"params (6 of {len(run.data.params)})", dict(sorted(trained.items())[:6]))
show("metrics", {key: f"{value:.4f}" for key, value in sorted(run.data.metrics.items())})
files = client.list_artifacts(run.info.run_id)
files += client.list_artifacts(run.info.run_id, "model")
show("artifacts", {file.path: "folder" if file.is_dir else f"{file.file_size} B" for file in files})
cost = json.loads(run.data.tags["tracklet.overhead_ms"])
show(
    "record",
    {
        "stored in": run.info.artifact_uri,
        "cost of tracklet": f"{cost.pop('total'):.0f} ms, most of it for {max(cost, key=cost.get)}",
    },
)

found = tracklet.search_runs(
    filter_string="metrics.training_accuracy_score > 0.9 and tags.estimator_name = 'Pipeline'",
    order_by=["start_time DESC"],
    output_format="list",
)
assert found[0].info.run_id == run.info.run_id
print(f"\nfound again by its metrics and tags: {found[0].info.run_name}")

loaded = tracklet.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
assert np.array_equal(loaded.predict(X_test), model.predict(X_test))
print(f"loaded back: {len(X_test)} predictions equal those of the trained model")
