"""Four micro-batches make one step, with the gradients clipped."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 4

torch.manual_seed(0)
inputs = torch.randn(64, 5)
labels = (inputs.sum(1) > 0).long()
train_loader = DataLoader(TensorDataset(inputs[:48], labels[:48]), batch_size=3, shuffle=True)
valid_loader = DataLoader(TensorDataset(inputs[48:], labels[48:]), batch_size=6)

model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)

for epoch in range(3):
    model.train()
    epoch_loss = 0.0
    optimizer.zero_grad()
    for i, (x, y) in enumerate(train_loader):
        loss = criterion(model(x), y) / ACCUMULATE
        loss.backward()
        epoch_loss += loss.item()
        if (i + 1) % ACCUMULATE == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    model.eval()
    valid_loss, seen = 0.0, 0
    with torch.inference_mode():
        for x, y in valid_loader:
            loss = criterion(model(x), y)
            valid_loss += loss.item() * x.size(0)
            seen += x.size(0)
    steps = len(train_loader) // ACCUMULATE
    print(f"epoch {epoch + 1} train_loss {epoch_loss / steps:.6f} val_loss {valid_loss / seen:.6f}")
