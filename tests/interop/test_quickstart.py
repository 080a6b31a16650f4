"""The real MLflow reads the run that the quickstart wrote, and loads its model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"


def test_mlflow_reads_the_quickstarts_run_and_its_models_predictions_are_equal(
    in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    subprocess.run([sys.executable, str(QUICKSTART)], check=True, cwd=tracklet_home)
    (run,) = tracklet.search_runs(output_format="list")
    theirs = in_mlflow(
        """
        from sklearn.datasets import load_breast_cancer
        run = client.get_run(arguments[0])
        X, _ = load_breast_cancer(return_X_y=True, as_frame=True)
        native = mlflow.sklearn.load_model(f"runs:/{arguments[0]}/model")
        model = mlflow.pyfunc.load_model(f"runs:/{arguments[0]}/model")
        by_id = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
        found = client.search_runs(["0"], "metrics.training_accuracy_score > 0.9")
        answer({
            "status": run.info.status,
            "params": run.data.params,
            "metrics": run.data.metrics,
            "native": native.predict(X).tolist(),
            "pyfunc": model.predict(X).tolist(),
            "by id": by_id.predict(X).tolist(),
            "inputs": model.metadata.get_input_schema().input_names(),
            "found": [one.info.run_id for one in found],
        })
        """,
        run.info.run_id,
    )
    from sklearn.datasets import load_breast_cancer

    X, _ = load_breast_cancer(return_X_y=True, as_frame=True)
    expected = tracklet.pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(X).tolist()
    assert theirs["native"] == theirs["pyfunc"] == theirs["by id"] == expected
    assert theirs["params"] == run.data.params
    assert theirs["metrics"] == run.data.metrics
    assert theirs["status"] == "FINISHED"
    assert theirs["inputs"] == list(X.columns)
    assert theirs["found"] == [run.info.run_id]
