"""What a fit with Lightning leaves on the record, and what it does not touch."""

from __future__ import annotations

import json
import logging
import signal
from pathlib import Path

import pytest
import torch

import tracklet

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, of many kinds


def steps(record, run, key):
    return [step for step, _ in record.history(run, key)]


def test_a_fit_is_recorded_with_what_mlflow_records_and_more(either, record, on):
    tracklet.pytorch.autolog()
    stopping = either.pl.callbacks.EarlyStopping("val_loss", patience=1, min_delta=100.0)
    keeping = either.pl.callbacks.ModelCheckpoint(monitor="val_loss")
    trainer = either.fitted(
        max_epochs=5,
        log_every_n_steps=2,
        enable_checkpointing=True,
        callbacks=[stopping, keeping],
        gradient_clip_val=0.5,
    )
    run = record.only()
    assert run.info.status == "FINISHED"
    expected = {
        "epochs": "5",
        "optimizer_name": "Adam",
        "lr": "0.1",
        "betas": "(0.9, 0.999)",
        "weight_decay": "0",
        "fused": "None",
        "scheduler": "StepLR",
        "scheduler_step_size": "2",
        "scheduler_interval": "epoch",
        "monitor": "val_loss",
        "mode": "min",
        "patience": "1",
        "min_delta": "-100.0",
        "stopped_epoch": "0",
        "rate": "0.1",
        "width": "4",
        "gradient_clip_val": "0.5",
        "accumulate_grad_batches": "1",
        "precision": "32-true",
        "strategy": "SingleDeviceStrategy",
        "num_devices": "1",
        "model": "Line",
        "parameters": "5",
        "batches_per_epoch": "4",
        "ModelCheckpoint/monitor": "val_loss",
        "EarlyStopping/patience": "1",
    }
    assert expected.items() <= run.data.params.items()
    # Two epochs of four batches; each second step is one that the trainer logs.
    assert steps(record, run, "train_loss") == [2, 4, 6, 8]
    assert steps(record, run, "both_step") == [2, 4, 6, 8]
    for key in ("both", "both_epoch", "mean", "val_loss"):
        assert steps(record, run, key) == [4, 8]
    assert record.history(run, "late") == [(4, 0.0), (8, 1.0)]
    assert record.history(run, "val_loss")[-1][1] == float(trainer.callback_metrics["val_loss"])
    assert {key: run.data.metrics[key] for key in ("stopped_epoch", "restored_epoch")} == {
        "stopped_epoch": 1,
        "restored_epoch": 0,
    }
    assert run.data.metrics["best_score"] == float(stopping.best_score)
    assert run.data.metrics["wait_count"] == 1
    assert run.data.metrics["best_model_score"] == float(keeping.best_model_score)
    tags = run.data.tags
    assert tags["Mode"] == "training"
    assert tags["mlflow.autologging"] == "pytorch"
    assert tags["checkpoint.best_model_path"] == keeping.best_model_path
    assert tags["checkpoint.monitor"] == "val_loss"
    assert json.loads(tags["checkpoint.best_k_models"]) == {
        str(path): float(score) for path, score in keeping.best_k_models.items()
    }
    assert "layer" in record.artifact(run, "model_summary.txt").read_text()
    assert record.files(run) == {"model_summary.txt", "restored_model_checkpoint", "model"}
    restored = record.artifact(run, "restored_model_checkpoint")
    assert [each.name for each in restored.iterdir()] == [Path(keeping.best_model_path).name]
    model = record.logged(run)
    assert {metric.key for metric in model.metrics} >= {"val_loss", "train_loss"}
    assert model.params["lr"] == "0.1"
    loaded = tracklet.pyfunc.load_model(f"models:/{model.model_id}")
    (given,), (answer,) = loaded.metadata.signature.inputs, loaded.metadata.signature.outputs
    assert (given.shape, given.type.name, answer.shape) == ((-1, 4), "float32", (-1, 1))
    module = trainer.lightning_module.eval()
    expected = module(torch.ones(2, 4)).detach().numpy()
    assert (loaded.predict(torch.ones(2, 4).numpy()) == expected).all()


@pytest.mark.parametrize(
    ("monitor", "freq"), [("late", "epoch"), ("val_loss", 3), ("mean", 5), ("train_loss", 3)]
)
def test_the_best_is_told_by_what_was_measured_at_its_moment(
    kit, record, tracklet_home, monitor, freq
):
    """No checkpoint has the value of another epoch or step; that there is none is said."""
    given = {"checkpoint_monitor": monitor, "checkpoint_save_freq": freq, "log_models": False}
    tracklet.pytorch.autolog(checkpoint=True, **given)
    kit.fitted(max_epochs=3)
    run = record.only()
    if monitor == "train_loss":
        about = json.loads(
            record.artifact(run, "checkpoints/latest_checkpoint_metrics.json").read_text()
        )
        assert about["global_step"] % 3 == 0
        assert set(about) >= {"train_loss"}
    else:
        assert repr(monitor) in run.data.tags["tracklet.pytorch.checkpoint"]
        assert "mlflow.latest_checkpoint_artifact" not in run.data.tags
    tracklet.pytorch.autolog(disable=True)


def test_rates_data_and_checkpoints_in_mlflows_layout_are_recorded(kit, record, tracklet_home):
    """The best by a monitor; each epoch's; each so many steps'."""
    tracklet.pytorch.autolog(log_models=False, checkpoint=True)
    trainer = kit.fitted(max_epochs=3)
    run = record.only()
    assert record.history(run, "lr") == [(1, 0.1), (9, 0.010000000000000002)]
    (data,) = run.inputs.dataset_inputs
    assert data.tags[0].value == "train"
    best = min(record.history(run, "val_loss"), key=lambda point: point[1])
    about = json.loads(
        record.artifact(run, "checkpoints/latest_checkpoint_metrics.json").read_text()
    )
    assert (about["global_step"], about["val_loss"]) == best
    assert about["epoch"] == best[0] // 4 - 1
    loaded = tracklet.pytorch.load_checkpoint(kit.Line, run.info.run_id)
    if best[0] == trainer.global_step:
        assert torch.equal(loaded.layer.weight, trainer.lightning_module.layer.weight)
    given = {"checkpoint": True, "checkpoint_save_best_only": False, "log_models": False}
    for freq, places in (
        ("epoch", ["epoch_0", "epoch_1"]),
        (3, ["global_step_3", "global_step_6"]),
    ):
        tracklet.pytorch.autolog(**given, checkpoint_save_freq=freq)
        kit.fitted()
        run = record.runs()[0]
        assert sorted(each.name for each in record.artifact(run, "checkpoints").iterdir()) == places
        assert run.data.tags["mlflow.latest_checkpoint_artifact"].endswith(
            f"{places[-1]}/checkpoint.pth"
        )
    again = kit.trainer(max_epochs=3)
    file = record.artifact(run, "checkpoints/global_step_6/checkpoint.pth")
    again.fit(kit.module(), kit.loader(), ckpt_path=str(file))
    assert again.global_step == 12
    tracklet.pytorch.autolog(disable=True)


@pytest.mark.parametrize(("every_epoch", "every_step"), [(1, 1), (1, 10), (2, 1)])
@pytest.mark.parametrize("optimizers", [1, 2])
def test_metrics_have_as_many_points_as_was_asked_for(
    kit, record, on, every_epoch, every_step, optimizers
):
    tracklet.pytorch.autolog(
        log_models=False,
        log_every_n_epoch=every_epoch,
        log_every_n_step=every_step,
    )
    kit.fitted(kit.module(optimizers=optimizers), max_epochs=4)
    run = record.only()
    for key in ("train_loss", "both_step"):
        assert len(steps(record, run, key)) == 16 // every_step
    for key in ("both_epoch", "mean", "val_loss", "late"):
        assert len(steps(record, run, key)) == 4 // every_epoch
    optimizer = "optimizer_1_name" if optimizers == 2 else "optimizer_name"
    assert run.data.params[optimizer] in ("SGD", "Adam")


def test_training_is_the_same_to_the_last_bit_and_nothing_is_left_behind(kit, tracklet_home):
    def trained():
        torch.manual_seed(3)
        module = kit.module()
        theirs = [kit.pl.callbacks.EarlyStopping("val_loss")]
        trainer = kit.trainer(callbacks=theirs, max_epochs=3)
        callbacks, held = trainer.callbacks, [*trainer.callbacks]
        trainer.fit(module, kit.loader(shuffle=True), kit.loader())
        assert trainer.callbacks is callbacks
        assert all(one is other for one, other in zip(callbacks, held, strict=True))
        assert not module._forward_hooks
        state = trainer.optimizers[0].state_dict()["state"]
        return (
            [each.clone() for each in module.state_dict().values()],
            [value for kept in state.values() for value in kept.values()],
            {key: float(value) for key, value in trainer.callback_metrics.items()},
            torch.get_rng_state().tolist(),
        )

    trained()
    plain = trained()
    handlers = [*logging.getLogger().handlers]
    tracklet.pytorch.autolog()
    try:
        watched = trained()
    finally:
        tracklet.pytorch.autolog(disable=True)
    assert all(map(torch.equal, plain[0], watched[0]))
    assert all(map(torch.equal, plain[1], watched[1]))
    assert plain[2:] == watched[2:]
    assert logging.getLogger().handlers == handlers


def test_each_fit_of_one_trainer_has_its_own_run(kit, record, on):
    trainer = kit.fitted(max_epochs=1)
    trainer.fit_loop.max_epochs = 2
    trainer.fit(trainer.lightning_module, kit.loader(), kit.loader())
    second, first = record.runs()
    assert steps(record, first, "val_loss") == [4]
    assert steps(record, second, "val_loss") == [8]
    assert second.data.params["epochs"] == "2"


def test_what_a_trainer_tests_after_its_fit_belongs_to_the_run_of_the_fit(kit, record, on):
    trainer = kit.fitted()
    ended = record.only().info.end_time
    trainer.test(trainer.lightning_module, kit.loader(), verbose=False)
    trainer.validate(trainer.lightning_module, kit.loader(), verbose=False)
    run = record.only()
    assert record.history(run, "test_loss") == [(8, record.history(run, "val_loss")[-1][1])]
    assert steps(record, run, "val_loss") == [4, 8, 8]
    assert run.data.tags["Mode"] == "testing"
    assert (run.info.status, run.info.end_time) == ("FINISHED", ended)


def test_a_test_without_a_fit_has_a_run_of_its_own_or_the_users(kit, record, on):
    kit.trainer().test(kit.module(), kit.loader(), verbose=False)
    assert steps(record, record.only(), "test_loss") == [0]
    with tracklet.start_run() as run:
        kit.trainer().test(kit.module(), kit.loader(), verbose=False)
    assert steps(record, run, "test_loss") == [0]
    assert len(record.runs()) == 2


@pytest.mark.parametrize(
    ("error", "status"), [(KeyError("theirs"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_fit_that_is_cut_off_keeps_what_there_was(kit, record, on, error, status, monkeypatch):
    # Lightning has the process ignore further interrupts.
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    class Failing(kit.pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.global_step == 6:
                raise error

    trainer = kit.trainer(callbacks=[Failing()], log_every_n_steps=1)
    with pytest.raises((KeyError, SystemExit)) as caught:
        trainer.fit(kit.module(), kit.loader(), kit.loader())
    assert status == "KILLED" or caught.value is error
    run = record.only()
    assert run.info.status == status
    assert steps(record, run, "train_loss") == [1, 2, 3, 4, 5, 6]
    assert all(type(each).__name__ != "Fit" for each in trainer.callbacks)


def test_stopping_early_without_checkpoints_is_no_failure(kit, record, on):
    tracklet.pytorch.autolog()
    stopping = kit.pl.callbacks.EarlyStopping("val_loss", patience=1, min_delta=100.0)
    kit.fitted(max_epochs=5, callbacks=[stopping])
    run = record.only()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["stopped_epoch"] == 1


def test_the_rules_of_plain_loops_are_off_while_a_trainer_drives(kit, record, on):
    with tracklet.start_run() as run:
        kit.fitted()
    found = tracklet.get_run(run.info.run_id).data
    assert not {"loss", "steps_per_second", "optimizer"} & {*found.metrics, *found.params}
    assert len(record.runs()) == 1


def test_a_callback_of_the_modules_own_is_kept_and_ours_is_not(kit, record, on):
    class Counting(kit.pl.Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer, module):
            self.epochs += 1

    counting = Counting()
    module = kit.module()
    module.configure_callbacks = lambda: [counting]
    trainer = kit.fitted(module)
    assert counting.epochs == 2
    assert trainer.callbacks == [counting]
    assert steps(record, record.only(), "val_loss") == [4, 8]


def test_what_a_tuner_tries_is_no_training(kit, record, on):
    tuner = kit.pl.tuner.Tuner(kit.trainer(max_epochs=1))
    module = kit.module()
    module.rate = 0.1
    tuner.lr_find(module, kit.loader(), attr_name="rate", num_training=5)
    assert record.runs() == []
