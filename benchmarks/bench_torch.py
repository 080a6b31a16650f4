"""A plain PyTorch loop under autologging against the bare one: CPU microseconds per step.

Many short blocks of bare steps and of watched ones take turns within one process, and the least of
each counts: a block that something else slowed or interrupted says nothing of either. What a block
is too short to contain, the writing once a second, is added by what the run itself says it took.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from torch import nn

import tracklet

ROUNDS, BLOCKS, STEPS = 8, 60, 20


def trainer(width: int) -> Callable[[int], None]:
    """A function that takes so many steps."""
    torch.manual_seed(0)
    x, y = torch.randn(32, 20), torch.randn(32, 1)
    model = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()

    return train


def least(train: Callable[[int], None]) -> float:
    """The time of a step in the fastest block."""
    found = []
    for _ in range(BLOCKS):
        started = time.thread_time()
        train(STEPS)
        found.append(time.thread_time() - started)
    return min(found) / STEPS * 1e6


def main() -> None:
    torch.set_num_threads(1)
    train = trainer(32)
    train(500)
    bare, watched, written = [], [], []
    with tempfile.TemporaryDirectory() as place:
        tracklet.set_tracking_uri(place)
        for _ in range(ROUNDS):
            bare.append(least(train))
            tracklet.pytorch.autolog(silent=True, log_models=False)
            train(STEPS)  # what is recorded once is not a step's, nor is the model
            watched.append(least(train))
            tracklet.pytorch.autolog(disable=True)
            run = tracklet.search_runs(output_format="list", max_results=1)[0]
            spent = json.loads(run.data.tags["tracklet.overhead_ms"])["metrics"]
            written.append(spent * 1e3 / (STEPS * (BLOCKS + 1)))
    added = min(watched) - min(bare)
    found = {
        "subject": "torch loop",
        "bare_us_per_step": round(min(bare), 1),
        "watched_us_per_step": round(min(watched), 1),
        "added_us_per_step": round(added, 2),
        "written_us_per_step": round(min(written), 2),
        "added_percent": round(100 * (added + min(written)) / min(bare), 1),
    }
    json.dump(found, sys.stdout)
    print()


main()
