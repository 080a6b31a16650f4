"""The real MLflow client against our server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.interop
pytest.importorskip("starlette")
pytest.importorskip("msgspec")


def test_a_run_goes_there_and_back(server: str, in_mlflow: Callable[..., Any]) -> None:
    answered = in_mlflow(
        """
        mlflow.set_tracking_uri(arguments[0])
        client = MlflowClient()
        mlflow.set_experiment("exp-a")
        with mlflow.start_run() as active:
            mlflow.log_param("a", 1)
            mlflow.log_params({"b": 2})
            for step in range(3):
                mlflow.log_metric("m", step / 4, step=step)
            mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")})
            mlflow.set_tags({"t": "v", "gone": "soon"})
            mlflow.delete_tag("gone")
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_dict({"k": 1}, "d.json")
        run_id = active.info.run_id
        found = mlflow.search_runs(filter_string="params.a = '1' and metrics.m > 0.4")
        run = client.get_run(run_id)
        points = client.get_metric_history(run_id, "m")
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt")
        client.delete_run(run_id)
        stage = client.get_run(run_id).info.lifecycle_stage
        client.restore_run(run_id)
        answer({
            "found": list(found["run_id"]) == [run_id],
            "params": run.data.params,
            "metrics": {key: str(value) for key, value in run.data.metrics.items()},
            "tags": [run.data.tags.get("t"), run.data.tags.get("gone")],
            "points": [[p.value, p.step] for p in points],
            "files": [f.path for f in client.list_artifacts(run_id)],
            "status": run.info.status,
            "text": text,
            "stage": stage,
        })
        """,
        server,
    )
    assert answered == {
        "found": True,
        "params": {"a": "1", "b": "2"},
        "metrics": {"m": "0.5", "nan": "nan", "inf": "inf"},
        "tags": ["v", None],
        "points": [[0.0, 0], [0.25, 1], [0.5, 2]],
        "files": ["d.json", "notes"],
        "status": "FINISHED",
        "text": "hello",
        "stage": "deleted",
    }
    with urllib.request.urlopen(f"{server}/openapi.json") as described:
        assert json.load(described)["paths"]


def test_models_the_registry_and_traces_go_there_and_back(
    server: str, in_mlflow: Callable[..., Any]
) -> None:
    answered = in_mlflow(
        """
        import numpy, pandas
        mlflow.set_tracking_uri(arguments[0])
        client = MlflowClient()
        mlflow.set_experiment("models")

        class Double(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                return [2 * value for value in model_input["x"]]

        frame = pandas.DataFrame({"x": [1, 2, 3]})
        data = mlflow.data.from_pandas(frame, source="s3://bucket/frame.csv", name="frame")
        with mlflow.start_run() as active:
            mlflow.log_input(data, context="training")
            mlflow.log_metric("loss", 0.5, step=0)
            model = mlflow.pyfunc.log_model(
                name="net", python_model=Double(), input_example=frame,
                registered_model_name="doubling", pip_requirements=[], params={"p": 1},
            )
        run_id = active.info.run_id
        run = client.get_run(run_id)
        logged = client.get_logged_model(model.model_id)
        client.set_logged_model_tags(model.model_id, {"t": "v", "gone": "soon"})
        client.delete_logged_model_tag(model.model_id, "gone")
        client.set_registered_model_alias("doubling", "best", "1")
        client.set_model_version_tag("doubling", "1", "checked", "yes")
        client.update_model_version("doubling", "1", "it doubles")
        client.transition_model_version_stage("doubling", "1", "Production")
        version = client.get_model_version_by_alias("doubling", "best")
        uris = [
            f"models:/{model.model_id}", "models:/doubling/1", "models:/doubling@best",
            "models:/doubling/Production", f"runs:/{run_id}/net",
        ]
        predicted = [list(mlflow.pyfunc.load_model(uri).predict(frame)) for uri in uris]
        second = mlflow.register_model(f"runs:/{run_id}/net", "doubling")
        search = mlflow.search_logged_models(output_format="list")
        many = {str(number): number for number in range(130)}
        started = mlflow.initialize_logged_model(name="other", params=many)
        mlflow.finalize_logged_model(started.model_id, "READY")
        names = [m.name for m in client.search_registered_models("name LIKE 'doub%'")]

        @mlflow.trace(span_type="CHAIN")
        def whole(number):
            with mlflow.start_span("part") as span:
                span.set_attribute("exact", [1, "two"])
            return number + 1

        whole(1)
        mlflow.flush_trace_async_logging()
        trace_id = mlflow.get_last_active_trace_id()
        trace = client.get_trace(trace_id)
        client.set_trace_tag(trace_id, "seen", "yes")
        mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="it is")
        traces = mlflow.search_traces(return_type="list")
        answer({
            "inputs": [[d.dataset.name, d.tags[0].value] for d in run.inputs.dataset_inputs],
            "outputs": [o.model_id == model.model_id for o in run.outputs.model_outputs],
            "points": [p.step for p in client.get_metric_history(run_id, "loss")],
            "model": [str(logged.status), logged.params, [m.key for m in logged.metrics]],
            "tags": client.get_logged_model(model.model_id).tags.get("t"),
            "version": [str(version.version), version.description, version.tags],
            "aliases": list(version.aliases),
            "stage": version.current_stage,
            "predicted": predicted,
            "second": str(second.version),
            "search": [m.model_id == model.model_id for m in search],
            "other": len(client.get_logged_model(started.model_id).params),
            "names": names,
            "spans": sorted([s.name, s.span_type] for s in trace.data.spans),
            "exact": [s.attributes.get("exact") for s in trace.data.spans if s.name == "part"],
            "state": str(trace.info.state),
            "traces": [[t.info.trace_id == trace_id, t.info.tags["seen"]] for t in traces],
            "feedback": [[a.name, a.value, a.rationale] for a in traces[0].info.assessments],
        })
        """,
        server,
    )
    assert answered == {
        "inputs": [["frame", "training"]],
        "outputs": [True],
        "points": [0],
        "model": ["READY", {"p": "1"}, ["loss"]],
        "tags": "v",
        "version": ["1", "it doubles", {"checked": "yes"}],
        "aliases": ["best"],
        "stage": "Production",
        "predicted": [[2, 4, 6]] * 5,
        "second": "2",
        "search": [True],
        "other": 130,
        "names": ["doubling"],
        "spans": [["part", "UNKNOWN"], ["whole", "CHAIN"]],
        "exact": [[1, "two"]],
        "state": "OK",
        "traces": [[True, "yes"]],
        "feedback": [["good", True, "it is"]],
    }


def test_prompts_and_webhooks_go_there_and_back(server: str, in_mlflow: Callable[..., Any]) -> None:
    """Webhooks for events of runs, which MLflow does not know, do not spoil its lists."""
    content = json.dumps(
        {
            "name": "runs",
            "url": "https://receiver.example",
            "events": [{"entity": "RUN", "action": "LOST"}],
        }
    ).encode()
    headers = {"Content-Type": "application/json"}
    own = urllib.request.Request(f"{server}/api/2.0/mlflow/webhooks", content, headers)
    with urllib.request.urlopen(own, timeout=30) as answer:
        ours = json.load(answer)["webhook"]["webhook_id"]
    answered = in_mlflow(
        """
        mlflow.set_tracking_uri(arguments[0])
        client = MlflowClient()
        for template in ("Hello {{name}}", "Hi {{name}}"):
            prompt = mlflow.genai.register_prompt("greet", template)
        mlflow.genai.set_prompt_alias("greet", "best", 2)
        loaded = mlflow.genai.load_prompt("prompts:/greet@best")
        url, events = "https://receiver.example/x", ["model_version.created", "prompt_tag.set"]
        made = client.create_webhook("hook", url, events, secret="s")
        listed = client.list_webhooks()
        changed = client.update_webhook(made.webhook_id, status="DISABLED")
        found = client.get_webhook(made.webhook_id)
        client.delete_webhook(made.webhook_id)
        answer({
            "template": loaded.template,
            "prompts": [each.name for each in mlflow.genai.search_prompts()],
            "listed": [[each.name, sorted(map(str, each.events))] for each in listed],
            "changed": [changed.status, found.status, found.url],
            "left": len(client.list_webhooks()),
        })
        """,
        server,
    )
    assert answered["template"] == "Hi {{name}}"
    assert answered["prompts"] == ["greet"]
    ((name, events),) = answered["listed"]
    assert name == "hook"
    assert len(events) == 2
    assert answered["changed"] == ["DISABLED", "DISABLED", "https://receiver.example/x"]
    assert answered["left"] == 0
    gone = urllib.request.Request(f"{server}/api/2.0/mlflow/webhooks/{ours}", method="DELETE")
    with urllib.request.urlopen(gone, timeout=30) as answer:
        assert answer.status == 200
