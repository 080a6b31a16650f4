"""Loggers of a trainer and autologging: one run, and no metric twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracklet

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, of many kinds


@pytest.fixture
def logger(tracklet_home):
    return tracklet.pytorch.TrackletLogger


def test_a_logger_writes_into_a_run_of_its_own_which_ends_with_the_fit(kit, logger, record):
    mine = logger(run_name="mine", tags={"team": "blue"}, log_checkpoints=True)
    trainer = kit.fitted(logger=mine, enable_checkpointing=True, log_every_n_steps=2)
    run = record.only()
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.tags["team"] == "blue"
    assert run.data.params == {"width": "4", "rate": "0.1", "optimizers": "1"}
    assert [step for step, _ in record.history(run, "train_loss")] == [1, 3, 5, 7]
    assert mine.version == mine.run_id == run.info.run_id
    assert mine.name == "Default"
    assert isinstance(mine.experiment, tracklet.TrackletClient)
    assert record.files(run) == {"checkpoints"}
    assert run.data.tags["checkpoint.best_model_path"]
    trainer.test(trainer.lightning_module, kit.loader(), verbose=False)
    run = record.only()
    assert run.data.metrics["test_loss"] == pytest.approx(
        float(trainer.callback_metrics["test_loss"])
    )


def test_a_logger_writes_into_the_users_run(kit, logger, record):
    with tracklet.start_run() as run:
        kit.fitted(logger=logger(tags={"team": "blue"}, prefix="fit"))
        assert tracklet.active_run() is not None
    assert record.only().data.tags["team"] == "blue"
    assert record.history(run, "fit-val_loss")
    assert record.only().info.status == "FINISHED"


def test_with_autologging_our_logger_has_the_metrics_and_the_rest_is_beside_them(
    kit, logger, record, on
):
    trainer = kit.fitted(logger=logger(), log_every_n_steps=2)
    run = record.only()
    assert run.info.status == "FINISHED"
    assert {"epochs", "rate", "lr"} <= run.data.params.keys()
    assert [step for step, _ in record.history(run, "train_loss")] == [1, 3, 5, 7]
    assert len(record.history(run, "val_loss")) == 2
    trainer.test(trainer.lightning_module, kit.loader(), verbose=False)
    assert len(record.history(record.only(), "test_loss")) == 1


def test_with_autologging_a_failed_fit_fails_the_run_of_our_logger(kit, logger, record, on):
    module = kit.module()
    module.on_train_epoch_end = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        kit.fitted(module, logger=logger())
    assert record.only().info.status == "FAILED"


THEIRS = """
import tracklet

tracklet.as_mlflow()
tracklet.pytorch.autolog(log_models=False)
import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from tests.integrations.lightning.conftest import Kit

logger = MLFlowLogger("Default", tracking_uri=mlflow.get_tracking_uri())
Kit("lightning.pytorch", "root").fitted(logger=logger, log_every_n_steps=2)
"""


def test_with_autologging_mlflows_logger_has_the_metrics(tracklet_home, record):
    root = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIRS],
        check=True,
        cwd=tracklet_home,
        env={**os.environ, "PYTHONPATH": str(root), "TRACKLET_STRICT": "1"},
    )
    run = record.only()
    assert run.info.status == "FINISHED"
    assert {"epochs", "rate"} <= run.data.params.keys()
    assert [step for step, _ in record.history(run, "train_loss")] == [1, 3, 5, 7]
    assert len(record.history(run, "val_loss")) == 2
