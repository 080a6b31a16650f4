"""The real MLflow reads the files that we write, and we read those that it writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tracklet
from tracklet.entities import LoggedModelInput, LoggedModelOutput, ViewType

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

DESCRIBE = """
    def run_of(run_id):
        run = client.get_run(run_id)
        d = run.to_dictionary()
        return {
            "info": {k: d["info"][k] for k in
                     ("run_id", "experiment_id", "status", "run_name", "start_time", "end_time",
                      "lifecycle_stage", "user_id")},
            "metrics": {k: repr(v) for k, v in run.data.metrics.items()},
            "params": run.data.params,
            "tags": run.data.tags,
            "history": {k: [(m.timestamp, repr(m.value), m.step)
                            for m in client.get_metric_history(run_id, k)]
                        for k in run.data.metrics},
            "datasets": [[i.dataset.name, i.dataset.digest, i.dataset.source_type,
                          {t.key: t.value for t in i.tags}]
                         for i in sorted(run.inputs.dataset_inputs, key=lambda i: i.dataset.name)],
            "models_in": [i.model_id for i in run.inputs.model_inputs],
            "models_out": sorted([o.model_id, o.step] for o in run.outputs.model_outputs),
        }
    answer(run_of(arguments[0]))
"""


def described(run_id: str) -> dict[str, Any]:
    """What ``DESCRIBE`` answers, read by us."""
    client = tracklet.TrackletClient()
    run = client.get_run(run_id)
    names = (
        "run_id",
        "experiment_id",
        "status",
        "run_name",
        "start_time",
        "end_time",
        "lifecycle_stage",
        "user_id",
    )
    return {
        "info": {name: getattr(run.info, name) for name in names},
        "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
        "params": run.data.params,
        "tags": run.data.tags,
        "history": {
            key: [
                [m.timestamp, repr(m.value), m.step] for m in client.get_metric_history(run_id, key)
            ]
            for key in run.data.metrics
        },
        "datasets": [
            [
                i.dataset.name,
                i.dataset.digest,
                i.dataset.source_type,
                {t.key: t.value for t in i.tags},
            ]
            for i in sorted(run.inputs.dataset_inputs, key=lambda i: i.dataset.name)
        ],
        "models_in": [i.model_id for i in run.inputs.model_inputs],
        "models_out": sorted([o.model_id, o.step] for o in run.outputs.model_outputs),
    }


def test_mlflow_reads_a_run_of_ours_entity_by_entity(in_mlflow: Callable[..., Any]) -> None:
    tracklet.set_experiment("中文 experiment")
    with tracklet.start_run(run_name="ours", description="why") as parent:
        for step, value in [
            (-3, 0.1),
            (0, math.nan),
            (2**62, math.inf),
            (5, -math.inf),
            (1, 1e-300),
        ]:
            tracklet.log_metric(
                "odd/values", value, step=step, timestamp=1_790_000_000_000 + step % 7
            )
        tracklet.log_metrics({"a b": 1.5, "損失": 2.0}, step=4)
        tracklet.log_params({"lr": 0.1, "long": "x" * 9000, "a/b": "", "text": "zwei\nZeilen "})
        tracklet.set_tags({"t": "ü", "empty": ""})
        tracklet.log_text("hello", "notes/说明.txt")
        with tracklet.start_run(nested=True) as child:
            tracklet.log_metric("m", 1.0)
    for run in (parent, child):
        theirs = in_mlflow(DESCRIBE, run.info.run_id)
        assert theirs == described(run.info.run_id)
    listed = in_mlflow(
        """
        files = client.list_artifacts(arguments[0], "notes")
        path = client.download_artifacts(arguments[0], files[0].path)
        experiment = client.get_experiment_by_name("中文 experiment")
        children = client.search_runs(
            [experiment.experiment_id], f"tags.mlflow.parentRunId = '{arguments[0]}'")
        answer([files[0].path, open(path).read(), [c.info.run_id for c in children]])
        """,
        parent.info.run_id,
    )
    assert listed == ["notes/说明.txt", "hello", [child.info.run_id]]


def test_we_read_a_run_of_mlflows_entity_by_entity(in_mlflow: Callable[..., Any]) -> None:
    run_id, child_id = in_mlflow(
        """
        import math
        mlflow.set_experiment("theirs 实验")
        with mlflow.start_run(run_name="parent", description="why") as parent:
            for step, value in [(-3, 0.1), (0, math.nan), (7, math.inf), (5, -math.inf)]:
                mlflow.log_metric("odd/values", value, step=step)
            mlflow.log_params({"lr": 0.1, "a/b": "", "text": "zwei Zeilen "})
            mlflow.set_tags({"t": "ü"})
            mlflow.log_text("hello", "notes/x.txt")
            with mlflow.start_run(nested=True) as child:
                mlflow.log_metric("m", 1.0)
        answer([parent.info.run_id, child.info.run_id])
        """
    )
    for one in (run_id, child_id):
        assert described(one) == in_mlflow(DESCRIBE, one)
    parent = tracklet.get_parent_run(child_id)
    assert parent is not None
    assert parent.info.run_id == run_id
    assert tracklet.artifacts.load_text(f"runs:/{run_id}/notes/x.txt") == "hello"
    found = tracklet.search_runs(
        experiment_names=["theirs 实验"],
        filter_string=f"tags.mlflow.parentRunId = '{run_id}'",
        output_format="list",
    )
    assert [run.info.run_id for run in found] == [child_id]


def test_datasets_and_model_links_are_read_both_ways(in_mlflow: Callable[..., Any]) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    dataset = tracklet.data.from_pandas(frame, name="frame")
    numbers = tracklet.data.from_numpy(np.arange(6.0).reshape(3, 2))
    with tracklet.start_run() as run:
        tracklet.log_input(dataset, context="train")
        tracklet.log_input(numbers, context="eval", tags={"k": "v"})
        model = tracklet.initialize_logged_model(name="net", params={"p": 1}, tags={"t": 2})
        tracklet.log_outputs([LoggedModelOutput(model.model_id, 3)])
        tracklet.log_metric("acc", 0.5, step=3, dataset=dataset, model_id=model.model_id)
        tracklet.log_inputs(models=[LoggedModelInput(model.model_id)])
    tracklet.finalize_logged_model(model.model_id, "READY")
    theirs = in_mlflow(DESCRIBE, run.info.run_id)
    ours = described(run.info.run_id)
    assert theirs["datasets"] == ours["datasets"]
    assert len(ours["datasets"]) == 2
    assert theirs["models_in"] == ours["models_in"] == [model.model_id]
    assert theirs["models_out"] == ours["models_out"] == [[model.model_id, 3]]
    assert theirs["metrics"] == ours["metrics"]
    digests, entity = in_mlflow(
        """
        import numpy as np, pandas as pd
        frame = mlflow.data.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
        array = mlflow.data.from_numpy(np.arange(6.0).reshape(3, 2))
        model = client.get_logged_model(arguments[0])
        answer([[frame.digest, array.digest],
                [model.name, str(model.status), model.params, model.tags["t"],
                 [[m.key, m.value, m.step, m.dataset_name] for m in model.metrics]]])
        """,
        model.model_id,
    )
    assert digests == [dataset.digest, numbers.digest]
    assert entity == ["net", "READY", {"p": "1"}, "2", [["acc", 0.5, 3, "frame"]]]


def test_we_read_their_logged_models_and_datasets(in_mlflow: Callable[..., Any]) -> None:
    run_id, model_id, digest = in_mlflow(
        """
        import pandas as pd
        data = mlflow.data.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), name="d")
        with mlflow.start_run() as run:
            mlflow.log_input(data, context="train")
            model = mlflow.initialize_logged_model(name="net", params={"p": 1})
            mlflow.log_metric("acc", 0.25, step=2, model_id=model.model_id, dataset=data)
            mlflow.finalize_logged_model(model.model_id, "READY")
        answer([run.info.run_id, model.model_id, data.digest])
        """
    )
    model = tracklet.get_logged_model(model_id)
    assert (model.name, model.status, model.params) == ("net", "READY", {"p": "1"})
    (metric,) = model.metrics
    assert (metric.key, metric.value, metric.step) == ("acc", 0.25, 2)
    assert (metric.dataset_name, metric.dataset_digest) == ("d", digest)
    (point,) = tracklet.TrackletClient().get_metric_history(run_id, "acc")
    assert (point.value, point.step) == (0.25, 2)
    (used,) = tracklet.get_run(run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("d", digest)


def test_the_registry_is_read_both_ways(in_mlflow: Callable[..., Any]) -> None:
    client = tracklet.TrackletClient()
    client.create_registered_model("ours 模型", tags={"k": "v"}, description="why")
    for _ in range(2):
        client.create_model_version("ours 模型", "/files", tags={"t": "1"}, description="first")
    client.set_registered_model_alias("ours 模型", "champion", 2)
    client.transition_model_version_stage("ours 模型", 1, "Production")
    client.create_model_version("ours 模型", "/files")
    client.delete_model_version("ours 模型", 3)
    describe = """
        model = client.get_registered_model(arguments[0])
        versions = client.search_model_versions(f"name = '{arguments[0]}'")
        answer([model.name, model.description, model.tags,
                {k: int(v) for k, v in model.aliases.items()},
                sorted([int(v.version), v.current_stage, v.source, v.description, v.tags]
                       for v in versions)])
    """

    def ours(name: str) -> list[Any]:
        model = client.get_registered_model(name)
        versions = client.search_model_versions(f"name = '{name}'")
        return [
            model.name,
            model.description,
            model.tags,
            model.aliases,
            sorted([v.version, v.current_stage, v.source, v.description, v.tags] for v in versions),
        ]

    assert in_mlflow(describe, "ours 模型") == ours("ours 模型")
    in_mlflow(
        """
        client.create_registered_model("theirs", tags={"k": "v"}, description="why")
        for _ in range(2):
            client.create_model_version("theirs", "/files", tags={"t": "1"})
        client.set_registered_model_alias("theirs", "best", 1)
        client.delete_model_version("theirs", 2)
        client.create_model_version("theirs", "/files")
        """
    )
    assert ours("theirs") == in_mlflow(describe, "theirs")
    assert [version[0] for version in ours("theirs")[4]] == [1, 3]


def test_deleted_things_are_deleted_on_both_sides(in_mlflow: Callable[..., Any]) -> None:
    first, second = tracklet.create_experiment("first"), tracklet.create_experiment("second")
    with tracklet.start_run(experiment_id=first) as run:
        pass
    tracklet.delete_run(run.info.run_id)
    tracklet.delete_experiment(second)
    stages = in_mlflow(
        """
        first, second, run = arguments
        answer([client.get_experiment(second).lifecycle_stage,
                client.get_run(run).info.lifecycle_stage,
                len(client.search_runs([first]))])
        client.restore_run(run)
        client.restore_experiment(second)
        client.delete_experiment(first)
        """,
        first,
        second,
        run.info.run_id,
    )
    assert stages == ["deleted", "deleted", 0]
    assert tracklet.get_experiment(second).lifecycle_stage == "active"
    assert tracklet.get_experiment(first).lifecycle_stage == "deleted"
    deleted = tracklet.search_experiments(ViewType.DELETED_ONLY)
    assert [experiment.experiment_id for experiment in deleted] == [first]


def test_mlflow_goes_on_with_a_run_of_ours_and_we_with_one_of_its(
    in_mlflow: Callable[..., Any], tracklet_home: Path
) -> None:
    with tracklet.start_run() as run:
        tracklet.log_metric("m", 1.0, step=1)
    in_mlflow(
        """
        with mlflow.start_run(run_id=arguments[0]):
            mlflow.log_metric("m", 2.0, step=2)
            mlflow.log_param("p", "theirs")
        """,
        run.info.run_id,
    )
    with tracklet.start_run(run_id=run.info.run_id):
        tracklet.log_metric("m", 3.0, step=3)
        with pytest.raises(tracklet.TrackletException, match="theirs"):
            tracklet.log_param("p", "ours")
    points = tracklet.TrackletClient().get_metric_history(run.info.run_id, "m")
    assert [point.value for point in points] == [1.0, 2.0, 3.0]
    assert in_mlflow(DESCRIBE, run.info.run_id) == described(run.info.run_id)
