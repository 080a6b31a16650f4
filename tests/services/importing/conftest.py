"""A record to import, and a look at everything that a store holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracklet import state, stores
from tracklet.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ViewType,
)
from tracklet.errors import ResourceDoesNotExist

KINDS = ("files", "sqlite")
PLACES = ("artifact_uri", "artifact_location")


@pytest.fixture
def place(tracklet_home: Path) -> Callable[[str, str], str]:
    """The URI of a store of a kind, in a folder of the test's."""

    def place(kind: str, name: str) -> str:
        folder = tracklet_home / name
        return str(folder / "mlruns") if kind == "files" else f"sqlite:///{folder}/runs.db"

    return place


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, place: Callable[[str, str], str]) -> Iterator[str]:
    """The URI of an empty store of each kind."""
    yield place(request.param, "target")
    state.forget("tracklet.stores")


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, place: Callable[[str, str], str]) -> str:
    """The URI of a store of each kind with a record of everything."""
    uri = place(request.param, "source")
    filled(stores.open_store(uri))
    return uri


@pytest.fixture
def fill() -> Callable[[Any], dict[str, str]]:
    """Record some of everything in a store; the ids come back by what they are."""
    return filled


@pytest.fixture
def everything() -> Callable[[str], dict[str, Any]]:
    """All that a store holds, but for where it keeps artifacts of its own."""
    return all_of


def filled(store: Any) -> dict[str, str]:
    """Record some of everything; the ids come back by what they are."""
    experiment = store.create_experiment("tests of 音", tags={"team": "a"})
    trashed = store.create_experiment("trashed")
    parent = store.create_run(experiment, "ada", 1_000, {"t": "v", "mlflow.note.content": "n"}, "p")
    run_id = parent.info.run_id
    dataset = Dataset("d", "0123abcd", "local", '{"uri": "/data"}', '{"a": 1}', '{"rows": 2}')
    model = store.create_logged_model(experiment, "m", run_id, {"q": "2"}, {"p": "1"})
    points = [
        Metric("train/loss", value, 1_000 + step, step)
        for step, value in ((0, 0.1), (1, math.nan), (2, math.inf), (3, -math.inf), (-5, 1e-300))
    ]
    points += [Metric("train/loss", 0.25, 1_003, 3)] * 2
    on_model = {"model_id": model.model_id, "dataset_name": "d", "dataset_digest": "0123abcd"}
    points += [Metric("acc", 0.5, 1_001, 1, **on_model), Metric("acc", math.nan, 1_002, 2)]
    store.log_batch(run_id, points, {"lr": "0.1", "long": "x" * 9000, "empty": ""}, {"ü": "中"})
    store.log_inputs(
        run_id,
        [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])],
        [LoggedModelInput(model.model_id)],
    )
    store.log_outputs(run_id, [LoggedModelOutput(model.model_id, 3)])
    store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    store.update_run(run_id, "FINISHED", 2_000)
    child = store.create_run(experiment, "ada", 1_500, {"mlflow.parentRunId": run_id}, "c")
    gone = store.create_run("0", "ada", 1_600, run_name="gone").info.run_id
    store.delete_run(gone)
    buried = store.create_run(trashed, "ada", 1_700, run_name="buried").info.run_id
    store.delete_experiment(trashed)
    old_model = store.create_logged_model(experiment, "old", run_id)
    store.delete_logged_model(old_model.model_id)
    store.create_registered_model("reg", {"k": "v"}, "what it is")
    store.create_model_version("reg", f"runs:/{run_id}/model", run_id, {"a": "b"}, description="1")
    store.create_model_version("reg", f"{parent.info.artifact_uri}/model", run_id)
    store.create_model_version("reg", f"models:/{model.model_id}", model_id=model.model_id)
    store.set_registered_model_alias("reg", "champion", 3)
    store.transition_model_version_stage("reg", 1, "Production")
    store.delete_model_version("reg", 2)
    artifacts = Path(parent.info.artifact_uri.removeprefix("file://"))
    (artifacts / "plots").mkdir(parents=True, exist_ok=True)
    (artifacts / "plots" / "a.txt").write_text("hi")
    (artifacts / "model").mkdir()
    (artifacts / "model" / "MLmodel").write_text("flavors: {}\n")
    return {
        "experiment": experiment,
        "trashed": trashed,
        "run": run_id,
        "child": child.info.run_id,
        "gone": gone,
        "buried": buried,
        "model": model.model_id,
        "deleted model": old_model.model_id,
    }


def all_of(uri: str) -> dict[str, Any]:
    """All that a store holds, but for where it keeps artifacts of its own."""
    store: Any = stores.open_store(uri)
    found: dict[str, Any] = {"experiments": {}, "runs": {}, "models": {}, "registered": {}}
    for experiment in _pages(store.search_experiments, ViewType.ALL, 100):
        kept = dict(experiment)
        del kept["artifact_location"]
        if experiment.name == "Default":  # every store makes its own
            del kept["creation_time"], kept["last_update_time"]
        found["experiments"][experiment.name] = kept
        ids = [experiment.experiment_id]
        for one in _pages(store.search_runs, ids, "", ViewType.ALL, 100):
            run = store.get_run(one.info.run_id)
            found["runs"][run.info.run_id] = described(store, run)
            for output in (*run.outputs.model_outputs, *run.inputs.model_inputs):
                model = store.get_logged_model(output.model_id, deleted=True)
                found["models"][model.model_id] = exact(model.to_dictionary())
    for model in _pages(store.search_registered_models, None, 100):
        versions = {}
        for number in range(1, 10):
            try:
                version = store.get_model_version(model.name, number)
            except ResourceDoesNotExist:
                continue
            versions[number] = version.to_dictionary()
        found["registered"][model.name] = [model.to_dictionary(), versions]
    return found


def described(store: Any, run: Any) -> dict[str, Any]:
    """A run with its histories, values exact and comparable."""
    histories = {
        key: [
            (repr(p.value), p.timestamp, p.step, p.dataset_name, p.dataset_digest)
            for p in store.get_metric_history(run.info.run_id, key)
        ]
        for key in run.data.metrics
    }
    return {**exact(run.to_dictionary()), "histories": histories}


def exact(value: Any) -> Any:
    """The same, with floats as texts, so that NaN equals NaN, and without places of no files."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {
            key: None if key in PLACES and not Path(item).exists() else exact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return value


def _pages(search: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(*arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
