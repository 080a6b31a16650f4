"""The outside plugin, installed from its wheel: found, used, and held to the contracts."""

import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

if importlib.util.find_spec("tracklet_toyframe") is None:
    pytest.skip("tracklet-toyframe is installed in the session `plugin`", allow_module_level=True)

import toyframe
from tracklet_toyframe import ToyframeFlavor

import tracklet
from tracklet.testing import FlavorContract, IntegrationContract

XS = [0.0, 1.0, 2.0, 3.0]
YS = [1.0, 3.0, 5.0, 7.0]


def told(*arguments: str) -> str:
    """What the command line prints."""
    command = [sys.executable, "-c", "from tracklet.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_is_listed_with_its_distribution_and_state() -> None:
    found = [one for one in json.loads(told("plugins", "--json")) if one["name"] == "toyframe"]
    assert [(one["group"], one["distribution"], one["version"], one["state"]) for one in found] == [
        ("integrations", "tracklet-toyframe", "0.3.0", "active"),
        ("flavors", "tracklet-toyframe", "0.3.0", "active"),
        ("commands", "tracklet-toyframe", "0.3.0", "active"),
    ]


def test_its_command_stands_beside_ours(tracklet_home: Path) -> None:
    commands = told("--help").partition("Commands:")[2]
    assert re.search(r"^  runs +List", commands, re.MULTILINE)
    assert re.search(r"^  toyframe +Print the line that a run has fitted", commands, re.MULTILINE)
    tracklet.autolog()
    toyframe.Line(epochs=500).fit(XS, YS)
    run = tracklet.last_active_run()
    assert run is not None
    assert told("toyframe", run.info.run_id) == "y = 2.0 x + 1.0\n"


def test_its_own_autolog_records_a_training(tracklet_home: Path) -> None:
    tracklet.toyframe.autolog(every_n_epoch=2)  # type: ignore[attr-defined]
    callbacks: list[object] = []
    line = toyframe.Line(epochs=6).fit(XS, YS, callbacks)
    run = tracklet.last_active_run()
    assert run is not None
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rate": "0.05", "epochs": "6"}
    history = tracklet.TrackletClient().get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 2, 4]
    assert callbacks == []
    loaded = tracklet.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.predict(XS) == line.predict(XS)


def test_its_autolog_shows_its_options_and_refuses_others() -> None:
    autolog = tracklet.toyframe.autolog  # type: ignore[attr-defined]
    parameters = inspect.signature(autolog).parameters
    assert {"every_n_epoch", "log_models", "disable", "silent"} <= set(parameters)
    assert parameters["every_n_epoch"].default == 1
    with pytest.raises(tracklet.TrackletException, match="no option 'every'"):
        autolog(every=2)


def test_the_general_autolog_finds_it_too(tracklet_home: Path) -> None:
    tracklet.autolog()
    toyframe.Line().fit(XS, YS)
    run = tracklet.last_active_run()
    assert run is not None
    assert run.data.tags["mlflow.autologging"] == "toyframe"


def test_a_failed_training_is_a_failed_run_and_the_error_passes(tracklet_home: Path) -> None:
    tracklet.toyframe.autolog()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="4 inputs, but 1 targets"):
        toyframe.Line().fit(XS, [1.0])
    run = tracklet.last_active_run()
    assert run is not None
    assert run.info.status == "FAILED"


def test_training_is_the_same_with_and_without(tracklet_home: Path) -> None:
    bare = toyframe.Line().fit(XS, YS)
    tracklet.autolog()
    watched = toyframe.Line().fit(XS, YS)
    assert (bare.slope, bare.intercept) == (watched.slope, watched.intercept)
    assert vars(bare).keys() == vars(watched).keys()


def test_its_models_are_saved_and_loaded_by_name(tracklet_home: Path, tmp_path: Path) -> None:
    line = toyframe.Line().fit(XS, YS)
    tracklet.toyframe.save_model(line, tmp_path / "line")  # type: ignore[attr-defined]
    loaded = tracklet.toyframe.load_model(str(tmp_path / "line"))  # type: ignore[attr-defined]
    assert loaded.predict(XS) == line.predict(XS)
    info = tracklet.toyframe.log_model(line)  # type: ignore[attr-defined]
    assert tracklet.pyfunc.load_model(info.model_uri).predict(XS) == line.predict(XS)


class TestToyframeIntegration(IntegrationContract):
    name = "toyframe"
    modules = ("toyframe",)
    targets = ("toyframe:Line.fit",)
    training = """
    def train():
        import toyframe
        line = toyframe.Line(epochs=7).fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
        return line.slope, line.intercept, line.predict([4.0])

    def fail(error):
        import toyframe
        def callback(epoch, loss):
            raise error
        toyframe.Line().fit([0.0, 1.0], [1.0, 3.0], callbacks=[callback])

    def trained():
        import toyframe
        return toyframe.Line().fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    """
    further: ClassVar = {
        "callbacks": """
    options = {"every_n_epoch": 2, "log_models": False}

    def train():
        import toyframe
        seen = []
        line = toyframe.Line().fit([0.0, 1.0], [1.0, 3.0], [lambda *told: seen.append(told)])
        return line.slope, line.intercept, seen
    """,
    }


class TestToyframeFlavor(FlavorContract):
    flavor = ToyframeFlavor

    def make_model(self) -> toyframe.Line:
        return toyframe.Line().fit(XS, YS)

    def make_input(self) -> list[float]:
        return [4.0, 5.0]
