"""The part of the contract on stores: each keeps of a training what the others keep."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from pprint import pformat
from typing import Any, Final

import pytest

import tracklet
from tracklet.client import TrackletClient
from tracklet.entities import FileInfo, LoggedModel, Metric, Run
from tracklet_testing.integration.trainings import Scenario, Trainings

_IDS: Final = re.compile(r"\b(m-)?[0-9a-f]{32}\b")
_MADE_UP_NAME: Final = re.compile(r"[a-z]+-[a-z]+-\d+")
_MEASURED_TAGS: Final = re.compile(r"(.*\.)?tracklet\.(fit|overhead_ms)")


class StoresContract(Trainings):
    """A record does not depend on where it is kept."""

    def test_a_database_keeps_of_a_training_what_a_folder_keeps(
        self,
        scenario: Scenario,
        expected: Any,
        tracklet_home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """All of it, each point once, in a run of its own and in a run of the user's."""
        pytest.importorskip("sqlalchemy")
        folder, database = (
            self._record_in(uri, scenario, expected, monkeypatch)
            for uri in (f"{tracklet_home}/folder", f"sqlite:///{tracklet_home}/record.db")
        )
        assert "'status'" in folder
        assert database == folder

    def _record_in(
        self, uri: str, scenario: Scenario, expected: Any, monkeypatch: pytest.MonkeyPatch
    ) -> str:
        monkeypatch.setenv("TRACKLET_TRACKING_URI", uri)
        assert scenario.observe() == expected
        if scenario.source == self.training:
            with tracklet.start_run(run_name="the user's"):
                assert scenario.observe() == expected
        return pformat(_Record().described())  # of two texts, pytest shows where they differ


class _Record:
    """All that the tracking store keeps, but for what differs between any two trainings."""

    def __init__(self) -> None:
        self._client = TrackletClient()
        experiments = [each.experiment_id for each in self._client.search_experiments()]
        self._runs = list(self._client.search_runs(experiments))
        self._models = list(self._client.search_logged_models(experiments))

    def described(self) -> list[dict[str, Any]]:
        """The runs without a parent, each with those below it and with its models."""
        return self._below(None)

    def _below(self, parent: str | None) -> list[dict[str, Any]]:
        runs = [run for run in self._runs if run.data.tags.get("mlflow.parentRunId") == parent]
        return sorted((self._run(run) for run in runs), key=repr)

    def _run(self, run: Run) -> dict[str, Any]:
        run_id = run.info.run_id
        assert self._client.get_run(run_id) == run
        assert run.info.run_name == run.data.tags["mlflow.runName"]
        made = [model for model in self._models if model.source_run_id == run_id]
        assert {each.model_id for each in run.outputs.model_outputs} == {m.model_id for m in made}
        points = {key: self._client.get_metric_history(run_id, key) for key in run.data.metrics}
        return {
            "status": (run.info.status, run.info.lifecycle_stage, run.info.user_id),
            "params": run.data.params,
            "metrics": {key: _value(key, value) for key, value in run.data.metrics.items()},
            "points": {key: _points(of_key) for key, of_key in points.items()},
            "tags": _tags(run.data.tags),
            "datasets": [(each.dataset, each.tags) for each in run.inputs.dataset_inputs],
            "inputs": len(run.inputs.model_inputs),
            "outputs": [output.step for output in run.outputs.model_outputs],
            "artifacts": sorted(_paths(lambda path: self._client.list_artifacts(run_id, path))),
            "models": sorted((self._model(model) for model in made), key=repr),
            "below": self._below(run_id),
        }

    def _model(self, model: LoggedModel) -> dict[str, Any]:
        model_id = model.model_id
        assert self._client.get_logged_model(model_id) == model

        def below(path: str | None) -> Iterable[FileInfo]:
            return self._client.list_logged_model_artifacts(model_id, path)

        return {
            "name": model.name,
            "type": model.model_type,
            "status": (str(model.status), model.status_message),
            "params": model.params,
            "tags": _tags(model.tags),
            "points": sorted(_points(model.metrics)),
            "artifacts": sorted(_paths(below)),
        }


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags without what was measured, made up or counted up."""
    return {
        key: _without_ids(value)
        for key, value in tags.items()
        if not _MEASURED_TAGS.fullmatch(key) and not _MADE_UP_NAME.fullmatch(value)
    }


def _points(points: Iterable[Metric]) -> list[tuple[Any, ...]]:
    return [
        (
            point.key,
            point.step,
            _value(point.key, point.value),
            _without_ids(point.model_id or ""),
            point.dataset_name or "",
            point.dataset_digest or "",
        )
        for point in points
    ]


def _value(key: str, value: float) -> str:
    """A value as a text, in which NaN is equal to itself; times differ."""
    return "" if "time" in key else repr(value)


def _without_ids(text: str) -> str:
    return _IDS.sub("an id", text)


def _paths(listed: Any, path: str | None = None) -> Iterator[str]:
    """The paths of all artifacts, with those in folders."""
    for each in listed(path):
        yield each.path
        if each.is_dir:
            yield from _paths(listed, each.path)
