"""A small module, and trainers that say nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import tracklet

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
collect_ignore_glob = [] if importlib.util.find_spec("lightning") else ["test_*.py"]

X = torch.arange(64, dtype=torch.float32).reshape(16, 4).sin()
DATA = TensorDataset(X, X.sum(1, keepdim=True))


def loader(**settings: Any) -> DataLoader:
    return DataLoader(DATA, **{"batch_size": 4, **settings})


class Kit:
    """What is made of one of Lightning's packages."""

    def __init__(self, package: str, folder: Any) -> None:
        self.pl = importlib.import_module(package)
        self._folder = folder

        class Line(self.pl.LightningModule):
            """Logs on steps, at epochs, both ways, and when an epoch is over."""

            def __init__(self, width: int = 4, rate: float = 0.1, optimizers: int = 1) -> None:
                super().__init__()
                self.save_hyperparameters()
                self.layer = torch.nn.Linear(width, 1)
                self.noise = torch.nn.Dropout(0.1)
                self.automatic_optimization = optimizers == 1

            def forward(self, x: Any) -> Any:
                return self.layer(self.noise(x))

            def training_step(self, batch: Any, index: int) -> Any:
                x, y = batch
                loss = torch.nn.functional.mse_loss(self(x), y)
                self.log("train_loss", loss)
                self.log("both", loss, on_step=True, on_epoch=True)
                self.log("mean", loss, on_step=False, on_epoch=True)
                if not self.automatic_optimization:
                    for optimizer in self.optimizers():
                        optimizer.zero_grad()
                    self.manual_backward(loss)
                    for optimizer in self.optimizers():
                        optimizer.step()
                return loss

            def on_train_epoch_end(self) -> None:
                self.log("late", float(self.current_epoch))

            def validation_step(self, batch: Any, index: int) -> None:
                x, y = batch
                self.log("val_loss", torch.nn.functional.mse_loss(self(x), y))

            def test_step(self, batch: Any, index: int) -> None:
                x, y = batch
                self.log("test_loss", torch.nn.functional.mse_loss(self(x), y))

            def configure_optimizers(self) -> Any:
                if self.hparams.optimizers > 1:
                    halves = ([self.layer.weight], [self.layer.bias])
                    return [torch.optim.SGD(half, lr=0.01) for half in halves]
                optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.rate)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]

        self.Line = Line

    def module(self, **settings: Any) -> Any:
        torch.manual_seed(0)
        return self.Line(**settings)

    loader = staticmethod(loader)

    def trainer(self, **settings: Any) -> Any:
        quiet = {
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            "default_root_dir": self._folder,
            "max_epochs": 2,
        }
        return self.pl.Trainer(**{**quiet, **settings})

    def fitted(self, module: Any = None, **settings: Any) -> Any:
        """A trainer that has fitted a module, with validation."""
        trainer = self.trainer(**settings)
        trainer.fit(module if module is not None else self.module(), loader(), loader())
        return trainer


@pytest.fixture(params=PACKAGES)
def either(request: pytest.FixtureRequest, tmp_path: Any) -> Kit:
    """Each of the names that the package has."""
    pytest.importorskip(request.param.partition(".")[0])
    return Kit(request.param, tmp_path)


@pytest.fixture
def kit(tmp_path: Any) -> Kit:
    return Kit(PACKAGES[0], tmp_path)


@pytest.fixture
def on(tracklet_home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Autologging of PyTorch is on, logs no models, and faults of its own are raised."""
    monkeypatch.setenv("TRACKLET_STRICT", "1")
    tracklet.pytorch.autolog(log_models=False)
    yield
    tracklet.pytorch.autolog(disable=True)
