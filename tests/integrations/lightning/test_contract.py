"""Through Lightning's trainers, PyTorch's integration sees everything and touches nothing."""

from __future__ import annotations

from typing import ClassVar

import lightning.pytorch
import pytest

import tracklet
from tracklet.testing import IntegrationContract
from tracklet_integrations.shared.driving import driven_by

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, of many kinds


class TestLightning(IntegrationContract):
    name = "pytorch"
    modules = ("lightning",)
    targets = ("lightning.pytorch.trainer.trainer:Trainer.fit",)
    orderings: ClassVar = {
        "enable import": True,
        "import enable": True,
        "generic import": True,
    }
    training = """
    def of_lightning(callbacks=None, **settings):
        import lightning
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        class Line(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(4, 1)
                torch.nn.init.constant_(self.layer.weight, 0.5)
                torch.nn.init.constant_(self.layer.bias, 0.5)

            def forward(self, x):
                return self.layer(x)

            def training_step(self, batch, index):
                x, y = batch
                loss = torch.nn.functional.mse_loss(self(x), y)
                self.log("train_loss", loss)
                return loss

            def validation_step(self, batch, index):
                x, y = batch
                self.log("val_loss", torch.nn.functional.mse_loss(self(x), y))

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        # Threads that train at the same time share the global generator.
        x = torch.arange(32.0).reshape(8, 4).sin()
        data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=4)
        quiet = dict.fromkeys((
            "logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"
        ), False)
        trainer = lightning.Trainer(
            accelerator="cpu", devices=1, max_epochs=1,
            callbacks=callbacks, log_every_n_steps=1, **{**quiet, **settings},
        )
        module = Line()
        trainer.fit(module, data, data)
        return trainer, module, data


    def train():
        trainer, module, _ = of_lightning()
        learned = [each.detach().numpy().tobytes() for each in module.parameters()]
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        return learned, metrics


    def fail(error):
        import lightning

        class Raising(lightning.Callback):
            def on_train_batch_end(self, *args):
                raise error

        of_lightning([Raising()])


    def noisy():
        of_lightning(enable_model_summary=True)
    """

    def test_an_unsupported_version_is_declined(self, tracklet_home, monkeypatch):
        """Trainers of Lightning before 2.0 are not watched; plain loops are."""
        bare = vars(lightning.pytorch.Trainer)["fit"]
        monkeypatch.setattr(lightning.pytorch, "__version__", "1.9.5")
        with self.watched():
            assert vars(lightning.pytorch.Trainer)["fit"] is bare
            assert tracklet.autolog.status()["pytorch"] == "active"

    @pytest.mark.parametrize("kind", [ValueError])  # Lightning makes an exit of an interrupt
    def test_the_users_exception_is_the_same_object(self, script, enabled, kind):
        super().test_the_users_exception_is_the_same_object(script, enabled, kind)

    def test_no_failure_of_ours_hides_one_of_the_users(self, script, enabled, places):
        """Without the rules of plain loops, by which it is recorded when nobody says who drives."""
        with driven_by("nobody"):
            super().test_no_failure_of_ours_hides_one_of_the_users(script, enabled, places)
