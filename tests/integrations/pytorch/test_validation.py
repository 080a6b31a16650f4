"""Losses that a script looks at while it evaluates: the right number, or none and the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.integrations.pytorch.conftest import network
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset, random_split

import tracklet

pytestmark = pytest.mark.usefixtures("watched")

X = torch.arange(90, dtype=torch.float32).reshape(30, 3).sin()
Y = X.sum(1, keepdim=True) + X[:, :1]
# Their last batches are smaller than the others.
TRAIN, VAL, TEST = random_split(TensorDataset(X, Y), [14, 9, 7], torch.Generator().manual_seed(0))


def batches(data: Any, **settings: Any) -> Any:
    return DataLoader(data, batch_size=4, **settings)


class Trainer:
    """A network, and one epoch of training it."""

    def __init__(self, criterion: Any = None) -> None:
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05)
        self.criterion = criterion or nn.MSELoss()

    def epoch(self) -> None:
        self.model.train()
        running = 0.0
        for x, y in batches(TRAIN, shuffle=True):
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            running += loss.item()


def sums_of_samples(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    test_loss, correct = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            test_loss += nn.functional.mse_loss(out, y, reduction="sum").item()
            correct += (out > 0).sum().item()
    return test_loss / len(loader.dataset)


def mean_of_batches(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += criterion(model(x), y).item()
    return total / len(loader)


def weighted_by_size(model: Any, criterion: Any, loader: Any) -> float:
    running = 0.0
    with torch.no_grad():
        for x, y in loader:
            loss = criterion(model(x), y)
            running += loss.item() * x.size(0)
    return running / len(loader.dataset)


def weighted_later(model: Any, criterion: Any, loader: Any) -> float:
    running, n = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            batch_loss = float(criterion(model(x), y))
            running += len(x) * batch_loss
            n += len(x)
    return running / n


def average_of_tensors(model: Any, criterion: Any, loader: Any) -> float:
    losses = []
    with torch.no_grad():
        for x, y in loader:
            losses.append(criterion(model(x), y))
    return float(np.average(losses))


def list_of_arrays(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    losses = []
    for x, y in loader:
        loss = criterion(model(x), y)
        losses.append(loss.detach().cpu().numpy())
    return float(np.mean(losses))


def shown_tensor(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    running_vloss = 0
    with torch.no_grad():
        for x, y in loader:
            running_vloss += criterion(model(x), y)
    avg_vloss = running_vloss / len(loader)
    assert f"valid {avg_vloss:.3f}"
    return round(avg_vloss.tolist(), 12)  # type: ignore[union-attr]


def divided_sum(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    val_loss = torch.zeros(())
    with torch.inference_mode():
        for x, y in loader:
            val_loss += nn.functional.mse_loss(model(x), y)
    return val_loss.item() / len(loader)


def only_tensors(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    losses = []
    with torch.no_grad():
        for x, y in loader:
            losses += [criterion(model(x), y).double()]
    return sum(losses).numpy().max() / len(losses)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "evaluate",
    [
        sums_of_samples,
        mean_of_batches,
        weighted_by_size,
        weighted_later,
        average_of_tensors,
        list_of_arrays,
        shown_tensor,
        divided_sum,
        only_tensors,
    ],
)
def test_it_is_the_number_that_the_script_has(evaluate: Callable[..., float], record: Any) -> None:
    """Whichever way it sums up: by epoch on one split, and in the end on another and on its own."""
    trainer = Trainer()
    expected = []
    with tracklet.start_run():
        for _ in range(2):
            trainer.epoch()
            # Made anew each time, as by a function that is called.
            expected.append(evaluate(trainer.model, trainer.criterion, batches(VAL)))
        last = evaluate(trainer.model, trainer.criterion, batches(TEST))
        trained = evaluate(trainer.model, trainer.criterion, batches(TRAIN))
    run = record.only()
    assert record.history(run, "val_loss") == [
        (4, pytest.approx(expected[0], rel=1e-6)),
        (8, pytest.approx(expected[1], rel=1e-6)),
    ]
    assert record.history(run, "test_loss") == [(8, pytest.approx(last, rel=1e-6))]
    assert record.history(run, "train_eval_loss") == [(8, pytest.approx(trained, rel=1e-6))]
    assert record.history(run, "epoch") == [(4, 1), (8, 2)]
    assert "test_validation.py:" in run.data.tags["tracklet.pytorch.val_loss"]


def test_splits_that_one_path_evaluates_are_told_by_names(record: Any) -> None:
    """A loop over names of splits around one forward; two calls with a name; two variables."""
    trainer = Trainer()
    model, criterion = trainer.model, trainer.criterion

    @torch.no_grad()
    def estimate() -> dict[str, float]:
        out = {}
        model.eval()
        for split in ("train", "val"):
            losses = torch.zeros(3)
            for k in range(3):
                rows = slice(k, k + 4) if split == "train" else slice(20 + k, 24 + k)
                loss = criterion(model(X[rows]), Y[rows])
                losses[k] = loss.item()
            out[split] = losses.mean().item()
        model.train()
        return out

    def one(split: str, rows: slice) -> float:
        with torch.no_grad():
            loss = criterion(model(X[rows]), Y[rows])
            return loss.item()

    with tracklet.start_run():
        trainer.epoch()
        both = estimate()
        trainer.epoch()
        valid, test = one("valid", slice(0, 9)), one("test", slice(9, 20))
        trainer.epoch()
        with torch.no_grad():
            test_loss = criterion(model(X), Y)
            last = test_loss.item()
        loss = criterion(model(X), Y)
        loss.backward()
        trainer.optimizer.step()
        val_loss = criterion(model(X), Y)  # with gradients, and in training mode
        named = val_loss.item()
    run = record.only()
    assert record.history(run, "train_eval_loss") == [(4, pytest.approx(both["train"], rel=1e-6))]
    assert record.history(run, "val_loss") == [
        (4, pytest.approx(both["val"], rel=1e-6)),
        (8, valid),
        (13, named),
    ]
    assert record.history(run, "test_loss") == [(8, test), (12, last)]


def test_samplers_tell_parts_of_one_data_set(record: Any) -> None:
    """Of the same data set, other indices are other data."""
    trainer = Trainer()
    data = TensorDataset(X, Y)
    train = batches(data, sampler=SubsetRandomSampler(range(18)))  # type: ignore[arg-type]
    held = batches(data, sampler=SubsetRandomSampler([*range(18, 30)]))
    with tracklet.start_run():
        for _ in range(2):
            for x, y in train:
                trainer.optimizer.zero_grad()
                trainer.criterion(trainer.model(x), y).backward()
                trainer.optimizer.step()
            expected = mean_of_batches(trainer.model, trainer.criterion, held)
    run = record.only()
    assert [step for step, _ in record.history(run, "val_loss")] == [5, 10]
    assert run.data.metrics["val_loss"] == pytest.approx(expected)
    assert "train_eval_loss" not in run.data.metrics


def test_what_is_seen_before_the_first_step_is_at_zero(record: Any) -> None:
    """A look at an untrained network is on the record with the rest."""
    trainer = Trainer()
    with tracklet.start_run():
        trainer.optimizer.zero_grad()
        before = mean_of_batches(trainer.model, trainer.criterion, batches(VAL))
        trainer.epoch()
    run = record.only()
    assert record.history(run, "val_loss") == [(0, pytest.approx(before))]


def test_training_is_never_mistaken_for_it(record: Any) -> None:
    """Frozen parts and teachers in evaluation mode, and looks at a loss of training."""
    trainer = Trainer()
    model, teacher = trainer.model, network()
    model.append(nn.BatchNorm1d(1))
    with tracklet.start_run():
        for x, y in batches(TRAIN):
            model.train()
            model[-1].eval()
            teacher.eval()
            with torch.no_grad():
                wanted = teacher(x)
            trainer.optimizer.zero_grad()
            loss = trainer.criterion(model(x), wanted) + trainer.criterion(model(x), y)
            before = loss.item()
            loss.backward()
            trainer.optimizer.step()
            with torch.no_grad():
                after_loss = trainer.criterion(model(x), y)
                again = loss.item() + after_loss.item()
            assert f"{loss:.3f}"
            assert before + again
    run = record.only()
    assert {key for key in run.data.metrics if key.endswith("loss")} == {"loss", "train_loss"}


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("parts", "whole loss"),
        ("scaled", "multiplied"),
        ("some", "2 of 3 batches"),
        ("sum", "it is a sum"),
        ("different", "different things"),
        ("again", "measured again"),
    ],
)
def test_what_is_ambiguous_is_left_out_and_the_run_says_why(
    how: str, reason: str, record: Any
) -> None:
    """Parts of a loss, parts of a pass, factors, sums of unknown length: no number is invented."""
    trainer = Trainer()
    model, criterion = trainer.model, nn.functional.mse_loss

    def look(data: Any) -> None:
        val_loss = torch.zeros(())
        for number, (x, y) in enumerate(batches(data)):
            out = model(x)
            if how == "parts":
                kl_loss, rec_loss = out.abs().mean().item(), criterion(out, y).item()
                assert kl_loss or rec_loss
            elif how == "scaled":
                val_loss = criterion(out, y).item() * 100
            elif how == "some" and number < 2:
                val_loss = criterion(out, y).item()
            elif how == "sum":
                val_loss += criterion(out, y)
            elif how == "different":
                val_loss = criterion(out, y).item()
                loss = criterion(out * 2, y).item()
                assert loss != val_loss
            elif how == "again":
                val_loss = criterion(out, y).item()
        if how == "sum":
            assert val_loss.item()

    with tracklet.start_run():
        trainer.epoch()
        model.eval()
        with torch.no_grad():
            look(VAL)
            if how == "again":
                trainer.model[0].bias.add_(1.0)
                look(VAL)
    run = record.only()
    assert len(record.history(run, "val_loss")) == (how == "again")
    tag = run.data.tags["tracklet.pytorch.val_loss"]
    assert reason in tag if how != "again" else "mean of 3 batches" in tag
    assert "test_loss" not in run.data.metrics


def test_an_epoch_of_counted_batches_is_over_with_its_last(record: Any) -> None:
    """As Ignite counts them: nobody asks the loader for more, and modes are set at each batch."""
    model, held = network(), DataLoader(VAL, batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion, expected = nn.MSELoss(), []
    with tracklet.start_run():
        for _ in range(2):
            batches, losses = iter(DataLoader(TRAIN, batch_size=4)), []
            for _ in range(4):
                x, y = next(batches)
                model.train()
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            batches, sums = iter(held), 0.0
            for _ in range(len(held)):
                x, y = next(batches)
                model.eval()
                with torch.no_grad():
                    sums += float(criterion(model(x), y))
            expected.append((sum(losses) / 4, sums / len(held)))
    run = record.only()
    assert record.history(run, "epoch") == [(4, 1), (8, 2)]
    assert record.history(run, "train_loss") == [(4, expected[0][0]), (8, expected[1][0])]
    assert record.history(run, "val_loss") == [(4, expected[0][1]), (8, expected[1][1])]
    assert run.data.params["batches_per_epoch"] == "4"


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, tuple])
@pytest.mark.parametrize("by_sampler", [True, False])
def test_a_fold_of_the_same_data_is_other_data(record: Any, kind: Any, by_sampler: bool) -> None:
    """Whatever holds the numbers of its samples: where folds are made, NumPy's arrays do."""
    whole = TensorDataset(X, Y)
    trainer, measured = Trainer(), []

    def fold(chosen: range) -> Any:
        indices = kind([*chosen])
        if by_sampler:
            return batches(whole, sampler=SubsetRandomSampler(indices))
        return batches(torch.utils.data.Subset(whole, indices))

    training, validation = fold(range(20)), fold(range(20, 30))
    for _ in range(2):
        trainer.model.train()
        for x, y in training:
            trainer.optimizer.zero_grad()
            trainer.criterion(trainer.model(x), y).backward()
            trainer.optimizer.step()
        sums_of_samples(trainer.model, None, validation)
        with torch.no_grad():
            measured.append(nn.functional.mse_loss(trainer.model(X[20:]), Y[20:]).tolist())
    tracklet.pytorch.autolog(disable=True)
    found = [value for _, value in record.history(record.only(), "val_loss")]
    assert found == pytest.approx(measured)


def by_function(model: Any, criterion: Any, loader: Any) -> float:
    @torch.no_grad()
    def step(x: Any, y: Any) -> float:
        model.eval()
        return criterion(model(x), y).item()

    running = n = 0.0
    for x, y in loader:
        running += step(x, y) * y.size(0)
        n += y.size(0)
    return running / n


def by_function_with_size(model: Any, criterion: Any, loader: Any) -> float:
    def loss_batch(x: Any, y: Any) -> tuple[float, int]:
        loss = criterion(model(x), y)
        return loss.item(), len(x)

    model.eval()
    with torch.no_grad():
        losses, sizes = zip(*[loss_batch(x, y) for x, y in loader], strict=True)
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


def by_function_mean(model: Any, criterion: Any, loader: Any) -> float:
    def step(x: Any, y: Any) -> float:
        return nn.functional.mse_loss(model(x), y).item()

    model.eval()
    with torch.no_grad():
        return sum(step(x, y) for x, y in loader) / len(loader)


def of_slices(model: Any, criterion: Any, loader: Any) -> float:
    model.eval()
    total_loss, x, y = 0.0, *(torch.stack(each) for each in zip(*loader.dataset, strict=True))
    with torch.no_grad():
        for at in range(0, len(x), 4):
            part = x[at : at + 4]
            total_loss += len(part) * criterion(model(part), y[at : at + 4]).item()
    return total_loss / len(x)


@pytest.mark.parametrize("evaluate", [by_function, by_function_with_size, by_function_mean])
def test_a_caller_says_how_a_returned_loss_is_weighted(
    evaluate: Callable[..., float], record: Any
) -> None:
    """The last batch is smaller: a mean over batches is another number."""
    trainer = Trainer()
    with tracklet.start_run():
        trainer.epoch()
        expected = evaluate(trainer.model, trainer.criterion, batches(VAL))
    assert record.history(record.only(), "val_loss") == [(4, pytest.approx(expected, rel=1e-6))]


def test_slices_are_weighted_by_the_sizes_that_stand_there(record: Any) -> None:
    """Without a loader the script's own expression says how many samples each loss is of."""
    trainer = Trainer()
    with tracklet.start_run():
        trainer.epoch()
        expected = of_slices(trainer.model, trainer.criterion, batches(VAL))
    assert record.history(record.only(), "val_loss") == [(4, pytest.approx(expected, rel=1e-6))]


@pytest.mark.parametrize("shown", ["divided", "named", "spent"])
def test_a_loss_of_training_shown_after_an_evaluation_is_not_its(shown: str, record: Any) -> None:
    """Divided by the length of the training's loader, named so, or one that went backward."""
    trainer = Trainer()
    training, running_loss = batches(TRAIN), torch.zeros(())
    with tracklet.start_run():
        loss = torch.zeros(())
        for x, y in training:
            trainer.optimizer.zero_grad()
            loss = trainer.criterion(trainer.model(x), y)
            loss.backward()
            trainer.optimizer.step()
            running_loss += loss.detach()
        train_loss = running_loss / len(training)
        trainer.model.eval()
        with torch.no_grad():
            for x, y in batches(VAL):
                assert trainer.model(x).shape == y.shape
        if shown == "divided":
            assert running_loss.item() / len(training)
        elif shown == "named":
            assert train_loss.item()
        else:
            assert loss.item()
    run = record.only()
    assert {key for key in run.data.metrics if key.endswith("loss")} == {"loss", "train_loss"}


def test_a_sampler_of_ones_own_that_takes_a_part_is_other_data(record: Any) -> None:
    """It does not say which part: two of them are not the same."""

    class Part(torch.utils.data.Sampler):
        def __init__(self, chosen: range) -> None:
            self.chosen = chosen

        def __iter__(self) -> Any:
            return iter(self.chosen)

        def __len__(self) -> int:
            return len(self.chosen)

    trainer, whole = Trainer(), TensorDataset(X, Y)
    held = batches(whole, sampler=Part(range(20, 30)))
    with tracklet.start_run():
        for x, y in batches(whole, sampler=Part(range(20))):
            trainer.optimizer.zero_grad()
            trainer.criterion(trainer.model(x), y).backward()
            trainer.optimizer.step()
        expected = mean_of_batches(trainer.model, trainer.criterion, held)
    run = record.only()
    assert record.history(run, "val_loss") == [(5, pytest.approx(expected))]
    assert "train_eval_loss" not in run.data.metrics
