"""The examples run as they stand, and leave what they show."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

import tracklet

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras' own, of many kinds

EXAMPLES = Path(__file__).parents[3] / "examples" / "keras"
METRICS = {
    "functional": {"loss", "dear_accuracy", "test_loss", "learning_rate"},
    "subclassed": {"loss", "val_accuracy", "learning_rate"},
    "custom_train_step": {"loss", "sparsity"},
    "gradient_tape": {"loss", "train_loss", "epoch", "lr"},
    "early_stopping": {"loss", "val_loss", "accuracy"},
}


@pytest.mark.parametrize("name", METRICS)
def test_an_example_is_recorded(record, monkeypatch, name):
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    try:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        tracklet.autolog(disable=True)
    run = record.only()
    assert run.info.status == "FINISHED"
    assert METRICS[name] <= run.data.metrics.keys()
    if name == "custom_train_step":  # which never calls the model as a whole
        assert run.data.tags["tracklet.model"].startswith("left out: it was never called")
    else:
        assert run.outputs.model_outputs
    if name == "early_stopping":
        assert [step for step, _ in record.history(run, "val_loss")][-1] == 5
