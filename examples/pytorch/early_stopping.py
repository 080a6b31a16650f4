"""Stops when the validation loss has not fallen for a while, and tests the best weights."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
points = torch.randn(60, 4)
values = points[:, :1] * points[:, 1:2] + 0.5 * torch.randn(60, 1)


def part(first, last):
    return DataLoader(TensorDataset(points[first:last], values[first:last]), batch_size=7)


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.state, self.bad = patience, float("inf"), None, 0

    def __call__(self, val_loss, model):
        if val_loss < self.best:
            self.best, self.state, self.bad = val_loss, copy.deepcopy(model.state_dict()), 0
        else:
            self.bad += 1
        return self.bad >= self.patience


def evaluate(model, loader, criterion):
    model.eval()
    losses = []
    with torch.no_grad():
        for x, y in loader:
            losses.append(criterion(model(x), y))
    return torch.stack(losses).mean().item()


model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
stopping = EarlyStopping(patience=2)

for epoch in range(20):
    model.train()
    total = 0.0
    for x, y in part(0, 30):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    val_loss = evaluate(model, part(30, 45), criterion)
    print(f"epoch {epoch + 1} train_loss {total / 5:.6f} val_loss {val_loss:.6f}")
    if stopping(val_loss, model):
        break

model.load_state_dict(stopping.state)
print(f"test_loss {evaluate(model, part(45, 60), criterion):.6f}")
