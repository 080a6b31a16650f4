"""Libraries that report to MLflow, unpatched: what they record here is what MLflow records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracklet import MlflowClient
from tracklet.entities import LoggedModel, Run

# What differs between two runs of one program: who ran it where and when, how long it took, ids.
_OF_THE_RUN = re.compile(
    r"mlflow\.(source\..*|user|log-model\.history|parentRunId)|project_path|run_id"
    r"|datetime_.*|dur|.*(runtime|per_second)"
)
_MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d{1,3}")
# Only our models have a manifest, by which they are known to be whole and whose they are, and only
# our runs keep what was printed, below `tracklet/`. Only MLflow leaves a file in the record when it
# loads a model from there.
_OWN_FILES = ("tracklet.manifest.json", "registered_model_meta")
# Where skops is not installed we pickle scikit-learn's models; MLflow installs it.
_PICKLED = {"line/model.skops": "line/model.pkl"}

PROGRAMS = sorted(file.name for file in Path(__file__).parent.glob("programs/*.py"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_librarys_record_is_that_of_mlflow(
    program: str, both: Callable[[str], tuple[Path, Path]]
) -> None:
    ours, theirs = (record(store) for store in both(program))
    assert ours["runs"]
    assert ours == theirs


def record(store: Path) -> dict[str, Any]:
    """What a store has, without what differs between two runs of one program."""
    client = MlflowClient(str(store))
    experiments = {each.experiment_id: each for each in client.search_experiments()}
    runs = client.search_runs([*experiments], order_by=["attributes.start_time"])
    names = {run.info.run_id: run.info.run_name for run in runs}
    return {
        "experiments": {each.name: each.tags for each in experiments.values()},
        "runs": [
            [experiments[run.info.experiment_id].name, *_run(client, run, names)] for run in runs
        ],
        "models": [
            [experiments[model.experiment_id].name, *_model(model, names)]
            for model in client.search_logged_models([*experiments])
        ],
        "registered": {
            model.name: [
                version.version
                for version in client.search_model_versions(f"name = '{model.name}'")
            ]
            for model in client.search_registered_models()
        },
    }


def _run(client: MlflowClient, run: Run, names: dict[str, str]) -> Iterator[Any]:
    yield _MADE_UP.sub("made up", run.info.run_name)
    yield run.info.status
    yield run.data.params
    yield {
        key: [
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)
        ]
        for key in sorted(run.data.metrics)
        if not _OF_THE_RUN.fullmatch(key)
    }
    yield _tags(run.data.tags)
    yield names.get(run.data.tags.get("mlflow.parentRunId", ""))
    yield sorted(_files(client, run.info.run_id))
    yield len(run.inputs.dataset_inputs)


def _tags(of: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in of.items() if not _OF_THE_RUN.fullmatch(key)}
    return {key: _MADE_UP.sub("made up", value) for key, value in kept.items()}


def _files(client: MlflowClient, run_id: str, path: str | None = None) -> Iterator[str]:
    for file in client.list_artifacts(run_id, path):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        elif not file.path.endswith(_OWN_FILES) and not file.path.startswith("tracklet/"):
            yield _PICKLED.get(file.path, file.path)


def _model(model: LoggedModel, names: dict[str, str]) -> Iterator[Any]:
    from tracklet.models import Model

    yield model.name
    yield names.get(model.source_run_id or "")
    yield model.status
    yield model.params
    yield _tags(model.tags)
    about = Model.load(model.artifact_location)
    yield sorted(about.flavors)
    yield about.signature
