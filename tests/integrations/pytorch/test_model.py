"""The model of a plain loop is on the record, if the script still holds it at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.integrations.pytorch.conftest import X, Y, loader, network
from torch import nn

import tracklet


def trained() -> nn.Module:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader():
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model


def models_of(run: Any) -> list[Any]:
    outputs = tracklet.get_run(run.info.run_id).outputs.model_outputs
    return [tracklet.get_logged_model(each.model_id) for each in outputs]


def test_a_model_that_is_still_there_answers_as_it_did(watched: None) -> None:
    with tracklet.start_run() as run:
        model = trained()
    [logged] = models_of(run)
    again = tracklet.pytorch.load_model(logged.model_uri)
    assert torch.equal(again(X), model(X))
    assert logged.params["optimizer"] == "SGD"
    assert "steps_per_second" in {each.key for each in logged.metrics}
    loaded = tracklet.pyfunc.load_model(logged.model_uri)
    (given,), (answered,) = loaded.metadata.signature.inputs, loaded.metadata.signature.outputs
    assert (given.shape, given.type, answered.shape) == ((-1, 3), np.float32, (-1, 1))
    expected = model(X).detach().numpy()
    assert (loaded.predict(X.numpy()) == expected).all()
    assert tracklet.get_run(run.info.run_id).data.params["amp"] == "False"


class Inside(nn.Linear):
    @torch.autocast("cpu", torch.bfloat16)
    def forward(self, x: Any) -> Any:
        return super().forward(x)


@pytest.mark.parametrize("kind", [Inside, nn.Linear])
def test_of_a_wrapped_forward_nothing_is_said_of_autocast(watched: None, kind: Any) -> None:
    """Decorated in its class, or put onto the instance as accelerate does."""
    with tracklet.start_run() as run:
        model = kind(3, 1)
        if kind is nn.Linear:
            model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            model(X).float().square().mean().backward()
            optimizer.step()
    assert "amp" not in tracklet.get_run(run.info.run_id).data.params


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Embedding(5, 4)
        self.outer = nn.Linear(4, 2)

    def forward(self, tokens: Any, mask: Any, labels: Any = None) -> Any:
        found = self.outer((self.inner(tokens) * mask).mean(1))
        loss = None if labels is None else nn.functional.cross_entropy(found, labels)
        return {"scores": found, "loss": loss}


def test_a_signature_has_what_differs_by_any_length_and_all_that_is_given(watched: None) -> None:
    """Of several inputs by their names; labels and the loss are of the training alone."""
    with tracklet.start_run() as run:
        model = Reader()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for length in (3, 3, 5, 4):
            tokens, mask = torch.randint(5, (2, length)), torch.ones(2, length, 1)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                model(tokens, mask=mask, labels=torch.tensor([0, 1]))["loss"].backward()
            optimizer.step()
    assert tracklet.get_run(run.info.run_id).data.params["amp"] == "bfloat16"
    [logged] = models_of(run)
    loaded = tracklet.pyfunc.load_model(logged.model_uri)
    signature = loaded.metadata.signature
    given = {each.name: (each.shape, each.type.name) for each in signature.inputs}
    assert given == {"tokens": ((-1, -1), "int64"), "mask": ((-1, -1, 1), "float32")}
    assert {each.name: each.shape for each in signature.outputs} == {"scores": (-1, 2)}
    tokens, mask = torch.randint(5, (7, 9)), torch.ones(7, 9, 1)
    answer = loaded.predict({"tokens": tokens.numpy(), "mask": mask.numpy()})["scores"]
    assert (answer == model(tokens, mask)["scores"].detach().numpy()).all()
    assert not nn.modules.module._has_any_global_hook()


def test_what_runs_a_model_on_several_devices_is_not_part_of_it(watched: None) -> None:
    with tracklet.start_run() as run:
        model = nn.DataParallel(network())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        nn.functional.mse_loss(model(X), Y).backward()
        optimizer.step()
    [logged] = models_of(run)
    assert type(tracklet.pytorch.load_model(logged.model_uri)) is nn.Sequential


def test_a_model_that_is_gone_is_not_kept_for_the_record(watched: None) -> None:
    with tracklet.start_run() as run:
        trained()
    assert models_of(run) == []
    assert "left out" in tracklet.get_run(run.info.run_id).data.tags["tracklet.model"]


def test_models_are_left_out_when_asked(watched: None) -> None:
    tracklet.pytorch.autolog(log_models=False)
    with tracklet.start_run() as run:
        model = trained()
    assert models_of(run) == []
    assert model is not None
