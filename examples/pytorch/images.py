"""A small convolutional network on made images: bright squares and bright crosses."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def make_images(count: int) -> TensorDataset:
    images, labels = torch.rand(count, 1, 8, 8), torch.randint(0, 2, (count,))
    images[labels == 0, :, 2:6, 2:6] += 0.5
    images[labels == 1, :, 3:5, :] += 0.5
    return TensorDataset(images, labels)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(4 * 3 * 3, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return F.log_softmax(self.fc(self.dropout(torch.flatten(x, 1))), dim=1)


def train(model, loader, optimizer):
    model.train()
    running_loss = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    return running_loss / len(loader)


def validate(model, loader):
    model.eval()
    val_loss, correct = 0.0, 0
    with torch.no_grad():
        for images, labels in loader:
            output = model(images)
            val_loss += F.nll_loss(output, labels, reduction="sum").item()
            correct += (output.argmax(dim=1) == labels).sum().item()
    return val_loss / len(loader.dataset), correct / len(loader.dataset)


def main():
    torch.manual_seed(0)
    train_data, val_data = random_split(make_images(84), [64, 20])
    train_loader = DataLoader(train_data, batch_size=16, shuffle=True)
    val_loader = DataLoader(val_data, batch_size=16)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 4):
        lr = scheduler.get_last_lr()[0]
        train_loss = train(model, train_loader, optimizer)
        val_loss, accuracy = validate(model, val_loader)
        scheduler.step()
        print(
            f"epoch {epoch} lr {lr:.6f} train_loss {train_loss:.6f} "
            f"val_loss {val_loss:.6f} accuracy {accuracy:.3f}"
        )
    return model, optimizer


if __name__ == "__main__":
    main()
