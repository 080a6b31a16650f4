"""Logging models: their life on the record, and where they are found again."""

from __future__ import annotations

import decimal
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceDoesNotExist,
    TrackletException,
)
from tracklet.models import Flavor, FlavorConfig, flavor_of

pytestmark = pytest.mark.usefixtures("tracklet_home")


class Line:
    def __init__(self, slope: float) -> None:
        self.slope = slope

    def predict(self, data: Any, params: Any = None) -> Any:
        return [self.slope * value for value in data]


class LineFlavor(Flavor):
    """A flavor of this test's own, handed over as an object instead of by an entry point."""

    name = "line"
    requires = ""
    loader_module = "tracklet_test.line"

    def owns(self, model: Any) -> bool:
        return isinstance(model, Line)

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        (path / "line.json").write_text(json.dumps(model.slope))
        if model.slope < 0:
            raise ValueError("a line must not fall")
        return FlavorConfig({"data": "line.json"}, {"data": "line.json"})

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        return Line(json.loads((path / "line.json").read_text()))

    def predictor(self, model: Any, config: Mapping[str, Any]) -> Any:
        return model


def test_a_model_is_ready_with_the_runs_params_and_metrics() -> None:
    """Params are inherited, metrics of the step are linked, later ones at that step too."""
    with tracklet.start_run() as run:
        tracklet.log_param("c", 1)
        tracklet.log_metric("loss", 0.5, step=3)
        tracklet.log_metric("early", 0.9, step=1)
        info = models.log_model(
            Line(2), "line", flavor=LineFlavor(), params={"d": 2}, tags={"k": "v"}, step=3
        )
        tracklet.log_metric("later", 0.7, step=3)
    logged = tracklet.get_logged_model(str(info.model_id))
    assert logged.status == "READY"
    assert logged.name == info.name == "line"
    assert logged.source_run_id == run.info.run_id
    assert logged.params == {"c": "1", "d": "2"}
    assert logged.tags["k"] == "v"
    assert {metric.key: metric.value for metric in logged.metrics} == {"loss": 0.5, "later": 0.7}
    assert tracklet.get_run(run.info.run_id).outputs.model_outputs[0].step == 3
    last = tracklet.last_logged_model()
    assert last is not None
    assert last.model_id == info.model_id


def test_without_a_run_a_model_is_logged_all_the_same() -> None:
    """It belongs to the active experiment and to no run."""
    tracklet.set_experiment("lines")
    info = models.log_model(Line(2), flavor=LineFlavor())
    assert info.run_id is None
    assert tracklet.get_logged_model(str(info.model_id)).source_run_id is None
    assert models.get_model_info(info.model_uri).model_id == info.model_id


def test_a_failing_save_leaves_a_failed_model_and_no_files(tracklet_home: Path) -> None:
    """The user's exception passes as it is; nothing is half-written."""
    with pytest.raises(ValueError, match="must not fall"), tracklet.start_run():
        models.log_model(Line(-1), flavor=LineFlavor())
    logged = tracklet.last_logged_model()
    assert logged is not None
    assert logged.status == "FAILED"
    assert list(tracklet_home.rglob("line.json")) == []
    assert [path for path in tracklet_home.rglob("*") if "partial" in path.name] == []


def test_a_prepared_model_is_filled() -> None:
    """``model_id`` names a PENDING model, whose name and run stay."""
    with tracklet.start_run():
        prepared = tracklet.initialize_logged_model("prepared")
        info = models.log_model(
            Line(2), flavor=LineFlavor(), model_id=prepared.model_id, params={"a": 1}
        )
    assert info.model_id == prepared.model_id
    logged = tracklet.get_logged_model(prepared.model_id)
    assert (logged.name, logged.status, logged.params) == ("prepared", "READY", {"a": "1"})


def test_several_models_of_one_run_and_name(tracklet_home: Path) -> None:
    """The run's name leads to the newest, the ids to each."""
    with tracklet.start_run() as run:
        infos = [
            pyfunc.log_model(name="m", python_model=_constant(number), step=number)
            for number in range(3)
        ]
    answers = [pyfunc.load_model(info.model_uri).predict(None) for info in infos]
    assert answers == [0, 1, 2]
    assert pyfunc.load_model(f"runs:/{run.info.run_id}/m").predict(None) == 2


def test_registered_versions_are_found_by_number_stage_and_alias() -> None:
    """All forms of ``models:/`` lead to a version's files."""
    client = tracklet.TrackletClient()
    with tracklet.start_run() as run:
        pyfunc.log_model(name="m", python_model=_constant(1), registered_model_name="const")
        info = pyfunc.log_model(name="n", python_model=_constant(2))
    version = tracklet.register_model(f"runs:/{run.info.run_id}/n", "const", tags={"k": "v"})
    assert (version.version, version.model_id, version.run_id) == (
        2,
        info.model_id,
        run.info.run_id,
    )
    client.set_registered_model_alias("const", "best", 1)
    client.transition_model_version_stage("const", "2", "Production")
    found = {
        uri: pyfunc.load_model(f"models:/const{uri}").predict(None)
        for uri in ("/1", "/2", "/latest", "/production", "@best")
    }
    assert found == {"/1": 1, "/2": 2, "/latest": 2, "/production": 2, "@best": 1}


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("models:/m-00000000000000000000000000000000", ResourceDoesNotExist),
        ("models:/absent/1", ResourceDoesNotExist),
        ("models:/absent@alias", TrackletException),
        ("models:/a/b/c", InvalidParameterValue),
        ("models:/", InvalidParameterValue),
        ("runs:/", InvalidParameterValue),
        ("runs:/0123", InvalidParameterValue),
        ("runs:/00000000000000000000000000000000/model", ResourceDoesNotExist),
        ("nosuchscheme://x/y", InvalidParameterValue),
        ("/no/such/folder", ResourceDoesNotExist),
    ],
)
def test_uris_that_lead_nowhere_say_so(uri: str, error: type[Exception]) -> None:
    """Every malformed or dangling URI is an error of its kind."""
    with pytest.raises(error):
        pyfunc.load_model(uri)


def test_a_file_uri_and_a_copy_work(tracklet_home: Path) -> None:
    """``file:`` is a path; ``dst_path`` gets a copy that loads by itself."""
    pyfunc.save_model(tracklet_home / "m", python_model=_constant(1))
    assert pyfunc.load_model((tracklet_home / "m").as_uri()).predict(None) == 1
    (tracklet_home / "copy").mkdir()
    info = pyfunc.log_model(name="m", python_model=_constant(2))
    assert pyfunc.load_model(info.model_uri, dst_path=tracklet_home / "copy").predict(None) == 2
    assert (tracklet_home / "copy" / "MLmodel").is_file()


def test_an_external_model_cannot_be_loaded() -> None:
    """Its record says that the files are elsewhere."""
    model = tracklet.create_external_model("elsewhere")
    for load in (pyfunc.load_model, models.load_model):
        with pytest.raises(BadRequest, match="elsewhere"):
            load(model.model_uri)


def test_an_unknown_type_names_the_installed_flavors() -> None:
    """The error says what to do about it; no model is created."""
    with pytest.raises(InvalidParameterValue, match=r"sklearn.*PythonModel"):
        tracklet.log_model(object())
    assert tracklet.last_logged_model() is None
    assert flavor_of(_constant(1)).name == "python_function"


@pytest.mark.parametrize("name", ["a/b", "a.b", "a:b", "  "])
def test_a_bad_name_is_refused_before_anything_is_created(name: str) -> None:
    """The name's rule is checked first."""
    with pytest.raises(InvalidParameterValue):
        pyfunc.log_model(name=name, python_model=_constant(1))
    with pytest.raises(InvalidParameterValue):
        pyfunc.log_model(name="fine", python_model=_constant(1), registered_model_name="a/b")
    assert tracklet.last_logged_model() is None


def test_threads_log_models_side_by_side() -> None:
    """Eight threads, eight models, each with its own content."""
    found: dict[int, Any] = {}

    def log(number: int) -> None:
        with tracklet.start_run():
            info = pyfunc.log_model(name="m", python_model=_constant(number))
        found[number] = pyfunc.load_model(info.model_uri).predict(None)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(8)}


def _constant(value: int) -> Any:
    return lambda model_input: value


def test_only_the_last_point_of_a_metric_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history costs nothing; a torn last line is passed over."""
    with tracklet.start_run() as run:
        for step in range(3000):
            tracklet.log_metric("loss", float(step), step=step)
        tracklet.log_metric("once", 7.0, step=2999)
        tracklet.log_metric("other", 1.0, step=5)
        store = tracklet.TrackletClient().store
        with monkeypatch.context() as patch:
            for name in ("get_run", "get_metric_history"):
                patch.setattr(type(store), name, lambda *_: pytest.fail("read as a whole"))
            info = models.log_model(Line(2), flavor=LineFlavor(), step=2999)
    logged = tracklet.get_logged_model(str(info.model_id))
    assert {metric.key: metric.value for metric in logged.metrics} == {"loss": 2999.0, "once": 7.0}
    folder = Path(run.info.artifact_uri).parent / "metrics"
    with (folder / "loss").open("ab") as file:
        file.write(b"17000 1.")
    points = {point.key: point.step for point in store.last_points(run.info.run_id)}
    assert points == {"loss": 2999, "once": 2999, "other": 5}


def test_the_front_door_finds_the_flavor(tmp_path: Path) -> None:
    """``tracklet.log_model`` by the model's type, ``tracklet.load_model`` by the folder."""
    from sklearn.linear_model import LinearRegression

    info = tracklet.log_model(LinearRegression().fit([[1.0]], [1.0]))
    assert "sklearn" in info.flavors
    assert isinstance(tracklet.load_model(info.model_uri), LinearRegression)


def greeting(model_input: list[str]) -> list[str]:
    tracklet.trace(lambda: None, name="greet")()
    return [f"hello {name}" for name in model_input]


def test_the_record_tells_all_of_a_model_wherever_it_is_asked() -> None:
    """Its name, params, tags, metrics and time; its versions, which have its params and metrics."""
    client = tracklet.TrackletClient()
    with tracklet.start_run() as run:
        tracklet.log_metric("loss", 0.5)
        info = pyfunc.log_model(
            name="m",
            python_model=greeting,
            params={"depth": 2},
            tags={"team": "growth"},
            model_config={"rate": 0.1, "net": {"layers": [3, 4]}},
            registered_model_name="first",
        )
    uri = f"runs:/{run.info.run_id}/m"
    tracklet.register_model(uri, "second")
    tracklet.register_model(info.model_uri, "first")
    logged = tracklet.get_logged_model(str(info.model_id))
    for found in map(models.get_model_info, (info.model_uri, uri, "models:/second/1")):
        assert (found.name, found.params) == ("m", {"depth": "2"})
        assert found.tags is not None
        assert found.tags["team"] == "growth"
        assert [(metric.key, metric.value) for metric in found.metrics or ()] == [("loss", 0.5)]
        assert found.creation_timestamp == logged.creation_timestamp
        versions = json.loads(found.tags["mlflow.modelVersions"])
        assert [(each["name"], each["version"]) for each in versions] == [
            ("first", 1),
            ("second", 1),
            ("first", 2),
        ]
    client.set_registered_model_alias("first", "best", 2)
    for version in (
        client.get_model_version("second", 1),
        client.get_model_version_by_alias("first", "best"),
    ):
        assert version.params == {"depth": "2"}
        assert [metric.value for metric in version.metrics] == [0.5]
    assert tracklet.get_run(run.info.run_id).data.params == {"rate": "0.1", "net/layers": "[3, 4]"}


def test_a_runs_uri_means_one_model_whoever_asks() -> None:
    """Of several models of a name in a run the last is loaded, and registered."""
    with tracklet.start_run() as run:
        slopes = [2.0, 5.0, 3.0]
        ids = [models.log_model(Line(s), "m", flavor=LineFlavor()).model_id for s in slopes]
    uri = f"runs:/{run.info.run_id}/m"
    assert models.get_model_info(uri).model_id == ids[-1]
    assert tracklet.register_model(uri, "line").model_id == ids[-1]


def test_an_external_model_is_none_once_its_files_are_logged() -> None:
    """It loads then like any other."""
    external = tracklet.create_external_model("m")
    info = pyfunc.log_model(name="m", python_model=greeting, model_id=external.model_id)
    assert "mlflow.model.isExternal" not in tracklet.get_logged_model(external.model_id).tags
    assert pyfunc.load_model(info.model_uri).predict(["you"]) == ["hello you"]


class Streaming(pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return greeting(model_input)

    def predict_stream(self, context: Any, model_input: Any) -> Iterator[Any]:
        for name in model_input:
            yield greeting([name])


def test_traces_of_a_loaded_model_are_its() -> None:
    """What is traced while it answers names it; before, between two pieces and after, nothing."""

    def linked() -> str | None:
        trace = tracklet.get_trace(tracklet.get_last_active_trace_id() or "")
        assert trace is not None
        return trace.info.trace_metadata.get("mlflow.modelId")

    info = pyfunc.log_model(name="m", python_model=Streaming())
    model = pyfunc.load_model(info.model_uri)
    greeting(["me"])
    assert linked() is None
    model.predict(["you"])
    assert linked() == info.model_id
    for _ in model.predict_stream(["you", "them"]):
        assert linked() == info.model_id
        greeting(["me"])
        assert linked() is None


@pytest.mark.parametrize(
    "column",
    [
        [decimal.Decimal("1.5")],
        pd.to_timedelta([1]),
        pd.period_range("2020", periods=1),
        [{1, 2}],
        pd.Series(["\ud800"], dtype=object),
    ],
)
def test_a_model_is_not_lost_over_an_example_that_json_cannot_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: Any
) -> None:
    """It is saved with its signature; that the example is missing is said."""
    frame = pd.DataFrame({"a": [1.0], "odd": column})
    pyfunc.save_model(tmp_path / "m", python_model=lambda x: x, input_example=frame)
    assert "saved without its input example" in caplog.text
    loaded = pyfunc.load_model(tmp_path / "m")
    assert loaded.metadata.load_input_example(tmp_path / "m") is None
    assert not (tmp_path / "m" / "input_example.json").exists()
    assert loaded.signature is not None
    assert loaded.predict(frame) is frame


def test_an_example_that_contradicts_the_signature_is_refused(tmp_path: Path) -> None:
    """Both were given, and one is wrong; nothing is created."""
    signature = models.infer_signature(pd.DataFrame({"a": [1.0]}), params={"t": 1.0})
    for example in (pd.DataFrame({"b": ["x"]}), (pd.DataFrame({"a": [1.0]}), {"t": "hot"})):
        for save in (
            lambda **given: pyfunc.save_model(tmp_path / "m", **given),
            lambda **given: pyfunc.log_model(name="m", **given),
        ):
            with pytest.raises(InvalidParameterValue, match="does not fit the signature"):
                save(python_model=lambda x: x, signature=signature, input_example=example)
    assert not (tmp_path / "m").exists()
    assert tracklet.last_logged_model() is None
