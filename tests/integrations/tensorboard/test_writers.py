"""What a writer of TensorBoard's is told is in a run, to the last point."""

from __future__ import annotations

import importlib
import json

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("tensorboardX")

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tracklet

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["torch.utils.tensorboard", "tensorboardX"])
def writer_of(request, tracklet_home, monkeypatch, tmp_path):
    """Makes writers of either package; mirroring is on, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    module = importlib.import_module(request.param)
    tracklet.tensorboard.autolog(extra_tags={"team": "blue"})
    yield lambda name: module.SummaryWriter(str(tmp_path / name))
    tracklet.tensorboard.autolog(disable=True)


def told(writer):
    for step in range(5):
        writer.add_scalar("loss/train", torch.tensor(1.0 / (step + 1)), step, walltime=step)
    writer.add_scalars("both", {"a": 1.0, "b": 2}, 3)
    writer.add_hparams({"lr": 0.1, "kind": "sgd"}, {"score": 0.5})
    writer.add_text("note", "well", 2)
    writer.add_image("picture", torch.zeros(3, 4, 5), 1)
    writer.add_histogram("weights", torch.arange(10.0), 1)


def test_a_writer_has_a_run_of_its_own_which_ends_with_it(record, writer_of, tmp_path):
    first, second = writer_of("first"), writer_of("second")
    told(first)
    second.add_scalar("alone", 1.0)
    assert tracklet.active_run() is None
    first.close()
    second.close()
    (run,) = [each for each in record.runs() if "both/a" in each.data.metrics]
    assert len(record.runs()) == 2
    assert {each.info.status for each in record.runs()} == {"FINISHED"}
    assert run.data.tags["mlflow.autologging"] == "tensorboard"
    assert run.data.tags["team"] == "blue"
    expected = [(step, pytest.approx(1.0 / (step + 1))) for step in range(5)]
    assert record.history(run, "loss/train") == expected
    assert run.data.metrics["both/b"] == 2.0
    assert run.data.metrics["score"] == 0.5
    assert run.data.params == {"lr": "0.1", "kind": "sgd"}
    assert record.artifact(run, "texts/note/2.txt").read_text() == "well"
    counts = json.loads(record.artifact(run, "histograms/weights/1.json").read_text())["counts"]
    assert sum(counts) == 10
    assert record.files(run) == {"texts", "images", "histograms"}
    # And the writer has written what it ever wrote.
    events = EventAccumulator(str(tmp_path / "first")).Reload()
    assert [event.step for event in events.Scalars("loss/train")] == [*range(5)]


def test_a_writer_is_mirrored_into_the_users_run(record, writer_of):
    writer = writer_of("mine")
    with tracklet.start_run() as run:
        writer.add_scalar("loss", 0.5, 1)
        writer.close()
        assert tracklet.active_run() is not None
    assert record.history(run, "loss") == [(1, 0.5)]
    assert len(record.runs()) == 1
    with tracklet.autolog.disable_autologging():
        writer_of("muted").add_scalar("loss", 0.5, 2)
    tracklet.tensorboard.autolog(disable=True)
    writer_of("off").add_scalar("loss", 0.5, 2)
    assert len(record.runs()) == 1


def test_what_goes_wrong_in_mirroring_harms_no_writer(record, writer_of, monkeypatch):
    monkeypatch.delenv("TRACKLET_STRICT")
    writer = writer_of("odd")
    writer.add_hparams({"no key\n": 1}, {})
    with pytest.raises(Exception):  # noqa: B017, PT011 (the writer's own)
        writer.add_scalar("loss", "no number")
    writer.add_scalar("loss", 1.0, 1)
    writer.close()
    (run,) = record.runs()
    assert run.info.status == "FINISHED"
    assert record.history(run, "loss") == [(1, 1.0)]
