"""A loop of pytorch-ignite, whose logger records what its handlers give it."""

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers.mlflow_logger import (
    MLflowLogger,
    OptimizerParamsHandler,
    global_step_from_engine,
)
from ignite.metrics import MeanSquaredError

torch.manual_seed(0)
x = torch.randn(32, 4)
batches = [(part, part.sum(1, keepdim=True)) for part in x.split(8)]
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
trainer = create_supervised_trainer(model, optimizer, torch.nn.functional.mse_loss)
evaluator = create_supervised_evaluator(model, {"mse": MeanSquaredError()})

logger = MLflowLogger()
logger.log_params({"seed": 0, "model": "linear", "lr": 0.1})
logger.set_tag("team", "blue")
logger.attach_output_handler(
    trainer,
    event_name=Events.ITERATION_COMPLETED(every=2),
    tag="training",
    output_transform=lambda loss: {"loss": loss},
)
logger.attach_output_handler(
    evaluator,
    event_name=Events.EPOCH_COMPLETED,
    tag="validation",
    metric_names=["mse"],
    global_step_transform=global_step_from_engine(trainer),
)
logger.attach(trainer, OptimizerParamsHandler(optimizer), Events.EPOCH_COMPLETED)


@trainer.on(Events.EPOCH_COMPLETED)
def validate():
    evaluator.run(batches)


trainer.run(batches, max_epochs=2)
logger.close()
