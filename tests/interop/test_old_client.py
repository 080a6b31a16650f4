"""A client of MLflow 2 against our server: what trainings that nobody upgrades do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.interop


def test_a_training_of_an_old_client_is_recorded_and_its_model_served_from_the_registry(
    server: str, in_old_mlflow: Callable[..., Any]
) -> None:
    answered = in_old_mlflow(
        """
        import numpy
        from sklearn.linear_model import LogisticRegression
        mlflow.set_tracking_uri(arguments[0])
        client = MlflowClient()
        mlflow.set_experiment("old")
        features = numpy.linspace(0, 1, 20).reshape(10, 2)
        mlflow.sklearn.autolog(log_datasets=False)
        with mlflow.start_run(run_name="first") as active:
            fitted = LogisticRegression().fit(features, features[:, 0] > 0.5)
            for step in range(5):
                mlflow.log_metric("loss", step / 4, step=step)
            mlflow.log_metric("nan", float("nan"))
            mlflow.set_tags({"team": "a", "gone": "soon"})
            mlflow.delete_tag("gone")
            mlflow.log_text("hello", "notes/a.txt")
        mlflow.sklearn.autolog(disable=True)
        run_id = active.info.run_id
        run = client.get_run(run_id)
        version = mlflow.register_model(f"runs:/{run_id}/model", "tree")
        client.set_registered_model_alias("tree", "best", version.version)
        client.transition_model_version_stage("tree", version.version, "Production")
        places = f"runs:/{run_id}/model", "models:/tree@best", "models:/tree/Production"
        answer({
            "version": mlflow.__version__,
            "name": [run.info.run_name, run.info.status, run.data.params["C"]],
            "metrics": [run.data.metrics["loss"], str(run.data.metrics["nan"])],
            "tags": [run.data.tags["team"], "gone" in run.data.tags],
            "steps": [point.step for point in client.get_metric_history(run_id, "loss")],
            "found": list(mlflow.search_runs(filter_string="metrics.loss = 1")["run_id"]),
            "text": mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt"),
            "predicted": [
                mlflow.pyfunc.load_model(place).predict(features).tolist()
                == fitted.predict(features).tolist()
                for place in places
            ],
            "run_id": run_id,
        })
        """,
        server,
    )
    assert answered.pop("version").startswith("2.")
    assert answered.pop("found") == [answered.pop("run_id")]
    assert answered == {
        "name": ["first", "FINISHED", "1.0"],
        "metrics": [1.0, "nan"],
        "tags": ["a", False],
        "steps": [0, 1, 2, 3, 4],
        "text": "hello",
        "predicted": [True, True, True],
    }


def test_traces_of_an_old_client_are_kept_found_tagged_and_deleted(
    server: str, in_old_mlflow: Callable[..., Any]
) -> None:
    answered = in_old_mlflow(
        """
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        # Today's looks at what MLflow's own processors do not set.
        SimpleSpanProcessor.on_end = lambda self, span: self.span_exporter.export((span,))
        mlflow.set_tracking_uri(arguments[0])
        experiment = mlflow.set_experiment("old").experiment_id

        @mlflow.trace(span_type="RETRIEVER", attributes={"k": 2})
        def found(question):
            return [question.upper()]

        @mlflow.trace
        def answered(question):
            if question == "bad":
                raise ValueError("no answer")
            mlflow.update_current_trace({"team": "a"})
            return found(question)

        with mlflow.start_run() as run:
            answered("why")
        good = mlflow.get_last_active_trace_id()
        try:
            answered("bad")
        except ValueError:
            pass
        client = MlflowClient()
        client.set_trace_tag(good, "seen", "yes")
        client.set_trace_tag(good, "gone", "soon")
        client.delete_trace_tag(good, "gone")
        trace = client.get_trace(good)
        pages = [client.search_traces([experiment], max_results=1)]
        pages.append(client.search_traces([experiment], max_results=1, page_token=pages[0].token))
        failed = client.search_traces([experiment], filter_string="status = 'ERROR'")
        of_run = client.search_traces([experiment], run_id=run.info.run_id)
        by_tag = client.search_traces([experiment], filter_string="tags.seen = 'yes'")
        deleted = client.delete_traces(experiment, request_ids=[failed[0].info.request_id])
        answer({
            "id": good,
            "status": str(trace.info.status),
            "took": trace.info.execution_time_ms >= 0,
            "tags": {key: trace.info.tags.get(key) for key in ("team", "seen", "gone")},
            "spans": [[s.name, s.span_type, s.inputs, s.outputs] for s in trace.data.spans],
            "attribute": trace.data.spans[1].get_attribute("k"),
            "pages": [len(page) for page in pages],
            "failed": [str(each.info.status) for each in failed],
            "of_run": [each.info.request_id for each in of_run],
            "by_tag": [each.info.request_id for each in by_tag],
            "deleted": deleted,
            "left": len(client.search_traces([experiment])),
        })
        """,
        server,
    )
    good = answered.pop("id")
    assert answered == {
        "status": "TraceStatus.OK",
        "took": True,
        "tags": {"team": "a", "seen": "yes", "gone": None},
        "spans": [
            ["answered", "UNKNOWN", {"question": "why"}, ["WHY"]],
            ["found", "RETRIEVER", {"question": "why"}, ["WHY"]],
        ],
        "attribute": 2,
        "pages": [1, 1],
        "failed": ["TraceStatus.ERROR"],
        "of_run": [good],
        "by_tag": [good],
        "deleted": 1,
        "left": 1,
    }
