"""Saves a checkpoint after each epoch, and goes on from it when it is started again."""

import os
import sys

import torch
from torch import nn

PATH = os.path.join(sys.argv[1] if len(sys.argv) > 1 else ".", "checkpoint.pt")
LAST = int(sys.argv[2]) if len(sys.argv) > 2 else 4

torch.manual_seed(0)
inputs = torch.randn(32, 3)
outputs = inputs.prod(1, keepdim=True)

model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
start = 0
if os.path.exists(PATH):
    saved = torch.load(PATH)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["random"])
    start = saved["epoch"]

for epoch in range(start, LAST):
    order = torch.randperm(32)
    losses = []
    for rows in order.split(8):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs[rows]), outputs[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1} train_loss {sum(losses) / len(losses):.6f}")
    torch.save(
        {
            "epoch": epoch + 1,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "random": torch.get_rng_state(),
        },
        PATH,
    )
