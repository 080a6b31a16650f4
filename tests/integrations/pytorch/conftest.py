"""Loops as people write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import tracklet

X = torch.arange(48, dtype=torch.float32).reshape(16, 3).sin()
Y = X.sum(1, keepdim=True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loader(batch_size: int = 4, **settings: Any) -> DataLoader:
    return DataLoader(TensorDataset(X, Y), batch_size=batch_size, **settings)


@pytest.fixture
def watched(tracklet_home: Any) -> Iterator[None]:
    """Autologging of PyTorch is on, and what goes wrong in it is raised."""
    tracklet.pytorch.autolog()
    yield
    tracklet.pytorch.autolog(disable=True)


@pytest.fixture
def in_run(watched: None) -> Iterator[Any]:
    """A run of the user's."""
    with tracklet.start_run() as run:
        yield run
