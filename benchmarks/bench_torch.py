"""A plain PyTorch loop under autologging against the bare one: CPU microseconds per step.

Blocks of bare and watched steps take turns within one process, so that a machine that gets slower
or busier slows both. Each block's time includes what is written in it, and the end of its run.
"""

import json
import statistics
import sys
import tempfile
import time

import torch
from torch import nn

import tracklet

BLOCKS, STEPS = 10, 500


def trainer(width: int) -> object:
    """A function that takes so many steps, with an epoch each 100."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(32 * 100, 20), torch.randn(32 * 100, 1)
    data = torch.utils.data.TensorDataset(inputs, targets)
    model = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batches = list(torch.utils.data.DataLoader(data, batch_size=32))

    def train(steps: int) -> None:
        for step in range(steps):
            x, y = batches[step % 100]
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()

    return train


def main() -> None:
    torch.set_num_threads(1)
    train = trainer(32)
    train(STEPS)
    taken: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as place:
        tracklet.set_tracking_uri(place)
        for block in range(2 * BLOCKS):
            watched = block % 2 == 1
            if watched:
                tracklet.pytorch.autolog(silent=True, log_models=False)
                train(1)  # what is recorded once is not a step's, nor is the model
            started = time.process_time()
            train(STEPS)
            if watched:
                tracklet.pytorch.autolog(disable=True)
            taken[watched].append((time.process_time() - started) / STEPS * 1e6)
    bare, seen = (statistics.median(taken[each]) for each in (False, True))
    added = [one - other for one, other in zip(taken[True], taken[False], strict=True)]
    found = {
        "subject": "torch loop",
        "bare_us_per_step": round(bare, 1),
        "watched_us_per_step": round(seen, 1),
        "added_us_per_step": round(statistics.median(added), 2),
        "added_percent": round(100 * statistics.median(added) / bare, 1),
    }
    json.dump(found, sys.stdout)
    print()


main()
