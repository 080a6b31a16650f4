"""What the real MLflow recorded, in a database or a folder, is imported entity by entity."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tracklet import stores
from tracklet.entities import ViewType
from tracklet_services.importing import import_record

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

MAKE = """
import math, pathlib
import pandas as pd
from mlflow.entities import LoggedModelInput, LoggedModelOutput

mlflow.set_tracking_uri(arguments[0])
client = MlflowClient()
experiment = mlflow.set_experiment("音 experiment")
client.set_experiment_tag(experiment.experiment_id, "team", "x")
data = mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), name="d1", source="/data/d1.csv")
with mlflow.start_run(run_name="parent", description="why") as parent:
    mlflow.log_params({"lr": 0.1, "empty": "", "long": "x" * 3000})
    for step, value in [(0, 0.1), (1, math.nan), (2, math.inf), (-3, -math.inf), (2, 1e-300)]:
        mlflow.log_metric("train/loss", value, step=step)
    mlflow.log_input(data, context="training", tags={"more": "1"})
    mlflow.set_tag("ü", "中文")
    mlflow.log_text("hi", "notes/a.txt")
    model = mlflow.initialize_logged_model(name="mod", params={"p": "1"}, tags={"q": "2"})
    mlflow.log_metric("acc", 0.5, step=7, model_id=model.model_id, dataset=data)
    mlflow.log_metric("bad", math.nan, step=7, model_id=model.model_id, dataset=data)
    mlflow.log_metric("zero", 0.0, step=7, model_id=model.model_id)
    mlflow.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(parent.info.run_id, [LoggedModelOutput(model.model_id, 3)])
    with mlflow.start_run(nested=True, run_name="child") as child:
        mlflow.log_metric("z", 1)
gone = client.create_run("0", run_name="gone").info.run_id
client.delete_run(gone)
trashed = client.create_experiment("trashed")
client.create_run(trashed, run_name="buried")
client.delete_experiment(trashed)
running = client.create_run("0", run_name="running").info.run_id
client.log_metric(running, "m", 1.0, 1000, 0)
client.create_registered_model("reg", tags={"k": "v"}, description="what")
client.create_model_version("reg", f"runs:/{parent.info.run_id}/model", parent.info.run_id,
                            tags={"a": "b"})
client.create_model_version("reg", parent.info.artifact_uri + "/model", parent.info.run_id)
client.create_model_version("reg", f"models:/{model.model_id}", model_id=model.model_id)
client.set_registered_model_alias("reg", "champ", "3")
client.delete_model_version("reg", "2")
client.transition_model_version_stage("reg", "1", "Production")
answer({"parent": parent.info.run_id, "child": child.info.run_id, "gone": gone,
        "running": running, "model": model.model_id})
"""

DESCRIBE = """
import math
mlflow.set_tracking_uri(arguments[0])
client = MlflowClient()

def number(value):  # a database of theirs has no infinities
    return repr(math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value)

def points(metrics):
    return sorted([number(m.value), m.timestamp, m.step] for m in metrics)

def whole(run):
    try:
        return client.get_run(run.info.run_id)
    except mlflow.MlflowException:  # a folder of theirs finds no runs of deleted experiments
        assert run.info.lifecycle_stage == "deleted"
        return run

def run_of(run):
    i = run.info
    return {
        "info": [i.run_id, i.experiment_id, i.status, i.run_name, i.start_time, i.end_time,
                 i.lifecycle_stage, i.user_id],
        "params": run.data.params, "tags": run.data.tags,
        "latest": {k: number(v) for k, v in run.data.metrics.items()},
        "history": {k: points(client.get_metric_history(i.run_id, k)) for k in run.data.metrics},
        "datasets": sorted(
            [list(d.dataset.to_dictionary().items()), sorted([t.key, t.value] for t in d.tags)]
            for d in run.inputs.dataset_inputs),
        "used": sorted(m.model_id for m in run.inputs.model_inputs),
        "made": sorted([m.model_id, m.step] for m in run.outputs.model_outputs),
    }

def model_of(m):
    return [m.model_id, m.experiment_id, m.name, str(m.status), m.source_run_id, m.params, m.tags,
            m.creation_timestamp, m.last_updated_timestamp,
            sorted([p.key, p.timestamp, p.step, str(p.dataset_name), str(p.dataset_digest),
                    p.run_id] for p in m.metrics)]

def version_of(v):
    return [v.name, int(v.version), v.current_stage, v.run_id or None, v.source, v.tags, v.status,
            v.creation_timestamp, v.last_updated_timestamp]

experiments = client.search_experiments(view_type=3)
ids = [e.experiment_id for e in experiments]
answer({
    "experiments": {e.experiment_id: [e.name, e.lifecycle_stage, e.tags, e.creation_time]
                    for e in experiments},
    "runs": {r.info.run_id: run_of(whole(r)) for r in client.search_runs(ids, run_view_type=3)},
    "models": {m.model_id: model_of(m) for m in client.search_logged_models(ids)},
    "registered": {r.name: [r.description, r.tags, r.creation_timestamp,
                            {a: int(v) for a, v in r.aliases.items()}]
                   for r in client.search_registered_models()},
    "versions": sorted(version_of(v) for v in client.search_model_versions("name = 'reg'")),
})
"""


def without_steps(history: dict[str, Any]) -> None:
    """Forget the steps that folders of theirs lose: of points that name a dataset."""
    for key in {"acc", "bad"} & history.keys():
        for point in history[key]:
            del point[2]


def described(uri: str) -> Any:
    """What ``DESCRIBE`` answers, of a store of ours."""
    store: Any = stores.open_store(uri)

    def points(metrics: Any) -> Any:
        return sorted([repr(m.value), m.timestamp, m.step] for m in metrics)

    def run_of(run: Any) -> Any:
        i = run.info
        return {
            "info": [
                i.run_id,
                i.experiment_id,
                i.status,
                i.run_name,
                i.start_time,
                i.end_time,
                i.lifecycle_stage,
                i.user_id,
            ],
            "params": run.data.params,
            "tags": run.data.tags,
            "latest": {k: repr(v) for k, v in run.data.metrics.items()},
            "history": {k: points(store.get_metric_history(i.run_id, k)) for k in run.data.metrics},
            "datasets": sorted(
                [
                    list(d.dataset.to_dictionary().items()),
                    sorted([t.key, t.value] for t in d.tags),
                ]
                for d in run.inputs.dataset_inputs
            ),
            "used": sorted(m.model_id for m in run.inputs.model_inputs),
            "made": sorted([m.model_id, m.step] for m in run.outputs.model_outputs),
        }

    def model_of(m: Any) -> Any:
        return [
            m.model_id,
            m.experiment_id,
            m.name,
            str(m.status),
            m.source_run_id,
            m.params,
            m.tags,
            m.creation_timestamp,
            m.last_updated_timestamp,
            sorted(
                [p.key, p.timestamp, p.step, str(p.dataset_name), str(p.dataset_digest), p.run_id]
                for p in m.metrics
            ),
        ]

    def version_of(v: Any) -> Any:
        return [
            v.name,
            v.version,
            v.current_stage,
            v.run_id,
            v.source,
            v.tags,
            v.status,
            v.creation_timestamp,
            v.last_updated_timestamp,
        ]

    experiments = store.search_experiments(ViewType.ALL)
    ids = [e.experiment_id for e in experiments]
    answer = {
        "experiments": {
            e.experiment_id: [e.name, e.lifecycle_stage, e.tags, e.creation_time]
            for e in experiments
        },
        "runs": {
            r.info.run_id: run_of(store.get_run(r.info.run_id))
            for r in store.search_runs(ids, "", ViewType.ALL)
        },
        "models": {m.model_id: model_of(m) for m in store.search_logged_models(ids)},
        "registered": {
            r.name: [r.description, r.tags, r.creation_timestamp, r.aliases]
            for r in store.search_registered_models()
        },
        "versions": sorted(version_of(v) for v in store.search_model_versions("name = 'reg'")),
    }
    return json.loads(json.dumps(answer))


@pytest.fixture(params=["database", "folder"])
def theirs(request: pytest.FixtureRequest, tracklet_home: Path) -> str:
    """The tracking URI of a record of MLflow's."""
    folder = tracklet_home / "theirs"
    folder.mkdir()
    return f"sqlite:///{folder}/mlflow.db" if request.param == "database" else f"{folder}/mlruns"


@pytest.fixture(params=["database", "folder"])
def ours(request: pytest.FixtureRequest, tracklet_home: Path) -> str:
    """The URI of the store that takes the record."""
    folder = tracklet_home / "ours"
    return f"sqlite:///{folder}/runs.db" if request.param == "database" else f"{folder}/mlruns"


def path_of(uri: str) -> str:
    return uri.removeprefix("sqlite:///")


def test_a_record_of_mlflows_is_taken_entity_by_entity(
    in_mlflow: Callable[..., Any], theirs: str, ours: str
) -> None:
    ids = in_mlflow(MAKE, theirs)
    expected = in_mlflow(DESCRIBE, theirs)
    report = import_record(path_of(theirs), ours)
    taken = described(ours)
    if ours.startswith("sqlite"):  # our database has made its own Default
        taken["experiments"]["0"][3] = expected["experiments"]["0"][3]
    if not theirs.startswith("sqlite"):
        for answer in (taken, expected):
            without_steps(answer["runs"][ids["parent"]]["history"])
    assert taken == expected
    assert report.skips == report.notices == []
    assert report.tallies["runs"].taken == 5
    assert report.left_out == {}
    store: Any = stores.open_store(ours)
    model = store.get_logged_model(ids["model"])
    values = {point.key: repr(point.value) for point in model.metrics}
    assert values == {"acc": "0.5", "bad": "nan", "zero": "0.0"}
    place = store.get_run(ids["parent"]).info.artifact_uri
    assert (Path(place) / "notes" / "a.txt").read_text() == "hi"
    again = import_record(path_of(theirs), ours)
    assert again.changed == again.points == 0


def test_a_run_that_mlflow_carried_on_is_brought_up_to_date(
    in_mlflow: Callable[..., Any], theirs: str, ours: str
) -> None:
    ids = in_mlflow(MAKE, theirs)
    import_record(path_of(theirs), ours)
    in_mlflow(
        """
        mlflow.set_tracking_uri(arguments[0])
        with mlflow.start_run(run_id=arguments[1]):
            mlflow.log_metric("m", 2.0, step=1)
            mlflow.log_metric("late", float("nan"))
            mlflow.log_param("p", 1)
            mlflow.set_tag("mlflow.runName", "renamed")
        client = MlflowClient()
        client.create_model_version("reg", f"runs:/{arguments[1]}/model")
        client.set_registered_model_alias("reg", "champ", "4")
        """,
        theirs,
        ids["running"],
    )
    expected = in_mlflow(DESCRIBE, theirs)
    report = import_record(path_of(theirs), ours)
    assert report.tallies["runs"].updated == report.tallies["registered models"].updated == 1
    assert report.points == 2
    taken = described(ours)
    info = expected["runs"][ids["running"]]["info"]
    assert taken["runs"][ids["running"]]["info"][4:] == info[4:]
    for part in ("params", "tags", "history", "latest"):
        assert taken["runs"][ids["running"]][part] == expected["runs"][ids["running"]][part]
    assert taken["registered"] == expected["registered"]
    assert taken["versions"] == expected["versions"]


def test_mlflow_reads_what_was_imported_into_a_folder(
    in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    (tracklet_home / "theirs").mkdir()
    theirs = f"sqlite:///{tracklet_home}/theirs/mlflow.db"
    ids = in_mlflow(MAKE, theirs)
    expected = in_mlflow(DESCRIBE, theirs)
    ours = str(tracklet_home / "ours")
    import_record(path_of(theirs), ours, copy_artifacts=True)
    read = in_mlflow(DESCRIBE, ours)
    for answer in (read, expected):
        without_steps(answer["runs"][ids["parent"]]["history"])
    assert read["runs"] == expected["runs"]
    assert read["experiments"] == expected["experiments"]
    assert read["registered"] == expected["registered"]
    assert set(read["models"]) == set(expected["models"])


def test_traces_and_the_rest_are_counted_and_named(
    in_mlflow: Callable[..., Any], theirs: str, ours: str
) -> None:
    in_mlflow(
        """
        mlflow.set_tracking_uri(arguments[0])
        @mlflow.trace
        def answered(x):
            return x + 1
        answered(1)
        trace_id = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        mlflow.log_feedback(trace_id=trace_id, name="good", value=True)
        """,
        theirs,
    )
    report = import_record(path_of(theirs), ours)
    assert report.left_out["traces"] == report.left_out["assessments"] == 1


def test_a_fresh_database_has_nothing_that_is_left_out(
    in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    path = tracklet_home / "mlflow.db"
    in_mlflow(
        "mlflow.set_tracking_uri(arguments[0]); MlflowClient().search_experiments()",
        f"sqlite:///{path}",
    )
    report = import_record(path, tracklet_home / "ours")
    assert report.left_out == {}
    assert report.notices == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    assert os.listdir(tracklet_home / "ours")
