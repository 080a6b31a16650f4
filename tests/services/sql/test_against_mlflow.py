"""Every filter that MLflow accepts finds the same runs here, in the same order."""

from __future__ import annotations

import json
import os
import random
import subprocess
import textwrap

import pytest

from tracklet.entities import Dataset, DatasetInput, InputTag, Metric
from tracklet.errors import InvalidParameterValue
from tracklet.stores.files import FileStore
from tracklet_services.sql import SqlStore

MLFLOW = os.environ.get("TRACKLET_MLFLOW_PYTHON", "")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not os.path.exists(MLFLOW), reason="TRACKLET_MLFLOW_PYTHON is not set"),
]

THEIRS = """
    import json, logging, sys
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
    logging.disable(logging.CRITICAL)
    task = json.load(sys.stdin)
    mlflow.set_tracking_uri(task["uri"])
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("e")
    for run in task["runs"]:
        made = client.create_run(
            experiment, start_time=run["start"], run_name=run["name"], tags=run["tags"]
        )
        run_id = made.info.run_id
        metrics = [Metric(k, float(v), 1, 0) for k, v in run["metrics"].items()]
        client.log_batch(run_id, metrics, [Param(k, v) for k, v in run["params"].items()])
        if run["dataset"]:
            client.log_inputs(run_id, [DatasetInput(
                Dataset(run["dataset"], "d", "s", "{}"), [InputTag("mlflow.data.context", "train")]
            )])
        if run["status"] != "RUNNING":
            client.set_terminated(run_id, run["status"], run["start"] + 5)
    answers = []
    for text, order in task["searches"]:
        try:
            found = client.search_runs([experiment], text, order_by=order)
            answers.append([run.info.run_name for run in found])
        except mlflow.MlflowException as error:
            answers.append(error.error_code)
    json.dump(answers, sys.stdout)
"""


def some_runs(chance):
    texts = ["", "a", "A", "ab", "a%b", "a_b", "1", "0.5", "x y"]
    numbers = ["0", "1", "-1", "0.5", "nan", "inf", "-inf", "1e300", "2"]
    return [
        {
            "name": f"run-{number}",
            "start": 1000 + number,
            "status": chance.choice(["RUNNING", "FINISHED", "FAILED"]),
            "metrics": {k: chance.choice(numbers) for k in "ab" if chance.random() < 0.7},
            "params": {k: chance.choice(texts) for k in ("p", "q r") if chance.random() < 0.7},
            "tags": {k: chance.choice(texts) for k in ("t", "x.y") if chance.random() < 0.7},
            "dataset": chance.choice([None, "iris", "wine"]),
        }
        for number in range(40)
    ]


def some_searches(chance):
    texts = ["", "a", "A", "ab", "a%b", "a_b", "1", "a%", "%b", "_", "%", "A%"]
    fixed = [
        "metric.a>=0.5", "metrics.`a` = 1", 'metrics."a" = 1', "metrics.a > 0.1 and metrics.b < 2",
        'params.p = "a"', "param.p='1'", "parameters.p ILIKE 'A%'", "params.p IS NOT NULL",
        "params.`q r` IS NULL", "tags.x.y = 'a'", "tags.`x.y` != 'a'", "run_name = 'run-3'",
        "attributes.Created > 1020", "`run name` LIKE 'run-1%'", "status = 'RUNNING'",
        "status = 'running'", "attribute.status != 'FINISHED'", "attr.end_time > 1020",
        "end_time != 1025", "run.start_time <= 1003", "datasets.name = 'iris'",
        "dataset.name IN ('iris', 'x')", "dataset.context = 'train'", "datasets.name != 'iris'",
        "run_id IN ('x')", "run_id NOT IN ('x')", "metrics.a = 1 AND", "and metrics.a = 1",
        "metrics.a = 1 metrics.b = 1", "metrics.a = 1 and and metrics.b != 7", "metrics.a != 1e3",
        "metrics.a > '0.6'", "metrics.a = nan", "metrics.a LIKE '1'", "params.p = 0.1",
        "params.p > '0'", "attributes.run_id IN ()", "start_time > '2000'", "foo = 'x'",
        "datasets.foo='x'", "metrics.a", "metrics.a >", "select 1", "   ", "params.p = 'a';",
        "params.p = 'a\\\\'", "params.p = 'a''b'", "params.p = `a`", "run_name ILIKE 'RUN-2%'",
    ]  # fmt: skip

    def clause():
        kind = chance.randrange(4)
        if kind == 0:
            value = chance.choice(["0", "1", "0.5", "-1", "1e300"])
            operator = chance.choice(["=", "!=", ">", ">=", "<", "<="])
            return f"metrics.{chance.choice('abz')} {operator} {value}"
        key = chance.choice(["params.p", "params.`q r`", "tags.t", "tags.x.y"])
        if kind == 1:
            return f"{key} {chance.choice(['IS NULL', 'IS NOT NULL', 'is null'])}"
        operator = chance.choice(["=", "!=", "LIKE", "ILIKE", "like"])
        return f"{key} {operator} '{chance.choice(texts)}'"

    orders = [
        None, ["metrics.a"], ["metrics.a DESC"], ["params.p", "metrics.b desc"], ["tags.t DESC"],
        ["status", "start_time"], ["end_time DESC"], ["attributes.start_time ASC"], ["run_name"],
    ]  # fmt: skip
    found = [(text, None) for text in fixed]
    for _ in range(250):
        clauses = [clause() for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3]))]
        found.append((" AND ".join(clauses), chance.choice(orders)))
    return found


def fill(store, runs):
    experiment = store.create_experiment("e")
    for run in runs:
        run_id = store.create_run(
            experiment, start_time=run["start"], run_name=run["name"], tags=run["tags"]
        ).info.run_id
        metrics = [Metric(k, float(v), 1, 0) for k, v in run["metrics"].items()]
        store.log_batch(run_id, metrics, run["params"])
        if run["dataset"]:
            dataset = Dataset(run["dataset"], "d", "s", "{}")
            tags = [InputTag("mlflow.data.context", "train")]
            store.log_inputs(run_id, [DatasetInput(dataset, tags)])
        if run["status"] != "RUNNING":
            store.update_run(run_id, run["status"], run["start"] + 5)
    return experiment


def answer(store, experiment, text, order):
    try:
        return [run.info.run_name for run in store.search_runs([experiment], text, order_by=order)]
    except InvalidParameterValue as error:
        return error.error_code


def test_searches_agree_with_mlflow(tmp_path, monkeypatch):
    """Over the same runs, filters and orders give what MLflow's SQL store gives."""
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))
    chance = random.Random(20)
    runs, searches = some_runs(chance), some_searches(chance)
    task = {"uri": f"sqlite:///{tmp_path}/theirs.db", "runs": runs, "searches": searches}
    result = subprocess.run(
        [MLFLOW, "-c", textwrap.dedent(THEIRS)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    theirs = json.loads(result.stdout)
    assert sum(isinstance(names, list) for names in theirs) > 250
    for store in (SqlStore(f"sqlite:///{tmp_path}/ours.db"), FileStore(tmp_path / "mlruns")):
        experiment = fill(store, runs)
        different = [
            (text, order, their, our)
            for (text, order), their in zip(searches, theirs, strict=True)
            if (our := answer(store, experiment, text, order)) != their
        ]
        store.close()
        assert different == []
