"""One cycle of the rate over all batches, and a group of parameters with a rate of its own."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 3

torch.manual_seed(0)
x = torch.linspace(-1, 1, 60).unsqueeze(1)
y = x**3 - x
dataset = TensorDataset(x, y)
train_set, valid_set = torch.utils.data.random_split(dataset, [40, 20])
train_loader = DataLoader(train_set, batch_size=10, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=8)

body, head = nn.Sequential(nn.Linear(1, 16), nn.Tanh()), nn.Linear(16, 1)
model = nn.Sequential(body, head)
optimizer = torch.optim.Adam(
    [{"params": body.parameters(), "lr": 0.01}, {"params": head.parameters(), "lr": 0.02}]
)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=[0.05, 0.1], total_steps=EPOCHS * len(train_loader)
)
criterion = nn.SmoothL1Loss()

for epoch in range(EPOCHS):
    train_losses, valid_losses = [], []
    model.train()
    for inputs, wanted in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), wanted)
        loss.backward()
        rates = [group["lr"] for group in optimizer.param_groups]
        optimizer.step()
        scheduler.step()
        train_losses.append(loss.item())
        print(f"loss {train_losses[-1]:.6f} lr/0 {rates[0]:.6f} lr/1 {rates[1]:.6f}")
    model.eval()
    with torch.no_grad():
        for inputs, wanted in valid_loader:
            valid_losses.append(criterion(model(inputs), wanted).item())
    print(
        f"epoch {epoch + 1} train_loss {np.average(train_losses):.6f} "
        f"val_loss {np.average(valid_losses):.6f}"
    )
