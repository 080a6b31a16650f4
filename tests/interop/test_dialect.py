"""One script, run under MLflow and under tracklet: the answers are equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

SCRIPTS = {
    "runs": """
        mlflow.set_experiment("实验 one")
        with mlflow.start_run(run_name="parent", tags={"team": "a"}, description="why") as parent:
            mlflow.log_param("lr", 0.01)
            mlflow.log_params({"epochs": 3, "opt": "adam", "none": None})
            for step in range(3):
                mlflow.log_metric("loss", 1 / (step + 1), step=step, timestamp=1000 + step)
            mlflow.log_metrics({"acc": 0.5, "f1": True}, step=2)
            mlflow.set_tag("stage", 1)
            mlflow.set_tags({"a.b": "c", "mlflow.note.content": "changed"})
            for rate in (0.1, 0.2):
                with mlflow.start_run(run_name=f"child-{rate}", nested=True):
                    mlflow.log_param("learning_rate", rate)
                    mlflow.log_metric("accuracy", 1 - rate)
        client = mlflow.MlflowClient()
        run = client.get_run(parent.info.run_id)
        children = mlflow.search_runs(
            filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
            order_by=["metrics.accuracy DESC"])
        frame = children[["params.learning_rate", "metrics.accuracy"]]
        tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.source")}
        answer([
            run.info.status, run.info.run_name, run.data.params, run.data.metrics, tags,
            [[m.key, m.value, m.timestamp, m.step] for m in
             client.get_metric_history(parent.info.run_id, "loss")],
            frame.values.tolist(), list(frame.columns),
            mlflow.last_active_run().info.run_id == parent.info.run_id,
            mlflow.active_run() is None,
            sorted(c for c in children.columns if not c.startswith("tags.mlflow")),
            [str(children[c].dtype)[:10] for c in ("start_time", "metrics.accuracy")],
            mlflow.get_parent_run(children["run_id"][0]).info.run_id == parent.info.run_id,
        ])
    """,
    "artifacts": """
        import os, tempfile, numpy as np, pandas as pd
        with mlflow.start_run() as run:
            folder = tempfile.mkdtemp()
            os.makedirs(f"{folder}/目录")
            open(f"{folder}/目录/文件.txt", "w").write("hi")
            open(f"{folder}/plot.txt", "w").write("x")
            mlflow.log_artifact(f"{folder}/plot.txt", artifact_path="plots")
            mlflow.log_artifacts(folder, artifact_path="outputs")
            mlflow.log_text("text", "a/b.txt")
            mlflow.log_dict({"k": [1, 2]}, "d.json")
            mlflow.log_dict({"k": [1, 2]}, "d.yaml")
            mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "t.json")
            mlflow.log_table({"q": ["c"], "n": [3]}, "t.json")
        rid = run.info.run_id
        client = mlflow.MlflowClient()
        def tree(path=None):
            found = []
            for f in client.list_artifacts(rid, path):
                found.append([f.path, f.is_dir, f.file_size if f.path != "t.json" else 0])
                if f.is_dir:
                    found += tree(f.path)
            return found
        answer([
            tree(),
            open(mlflow.artifacts.download_artifacts(run_id=rid, artifact_path="a/b.txt")).read(),
            mlflow.artifacts.load_text(f"runs:/{rid}/outputs/目录/文件.txt"),
            mlflow.artifacts.load_dict(f"runs:/{rid}/d.json"),
            mlflow.load_table("t.json", run_ids=[rid])[["q", "n"]].values.tolist(),
            client.get_run(rid).data.tags["mlflow.loggedArtifacts"],
            mlflow.artifacts.list_artifacts(run_id=rid, artifact_path="nowhere"),
        ])
    """,
    "errors": """
        def code(call):
            try:
                call()
            except (TypeError, ValueError):  # of ours they are coded, too
                return "wrong argument"
            except Exception as error:
                return [type(error).__name__ if not hasattr(error, "error_code") else "coded",
                        getattr(error, "error_code", None)]
            return "fine"
        run = mlflow.start_run()
        mlflow.log_param("p", 1)
        client = mlflow.MlflowClient()
        calls = [
            lambda: mlflow.log_param("p", 2),
            lambda: mlflow.log_param("p", "1"),
            lambda: mlflow.log_metric("m", "x"),
            lambda: mlflow.log_metric("m", None),
            lambda: mlflow.log_metric("m", "1.5"),
            lambda: mlflow.log_metric("../m", 1),
            lambda: mlflow.log_metric("a//b", 1),
            lambda: mlflow.log_metric("m", 1, step="a"),
            lambda: mlflow.set_experiment(),
            lambda: mlflow.set_experiment(experiment_id="424242"),
            lambda: mlflow.get_run("0" * 32),
            lambda: mlflow.get_experiment("424242"),
            lambda: mlflow.create_experiment(""),
            lambda: mlflow.create_experiment("x" * 501),
            lambda: mlflow.delete_experiment("424242"),
            lambda: mlflow.delete_tag("absent"),
            lambda: mlflow.search_runs(filter_string="metrics.acc > '0.6'"),
            lambda: mlflow.search_runs(filter_string="params.lr = 0.1"),
            lambda: mlflow.search_runs(filter_string="foo = 'x'"),
            lambda: mlflow.search_runs(filter_string="metrics.acc >"),
            lambda: mlflow.search_runs(order_by=["metrics.acc ASCC"]),
            lambda: client.get_registered_model("absent"),
            lambda: client.create_registered_model("a/b"),
            lambda: mlflow.get_logged_model("m-" + "0" * 32),
            lambda: mlflow.log_image(1, "a.png", key="b"),
            lambda: mlflow.log_table({"a": [1]}, "a.csv"),
            lambda: mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="no"),
            lambda: mlflow.log_artifact("/does/not/exist"),
        ]
        answer([code(call) for call in calls])
    """,
    "logged models": """
        with mlflow.start_run() as run:
            model = mlflow.initialize_logged_model(
                name="net", params={"layers": "3"}, tags={"environment": "production"},
                model_type="transformer")
            mlflow.log_metric("accuracy", 0.97, model_id=model.model_id)
            mlflow.log_model_params({"heads": "8"}, model.model_id)
            before = str(mlflow.get_logged_model(model.model_id).status)
            mlflow.finalize_logged_model(model.model_id, "READY")
        got = mlflow.get_logged_model(model.model_id)
        with mlflow.set_active_model(model_id=model.model_id):
            inside = mlflow.get_active_model_id() == model.model_id
        external = mlflow.create_external_model(name="ext", model_type="agent")
        answer([before, str(got.status), got.name, got.params, got.model_type,
                got.source_run_id == run.info.run_id,
                [[m.key, m.value, m.step] for m in got.metrics],
                inside, mlflow.get_active_model_id(),
                external.tags["mlflow.model.isExternal"], str(external.status),
                mlflow.last_logged_model().name])
    """,
    "registry": """
        client = mlflow.MlflowClient()
        client.create_registered_model("m", tags={"a": "b"}, description="d")
        for _ in range(3):
            client.create_model_version("m", "/files", tags={"t": "1"})
        client.set_registered_model_alias("m", "champion", 2)
        client.transition_model_version_stage("m", 1, "Production")
        client.set_model_version_tag("m", "3", "k", "v")
        client.delete_model_version("m", 3)
        client.create_model_version("m", "/files")
        client.update_registered_model("m", description="new")
        model = client.get_registered_model("m")
        answer([
            model.description, model.tags,
            sorted([int(v.version), v.current_stage, v.tags, sorted(v.aliases)]
                   for v in mlflow.search_model_versions(filter_string="name = 'm'")),
            int(client.get_model_version_by_alias("m", "champion").version),
            [int(v.version) for v in client.get_latest_versions("m", ["Production"])],
            [m.name for m in mlflow.search_registered_models(filter_string="name LIKE 'm%'")],
            client.get_model_version_download_uri("m", "1"),
        ])
    """,
    "life cycle": """
        from datetime import datetime
        client = mlflow.MlflowClient()
        ids = [mlflow.create_experiment(n, tags={"n": n}) for n in ("a", "b")]
        run = client.create_run(ids[0], run_name="made", tags={"x": "1"})
        client.log_batch(run.info.run_id)
        client.set_terminated(run.info.run_id, "KILLED", end_time=5)
        client.update_run(run.info.run_id, name="renamed")
        client.delete_run(run.info.run_id)
        gone = len(client.search_runs([ids[0]]))
        kept = len(client.search_runs([ids[0]], run_view_type=3))
        client.restore_run(run.info.run_id)
        again = client.get_run(run.info.run_id)
        client.rename_experiment(ids[1], "c")
        client.delete_experiment(ids[0])
        answer([
            gone, kept, again.info.status, again.info.run_name, again.info.end_time,
            again.data.tags["mlflow.runName"], again.data.tags["x"],
            client.get_experiment(ids[0]).lifecycle_stage,
            client.get_experiment(ids[1]).name,
            sorted(e.name for e in client.search_experiments()),
            sorted(e.name for e in client.search_experiments(view_type=2)),
            [e.name for e in client.search_experiments(filter_string="tags.n = 'b'")],
        ])
    """,
}

OURS = """
import json, sys
import tracklet as mlflow

def answer(value):
    with open(sys.argv[1], "w") as file:
        json.dump(value, file)
"""


def test_the_dialects_constants_are_mlflows(in_mlflow: Callable[..., Any]) -> None:
    from tracklet.dialect import constants, environment

    plain = {"sklearn", "utils.mlflow_tags", "utils.validation"}
    ours = {
        path: {name: value for name, value in names.items() if isinstance(value, str | int)}
        for path, names in constants.CONSTANTS.items()
        if path in plain
    }
    defaults = {name: [each.default] for name, each in environment.VARIABLES.items()}
    theirs = in_mlflow(
        """
        import importlib, mlflow.environment_variables as variables
        constants, defaults = (json.loads(text) for text in arguments)
        for path, names in constants.items():
            module = importlib.import_module(f"mlflow.{path}")
            constants[path] = {name: getattr(module, name) for name in names}
        answer([constants, {name: [getattr(variables, name).default] for name in defaults}])
        """,
        json.dumps(ours),
        json.dumps(defaults),
    )
    assert [ours, defaults] == theirs


@pytest.mark.parametrize("subject", SCRIPTS)
def test_a_script_answers_the_same_under_both(
    subject: str, in_mlflow: Callable[..., Any], tmp_path: Path
) -> None:
    theirs = in_mlflow(SCRIPTS[subject])
    reply = tmp_path / "ours.json"
    script = OURS + textwrap.dedent(SCRIPTS[subject])
    done = subprocess.run(
        [sys.executable, "-c", script, str(reply)],
        capture_output=True,
        text=True,
        env={**os.environ, "TRACKLET_TRACKING_URI": str(tmp_path / "ours")},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(reply.read_text()) == theirs
