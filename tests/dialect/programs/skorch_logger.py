"""A network trained by skorch, whose callback records each epoch and the pickled network."""

import mlflow
import numpy as np
import torch
from skorch import NeuralNetRegressor
from skorch.callbacks import MlflowLogger

torch.manual_seed(0)
x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
y = x.sum(1, keepdims=True)
mlflow.set_experiment("skorch")
with mlflow.start_run(run_name="net") as run:
    network = NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=4,
        module__out_features=1,
        max_epochs=3,
        lr=0.1,
        verbose=0,
        callbacks=[MlflowLogger(run)],
    )
    network.fit(x, y)
