"""bfloat16 by autocast, and a scaler that leaves out the step whose gradients overflow."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
features = torch.randn(48, 6)
targets = features @ torch.randn(6, 1)
loader = DataLoader(TensorDataset(features, targets), batch_size=16)

model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
skipped = 0

for epoch in range(3):
    total, counted = 0.0, 0
    for number, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.mse_loss(model(x), y.bfloat16())
        if epoch == 1 and number == 1:
            loss = loss * float("inf")
        before = scaler.get_scale()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() < before:
            skipped += 1
            continue
        total += loss.item()
        counted += 1
    print(f"epoch {epoch + 1} train_loss {total / counted:.6f}")
print(f"skipped_steps {skipped}")
