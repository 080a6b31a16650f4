"""A plain PyTorch loop under autologging against the bare one: CPU microseconds per step.

SGD and Adam, with and without a look at the loss in each step (``loss.item()``), on data at hand
and from a ``DataLoader`` whose batches are made, and steps of three lengths: one line each. Many
short blocks of bare steps and of watched ones take turns within one process, and the least of each
counts: a block that something else slowed or interrupted says nothing of either. What a block is
too short to contain, the writing once a second, is added by what the run itself says it took; the
end of an epoch is no step's.

Run it as ``python benchmarks/bench_torch.py [ROUNDS [NAME …]]``: of these optimizers only.
"""

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

import tracklet

BLOCKS, SECONDS, BATCHES = 40, 0.005, 100
SIZES = {"200 µs": (32, 32), "1 ms": (1024, 160), "10 ms": (4096, 640)}
"""Samples in a batch and the network's width, by how long a step takes, nearly."""


def trainer(name: str, size: str, *, looks: bool, loads: bool) -> Callable[[int], None]:
    """A function that takes so many steps."""
    torch.manual_seed(0)
    samples, width = SIZES[size]
    batch = torch.randn(samples, 20), torch.randn(samples, 1)
    model = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 1))
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-3)
    loader: Any = DataLoader([batch] * BATCHES, batch_size=None)  # type: ignore[arg-type]

    def epochs() -> Iterator[Any]:
        while True:
            yield from loader

    batches: Iterator[Any] = epochs() if loads else itertools.repeat(batch)

    def train(steps: int) -> None:
        total = 0.0
        for x, y in itertools.islice(batches, steps):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if looks:
                total += loss.item()

    return train


def least(train: Callable[[int], None], steps: int) -> float:
    """The time of a step in the fastest block, in microseconds."""
    found = []
    for _ in range(BLOCKS):
        started = time.thread_time()
        train(steps)
        found.append(time.thread_time() - started)
    return min(found) / steps * 1e6


def compare(name: str, size: str, rounds: int, *, looks: bool, loads: bool) -> dict[str, Any]:
    """One line of the report."""
    train = trainer(name, size, looks=looks, loads=loads)
    train(20)
    started = time.thread_time()
    train(20)
    steps = max(1, round(SECONDS / ((time.thread_time() - started) / 20)))
    bare, watched, written = [], [], []
    for _ in range(rounds):
        bare.append(least(train, steps))
        tracklet.pytorch.autolog(silent=True, log_models=False)
        train(20)  # what is recorded once is not a step's, nor is the model
        watched.append(least(train, steps))
        tracklet.pytorch.autolog(disable=True)
        run = tracklet.search_runs(output_format="list", max_results=1)[0]
        spent = json.loads(run.data.tags["tracklet.overhead_ms"])["metrics"]
        written.append(spent * 1e3 / (steps * BLOCKS + 20))
    added = min(watched) - min(bare)
    return {
        "subject": "torch loop",
        "optimizer": name,
        "step": size,
        "looks": looks,
        "loader": loads,
        "bare_us_per_step": round(min(bare), 1),
        "watched_us_per_step": round(min(watched), 1),
        "added_us_per_step": round(added, 2),
        "written_us_per_step": round(min(written), 2),
        "added_percent": round(100 * (added + min(written)) / min(bare), 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    rounds, names = int(sys.argv[1]) if len(sys.argv) > 1 else 8, sys.argv[2:] or ["SGD", "Adam"]
    with tempfile.TemporaryDirectory() as place:
        tracklet.set_tracking_uri(place)
        for name, size in itertools.product(names, SIZES):
            for looks, loads in itertools.product((False, True), repeat=2):
                json.dump(compare(name, size, rounds, looks=looks, loads=loads), sys.stdout)
                print(flush=True)


main()
