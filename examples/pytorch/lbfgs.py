"""A sine wave, fitted at once by L-BFGS, which asks for the loss several times a step."""

import torch
from torch import nn

torch.manual_seed(0)
time = torch.linspace(0, 6, 60).unsqueeze(1)
wave = torch.sin(time)
train_x, train_y, test_x, test_y = time[::2], wave[::2], time[1::2], wave[1::2]

model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
train_x, train_y, test_x, test_y = (each.double() for each in (train_x, train_y, test_x, test_y))
criterion = nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)

for epoch in range(4):
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(train_x), train_y)
        loss.backward()
        calls.append(loss.item())
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        test_loss = criterion(model(test_x), test_y)
        print(
            f"epoch {epoch + 1} loss {calls[0]:.6f} closure_evaluations {len(calls)} "
            f"test_loss {test_loss.item():.6f}"
        )
