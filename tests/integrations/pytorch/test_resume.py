"""A training that is killed goes on in its run: each series has one value per step."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracklet

pytest.importorskip("torch")

SCRIPT = """
import os, signal, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
import tracklet

kind, steps, epochs = sys.argv[1], int(os.environ.get("KILLED_AT", "-1")), 6
tracklet.pytorch.autolog(checkpoint=kind == "ours", checkpoint_save_best_only=False)
if kind == "ours":
    run = tracklet.start_run()
torch.manual_seed(0)
data = TensorDataset(torch.arange(24.0).reshape(8, 3).sin(), torch.arange(8.0)[:, None].cos())
loader = DataLoader(data, batch_size=2, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
first = 0
if kind == "ours":
    state = tracklet.pytorch.restore_checkpoint(None, model, optimizer, missing_ok=True)
    first = state["epoch"] + 1 if state else 0
elif os.path.exists("last.pt"):
    state = torch.load("last.pt")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    first = state["epoch"] + 1
for epoch in range(first, epochs):
    for x, y in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "ours":
        tracklet.log_metric("accuracy", epoch / 10, step=epoch)
    else:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state | {"random": torch.get_rng_state()}, "new.pt")
        os.replace("new.pt", "last.pt")
"""


def run(folder: Path, kind: str, killed_at: int | None) -> int:
    """Run the script in a folder, and kill it after so many steps."""
    environment = {**os.environ, "TRACKLET_TRACKING_URI": str(folder / "mlruns")}
    if killed_at is not None:
        environment["KILLED_AT"] = str(killed_at)
    command = [sys.executable, "-m", "tracklet", "run", "--resume", "script.py", kind]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def series(folder: Path) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    client = tracklet.MlflowClient(str(folder / "mlruns"))
    (found,) = client.search_runs(["0"])
    histories = {}
    for key in found.data.metrics:
        points = client.get_metric_history(found.info.run_id, key)
        assert len({each.step for each in points}) == len(points), key
        if key in ("loss", "train_loss", "epoch", "accuracy"):  # the others measure time, or sample
            histories[key] = [(each.step, each.value) for each in points]
    return found, histories


@pytest.mark.parametrize(("kind", "count"), [("theirs", 2), ("ours", 1)])
def test_a_killed_training_has_one_value_per_step(kind: str, count: int, tmp_path: Path) -> None:
    """Killed at random steps and gone on with, the curves are those of a run without a stop."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)
    assert run(whole, kind, None) == 0
    chance = random.Random(f"{kind} {os.environ.get('SEED', '1')}")
    stops = [chance.randint(2, 12) for _ in range(count)]
    for steps in stops:
        assert run(killed, kind, steps) == -9
    assert run(killed, kind, None) == 0
    _, expected = series(whole)
    found, histories = series(killed)
    assert found.info.status == "FINISHED"
    assert histories == expected, stops
    assert [step for step, _ in histories["loss"]] == list(range(1, 25))
    assert len(histories) == (4 if kind == "ours" else 3)
    attempts = json.loads(found.data.tags["tracklet.attempts"])
    assert [each.get("status") for each in attempts] == ["KILLED"] * count + [None]
    assert all("from" in each for each in attempts[1:])
    client = tracklet.MlflowClient(str(killed / "mlruns"))
    kept = client.list_artifacts(found.info.run_id, "superseded")
    total = 0
    for each in kept:
        total += (
            Path(client.download_artifacts(found.info.run_id, each.path)).read_text().count("\n")
            - 1
        )
    assert total == sum(each["superseded"] for each in attempts[1:])
