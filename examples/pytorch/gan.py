"""Two networks against each other: points on a ring, and what pretends to be such points."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
angles = 2 * math.pi * torch.rand(64)
dataloader = DataLoader(
    TensorDataset(torch.stack([angles.cos(), angles.sin()], dim=1)), batch_size=16, shuffle=True
)

netG = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
netD = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))

for epoch in range(3):
    sum_d = sum_g = 0.0
    for (real,) in dataloader:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)

        netD.zero_grad()
        errD_real = criterion(netD(real), ones)
        errD_real.backward()
        fake = netG(torch.randn(len(real), 4))
        errD_fake = criterion(netD(fake.detach()), zeros)
        errD_fake.backward()
        errD = errD_real + errD_fake
        optimizerD.step()

        netG.zero_grad()
        errG = criterion(netD(fake), ones)
        errG.backward()
        optimizerG.step()
        sum_d += errD.item()
        sum_g += errG.item()
    print(
        f"epoch {epoch + 1} train_loss/optimizerD {sum_d / len(dataloader):.6f} "
        f"train_loss/optimizerG {sum_g / len(dataloader):.6f}"
    )
