"""A network trained by Lightning, whose logger records hyperparameters, metrics and checkpoints."""

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import MLFlowLogger
from torch.utils.data import DataLoader, TensorDataset


class Line(pl.LightningModule):
    def __init__(self, width: int = 4, rate: float = 0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)

    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)


pl.seed_everything(0)
x = torch.randn(32, 4)
data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8)
logger = MLFlowLogger(
    experiment_name="lightning", run_name="a line", tags={"team": "blue"}, log_model="all"
)
trainer = pl.Trainer(
    max_epochs=2,
    accelerator="cpu",
    logger=logger,
    log_every_n_steps=2,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(Line(), data, data)
logger.log_metrics({"after": 1.0}, step=9)
logger.experiment.log_text(logger.run_id, "done", "notes/done.txt")
