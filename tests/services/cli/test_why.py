"""``tracklet why``: where the facts of a recorded run come from, and why one is missing."""

from __future__ import annotations

import json

import pytest

import tracklet


@pytest.fixture
def recorded(tracklet_home):
    """A run as autologging leaves it, with a fact of the user's own."""
    tags = {
        "mlflow.autologging": "pytorch",
        "tracklet.pytorch.val_loss": "mean of 3 batches' losses at train.py:41",
        "tracklet.pytorch.test_loss": "left out: at train.py:52 it is a sum",
        "tracklet.faults": json.dumps({"count": 2, "first": "pytorch: summary: OSError: full"}),
    }
    with tracklet.start_run(tags=tags) as run:
        tracklet.log_metrics({"val_loss": 0.5, "lr": 0.1, "loss/opt_d": 1.0, "mine": 3})
        tracklet.log_params({"optimizer_betas": "(0.9, 0.999)"})
        tracklet.log_text("x", "model_summary.txt")
    return run.info.run_id


def test_each_fact_says_where_it_comes_from(answer, call, recorded):
    told = answer("why", recorded)
    assert told["recorded"] == {
        "val_loss": "mean of 3 batches' losses at train.py:41",
        "lr": "pytorch: the rate of each step, where it changes",
        "loss/opt_d": "pytorch: the sum of what backward was called on, of each step",
        "optimizer_betas": "pytorch: as they are at the first step",
        "model_summary.txt": ("pytorch: the smallest module that has what the optimizer changes"),
        "mine": "no rule of autologging's names it; a script may record what it wants",
    }
    assert told["left_out"]["test_loss"] == "left out: at train.py:52 it is a sum"
    assert told["left_out"]["what failed"].startswith("2 steps of recording failed")
    assert "updates without a torch.optim.Optimizer" in told["left_out"]
    shown = call("why", "latest").stdout
    assert "Recorded" in shown
    assert "Left out" in shown


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("val_loss", ["val_loss = 0.5", "train.py:41"]),
        ("test_loss", ["test_loss is not on the record", "left out: at train.py:52"]),
        ("grad_norm", ["would be recorded by pytorch", "2 steps of recording failed"]),
        ("epochs", ["is not on the record", "nothing says where one ends"]),
        ("nothing", ["nothing is not on the record", "no rule of autologging's names it"]),
    ],
)
def test_one_key_is_told_of_whether_it_is_there_or_not(call, recorded, key, words):
    shown = call("why", recorded[:8], key).stdout
    for each in words:
        assert each in shown


def test_a_run_without_autologging_has_a_word_too(answer, tracklet_home):
    with tracklet.start_run():
        tracklet.log_metric("own", 1.0)
    told = answer("why", "latest", "own")
    assert told["recorded"]
    assert told["why"] == ["no rule of autologging's names it; a script may record what it wants"]


def test_other_integrations_are_asked_for_their_rules(answer, tracklet_home):
    sklearn = pytest.importorskip("sklearn.linear_model")
    tracklet.sklearn.autolog(log_models=False)
    sklearn.LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    tracklet.sklearn.autolog(disable=True)
    told = answer("why", "latest")
    assert "sklearn" in told["recorded"]["estimator.html"]
    assert told["left_out"]
