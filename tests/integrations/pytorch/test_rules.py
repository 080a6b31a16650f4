"""What a step, a loss, a rate, an epoch and a run are: a test for each rule."""

from __future__ import annotations

import contextlib
import json
import threading
from itertools import pairwise
from typing import Any

import pytest
import torch
from tests.integrations.pytorch.conftest import X, Y, loader, network
from torch import nn

import tracklet
from tracklet_integrations.shared.driving import driven_by

pytestmark = pytest.mark.usefixtures("watched")


def sgd(model: Any, **settings: Any) -> Any:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def off() -> None:
    """End what is on the record, as the end of the process does."""
    tracklet.pytorch.autolog(disable=True)


def test_each_step_has_what_backward_was_called_on(record: Any) -> None:
    """Losses, rates, epochs and their means are what the script itself would print."""
    model, optimizer = None, None
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    losses, means = [], []
    for _ in range(3):
        total = 0.0
        for x, y in loader(shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            total += loss.item()
        means.append(total / 4)
        schedule.step()
    off()
    run = record.only()
    assert run.info.status == "FINISHED"
    assert record.history(run, "loss") == list(enumerate(losses, 1))
    assert record.history(run, "lr") == [(1, 0.1), (5, 0.05), (9, 0.025)]
    assert record.history(run, "epoch") == [(4, 1), (8, 2), (12, 3)]
    assert record.history(run, "train_loss") == list(zip((4, 8, 12), means, strict=True))
    expected = {
        "optimizer": "AdamW",
        "optimizer_lr": "0.1",
        "optimizer_betas": "(0.9, 0.999)",
        "scheduler": "StepLR",
        "scheduler_gamma": "0.5",
        "criterion": "MseLoss",
        "reduction": "mean",
        "batch_size": "4",
        "drop_last": "False",
        "shuffle": "True",
        "num_workers": "0",
        "batches_per_epoch": "4",
        "epochs": "3",
        "accumulation": "1",
        "device": "cpu",
        "dtype": "float32",
        "model": "Sequential",
        "parameters": "21",
        "trainable_parameters": "21",
    }
    assert {key: run.data.params.get(key) for key in expected} == expected
    assert "21 parameters" in record.artifact(run, "model_summary.txt").read_text()
    assert run.data.tags["mlflow.autologging"] == "pytorch"


def test_accumulated_losses_are_added(record: Any) -> None:
    """With the usual division that is the mean of the micro batches; without it, their sum."""
    model = network()
    optimizer = sgd(model)
    with tracklet.start_run():
        expected = []
        for _ in range(3):
            optimizer.zero_grad()
            parts = [nn.functional.mse_loss(model(x), y) / 4 for x, y in loader()]
            for each in parts:
                each.backward()
            optimizer.step()
            expected.append(sum(each.item() for each in parts))
    run = record.only()
    assert record.history(run, "loss") == list(enumerate(expected, 1))
    assert run.data.params["accumulation"] == "4"


def test_two_networks_have_each_its_own(record: Any) -> None:
    """A GAN's discriminator has the sum of its two backwards; the series have variables' names."""
    maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
    opt_judge, opt_maker = sgd(judge), sgd(maker)
    noise, judged, made = torch.ones(4, 2), [], []
    with tracklet.start_run():
        for _ in range(3):
            opt_judge.zero_grad()
            real, fake = judge(X).mean(), -judge(maker(noise).detach()).mean()
            real.backward()
            fake.backward()
            opt_judge.step()
            judged.append(real.item() + fake.item())
            opt_maker.zero_grad()
            loss = judge(maker(noise)).mean()
            loss.backward()
            opt_maker.step()
            made.append(loss.item())
    run = record.only()
    assert record.history(run, "loss/opt_judge") == list(enumerate(judged, 1))
    assert record.history(run, "loss/opt_maker") == list(enumerate(made, 1))
    assert run.data.params["opt_maker/optimizer_lr"] == "0.1"
    assert record.history(run, "lr/opt_maker") == [(1, 0.1)]


def test_windows_begin_at_each_optimizers_own_zero_grad(record: Any) -> None:
    """Crossed: the second loss is the second optimizer's, though the first steps last."""
    one, two = nn.Linear(3, 1), nn.Linear(3, 1)
    a, b = sgd(one), sgd(two)
    first, second = [], []
    with tracklet.start_run():
        for _ in range(2):
            a.zero_grad()
            la = one(X).mean()
            la.backward()
            b.zero_grad()
            lb = two(X).square().mean()
            lb.backward()
            b.step()
            a.step()
            first.append(la.item())
            second.append(lb.item())
    run = record.only()
    assert record.history(run, "loss/a") == list(enumerate(first, 1))
    assert record.history(run, "loss/b") == list(enumerate(second, 1))


def test_optimizers_that_share_a_backward_share_its_loss(record: Any) -> None:
    """It is recorded once, by the first; the rates are both."""
    one, two = nn.Linear(3, 4), nn.Linear(4, 1)
    a, b = sgd(one), sgd(two, lr=0.2)
    with tracklet.start_run():
        for _ in range(2):
            a.zero_grad(), b.zero_grad()
            loss = two(one(X)).square().mean()
            loss.backward()
            a.step(), b.step()
    run = record.only()
    assert [step for step, _ in record.history(run, "loss")] == [1, 2]
    assert record.history(run, "lr/b") == [(1, 0.2)]


def test_of_a_closure_the_first_evaluation_counts(record: Any) -> None:
    """LBFGS asks several times in one step; the loss is that before the update."""
    model = network()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    first = []
    with tracklet.start_run():
        for _ in range(2):
            seen = []

            def closure(seen: Any = seen) -> Any:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(X), Y)
                loss.backward()
                seen.append(loss.item())
                return loss

            optimizer.step(closure)
            assert len(seen) > 1
            first.append(seen[0])
    assert record.history(record.only(), "loss") == list(enumerate(first, 1))


def test_a_scaled_loss_is_recorded_unscaled_and_a_skipped_step_is_none(record: Any) -> None:
    """The scaler's factor is not in the loss, and an update that it left out is only counted."""
    model = network()
    optimizer = sgd(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    expected = []
    with tracklet.start_run():
        for number in range(4):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(X), Y)
            if number == 1:
                loss = loss * float("inf")
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if number != 1:
                expected.append(loss.item())
    run = record.only()
    assert record.history(run, "loss") == list(enumerate(expected, 1))
    assert run.data.metrics["skipped_steps"] == 1


def test_a_backward_without_a_scalar_has_no_loss(record: Any) -> None:
    """With a gradient given, or of several numbers: a step, for which no loss is invented."""
    model = network()
    optimizer = sgd(model)
    with tracklet.start_run():
        optimizer.zero_grad()
        model(X).backward(torch.ones(16, 1))
        optimizer.step()
        optimizer.zero_grad()
        loss = model(X).mean()
        loss.backward(torch.tensor(2.0))
        optimizer.step()
    run = record.only()
    assert record.history(run, "loss") == []
    assert [step for step, _ in record.history(run, "lr")] == [1]
    assert "2 steps" in run.data.tags["tracklet.pytorch.loss"]


def test_a_subclass_that_calls_its_parent_steps_once(record: Any) -> None:
    """Torch tells of both calls; there was one backward, so there is one step."""

    class Mine(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:  # type: ignore[override]
            return super().step(closure)

    model = network()
    optimizer = Mine(model.parameters(), lr=0.1)
    with tracklet.start_run():
        for _ in range(3):
            optimizer.zero_grad()
            model(X).mean().backward()
            optimizer.step()
            optimizer.step()  # without a backward: none
    assert [step for step, _ in record.history(record.only(), "loss")] == [1, 2, 3]


def test_rates_are_read_whoever_sets_them(record: Any) -> None:
    """By hand, per group, as a tensor: a point when one changes, after the step that used it."""
    model = network()
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(0.25))
    with tracklet.start_run():
        for number in range(4):
            optimizer.zero_grad()
            model(X).mean().backward()
            optimizer.step()
            if number == 1:
                optimizer.param_groups[1]["lr"] = 0.75
                optimizer.param_groups[0]["lr"].fill_(0.125)
    run = record.only()
    assert record.history(run, "lr/0") == [(1, 0.25), (3, 0.125)]
    assert record.history(run, "lr/1") == [(1, 0.5), (3, 0.75)]


def test_looks_at_one_batch_and_passes_without_steps_are_no_epochs(record: Any) -> None:
    """Neither is validation, nor a pass that is not over."""
    model = network()
    optimizer = sgd(model)
    train, held = loader(), loader(2)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    with tracklet.start_run():
        step(next(iter(train))[0])
        for _ in range(2):
            for x, _y in train:
                step(x)
            for x, _y in held:
                model(x)
        endless = iter(train)
        for _ in range(3):
            step(next(endless)[0])
    run = record.only()
    assert record.history(run, "epoch") == [(5, 1), (9, 2)]
    assert run.data.params["epochs"] == "2"


def test_a_pass_that_is_broken_off_ends_with_the_next(record: Any) -> None:
    """Of three passes that stop early, the last is not known to be over."""
    model = network()
    optimizer = sgd(model)
    train = loader()
    with tracklet.start_run():
        for _ in range(3):
            for number, (x, _y) in enumerate(train):
                if number == 3:
                    break
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
    run = record.only()
    assert record.history(run, "epoch") == [(3, 1), (6, 2)]
    assert "batches_per_epoch" not in run.data.params


def test_without_a_loader_the_variable_of_the_loop_tells_the_epoch(record: Any) -> None:
    """Named like one, in a function or around it, from 0 or from 1, resumed or all at once."""
    model = network()
    optimizer = sgd(model)
    seen: list[float] = []

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        seen.append(loss.item())

    def own_batches(first: int, last: int) -> None:
        for epoch in range(first, last + 1):
            for at in range(0, 16, 8):
                step(X[at : at + 8], Y[at : at + 8])
            assert epoch

    def at_once() -> None:
        for ep in range(3):
            step(X, Y)
            assert ep >= 0

    def through_loader() -> None:
        for epoch in range(4, 6):
            for x, y in loader():
                step(x, y)
            assert epoch

    expected = {
        "own_batches": [(2, 3.0), (4, 4.0), (6, 5.0)],
        "at_once": [(1, 1.0), (2, 2.0), (3, 3.0)],
        "through_loader": [(4, 5.0), (8, 6.0)],
    }
    for train, given in ((own_batches, (3, 5)), (at_once, ()), (through_loader, ())):
        optimizer, seen = sgd(model), []
        with tracklet.start_run(run_name=train.__name__) as mine:
            train(*given)  # type: ignore[operator]
        run = tracklet.get_run(mine.info.run_id)
        ends = expected[train.__name__]
        assert record.history(run, "epoch") == ends
        steps = [0, *(step for step, _ in ends)]
        means = [sum(seen[a:b]) / (b - a) for a, b in pairwise(steps)]
        assert [value for _, value in record.history(run, "train_loss")] == pytest.approx(means)
        assert run.data.params["epochs"] == str(len(ends))
        assert run.data.params["batches_per_epoch"] == str(steps[1])
    for t in range(3):  # by no name of an epoch
        step(X, Y)
        assert t >= 0
    off()
    (last,) = [run for run in record.runs() if run.info.run_name not in expected]
    assert "epoch" not in last.data.metrics
    assert "left out" in last.data.tags["tracklet.pytorch.epoch"]


def test_gradients_closures_and_data_are_measured(record: Any) -> None:
    """The norm of what a step applied, evaluations of a closure, samples and waiting."""
    model = network()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    counts: list[int] = []
    norm = 0.0
    with tracklet.start_run():
        for x, y in loader():
            calls = []

            def closure(x: Any = x, y: Any = y, calls: Any = calls) -> Any:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                calls.append(1)
                return loss

            optimizer.step(closure)
            counts.append(len(calls))
            if not norm:
                grads = torch.cat([p.grad.flatten() for p in model.parameters()])  # type: ignore[union-attr]
                norm = grads.norm().item()
    run = record.only()
    assert record.history(run, "closure_evaluations") == list(enumerate(counts, 1))
    assert record.history(run, "grad_norm")[0] == (1, pytest.approx(norm))
    assert 0 <= run.data.metrics["data_wait"] <= 1
    assert run.data.metrics["samples_per_second"] == pytest.approx(
        4 * run.data.metrics["steps_per_second"]
    )


class Twice(torch.optim.SGD):
    """Evaluates a closure twice in each step that is given one."""

    def step(self, closure: Any = None) -> Any:
        if closure is not None:
            with torch.enable_grad():
                closure()
        return super().step(closure)


@pytest.mark.parametrize("kind", [torch.optim.SGD, Twice])
def test_a_closure_is_counted_after_many_steps_without_one(record: Any, kind: Any) -> None:
    """However alike the steps before it were, as with an optimizer that takes closures at times."""
    model = network()
    optimizer = kind(model.parameters(), lr=0.1)
    losses: list[list[float]] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X), Y)
        loss.backward()
        losses[-1].append(loss.item())
        return loss

    evaluations = 2 if kind is Twice else 1
    with tracklet.start_run():
        for number in range(1, 41):
            losses.append([])
            if number % 10:
                closure()
                optimizer.step()
            else:
                optimizer.step(closure)
    run = record.only()
    assert record.history(run, "closure_evaluations") == [
        (step, evaluations) for step in (10, 20, 30, 40)
    ]
    assert record.history(run, "loss") == list(enumerate((each[0] for each in losses), 1))


def test_a_loader_that_reads_ahead_ends_its_epoch_with_its_last_step(record: Any) -> None:
    """As accelerate's does: it is exhausted before its last batch is trained on."""
    model = network()
    optimizer = sgd(model)
    means = []

    def ahead(batches: Any) -> Any:
        before = next(batches)
        for batch in batches:
            yield before
            before = batch
        yield before

    with tracklet.start_run():
        for _ in range(2):
            losses = []
            for x, y in ahead(iter(loader())):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            means.append(sum(losses) / 4)
    run = record.only()
    assert record.history(run, "epoch") == [(4, 1), (8, 2)]
    assert [value for _, value in record.history(run, "train_loss")] == pytest.approx(means)


def test_folds_are_runs_of_their_own(record: Any) -> None:
    """A new optimizer over other parameters begins a new run, with its steps from 1."""
    for _ in range(2):
        model = network()
        optimizer = sgd(model)
        for _ in range(12):
            optimizer.zero_grad()
            model(X).mean().backward()
            optimizer.step()
    off()
    first, second = record.runs()
    for run in (first, second):
        assert [step for step, _ in record.history(run, "loss")] == [*range(1, 13)]
        assert run.info.status == "FINISHED"


def test_a_loss_of_other_data_may_be_looked_at_between_backward_and_step(record: Any) -> None:
    """Where optimizers read their own numbers, too: those are nobody's loss."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses, measured = [], []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X), Y)
        loss.backward()
        with torch.no_grad():
            val_loss = nn.functional.mse_loss(model(X + 1), Y)
        measured.append(val_loss.item())
        losses.append(loss.item())
        optimizer.step()
    off()
    run = record.only()
    assert record.history(run, "loss") == list(enumerate(losses, 1))
    assert [value for _, value in record.history(run, "val_loss")] == measured


def test_steps_unlike_the_ones_before_keep_their_losses(record: Any) -> None:
    """What is noted in short while all steps are alike is noted at length where they are not."""
    model, other = network(), network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    expected = []
    for step in range(1, 61):
        optimizer.zero_grad()
        if step % 7 == 0:  # gradients that are thrown away
            model(X).mean().backward()
            optimizer.zero_grad()
        if step % 11 == 0:
            optimizer.param_groups[0]["lr"] *= 0.5
        total = 0.0
        for _ in range(2 if step % 5 == 0 else 1):
            loss = nn.functional.mse_loss(model(X[:4]), Y[:4])
            loss.backward()
            total += loss.item()
        if step % 13 == 0:  # of another model, of which nothing steps
            other(X).mean().backward(gradient=torch.ones(()))
        optimizer.step()
        expected.append(total if step % 13 else None)
    off()
    found = dict(record.history(record.only(), "loss"))
    assert {step: value for step, value in enumerate(expected, 1) if value is not None} == found


def test_a_group_that_is_added_amid_a_training_costs_no_metric(record: Any) -> None:
    """As of layers that are unfrozen: its rate stands beside those that were written before."""
    model = network()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    for epoch in range(2):
        if epoch:
            optimizer.add_param_group({"params": [*model[2].parameters()], "lr": 0.01})
        for x, y in loader():
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    off()
    run = record.only()
    assert record.history(run, "lr") == [(1, 0.1)]
    assert record.history(run, "lr_0") == [(5, 0.1)]
    assert record.history(run, "lr_1") == [(5, 0.01)]
    assert record.history(run, "epoch") == [(4, 1), (8, 2)]


def test_what_is_looked_at_first_amid_a_late_step_is_seen(record: Any) -> None:
    """Also when all steps before it were alike."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    measured = []
    for step in range(1, 31):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(X), Y).backward()
        if step % 10 == 0:
            with torch.no_grad():
                val_loss = nn.functional.mse_loss(model(X + 1), Y)
            measured.append(val_loss.item())
        optimizer.step()
    off()
    found = record.history(record.only(), "val_loss")
    assert [value for _, value in found] == measured


def test_gradients_that_each_step_throws_away_are_nobodys(record: Any) -> None:
    """As of adversarial samples: they hide no loss, and are not a later optimizer's."""
    model, later = network(), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected, measured = [], []
    for _ in range(20):
        attacked = X.clone().requires_grad_()
        nn.functional.mse_loss(model(attacked), Y).backward()
        assert attacked.grad is not None
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X + 0.1 * attacked.grad.sign()), Y)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
        with torch.no_grad():
            val_loss = nn.functional.mse_loss(model(X + 1), Y)
        measured.append(val_loss.item())
    following = torch.optim.SGD(later.parameters(), lr=0.1)
    del optimizer
    rest = []
    for _ in range(12):
        later.zero_grad()
        loss = nn.functional.mse_loss(later(X), Y)
        loss.backward()
        following.step()
        rest.append(loss.item())
    off()
    second, first = record.runs()
    assert record.history(first, "loss") == list(enumerate(expected, 1))
    assert record.history(first, "val_loss") == list(enumerate(measured, 1))
    assert record.history(second, "loss") == list(enumerate(rest, 1))


def test_an_optimizer_that_only_followed_may_come_to_lead(record: Any) -> None:
    """It had its steps with another's loss; then it has losses of its own, under its own key."""
    model = network()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(model[2].parameters(), lr=0.1)
    losses = []
    for step in range(1, 8):
        first.zero_grad()
        second.zero_grad()
        loss = nn.functional.mse_loss(model(X), Y)
        loss.backward()
        if step <= 4:
            first.step()
        second.step()
        losses.append((step, loss.item()))
    off()
    run = record.only()
    assert record.history(run, "loss/first") == losses[:4]
    assert record.history(run, "loss/second") == losses[4:]


def test_stages_over_the_same_parameters_are_one_run(record: Any) -> None:
    """Fine-tuning with another optimizer goes on in the run, under its own name."""
    model = network()
    for kind in (torch.optim.SGD, torch.optim.Adam):
        optimizer = kind(model.parameters(), lr=0.1)
        for _ in range(12):
            optimizer.zero_grad()
            model(X).mean().backward()
            optimizer.step()
    off()
    run = record.only()
    for series in ("loss/0", "loss/1"):
        assert [step for step, _ in record.history(run, series)] == [*range(1, 13)]
    assert run.data.params["1/optimizer"] == "Adam"


def test_a_run_of_the_users_is_used_and_only_it(record: Any) -> None:
    """Its record is whole when its block ends; what is trained after it has a run of its own."""
    model = network()
    optimizer = sgd(model)

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            model(X).mean().backward()
            optimizer.step()

    with tracklet.start_run(run_name="mine") as mine:
        train(2)
        tracklet.log_metric("own", 1.0)
    train(3)
    assert tracklet.active_run() is None
    with tracklet.start_run(run_name="unrelated"):
        tracklet.log_metric("own", 2.0)
    off()
    runs = {run.info.run_name: run for run in record.runs()}
    assert len(runs) == 3
    assert [s for s, _ in record.history(runs["mine"], "loss")] == [1, 2]
    assert "loss" not in runs["unrelated"].data.metrics
    (other,) = [run for name, run in runs.items() if name not in ("mine", "unrelated")]
    assert [s for s, _ in record.history(other, "loss")] == [3, 4, 5]
    assert mine.info.run_id != other.info.run_id


def test_muted_trainings_leave_nothing(record: Any) -> None:
    """Nor do those of another thread, of which the run says a word."""
    model = network()
    optimizer = sgd(model)

    def train() -> None:
        optimizer.zero_grad()
        model(X).mean().backward()
        optimizer.step()

    with tracklet.autolog.disable_autologging():
        train()
    assert record.runs() == []


def test_what_a_trainer_drives_is_its_own_integrations(record: Any) -> None:
    """Before and after it a plain loop goes on, in its run; within, nothing of it is recorded."""
    model = network()
    optimizer = sgd(model)

    def train() -> None:
        for x, _y in loader():
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()

    train()
    with driven_by("a trainer"):
        train()
    train()
    off()
    run = record.only()
    assert [step for step, _ in record.history(run, "loss")] == [*range(1, 9)]
    assert record.history(run, "epoch") == [(4, 1), (8, 2)]


def test_what_another_thread_trains_is_left_out(record: Any) -> None:
    """The thread that trained first has the record, which says so."""
    models = [network(), network()]
    optimizers = [sgd(model) for model in models]

    def train(number: int) -> None:
        for _ in range(3):
            optimizers[number].zero_grad()
            models[number](X).mean().backward()
            optimizers[number].step()

    with tracklet.start_run():
        train(0)
        thread = threading.Thread(target=train, args=(1,))
        thread.start()
        thread.join()
        train(0)
    run = record.only()
    assert [s for s, _ in record.history(run, "loss")] == [*range(1, 7)]
    assert "other threads" in run.data.tags["tracklet.pytorch.threads"]


def test_a_loss_that_is_changed_in_place_later_keeps_its_value(record: Any) -> None:
    """``total += loss`` where ``total`` is the first loss changes a tensor, and no record."""
    model = network()
    optimizer = sgd(model)
    total: Any = None
    expected = []
    with tracklet.start_run():
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(X), Y)
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
            loss = loss.detach()
            total = loss if total is None else total.add_(loss)
    assert record.history(record.only(), "loss") == list(enumerate(expected, 1))


def test_an_exception_goes_on_and_what_it_cost_is_told(record: Any) -> None:
    """The run of the user's fails by it; the record says what recording cost."""
    model = network()
    optimizer = sgd(model)
    with contextlib.suppress(ZeroDivisionError), tracklet.start_run():
        optimizer.zero_grad()
        model(X).mean().backward()
        optimizer.step()
        raise ZeroDivisionError
    run = record.only()
    assert run.info.status == "FAILED"
    assert len(record.history(run, "loss")) == 1
    assert json.loads(run.data.tags["tracklet.overhead_ms"])["total"] > 0


def test_every_so_many_steps_and_epochs(record: Any) -> None:
    """The series get thinner; means are still those of all steps. A wrong number is refused."""
    tracklet.pytorch.autolog(log_every_n_step=3, log_every_n_epoch=2)
    model = network()
    optimizer = sgd(model)
    means = []
    with tracklet.start_run():
        for _ in range(2):
            losses = []
            for x, y in loader():
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            means.append(sum(losses) / 4)
    run = record.only()
    assert [step for step, _ in record.history(run, "loss")] == [3, 6]
    assert record.history(run, "train_loss") == [(8, means[1])]
    with pytest.raises(tracklet.TrackletException, match="log_every_n_step"):
        tracklet.pytorch.autolog(log_every_n_step=0)


def test_optimizers_that_step_within_backward_count_as_one(record: Any) -> None:
    model = network()
    optimizers = {each: torch.optim.SGD([each], lr=0.1) for each in model.parameters()}

    def update(parameter: Any) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(update)
    losses, measured = [], []
    for _ in range(2):
        for x, y in loader():
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            losses.append(loss.item())
        with torch.no_grad():
            val_loss = nn.functional.mse_loss(model(X + 1), Y).item()
        measured.append(val_loss)
        for optimizer in optimizers.values():
            optimizer.param_groups[0]["lr"] /= 2
    off()
    run = record.only()
    assert record.history(run, "loss") == list(enumerate(losses, 1))
    assert record.history(run, "train_loss") == [(4, sum(losses[:4]) / 4), (8, sum(losses[4:]) / 4)]
    assert record.history(run, "val_loss") == [(4, measured[0]), (8, measured[1])]
    assert record.history(run, "lr") == [(1, 0.1), (5, 0.05)]
    assert "model" not in run.data.params
    assert "the first" in run.data.tags["tracklet.pytorch.optimizers"]
