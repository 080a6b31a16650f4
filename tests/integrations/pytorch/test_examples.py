"""The scripts in examples/pytorch: what they print is on the record, and they train as they did."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tracklet
from tracklet.patching import injected

pytestmark = [
    pytest.mark.framework,
    pytest.mark.filterwarnings("ignore:.*lr_scheduler.step"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]

FOLDER = Path(__file__).parents[3] / "examples" / "pytorch"
SCRIPTS = sorted(each.stem for each in FOLDER.glob("*.py") if each.stem != "distributed")
# What a script says of the same number by another name of its own.
PRINTED = re.compile(r"(epoch|loss|lr/?\d?|skipped_steps|closure_evaluations|\w+_loss\S*) (\S+)")


def ran(script: str, place: Path) -> tuple[str, list[Any]]:
    """What a script prints, and all that it leaves: weights, states, generators."""
    path = FOLDER / f"{script}.py"
    place.mkdir(exist_ok=True)
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    printed, argv = io.StringIO(), sys.argv
    sys.argv = [str(path), str(place)]
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(path.read_text(), str(path), "exec"), names)
    finally:
        sys.argv = argv
    left: list[Any] = [random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[union-attr]
    left.append(torch.get_rng_state().tolist())
    for name, value in sorted(names.items()):
        if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
            left.append((name, flat(value.state_dict())))
    return printed.getvalue(), left


def flat(state: Any) -> list[Any]:
    """The numbers of a state dictionary."""
    return [*walked(state)]


def walked(state: Any) -> Iterator[Any]:
    if isinstance(state, dict):
        for value in state.values():
            yield from walked(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from walked(value)
    elif isinstance(state, torch.Tensor):
        yield state.tolist()
    elif isinstance(state, int | float):
        yield state


def told(printed: str) -> dict[str, list[float]]:
    """The numbers that a script prints, by key."""
    found: dict[str, list[float]] = {}
    for key, value in PRINTED.findall(printed):
        found.setdefault(key, []).append(float(value))
    return found


def changes(values: list[float]) -> list[float]:
    return [each for at, each in enumerate(values) if not at or each != values[at - 1]]


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_it_prints_is_recorded_and_nothing_else_is_changed(
    script: str, record: Any, tmp_path: Path
) -> None:
    """Bare, watched, and watched while every internal step of ours fails: the same to the bit."""
    bare = ran(script, tmp_path / "bare")
    tracklet.pytorch.autolog(checkpoint=False)
    watched = ran(script, tmp_path / "watched")
    tracklet.pytorch.autolog(disable=True)
    assert watched == bare
    run = record.only()
    for key, values in told(bare[0]).items():
        recorded = [value for _, value in record.history(run, key)]
        expected = changes(values) if key.startswith("lr") else values
        assert recorded == pytest.approx(expected, rel=1e-4, abs=2e-6), key

    def failing(place: str) -> None:
        raise RuntimeError(place)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tracklet.patching.faults._listening.strict", bool)
        tracklet.pytorch.autolog(silent=True)
        with injected(failing):
            assert ran(script, tmp_path / "failing") == bare
        tracklet.pytorch.autolog(disable=True)


def test_what_goes_on_prints_and_records_the_rest(record: Any, tmp_path: Path) -> None:
    """Started again, a script's epochs have the numbers that it counts on with."""
    command = [sys.executable, str(FOLDER / "resume.py"), str(tmp_path), "2"]
    subprocess.run(command, check=True, capture_output=True)
    tracklet.pytorch.autolog(checkpoint=False)
    printed, _ = ran("resume", tmp_path)
    tracklet.pytorch.autolog(disable=True)
    run = record.only()
    assert told(printed)["epoch"] == [3, 4]
    assert record.history(run, "epoch") == [(4, 3), (8, 4)]


def test_of_two_processes_the_first_records(record: Any, tracklet_home: Path) -> None:
    """By torchrun: the script's output is what it is without us, and there is one run."""
    script = FOLDER / "distributed.py"
    launched = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python"]
    launched += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    found = [
        subprocess.run(
            [sys.executable, *launched, sys.executable, *how, str(script)],
            cwd=tracklet_home,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for how in ([], ["-m", "tracklet", "run", "--autolog"])
    ]
    assert found[0] == found[1]
    run = record.only()
    printed = told(found[0])
    for key in ("epoch", "train_loss"):
        assert [value for _, value in record.history(run, key)] == pytest.approx(
            printed[key], abs=2e-6
        )
