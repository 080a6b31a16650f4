"""``tracklet plan``: what autologging would do."""

import pytest

import tracklet

sklearn = pytest.importorskip("sklearn")


def test_plan_says_what_is_recorded_and_what_is_not_and_why(call):
    shown = call("plan", "sklearn").stdout
    assert shown.startswith(f"sklearn {sklearn.__version__}: active")
    assert "+ estimator.html" in shown
    assert "- input examples: log_input_examples=False" in shown


def test_plan_lists_hooks_of_what_is_imported(answer):
    (entry,) = answer("plan", "sklearn", "--import", "sklearn.linear_model")
    assert "sklearn.linear_model._logistic.LogisticRegression.fit" in entry["hooks"]
    assert entry["state"] == "active"
    assert entry["options"]["max_tuning_runs"] == 5


def test_plan_records_nothing_and_leaves_autologging_off(call, tracklet_home):
    call("plan", "sklearn")
    assert tracklet.autolog.status()["sklearn"] == "disabled"
    assert not (tracklet_home / "mlruns").exists()


def test_plan_of_all_integrations_shows_each(answer):
    names = {entry["name"] for entry in answer("plan")}
    assert "sklearn" in names


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["nothing"], "there is no integration nothing"), (["--import", "no.such"], "no.such")],
)
def test_what_does_not_exist_is_named(call, arguments, part):
    result = call("plan", *arguments, exits=1)
    assert part in result.stderr
