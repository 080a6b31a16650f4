"""What Hugging Face's trainer leaves on the record, and what it does not touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import ClassVar

import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
import transformers

import tracklet
from tracklet.testing import IntegrationContract

pytestmark = pytest.mark.filterwarnings("ignore")  # the trainer's own, of many kinds

TRAINING = """
def of_trainer(callbacks=None, model=None, **settings):
    import os
    import tempfile

    import torch
    import transformers

    class Ordered(transformers.Trainer):
        # Threads that train at the same time share the global generator.
        def _get_train_sampler(self, *args):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    config = transformers.BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, **(model or {}),
    )
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification(config)
    for each in network.parameters():
        each.data = torch.arange(each.numel(), dtype=each.dtype).sin().reshape(each.shape)
    rows = [
        {"input_ids": torch.arange(n, n + 8) % 30, "labels": torch.tensor(n % 2)}
        for n in range(8)
    ]
    usual = {
        "output_dir": os.path.join(tempfile.gettempdir(), "tracklet-trainer"),
        "num_train_epochs": 2, "per_device_train_batch_size": 4, "logging_steps": 1,
        "eval_strategy": "epoch", "save_strategy": "no", "report_to": [], "use_cpu": True,
        "disable_tqdm": True, "seed": 1,
    }
    trainer = (Ordered if model else transformers.Trainer)(
        model=network,
        args=transformers.TrainingArguments(**{**usual, **settings}),
        train_dataset=rows, eval_dataset=rows, callbacks=callbacks,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer, rows
"""
names: dict = {}
exec(TRAINING, names)
of_trainer = names["of_trainer"]


@pytest.fixture
def on(tracklet_home, monkeypatch):
    """Autologging is on, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.transformers.autolog()
    tracklet.pytorch.autolog()
    yield
    tracklet.autolog(disable=True)


def test_a_training_is_recorded_by_what_the_trainer_says(record, on, tmp_path):
    trainer, rows = of_trainer(
        output_dir=str(tmp_path / "out"),
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        hub_token="hf_secret",
        run_name="tiny",
    )
    trainer.train()
    run = record.only()
    assert (run.info.run_name, run.info.status) == ("tiny", "FINISHED")
    assert run.data.tags["mlflow.autologging"] == "transformers"
    logged = [each for each in trainer.state.log_history if "loss" in each]
    assert record.history(run, "loss") == [(each["step"], each["loss"]) for each in logged]
    assert [step for step, _ in record.history(run, "learning_rate")] == [1, 2, 3, 4]
    assert [step for step, _ in record.history(run, "eval_loss")] == [2, 4]
    for key in ("train_runtime", "train_samples_per_second", "train_loss", "total_flos", "epoch"):
        assert key in run.data.metrics
    params = run.data.params
    assert params["num_train_epochs"] == "2"
    assert params["hidden_size"] == "8"
    assert params["model"] == "BertForSequenceClassification"
    assert int(params["parameters"]) == sum(each.numel() for each in trainer.model.parameters())
    assert not any("hf_secret" in value for value in params.values())
    assert not any(key.endswith("_token") for key in params)
    # Not by the rules of plain loops as well.
    assert not {"lr", "steps_per_second", "val_loss"} & run.data.metrics.keys()
    tags = run.data.tags
    assert tags["checkpoint.best_model_path"] == trainer.state.best_model_checkpoint
    assert tags["checkpoint.last_model_path"] == str(tmp_path / "out" / "checkpoint-4")
    assert tags["checkpoint.monitor"] == "eval_loss"
    assert run.data.metrics["best_metric"] == trainer.state.best_metric
    assert record.files(run) == {"model_summary.txt"}
    # What is evaluated later belongs there, too.
    ended = run.info.end_time
    trainer.evaluate(metric_key_prefix="later")
    trainer.predict(rows)
    run = record.only()
    assert run.info.end_time == ended
    assert {"later_loss", "test_loss"} <= run.data.metrics.keys()


def test_a_model_answers_by_the_names_of_its_inputs(record, on):
    """Its signature has no labels; what is evaluated before any training has a run of its own."""
    tracklet.transformers.autolog(log_models=True, log_model_signatures=True)
    trainer, rows = of_trainer()
    trainer.evaluate()
    trainer.train()
    run, evaluated = record.runs()
    assert set(evaluated.data.metrics) >= {"eval_loss"}
    assert "loss" not in evaluated.data.metrics
    loaded = tracklet.pyfunc.load_model(f"models:/{record.logged(run).model_id}")
    signature = loaded.metadata.signature
    assert [(each.name, each.shape) for each in signature.inputs] == [("input_ids", (-1, 8))]
    assert [(each.name, each.shape) for each in signature.outputs] == [("logits", (-1, 2))]
    asked = torch.stack([row["input_ids"] for row in rows])
    expected = trainer.model.eval()(input_ids=asked).logits.detach().numpy()
    assert (loaded.predict({"input_ids": asked.numpy()})["logits"] == expected).all()


def test_training_is_the_same_to_the_last_bit_and_nothing_is_left_behind(tracklet_home):
    def trained():
        trainer, _ = of_trainer()
        callbacks, held = trainer.callback_handler.callbacks, [*trainer.callback_handler.callbacks]
        trainer.train()
        assert trainer.callback_handler.callbacks is callbacks
        assert callbacks == held
        kept = trainer.optimizer.state_dict()["state"]
        return (
            [each.clone() for each in trainer.model.state_dict().values()],
            [value for state in kept.values() for value in state.values()],
            [each.get("loss") for each in trainer.state.log_history],
            torch.get_rng_state().tolist(),
        )

    trained()
    plain = trained()
    tracklet.autolog(log_models=False)
    try:
        watched = trained()
    finally:
        tracklet.autolog(disable=True)
    assert all(map(torch.equal, plain[0], watched[0]))
    assert all(map(torch.equal, plain[1], watched[1]))
    assert plain[2:] == watched[2:]


@pytest.mark.parametrize(("kind", "status"), [(KeyError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_training_that_is_cut_off_keeps_what_there_was(record, on, kind, status):
    class Failing(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise kind("theirs")

    trainer, _ = of_trainer([Failing()])
    with pytest.raises(kind, match="theirs"):
        trainer.train()
    run = record.only()
    assert run.info.status == status
    assert [step for step, _ in record.history(run, "loss")] == [1, 2]


def test_a_model_is_logged_if_that_is_wanted(record, on):
    tracklet.transformers.autolog(log_models=True)
    with tracklet.start_run():
        of_trainer()[0].train()
    model = record.logged(record.only())
    loaded = tracklet.pytorch.load_model(f"models:/{model.model_id}")
    assert type(loaded).__name__ == "BertForSequenceClassification"
    assert "eval_loss" in {each.key for each in model.metrics}


THEIRS = (
    TRAINING
    + """
import tracklet

tracklet.as_mlflow()
tracklet.transformers.autolog()
import mlflow

trainer, _ = of_trainer(report_to="mlflow")
trainer.train()
assert any(type(each).__name__ == "MLflowCallback" for each in trainer.callback_handler.callbacks)
trainer.evaluate()
"""
)


def test_its_own_callback_for_mlflow_steps_aside(tracklet_home, record):
    asked = {"TRACKLET_STRICT": "1", "MLFLOW_TAGS": json.dumps({"team": "blue"})}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIRS],
        check=True,
        cwd=tracklet_home,
        env={**os.environ, **asked},
    )
    run = record.only()
    assert run.info.status == "FINISHED"
    assert run.data.tags["team"] == "blue"
    assert [step for step, _ in record.history(run, "loss")] == [1, 2, 3, 4]
    assert [step for step, _ in record.history(run, "eval_loss")] == [2, 4, 4]


class TestTransformers(IntegrationContract):
    name = "transformers"
    modules = ("transformers",)
    targets = ("transformers.trainer:Trainer.train",)
    orderings: ClassVar = {"enable import": True, "generic import": True}
    # It logs how long it took, and another process adds up in another order.
    test_a_database_keeps_of_a_training_what_a_folder_keeps = None
    test_workers_that_are_processes_record_nothing = None
    # accelerate's state is the process's: making a trainer takes it from one that trains beside.
    test_tasks_of_an_event_loop_record_a_run_each = None
    test_workers_that_are_threads_record_a_run_each = None
    training = (
        TRAINING
        + """

def train():
    steady = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    trainer, _ = of_trainer(model=steady, num_train_epochs=1, eval_strategy="no")
    trainer.train()
    learned = [each.detach().numpy().tobytes() for each in trainer.model.parameters()]
    return learned, [each.get("loss") for each in trainer.state.log_history]


def fail(error):
    import transformers

    class Raising(transformers.TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            raise error

    of_trainer([Raising()])[0].train()
"""
    )

    def test_two_threads_record_a_run_each(self, tracklet_home, enabled):
        """Trainers that were made before train at the same time, each into its own run."""
        trainers = [of_trainer(output_dir=str(tracklet_home / name))[0] for name in "ab"]
        threads = [threading.Thread(target=trainer.train) for trainer in trainers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = sorted(run.data.params["output_dir"] for run in self.runs())
        assert found == [trainer.args.output_dir for trainer in trainers]
        assert all(run.info.status == "FINISHED" for run in self.runs())
