"""Every verb with every argument wrong ends well, or raises our error and changes nothing."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracklet
from tracklet import entities
from tracklet.errors import InvalidParameterValue, TrackletException

NONSENSE: list[Any] = [None, 3, object(), b"", [], {}]
# What is no verb on the record, or does more than one test can bear.
LEFT_OUT = frozenset(
    "artifact_to_write run_repository autolog trace log_model load_model register_model "
    "load_checkpoint as_mlflow set_tracking_uri set_registry_uri".split()
)
GOOD: dict[str, Any] = {
    "key": "t",
    "value": "1.0",
    "metrics": {"m": 1.0},
    "params": {"p": 1},
    "tags": {"a": 1},
    "artifact_file": "new.txt",
    "text": "x",
    "dictionary": {"a": 1},
    "path": "t.txt",
    "alias": "best",
    "status": "FINISHED",
    "stage": "Staging",
    "image": np.zeros((2, 2)),
    "data": {"a": [1]},
    "model_uri": "models:/reg/1",
    "src_model_uri": "models:/reg/1",
    "assessment": entities.Feedback("quality", 1),
}
SPECIAL: dict[tuple[str, str], Any] = {
    ("log_batch", "metrics"): (),
    ("log_batch", "params"): (),
    ("log_batch", "tags"): (),
    ("finalize_logged_model", "status"): "READY",
    ("log_figure", "artifact_file"): "new.png",
    ("log_image", "artifact_file"): "new.png",
    ("log_image", "key"): None,
    ("log_table", "artifact_file"): "t.json",
    ("load_table", "artifact_file"): "t.json",
}


def unlike_others() -> str:
    return f"n{os.urandom(8).hex()}"


class Record:
    """One of each thing, with a tag ``t``."""

    def __init__(self, folder: Path, *, traces: bool) -> None:
        self.client = tracklet.TrackletClient()
        (folder / "files").mkdir()
        (folder / "f.txt").write_text("x")
        self.folder, self.traces = folder, traces
        self.given: dict[str, Any] = {}
        self.make()

    def make(self) -> None:
        client, name = self.client, unlike_others()
        experiment_id = client.create_experiment(name)
        run_id = client.create_run(experiment_id, tags={"t": 1}).info.run_id
        model = client.create_logged_model(experiment_id, "m", run_id, tags={"t": 1})
        client.create_registered_model(name, {"t": 1})
        version = client.create_model_version(name, str(self.folder), run_id, {"t": 1}).version
        client.set_registered_model_alias(name, "best", version)
        client.set_experiment_tag(experiment_id, "t", 1)
        client.log_text(run_id, "x", "t.txt")
        client.log_table(run_id, {"a": [1]}, "t.json")
        self.given = {
            "run_id": run_id,
            "experiment_id": experiment_id,
            "experiment_ids": [experiment_id],
            "model_id": model.model_id,
            "name": name,
            "version": version,
            "local_path": self.folder / "f.txt",
            "local_dir": self.folder / "files",
            "artifact_uri": f"runs:/{run_id}/t.txt",
            "source": str(self.folder),
        }
        if self.traces:
            with tracklet.start_span() as span:
                span.set_attribute("a", 1)
            client.set_trace_tag(span.trace_id, "t", 1)
            feedback = tracklet.log_feedback(trace_id=span.trace_id, value=1)
            self.given |= {"trace_id": span.trace_id, "assessment_id": feedback.assessment_id}

    def argument(self, verb: str, parameter: inspect.Parameter) -> Any:
        name = parameter.name
        if (verb, name) in SPECIAL:
            return SPECIAL[verb, name]
        if name in ("new_name", "dst_name") or (verb.startswith("create_") and name == "name"):
            return self.given["name"] if verb == "create_model_version" else unlike_others()
        if name in self.given:
            return self.given[name]
        required = parameter.default is inspect.Parameter.empty
        return GOOD.get(name) if required else parameter.default

    def state(self) -> dict[str, tuple[int, int]]:
        """What files there are of it; those apart that say that somebody looked."""
        root = self.folder / "mlruns"
        found: dict[str, tuple[int, int]] = dict.fromkeys(os.listdir(root), (0, 0))
        for part in (self.given["experiment_id"], f"models/{self.given['name']}"):
            for folder, _, files in os.walk(root / part):
                for name in files:
                    status = os.stat(f"{folder}/{name}")
                    found[f"{folder}/{name}"] = status.st_size, status.st_mtime_ns
        return found


def faults(record: Record, verbs: dict[str, Callable[..., Any]], *, whole: bool) -> list[str]:
    """What escaped that is not ours, and what was written of a call that was refused.

    Args:
        record: What the verbs are called on.
        verbs: The verbs.
        whole: Whether to see that a refused call writes nothing.
    """
    found: list[str] = []
    for name, verb in verbs.items():
        parameters = inspect.signature(verb).parameters.values()
        for wrong in parameters:
            for value in NONSENSE:
                given = {p.name: record.argument(name, p) for p in parameters}
                given[wrong.name] = value
                before = record.state() if whole else {}
                try:
                    verb(**given)
                except (TrackletException, FileNotFoundError):
                    if whole and record.state() != before:
                        found.append(f"{name}({wrong.name}={value!r}) was refused and half-written")
                except Exception as error:  # noqa: BLE001 - that is what is looked for
                    found.append(f"{name}({wrong.name}={value!r}): {error!r}")
                else:
                    if any(word in name for word in ("delete", "rename", "transition", "copy")):
                        record.make()
                while tracklet.active_run() is not None:
                    tracklet.end_run()
        tracklet.clear_active_model()
    return found


def test_the_client_refuses_wrong_arguments_whole(tracklet_home: Path, either_store: str) -> None:
    in_files = not either_store.startswith("sqlite")
    record = Record(tracklet_home, traces=in_files)
    names = [name for name in dir(record.client) if not name.startswith("_")]
    verbs = {
        name: method
        for name in names
        if name not in LEFT_OUT and name != "traces"
        if callable(method := getattr(record.client, name))
    }
    assert faults(record, verbs, whole=in_files) == []


def test_the_functions_refuse_wrong_arguments(tracklet_home: Path) -> None:
    record = Record(tracklet_home, traces=True)
    verbs = {
        name: function
        for home in (tracklet, tracklet.artifacts)
        for name in home.__all__
        if name not in LEFT_OUT
        if inspect.isfunction(function := getattr(home, name))
    }
    assert faults(record, verbs, whole=False) == []


INFO = entities.RunInfo("r", "0", "me", "RUNNING", 1, None)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (entities.Run, {"info": None}),
        (entities.Run, {"info": entities.RunData()}),
        (entities.Run, {"info": INFO, "data": {"m": 1.0}}),
        (entities.DatasetInput, {"dataset": {"name": "iris"}}),
        (entities.Feedback, {"name": 3, "value": 1}),
        (entities.Feedback, {"value": 1, "source": "me"}),
        (entities.Expectation, {"name": "e", "value": 1, "source": "me"}),
    ],
)
def test_an_entity_is_made_of_its_parts_alone(kind: Any, parts: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterValue):
        kind(**parts)
