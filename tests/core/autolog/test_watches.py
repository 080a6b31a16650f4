"""An integration whose distribution says what it waits for is imported only when that is there."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tracklet
from tracklet import autolog, state

LOADED = "toy_integration"


@pytest.fixture
def watched(toy: Path) -> Path:
    """The toy's distribution names the module that its integration waits for."""
    points = toy / "toy_plugin-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "\n[tracklet.watches]\ntoy_framework = toy\n")
    state.forget("tracklet.plugins")
    return toy


def test_the_generic_call_imports_no_integration_of_a_framework_that_is_not_there(watched):
    """Nor does asking for the state; when the framework comes, it is watched as ever."""
    tracklet.autolog(log_models=False)
    assert autolog.status()["toy"] == "waiting for toy_framework"
    assert LOADED not in sys.modules
    import_module("toy_framework").Model(0.3).fit([1, 2])
    assert autolog.status()["toy"] == "active"
    assert tracklet.last_active_run().data.params == {"rate": "0.3"}
    assert autolog.get_autologging_config("toy", "log_models") is False


def test_a_framework_that_is_there_is_watched_at_once(watched):
    import_module("toy_framework")
    tracklet.autolog()
    assert autolog.status()["toy"] == "active"


def test_who_asks_for_the_plan_or_for_an_option_is_answered_before_the_framework_is_there(watched):
    """The plan imports the integration, and no framework."""
    tracklet.autolog(log_models=False, silent=True)
    assert autolog.get_autologging_config("toy", "detail") == 1
    [entry] = [each for each in autolog.plan() if each.name == "toy"]
    assert entry.state == "waiting for toy_framework"
    assert (entry.options["log_models"], entry.options["silent"]) == (False, True)
    assert (entry.records, entry.omits) == (("the mean",), {"the median": "not asked for"})
    assert "toy_framework" not in sys.modules


def test_an_integration_that_waits_can_be_turned_off_and_on_and_configured(watched):
    tracklet.autolog()
    tracklet.autolog(disable=True)
    assert autolog.status()["toy"] == "disabled"
    import_module("toy_framework").Model().fit([1])
    assert tracklet.last_active_run() is None
    assert LOADED not in sys.modules
    autolog.enable("toy", detail=2)
    tracklet.autolog()
    assert autolog.get_autologging_config("toy", "detail") == 2
    assert autolog.status()["toy"] == "active"


def test_an_integration_that_cannot_be_imported_is_said_to_be_broken_when_its_framework_comes(
    watched, caplog
):
    """The user's import is not affected, and the log says why once."""
    (watched / f"{LOADED}.py").write_text("raise RuntimeError('broken on import')\n")
    tracklet.autolog()
    assert autolog.status()["toy"] == "waiting for toy_framework"
    with caplog.at_level(logging.WARNING, "tracklet"):
        import_module("toy_framework").Model().fit([1])
    assert autolog.status()["toy"].startswith("broken: ")
    assert "broken on import" in autolog.status()["toy"]
    assert caplog.text.count("broken on import") == 1


def test_options_that_an_integration_refuses_are_refused_when_its_framework_comes(watched, caplog):
    """Nobody could ask it before; it records nothing then, and the log says why."""
    source = (watched / f"{LOADED}.py").read_text()
    refusing = 'raise InvalidParameterValue("no models here, please")'
    (watched / f"{LOADED}.py").write_text(
        source.replace(
            "if self.detail < 0:",
            f"if not self.log_models:\n            {refusing}\n        if self.detail < 0:",
        )
    )
    tracklet.autolog(log_models=False)
    with caplog.at_level(logging.WARNING, "tracklet"):
        import_module("toy_framework").Model().fit([1])
    assert autolog.status()["toy"] == "broken: no models here, please"
    assert "no models here, please" in caplog.text
    assert tracklet.last_active_run() is None
