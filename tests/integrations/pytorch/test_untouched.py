"""What is watched is left as it was: numbers, objects, compilers, pickles, memory."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.integrations.pytorch.conftest import X, Y, loader, network
from torch import nn

import tracklet
from tracklet_integrations.pytorch.loop import MAX_EVENTS


def learned(workers: int = 0) -> list[Any]:
    """All that a training leaves: weights, states, losses, random states, the data's order."""
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    seen: list[Any] = []
    for _ in range(4):
        model.train()
        for x, y in loader(shuffle=True, num_workers=workers):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seen += [loss.item(), x.flatten().tolist()]
        schedule.step()
        model.eval()
        with torch.no_grad():
            seen.append(nn.functional.mse_loss(model(X), Y).item())
    kept = [*model.state_dict().values(), *optimizer.state_dict()["state"][0].values()]
    seen += [each.tolist() for each in kept if isinstance(each, torch.Tensor)]
    seen += [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[union-attr]
    return seen


def test_a_training_is_the_same_to_the_bit(tracklet_home: Path) -> None:
    """With and without autologging, and after it is off again."""
    bare = learned()
    tracklet.pytorch.autolog()
    assert learned() == bare
    tracklet.pytorch.autolog(disable=True)
    assert learned() == bare
    assert len(tracklet.search_runs(output_format="list")) == 1


def test_what_a_loop_keeps_of_its_own_names_stays(tracklet_home: Path) -> None:
    """Scripts keep their settings by ``locals()``, which until Python 3.13 a frame shares."""
    tracklet.pytorch.autolog()

    def train(rate: float, epochs: int) -> dict[str, Any]:
        settings = locals()
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        for _ in range(epochs):
            for x, y in loader():
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
        return settings

    kept = train(0.1, 2)
    assert (kept["rate"], kept["epochs"]) == (0.1, 2)


def test_off_means_gone(tracklet_home: Path) -> None:
    """Every function is the very object that it was, and torch knows of no hook."""
    from torch.optim import optimizer
    from torch.utils.data import dataloader

    def found() -> list[Any]:
        return [
            torch.autograd.backward,
            *(getattr(torch.Tensor, name) for name in ("item", "tolist", "numpy", "__float__")),
            nn.Module.train,
            optimizer.Optimizer.zero_grad,
            dataloader._SingleProcessDataLoaderIter._next_data,
            dataloader._MultiProcessingDataLoaderIter._next_data,
            torch.amp.grad_scaler.GradScaler.scale,
            torch.amp.grad_scaler.GradScaler.step,
            dict(optimizer._global_optimizer_post_hooks),
        ]

    before = found()
    tracklet.pytorch.autolog()
    assert all(one is not other for one, other in zip(before, found(), strict=True))
    tracklet.pytorch.autolog(disable=True)
    assert all(a is b or a == b == {} for a, b in zip(before, found(), strict=True))


@pytest.mark.usefixtures("watched")
def test_a_fault_of_ours_is_counted_and_harms_nothing(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every door: the training goes on to the same numbers."""
    from tracklet_integrations.pytorch.loop import Loop

    bare = None
    for door in ("backward", "zero", "step", "batch", "exhausted"):

        def broken(*_: Any) -> None:
            raise RuntimeError("ours")

        with monkeypatch.context() as patched:
            patched.setattr(Loop, door, broken)
            patched.setattr("tracklet.patching.faults._listening.strict", bool)
            found = learned()
        bare = found if bare is None else bare
        assert found == bare


@pytest.mark.usefixtures("in_run")
@pytest.mark.parametrize("most", [256, pytest.param(MAX_EVENTS, marks=pytest.mark.exhaustive)])
def test_nothing_of_the_users_is_kept_alive(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Models, optimizers and graphs go when the user lets go of them; memory stays flat."""
    monkeypatch.setattr("tracklet_integrations.pytorch.loop.MAX_EVENTS", most)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())

    def train(steps: int, model: Any, optimizer: Any) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(X), Y).backward()
            optimizer.step()

    train(5, model, optimizer)
    before = tensors()
    objects = len(gc.get_objects())
    train(5 * most // 2, model, optimizer)  # more than may wait, if each left one object
    assert tensors() == before
    assert len(gc.get_objects()) < objects + 2 * most  # what is not written yet
    del model, optimizer
    assert tensors() < before


@pytest.mark.usefixtures("in_run")
def test_wrappers_of_tensors_and_tracers_are_left_alone() -> None:
    """torch.func, fx, FakeTensor and activation checkpointing see what they always saw."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parameters = dict(model.named_parameters())

    def loss_of(given: Any) -> Any:
        return torch.func.functional_call(model, given, (X,)).mean()

    gradients = torch.func.grad(loss_of)(parameters)
    assert gradients.keys() == parameters.keys()
    traced = torch.fx.symbolic_trace(nn.Sequential(network(), nn.Tanh()))
    assert next(node.op for node in traced.graph.nodes) == "placeholder"
    with torch._subclasses.FakeTensorMode():
        fake = nn.Linear(3, 1)
        fake(torch.ones(2, 3)).sum().backward()
    optimizer.zero_grad()
    inner = torch.utils.checkpoint.checkpoint(model, X.requires_grad_(), use_reentrant=True)
    inner.mean().backward()
    optimizer.step()
    X.requires_grad_(False)
    X.grad = None


@pytest.mark.usefixtures("watched")
@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_scripts_pickles_and_copies_work(tmp_path: Path) -> None:
    """What people do with modules, optimizers and the functions of torch that are watched."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.jit.script(model)
    torch.jit.trace(model, X)
    torch.export.export(model, (X,))
    for each in (model, optimizer, torch.autograd.backward, torch.amp.GradScaler("cpu")):
        pickle.loads(pickle.dumps(each))
    copy.deepcopy(optimizer)
    assert torch.autograd.backward.__name__ == "backward"
    assert "tensors" in str(__import__("inspect").signature(torch.autograd.backward))


@pytest.mark.usefixtures("watched")
def test_warnings_name_the_users_line() -> None:
    """No frame of ours stands between a script and what warns it."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        schedule.step()
        optimizer.step()
    assert caught
    assert {warning.filename for warning in caught} & {__file__} or all(
        "tracklet" not in warning.filename for warning in caught
    )


@pytest.mark.usefixtures("watched")
def test_activation_checkpointing_is_one_backward(record: Any) -> None:
    """The backward inside of a backward is a part of it, whichever way it is computed."""
    for reentrant in (True, False):
        with tracklet.start_run():
            model = network()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            given = X.clone().requires_grad_()
            for _ in range(2):
                optimizer.zero_grad()
                torch.utils.checkpoint.checkpoint(
                    model, given, use_reentrant=reentrant
                ).mean().backward()
                optimizer.step()
    for run in record.runs():
        assert [step for step, _ in record.history(run, "loss")] == [1, 2]
        assert run.data.params["accumulation"] == "1"


SCRIPT = """
import sys, torch, torch.multiprocessing
from torch import nn
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = model(torch.ones(4, 3)).square().mean()
    loss.backward()
    optimizer.step()
if sys.argv[1:] == ["raise"]:
    raise KeyError("mine")
"""


@pytest.mark.framework
@pytest.mark.parametrize(("how", "status"), [("", "FINISHED"), ("raise", "FAILED")])
def test_a_script_is_a_run_that_ends_as_it_does(
    how: str, status: str, tracklet_home: Path, record: Any
) -> None:
    """Unchanged, under ``tracklet run --autolog``."""
    (tracklet_home / "train.py").write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "-m", "tracklet", "run", "--autolog", "train.py", *how.split()],
        cwd=tracklet_home,
        capture_output=True,
    )
    run = record.only()
    assert run.info.status == status
    assert [step for step, _ in record.history(run, "loss")] == [1, 2, 3]


COUNTERS = """
import sys, torch
from torch import nn
from torch._dynamo.utils import counters
import tracklet
if sys.argv[1] == "watched":  # describing data imports, and frames of that are counted too
    tracklet.pytorch.autolog(log_datasets=False)

torch.manual_seed(0)
X, Y = torch.randn(8, 3), torch.randn(8, 1)

def parts():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)

def plain(model, optimizer, schedule, loss_of):
    optimizer.zero_grad()
    loss = loss_of(model(X), Y)
    loss.backward()
    optimizer.step()
    schedule.step()
    return loss

def compiled_model():
    model, optimizer, schedule = parts()
    fast = torch.compile(model, backend="aot_eager")
    for _ in range(8):
        plain(fast, optimizer, schedule, nn.functional.mse_loss)

def compiled_loss():
    model, optimizer, schedule = parts()
    fast = torch.compile(nn.functional.mse_loss, backend="aot_eager")
    for _ in range(8):
        plain(model, optimizer, schedule, fast)

def compiled_step():
    model, optimizer, schedule = parts()
    fast = torch.compile(plain, backend="aot_eager")
    for _ in range(8):
        fast(model, optimizer, schedule, nn.functional.mse_loss)

def compiled_item():
    model, optimizer, schedule = parts()
    fast = torch.compile(lambda *given: plain(*given).item(), backend="aot_eager")
    for _ in range(8):
        fast(model, optimizer, schedule, nn.functional.mse_loss)

def compiled_update():
    model, optimizer, schedule = parts()
    def update():
        optimizer.step()
        schedule.step()
    fast = torch.compile(update, backend="aot_eager")
    for _ in range(8):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(X), Y).backward()
        fast()

def compiled_modes():
    model, optimizer, schedule = parts()
    def evaluate():
        model.eval()
        found = model(X)
        model.train()
        return found
    fast = torch.compile(evaluate, backend="aot_eager")
    for _ in range(4):
        plain(model, optimizer, schedule, nn.functional.mse_loss)
        fast()

def compiled_evaluation():
    model, optimizer, schedule = parts()
    criterion = nn.MSELoss()
    def evaluate():
        model.eval()
        total = 0.0
        with torch.no_grad():
            for _ in range(2):
                val_loss = criterion(model(X), Y)
                total += val_loss.item() + float(val_loss)
        model.train()
        return total
    fast = torch.compile(evaluate, backend="aot_eager")
    whole = torch.compile(lambda: criterion(model(X), Y), backend="aot_eager")
    for _ in range(4):
        plain(model, optimizer, schedule, criterion)
        fast()
        model.eval()
        whole().tolist(), whole().detach().numpy(), evaluate()
        model.train()

def compiled_loader():
    model, optimizer, schedule = parts()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=4)
    def epoch():
        total = 0.0
        for x, y in data:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            total = total + loss
        return total
    fast = torch.compile(epoch, backend="aot_eager")
    for _ in range(3):
        fast()

def compiled_autograd():
    with torch._dynamo.config.patch(compiled_autograd=True):
        compiled_step()

import warnings
warnings.simplefilter("ignore")
for case in (compiled_model, compiled_loss, compiled_step, compiled_item, compiled_update,
             compiled_modes, compiled_evaluation, compiled_loader,
             compiled_autograd):
    torch._dynamo.reset()
    counters.clear()
    with tracklet.start_run(run_name=case.__name__) as run:
        case()
    found = {name: dict(counters[name]) for name in ("graph_break", "frames")}
    stats = counters["stats"]
    # Torch's own wrapper around step, which calls the hook in a loop, is left as it is: "ok"
    # counts one frame less.
    # Which of its algebra's functions it meets while it compiles a backward differs by itself.
    total = None if case is compiled_autograd else found["frames"].get("total")
    print(case.__name__, sum(found["graph_break"].values()), total,
          stats["unique_graphs"], stats["calls_captured"])
"""


@pytest.mark.framework
def test_the_compiler_counts_the_same(tracklet_home: Path, record: Any) -> None:
    """Graphs, breaks and frames of compiled models, losses and whole steps; every step is seen."""
    running = {
        how: subprocess.Popen(
            [sys.executable, "-c", COUNTERS, how],
            stdout=subprocess.PIPE,
            text=True,
        )
        for how in ("bare", "watched")
    }
    found = {how: process.communicate()[0] for how, process in running.items()}
    assert [process.returncode for process in running.values()] == [0, 0]
    assert found["watched"] == found["bare"]
    assert found["bare"].count("compiled_") == 9
    steps = {
        run.info.run_name: [step for step, _ in record.history(run, "loss")]
        for run in record.runs()
        if "loss" in run.data.metrics
    }
    for case in ("model", "loss", "step", "item", "update", "autograd"):
        assert steps[f"compiled_{case}"] == [*range(1, 9)], case
