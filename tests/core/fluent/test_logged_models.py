"""Logged models as entities, the active model, and what is linked to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tracklet
from tracklet.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")


def test_a_model_is_pending_until_it_is_finalised() -> None:
    with tracklet.start_run() as run:
        model = tracklet.initialize_logged_model(
            name="net", tags={"a": 1}, params={"lr": 0.1}, model_type="transformer"
        )
    assert model.status == LoggedModelStatus.PENDING
    assert model.source_run_id == run.info.run_id
    assert model.model_uri == f"models:/{model.model_id}"
    assert model.params == {"lr": "0.1"}
    assert {"a": "1"}.items() <= model.tags.items()
    final = tracklet.finalize_logged_model(model.model_id, "READY")
    assert final.status == tracklet.get_logged_model(model.model_id).status == "READY"
    last = tracklet.last_logged_model()
    assert last is not None
    assert last.model_id == model.model_id
    with pytest.raises(ValueError, match="DONE"):
        tracklet.finalize_logged_model(model.model_id, "DONE")


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "50%", 'a"b', "a'b", " "])
def test_a_model_name_has_no_character_that_uris_need(name: str) -> None:
    with pytest.raises(InvalidParameterValue, match="logged model"):
        tracklet.initialize_logged_model(name=name)


def test_an_external_model_is_ready_and_says_so() -> None:
    model = tracklet.create_external_model(name="elsewhere")
    assert model.status == LoggedModelStatus.READY
    assert model.tags["mlflow.model.isExternal"] == "true"
    files = tracklet.TrackletClient().list_logged_model_artifacts(model.model_id)
    assert [info.path for info in files] == ["MLmodel"]


def test_params_and_tags_of_a_model_are_added_and_removed() -> None:
    model_id = tracklet.initialize_logged_model(name="m").model_id
    tracklet.log_model_params({"a": 1}, model_id)
    with pytest.raises(tracklet.TrackletException, match="'a'"):
        tracklet.log_model_params({"a": 2}, model_id)
    tracklet.set_logged_model_tags(model_id, {"t": 1, "u": 2})
    tracklet.delete_logged_model_tag(model_id, "u")
    with pytest.raises(ResourceDoesNotExist, match="'u'"):
        tracklet.delete_logged_model_tag(model_id, "u")
    model = tracklet.get_logged_model(model_id)
    assert model.params == {"a": "1"}
    assert model.tags["t"] == "1"
    with pytest.raises(InvalidParameterValue, match="set_active_model"):
        tracklet.log_model_params({"b": 1})


def test_a_missing_or_deleted_model_does_not_exist() -> None:
    with pytest.raises(ResourceDoesNotExist, match="m-"):
        tracklet.get_logged_model("m-" + "0" * 32)
    model_id = tracklet.initialize_logged_model(name="m").model_id
    tracklet.delete_logged_model(model_id)
    with pytest.raises(ResourceDoesNotExist, match=model_id):
        tracklet.get_logged_model(model_id)


def test_metrics_belong_to_the_active_model() -> None:
    with tracklet.set_active_model(name="chosen") as model:
        assert tracklet.get_active_model_id() == model.model_id
        tracklet.log_model_params({"p": 1})
        with tracklet.start_run() as run:
            tracklet.log_metric("accuracy", 0.9, step=2)
    assert tracklet.get_active_model_id() is None
    (metric,) = tracklet.get_logged_model(model.model_id).metrics
    assert (metric.key, metric.value, metric.step) == ("accuracy", 0.9, 2)
    assert metric.run_id == run.info.run_id
    inputs = tracklet.get_run(run.info.run_id).inputs.model_inputs
    assert inputs == [LoggedModelInput(model.model_id)]
    assert tracklet.set_active_model(name="chosen").model_id == model.model_id
    tracklet.clear_active_model()
    assert tracklet.get_active_model_id() is None


def test_a_name_and_an_id_that_disagree_are_refused() -> None:
    model_id = tracklet.initialize_logged_model(name="one").model_id
    with pytest.raises(InvalidParameterValue, match="'one', not 'two'"):
        tracklet.set_active_model(name="two", model_id=model_id)
    with pytest.raises(InvalidParameterValue, match="name or a model_id"):
        tracklet.set_active_model()


def test_the_configured_model_is_active_until_it_is_cleared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_id = tracklet.initialize_logged_model(name="one").model_id
    monkeypatch.setenv("MLFLOW_ACTIVE_MODEL_ID", model_id)
    with tracklet.start_run():
        tracklet.log_metric("m", 1.0)
        tracklet.clear_active_model()
        tracklet.log_metric("n", 1.0)
    assert [m.key for m in tracklet.get_logged_model(model_id).metrics] == ["m"]


def test_metrics_of_a_step_belong_to_the_model_that_the_run_produced_there() -> None:
    with tracklet.start_run():
        models = [tracklet.initialize_logged_model(name=f"at-{step}") for step in (1, 2)]
        tracklet.log_outputs(
            [LoggedModelOutput(m.model_id, step) for step, m in zip((1, 2), models, strict=True)]
        )
        for step in (1, 2, 3):
            tracklet.log_metric("loss", step / 10, step=step)
    for step, model in zip((1, 2), models, strict=True):
        (metric,) = tracklet.get_logged_model(model.model_id).metrics
        assert (metric.step, metric.value) == (step, step / 10)


def test_w47_metrics_belong_to_every_model_of_their_step_and_once_to_the_run() -> None:
    with tracklet.start_run() as run:
        models = [tracklet.create_external_model(name) for name in ("one", "two", "three")]
        tracklet.log_outputs(
            [LoggedModelOutput(m.model_id, step) for step, m in zip((0, 0, 1), models, strict=True)]
        )
        tracklet.log_metric("single", 1.0)
        tracklet.log_metrics({"several": 2.0, "more": 3.0})
        tracklet.log_metrics({"later": 4.0}, step=2)
    both = {"single": 1.0, "several": 2.0, "more": 3.0}
    assert [
        {metric.key: metric.value for metric in tracklet.get_logged_model(model.model_id).metrics}
        for model in models
    ] == [both, both, {}]
    client = tracklet.TrackletClient()
    for key in (*both, "later"):
        assert len(client.get_metric_history(run.info.run_id, key)) == 1


@pytest.mark.usefixtures("either_store")
def test_a_point_belongs_once_to_the_run_and_to_every_model_that_is_logged_at_its_step() -> None:
    class Echo(tracklet.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input

    def log_model(name: str, run_id: str | None = None) -> Any:
        options: dict[str, Any] = {"flavor": "python_function", "pip_requirements": []}
        return tracklet.log_model(Echo(), name, run_id=run_id, **options)

    with tracklet.start_run() as run:
        tracklet.log_metric("before", 1.0)
        one = log_model("one")
        tracklet.log_metric("between", 2.0)
        two = log_model("two")
    run_id = run.info.run_id
    three = log_model("three", run_id)
    client = tracklet.TrackletClient()
    for model in (one, two, three):
        found = client.get_logged_model(model.model_id).metrics
        assert {m.key: m.value for m in found} == {"before": 1.0, "between": 2.0}
        assert {m.run_id for m in found} == {run_id}
    for key in ("before", "between"):
        assert len(client.get_metric_history(run_id, key)) == 1


@pytest.mark.usefixtures("either_store")
def test_a_model_that_a_run_made_and_measures_is_no_input_of_it() -> None:
    client = tracklet.TrackletClient()
    with tracklet.start_run() as another:
        pass
    with tracklet.start_run() as run:
        made = tracklet.create_external_model("made").model_id
        named = tracklet.create_external_model("named", another.info.run_id).model_id
        tracklet.log_outputs([LoggedModelOutput(named, 3)])
        for model_id in (made, named):
            tracklet.log_metric("x", 1.0, model_id=model_id)
            tracklet.log_metrics({"y": 2.0}, model_id=model_id)
    tracklet.log_metric("z", 3.0, run_id=run.info.run_id, model_id=made)
    assert client.get_run(run.info.run_id).inputs.model_inputs == []
    with tracklet.start_run() as other:
        tracklet.log_metric("x", 1.0, model_id=made)
        tracklet.log_metric("x", 2.0, model_id=made)
    assert client.get_run(other.info.run_id).inputs.model_inputs == [LoggedModelInput(made)]
    assert sorted({m.key for m in client.get_logged_model(made).metrics}) == ["x", "y", "z"]


@pytest.mark.usefixtures("either_store")
def test_what_the_client_logs_belongs_to_the_active_model_too(tmp_path: Path) -> None:
    client = tracklet.TrackletClient()
    elsewhere = tracklet.TrackletClient(tmp_path / "elsewhere")
    run_id, other_id = (c.create_run("0").info.run_id for c in (client, elsewhere))
    with tracklet.set_active_model(name="chosen") as model:
        other = tracklet.create_external_model("other")
        client.log_metric(run_id, "one", 1.0)
        client.log_metric(run_id, "others", 1.0, model_id=other.model_id)
        client.log_batch(run_id, [Metric("two", 2.0, 5, 1)])
        elsewhere.log_metric(other_id, "one", 1.0)
        elsewhere.log_batch(other_id, [Metric("two", 2.0, 5, 1)])
    client.log_metric(run_id, "after", 1.0)
    linked = client.get_logged_model(model.model_id).metrics
    assert {m.key: m.value for m in linked} == {"one": 1.0, "two": 2.0}
    assert [m.key for m in client.get_logged_model(other.model_id).metrics] == ["others"]


def test_models_are_found_by_params_metrics_tags_and_type() -> None:
    with tracklet.start_run():
        for number in range(5):
            model = tracklet.initialize_logged_model(
                name=f"m{number}",
                tags={"environment": "production" if number % 2 else "test"},
                params={"number": number},
                model_type="transformer",
            )
            tracklet.log_metric("accuracy", number / 4, model_id=model.model_id)
            tracklet.finalize_logged_model(model.model_id, "READY")

    def names(**arguments: Any) -> list[str]:
        found = tracklet.search_logged_models(output_format="list", **arguments)
        assert isinstance(found, list)
        return [model.name for model in found]

    production = "tags.environment = 'production' AND model_type = 'transformer'"
    newest = [{"field_name": "creation_time", "ascending": False}]
    assert sorted(names(filter_string=production, order_by=newest)) == ["m1", "m3"]
    best = [{"field_name": "metrics.accuracy", "ascending": False}]
    assert names(filter_string="metrics.accuracy > 0.4", order_by=best) == ["m4", "m3", "m2"]
    assert names(filter_string="params.number = '0' and status = 'READY'") == ["m0"]
    assert len(names(max_results=2)) == 2
    frame = tracklet.search_logged_models(filter_string="name = 'm4'")
    assert isinstance(frame, pd.DataFrame)
    assert frame["name"].tolist() == ["m4"]
