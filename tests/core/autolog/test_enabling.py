"""When which integration is on, and with which options."""

from __future__ import annotations

import itertools
import sys
import threading
from importlib import import_module

import pytest

import tracklet
from tracklet import autolog, state
from tracklet.errors import InvalidParameterValue, PluginError


def option(key):
    return autolog.get_autologging_config("toy", key)


def test_s11_7_r18_generic_call_imports_no_framework_and_waits_for_it(toy):
    tracklet.autolog()
    assert "toy_framework" not in sys.modules
    assert autolog.status()["toy"] == "waiting for toy_framework"
    import_module("toy_framework")
    assert autolog.status()["toy"] == "active"


def test_s11_6_generic_arguments_reach_the_options_that_an_integration_has(toy):
    tracklet.autolog(log_models=False, silent=True)
    assert (option("log_models"), option("silent"), option("detail")) == (False, True, 1)


def test_s11_6_explicit_call_replaces_the_generic_one_and_is_not_replaced_by_it(toy):
    tracklet.autolog(log_models=False)
    autolog.enable("toy", detail=3)
    assert (option("log_models"), option("detail")) == (True, 3)
    tracklet.autolog(log_models=False)
    assert (option("log_models"), option("detail")) == (True, 3)


def test_s11_6_second_generic_call_applies(toy):
    tracklet.autolog(log_models=False)
    tracklet.autolog()
    assert option("log_models") is True


def test_w48_s11_6_generic_disable_always_wins_and_a_generic_enable_brings_it_back(toy):
    autolog.enable("toy", detail=3)
    tracklet.autolog(disable=True)
    assert autolog.status()["toy"] == "disabled"
    assert autolog.autologging_is_disabled("toy")
    tracklet.autolog()
    assert autolog.status()["toy"] == "waiting for toy_framework"


def test_s11_6_explicit_disable_survives_every_generic_call(toy):
    autolog.enable("toy", disable=True)
    tracklet.autolog()
    tracklet.autolog(disable=True)
    tracklet.autolog()
    assert autolog.status()["toy"] == "disabled"
    assert option("disable") is True


@pytest.mark.parametrize("order", list(itertools.permutations(["import", "disable", "generic"])))
def test_s11_7_explicit_disable_wins_in_every_order(toy, order):
    for step in order:
        if step == "import":
            import_module("toy_framework")
        elif step == "disable":
            autolog.enable("toy", disable=True)
        else:
            tracklet.autolog()
    assert autolog.status()["toy"] == "disabled"
    raw = vars(import_module("toy_framework").Model)["fit"]
    assert type(raw).__name__ == "function"


def test_excluded_integration_is_left_as_it_is(toy):
    tracklet.autolog(exclude_flavors=["toy"])
    assert autolog.status()["toy"] == "disabled"
    assert option("log_models") is None
    with pytest.raises(InvalidParameterValue, match="exclude_flavors"):
        tracklet.autolog(exclude_flavors="toy")


def test_w27_refused_option_leaves_the_configuration_in_force(toy):
    autolog.enable("toy", detail=3)
    framework = import_module("toy_framework")
    watched = vars(framework.Model)["fit"]
    with pytest.raises(InvalidParameterValue, match="negative"):
        autolog.enable("toy", detail=-1)
    with pytest.raises(InvalidParameterValue, match="no option 'detial'"):
        autolog.enable("toy", detial=1)
    with pytest.raises(InvalidParameterValue, match="extra_tags"):
        autolog.enable("toy", extra_tags="nonsense")
    with pytest.raises(InvalidParameterValue, match="extra_tags"):
        tracklet.autolog(extra_tags=["nonsense"])
    assert option("detail") == 3
    assert vars(framework.Model)["fit"] is watched


def test_unknown_integration_is_an_error(toy):
    with pytest.raises(PluginError, match="nothere"):
        autolog.enable("nothere")


def test_users_tags_are_copied_and_not_changed(toy):
    tags = {"team": "a", "mlflow.autologging": "mine"}
    autolog.enable("toy", extra_tags=tags)
    assert tags == {"team": "a", "mlflow.autologging": "mine"}
    tags["team"] = "b"
    assert option("extra_tags") == {"team": "a"}


def test_w26_unsupported_version_is_declined_with_one_line(toy, caplog):
    path = toy / "toy_framework.py"
    path.write_text(path.read_text().replace("2.1.0.dev3", "1.9"))
    tracklet.autolog()
    framework = import_module("toy_framework")
    state = autolog.status()["toy"]
    assert state == "declined: needs toy-framework>=2.0, and toy-framework 1.9 is installed"
    assert len([record for record in caplog.records if "toy" in record.getMessage()]) == 1
    assert type(vars(framework.Model)["fit"]).__name__ == "function"


@pytest.mark.parametrize(
    ("requires", "declined"),
    [
        ("toy-framework>=2.1.0.dev3", False),
        ("toy-framework >= 2.1", True),
        ("toy-framework>=2.0,<2.1.dev0", True),
        ("toy-framework[gpu]~=2.0", False),
        ("toy-framework!=2.0", False),
    ],
)
def test_every_form_of_required_versions_is_understood(toy, requires, declined):
    path = toy / "toy_integration.py"
    path.write_text(path.read_text().replace("toy-framework>=2.0", requires))
    tracklet.autolog()
    import_module("toy_framework")
    assert autolog.status()["toy"].startswith("declined" if declined else "active")


def test_framework_shadowed_by_an_empty_module_is_broken_and_harmless(toy, caplog):
    (toy / "toy_framework.py").write_text("")
    tracklet.autolog()
    import_module("toy_framework")
    assert autolog.status()["toy"].startswith("broken: PatchError")
    autolog.enable("toy", disable=True)
    assert autolog.status()["toy"] == "disabled"


def test_plugin_that_does_not_load_is_broken_and_the_others_work(toy, install):
    install(toy, "bad_plugin", "bad = toy_broken:Bad")
    state.forget("tracklet.plugins")
    tracklet.autolog()
    states = autolog.status()
    assert states["bad"].startswith("broken: ")
    assert "broken on import" in states["bad"]
    assert states["toy"] == "waiting for toy_framework"
    tracklet.autolog(disable=True)


def test_plan_says_what_is_watched_what_is_recorded_and_what_is_not(toy):
    before = {entry.name: entry for entry in autolog.plan()}["toy"]
    assert before.state == "disabled"
    assert before.omits == {"everything": "autologging was not asked for"}
    tracklet.autolog()
    import_module("toy_framework")
    entry = {entry.name: entry for entry in autolog.plan()}["toy"]
    assert entry.hooks == ("toy_framework.Model.fit",)
    assert list(entry.skipped) == ["toy_framework.Model.gone"]
    assert entry.version == "2.1.0.dev3"
    assert entry.records == ("the mean",)
    assert entry.omits == {"the median": "not asked for"}
    assert entry.options["detail"] == 1


def test_reloaded_framework_is_watched_again(toy):
    tracklet.autolog()
    framework = import_module("toy_framework")
    import importlib

    importlib.reload(framework)
    assert type(vars(framework.Model)["fit"]).__name__ == "WatchedFunction"
    tracklet.autolog(disable=True)
    assert type(vars(framework.Model)["fit"]).__name__ == "function"


def test_threads_that_enable_and_disable_end_in_one_of_both_states(toy):
    framework = import_module("toy_framework")
    raw = vars(framework.Model)["fit"]

    def flip(times):
        for n in range(times):
            autolog.enable("toy", disable=bool(n % 2))

    threads = [threading.Thread(target=flip, args=(20,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    autolog.enable("toy", disable=True)
    assert vars(framework.Model)["fit"] is raw


def test_importing_in_one_thread_while_enabling_in_another_does_not_deadlock(toy):
    (toy / "toy_framework.py").write_text(
        "import time, toy_part\ntime.sleep(0.05)\n" + (toy / "toy_framework.py").read_text()
    )
    (toy / "toy_part.py").write_text("import time\ntime.sleep(0.05)\n")
    autolog.enable("toy")

    def importing():
        import_module("toy_framework")

    def enabling():
        for _ in range(50):
            autolog.enable("toy")

    threads = [threading.Thread(target=work, daemon=True) for work in (importing, enabling)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)
    assert autolog.status()["toy"] == "active"


def test_autolog_is_callable_and_has_mlflows_signature(toy):
    import inspect

    assert list(inspect.signature(tracklet.autolog).parameters) == [
        "log_input_examples",
        "log_model_signatures",
        "log_models",
        "log_datasets",
        "log_traces",
        "disable",
        "exclusive",
        "disable_for_unsupported_versions",
        "silent",
        "extra_tags",
        "exclude_flavors",
    ]
    assert tracklet.autolog() is None
    assert tracklet.autolog.integration_name == "mlflow"
