"""``tracklet.<name>.autolog``: made from the integration's options, and called as MLflow's is."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from tracklet import autolog

COMMON = "log_input_examples log_model_signatures log_models log_datasets disable exclusive "
COMMON += "disable_for_unsupported_versions silent "
CHECKPOINTS = " log_checkpoints checkpoint_save_freq checkpoint_save_best_only checkpoint_monitor "
CHECKPOINTS += "checkpoint_mode checkpoint_keep_last"
PARAMETERS = {
    "sklearn": COMMON + "max_tuning_runs log_post_training_metrics serialization_format "
    "registered_model_name pos_label extra_tags * training_metrics training_metrics_seconds "
    "dataset_seconds log_plots log_html iteration_metrics estimators",
    "xgboost": f"importance_types {COMMON}registered_model_name model_format extra_tags *"
    + CHECKPOINTS,
    "lightgbm": f"{COMMON}registered_model_name extra_tags *{CHECKPOINTS}",
}


def switch(name: str) -> Any:
    return import_module(f"tracklet.{name}").autolog


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_switch_takes_its_arguments_in_the_dialects_order(name: str) -> None:
    """First those that may be given by position, as MLflow's scripts do, then ours by keyword."""
    positional, by_keyword = (half.split() for half in PARAMETERS[name].split("*"))
    parameters = inspect.signature(switch(name)).parameters
    assert list(parameters) == positional + by_keyword
    kinds = [each.kind for each in parameters.values()]
    both, last = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    assert kinds == [both] * len(positional) + [last] * len(by_keyword)
    assert parameters["disable"].default is False
    assert parameters["log_models"].default is True


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_argument_is_documented_in_order(name: str) -> None:
    """``help()`` of a switch says what each argument does."""
    lines = (inspect.getdoc(switch(name)) or "").split("Args:\n")[1].splitlines()
    documented = [line.strip().split(":")[0] for line in lines if line.startswith("    ")]
    wanted = list(inspect.signature(switch(name)).parameters)
    assert [each for each in documented if each in wanted] == wanted
    assert switch(name).integration_name == name


@pytest.mark.parametrize("name", PARAMETERS)
def test_arguments_given_by_position_are_the_options_in_force(name: str) -> None:
    """``disable`` has its place among the options, and is none of them."""
    positional = PARAMETERS[name].split("*")[0].split()
    defaults = {
        key: each.default for key, each in inspect.signature(switch(name)).parameters.items()
    }
    try:
        switch(name)(*[False if key == "log_models" else defaults[key] for key in positional])
        assert autolog.get_autologging_config(name, "log_models") is False
        assert autolog.get_autologging_config(name, "disable") is False
        assert autolog.get_autologging_config(name, "log_datasets") is True
        [entry] = [each for each in autolog.plan() if each.name == name]
        assert set(entry.options) == set(defaults) - {"disable"}
        switch(name)(disable=True)
        assert autolog.status()[name] == "disabled"
    finally:
        autolog.reset()


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_argument_that_there_is_not_is_refused_like_any_functions(name: str) -> None:
    """A script that probes for an argument catches a TypeError."""
    with pytest.raises(TypeError, match=r"autolog\(\) got an unexpected keyword argument 'log_md'"):
        switch(name)(log_md=True)
    with pytest.raises(TypeError, match=r"autolog\(\) .*positional arguments"):
        switch(name)(*range(40))
    assert autolog.status()[name] == "disabled"
