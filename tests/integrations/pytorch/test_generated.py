"""Programs made of what loops consist of: the record is what each program notes of itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tracklet

pytestmark = pytest.mark.usefixtures("watched")
_numbers = itertools.count()

READ = "torch._C.TensorBase.item(%s)"  # as nobody watches

HEAD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed({seed})
x_train, y_train = torch.randn({size}, 3), torch.randn({size}, 1)
x_val, y_val = torch.randn({held}, 3), torch.randn({held}, 1)
train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size={batch}, shuffle=True)
val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size={batch})
model, other = nn.Linear(3, 1), nn.Linear(3, 1)
criterion = nn.MSELoss()
"""

EVALUATIONS = {
    "": "",
    "means": """
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, y in val_loader:
                total += criterion(model(x), y).item()
        val_loss = total / len(val_loader)
        model.train()
    """,
    "weighted": """
        model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for x, y in val_loader:
                total += criterion(model(x), y).item() * len(x)
                count += len(x)
        val_loss = total / count
        model.train()
    """,
    "sums": """
        with torch.no_grad():
            total = sum(nn.functional.mse_loss(model(x), y, reduction="sum").item()
                        for x, y in val_loader)
        val_loss = total / len(val_loader.dataset)
    """,
    "whole": """
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(x_val), y_val).item()
        model.train()
    """,
    "tensors": """
        model.eval()
        with torch.inference_mode():
            val_losses = [criterion(model(x), y) for x, y in val_loader]
        val_loss = torch.stack(val_losses).mean().item()
        model.train()
    """,
    "slices": """
        model.eval()
        total = 0.0
        with torch.no_grad():
            for at in range(0, len(x_val), 4):
                part = x_val[at : at + 4]
                total += criterion(model(part), y_val[at : at + 4]).item() * len(part)
        val_loss = total / len(x_val)
        model.train()
    """,
}


@dataclass(frozen=True)
class Program:
    """One training, as text."""

    seed: int
    epochs: int
    size: int
    held: int
    batch: int
    accumulation: int
    scheduler: str
    is_scaled: bool
    source: str
    evaluation: str
    optimizers: int

    def text(self) -> str:
        """It notes ``losses``, ``rates``, ``others``, ``means`` and ``evaluations``."""
        return "\n".join((HEAD.format(**vars(self)), *self._objects(), *self._loop()))

    def _objects(self) -> list[str]:
        lines = ["optimizer = torch.optim.Adam(model.parameters(), lr=0.01)"]
        if self.optimizers == 2:
            lines.append("second = torch.optim.SGD(other.parameters(), lr=0.1)")
        if self.scheduler:
            lines.append("scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)")
        if self.is_scaled:
            lines.append('scaler = torch.amp.GradScaler("cpu", init_scale=8.0)')
        names = ("losses", "rates", "others", "means", "evaluations")
        return [*lines, *(f"{name} = []" for name in names), "steps = 0"]

    def _loop(self) -> list[str]:
        source = {
            "loader": "for number, (x, y) in enumerate(train_loader, 1):",
            "slices": (
                "for number, at in enumerate(range(0, len(x_train), batch), 1):\n"
                "    x, y = x_train[at : at + batch], y_train[at : at + batch]"
            ),
        }[self.source]
        body = [source, indent(self._step(), "    ")]
        if self.scheduler == "epoch":
            body.append("scheduler.step()")
        evaluation = dedent(EVALUATIONS[self.evaluation])
        if evaluation:
            body += [evaluation, "evaluations.append((steps, val_loss))"]
        body.append("means.append((steps, sum(losses[begun:]) / (steps - begun)))")
        return [
            f"batch, batches = {self.batch}, len(train_loader)",
            "optimizer.zero_grad()",
            f"for epoch in range({self.epochs}):",
            indent("begun, window = steps, 0.0", "    "),
            *(indent(each, "    ") for each in body),
        ]

    def _step(self) -> str:
        parts = self.accumulation
        loss = "criterion(model(x), y)" + (f" / {parts}" if parts > 1 else "")
        lines = [f"loss = {loss}"]
        lines.append("scaler.scale(loss).backward()" if self.is_scaled else "loss.backward()")
        lines.append(f"window += {READ % 'loss'}")
        lines.append(f"if number % {parts} == 0 or number == batches:")
        inner = ["losses.append(window)", 'rates.append(optimizer.param_groups[0]["lr"])']
        inner += ["scaler.step(optimizer)", "scaler.update()"] if self.is_scaled else []
        inner += [] if self.is_scaled else ["optimizer.step()"]
        inner += ["optimizer.zero_grad()", "window, steps = 0.0, steps + 1"]
        if self.scheduler == "step":
            inner.append("scheduler.step()")
        if self.optimizers == 2:
            inner += [
                "second.zero_grad()",
                "more = criterion(other(x), model(x).detach())",
                f"others.append({READ % 'more'})",
                "more.backward()",
                "second.step()",
            ]
        return "\n".join((*lines, *(indent(each, "    ") for each in inner)))


PROGRAMS = st.builds(
    Program,
    seed=st.integers(0, 99),
    epochs=st.integers(1, 3),
    size=st.integers(5, 17),
    held=st.integers(5, 11),
    batch=st.integers(2, 4),
    accumulation=st.integers(1, 3),
    scheduler=st.sampled_from(["", "step", "epoch"]),
    is_scaled=st.booleans(),
    source=st.sampled_from(["loader", "slices"]),
    evaluation=st.sampled_from(sorted(EVALUATIONS)),
    optimizers=st.integers(1, 2),
)


def _check(program: Program, record: Any, folder: Path) -> None:
    file = folder / f"program_{next(_numbers)}.py"  # its text is looked up by name
    file.write_text(program.text())
    noted: dict[str, Any] = {"__name__": "__main__", "__file__": str(file)}
    with tracklet.start_run() as started:
        exec(compile(program.text(), str(file), "exec"), noted)
    run = tracklet.MlflowClient().get_run(started.info.run_id)

    def history(key: str) -> list[tuple[int, float]]:
        return record.history(run, key)

    names = ("optimizer", "second") if program.optimizers == 2 else ("",)
    loss, lr, mean = (
        [f"{key}/{name}" if name else key for name in names] for key in ("loss", "lr", "train_loss")
    )
    assert history(loss[0]) == [
        (step, pytest.approx(value, rel=1e-6)) for step, value in enumerate(noted["losses"], 1)
    ]
    if program.optimizers == 2:
        assert history(loss[1]) == [*enumerate(noted["others"], 1)]
    rates = [*enumerate(noted["rates"], 1)]
    changed = [each for at, each in enumerate(rates) if not at or each[1] != rates[at - 1][1]]
    assert history(lr[0]) == changed
    # Without a loader the last epoch is only over if it was as long as one before.
    means = noted["means"]
    seen = history(mean[0])
    assert seen == [(step, pytest.approx(value, rel=1e-6)) for step, value in means[: len(seen)]]
    assert len(seen) >= len(means) - (program.source == "slices" and program.epochs == 1)
    assert history("epoch") == [(step, at) for at, (step, _) in enumerate(means[: len(seen)], 1)]
    expected = [(step, pytest.approx(value, rel=1e-5)) for step, value in noted["evaluations"]]
    assert history("val_loss") == expected
    assert not {"test_loss", "train_eval_loss"} & run.data.metrics.keys()


_quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=_quiet)
@given(program=PROGRAMS)
@example(
    program=Program(15, 3, 10, 10, 4, 3, "step", False, "loader", "slices", 2)
)  # a step an epoch
@example(
    program=Program(17, 3, 17, 11, 2, 2, "", True, "slices", "sums", 2)
)  # two that count together
def test_the_record_is_what_a_program_notes_of_itself(
    program: Program, record: Any, tmp_path: Path
) -> None:
    """Accumulation, schedulers, scalers, loaders or slices, evaluations, several optimizers."""
    _check(program, record, tmp_path)


@pytest.mark.exhaustive
@settings(max_examples=500, deadline=None, suppress_health_check=_quiet)
@given(program=PROGRAMS)
def test_so_it_is_with_many_programs(program: Program, record: Any, tmp_path: Path) -> None:
    """The same, drawn anew each time."""
    _check(program, record, tmp_path)
