"""Checkpoints that autologging writes for a loop, and how the loop goes on from one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.integrations.pytorch.conftest import X, Y, loader
from torch import nn

import tracklet
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException


class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        layers = [nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(), nn.Linear(width, 1)]
        super().__init__(*layers)


class Script:
    """A training as people write it: data in random order, dropout, a schedule, an evaluation."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        self.model = Net()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 1, 0.5)
        self.train, self.valid = loader(shuffle=True), loader()
        self.seen: list[Any] = []

    def run(self, epochs: range) -> None:
        model, optimizer, schedule = self.model, self.optimizer, self.schedule
        for _ in epochs:
            model.train()
            for x, y in self.train:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x) * random.random(), y)
                loss.backward()
                optimizer.step()
                self.seen.append((loss.item(), float(np.random.random())))
            model.eval()
            with torch.no_grad():
                losses = [nn.functional.mse_loss(model(x), y).item() for x, y in self.valid]
            self.seen.append(sum(losses) / len(losses))
            schedule.step()

    def restore(self, **where: Any) -> Any:
        return tracklet.pytorch.restore_checkpoint(
            model=self.model, optimizer=self.optimizer, scheduler=self.schedule, **where
        )


@pytest.fixture
def autolog(tracklet_home: Path) -> Iterator[Any]:
    yield lambda **options: tracklet.pytorch.autolog(checkpoint=True, **options)
    tracklet.pytorch.autolog(disable=True)


def paths(run: Any) -> list[str]:
    client, found, waiting = tracklet.MlflowClient(), [], ["checkpoints"]
    while waiting:
        for each in client.list_artifacts(run.info.run_id, waiting.pop()):
            (waiting if each.is_dir else found).append(each.path)
    return sorted(path.removeprefix("checkpoints/") for path in found)


def test_a_training_goes_on_to_the_bit(autolog: Any, record: Any) -> None:
    """From a checkpoint of any epoch: losses, order of data, dropout, rates as without a stop."""
    whole = Script()
    whole.run(range(4))
    autolog(checkpoint_save_best_only=False)
    watched = Script()
    with tracklet.start_run():
        watched.run(range(4))
    assert watched.seen == whole.seen
    run = record.only()
    assert paths(run) == sorted(
        f"epoch_{epoch}/{name}"
        for epoch in range(4)
        for name in ("checkpoint.pth", "checkpoint_metrics.json")
    )
    latest = run.data.tags["mlflow.latest_checkpoint_artifact"]
    assert latest == "checkpoints/epoch_3/checkpoint.pth"
    for epoch in range(3):
        later = Script()
        state = later.restore(run_id=run.info.run_id, epoch=epoch)
        assert state == {"epoch": epoch, "global_step": 4 * (epoch + 1)}
        later.run(range(epoch + 1, 4))
        assert later.seen == whole.seen[5 * (epoch + 1) :]
        for one, other in zip(
            later.model.state_dict().values(), whole.model.state_dict().values(), strict=True
        ):
            assert torch.equal(one, other)
    assert Script().restore(run_id=run.info.run_id)["epoch"] == 3
    one = tracklet.pytorch.load_checkpoint(Net, run.info.run_id, global_step=None, epoch=3)
    assert torch.equal(one.state_dict()["0.weight"], whole.model.state_dict()["0.weight"])


def test_only_the_best_and_only_weights(autolog: Any, record: Any) -> None:
    """Under MLflow's names; what is not there says so."""
    autolog(checkpoint_monitor="train_loss", checkpoint_save_weights_only=True)
    script = Script()
    with tracklet.start_run():
        script.run(range(2))
        script.optimizer.param_groups[0]["lr"] = 50.0
        script.run(range(2))
    run = record.only()
    assert paths(run) == ["latest_checkpoint.weights.pth", "latest_checkpoint_metrics.json"]
    facts = json.loads(
        record.artifact(run, "checkpoints/latest_checkpoint_metrics.json").read_text()
    )
    losses = record.history(run, "train_loss")
    step, least = min(losses, key=lambda point: point[1])
    assert facts["train_loss"] == least
    assert (facts["global_step"], facts["epoch"]) == (step, step // 4 - 1)
    run_id = run.info.run_id
    load = tracklet.pytorch.load_checkpoint
    assert isinstance(load(Net, run_id), Net)
    assert isinstance(load(Net, run_id, global_step=step), Net)
    with pytest.raises(ResourceDoesNotExist, match=r"no checkpoint epoch_7; it has"):
        load(Net, run_id, epoch=7)
    with pytest.raises(InvalidParameterValue, match="Only one of epoch and global_step"):
        load(Net, run_id, epoch=1, global_step=4)
    with pytest.raises(TrackletException, match="not of this model"):
        load(Net, run_id, kwargs={"width": 5})
    with pytest.raises(InvalidParameterValue, match=r"state of 0 optimizer"):
        Script().restore(run_id=run_id)
    with pytest.raises(InvalidParameterValue, match="random_states=False"):
        tracklet.pytorch.restore_checkpoint(run_id, Net())
    with pytest.raises(InvalidParameterValue, match="no active run"):
        load(Net)


def test_every_so_many_steps(autolog: Any, record: Any) -> None:
    """Before the next step; of several nets all, and without an evaluation no best."""
    autolog(checkpoint_save_freq=2, checkpoint_save_best_only=False)
    one, two = nn.Linear(3, 3), nn.Linear(3, 1)
    first = torch.optim.SGD(one.parameters(), lr=0.1)
    second = torch.optim.SGD(two.parameters(), lr=0.1, momentum=0.9)
    kept = {}
    with tracklet.start_run():
        for step in range(1, 6):
            for optimizer in (first, second):
                optimizer.zero_grad()
                nn.functional.mse_loss(two(one(X)), Y).backward()
                optimizer.step()
            kept[step] = one.weight.detach().clone(), two.weight.detach().clone()
    run = record.only()
    assert {each.partition("/")[0] for each in paths(run)} == {"global_step_2", "global_step_4"}
    blank = nn.Linear(3, 3), nn.Linear(3, 1)
    optimizers = [torch.optim.SGD(each.parameters(), momentum=0.9) for each in blank]
    state = tracklet.pytorch.restore_checkpoint(run.info.run_id, blank, optimizers, global_step=4)
    assert state == {"epoch": -1, "global_step": 4}
    assert torch.equal(blank[0].weight, kept[4][0])
    assert torch.equal(blank[1].weight, kept[4][1])


def test_what_there_is_not_says_so(autolog: Any, record: Any, caplog: Any) -> None:
    """No metric to tell the best by; no checkpoint in a run; options that are none."""
    autolog(checkpoint_monitor="accuracy")
    with tracklet.start_run():
        Script().run(range(2))
    run = record.only()
    assert caplog.text.count("Checkpoint logging is skipped, because the metric 'accuracy'") == 1
    assert "accuracy" in run.data.tags["tracklet.pytorch.checkpoint"]
    with pytest.raises(ResourceDoesNotExist, match="There is no logged checkpoint artifact"):
        Script().restore(run_id=run.info.run_id)
    assert Script().restore(run_id=run.info.run_id, missing_ok=True) is None
    wrong: dict[str, Any]
    for wrong in (
        {"checkpoint_mode": "up"},
        {"checkpoint_save_freq": 0},
        {"checkpoint_save_freq": "batch"},
        {"checkpoint_monitor": ""},
    ):
        with pytest.raises(InvalidParameterValue, match=next(iter(wrong))):
            tracklet.pytorch.autolog(**wrong)
