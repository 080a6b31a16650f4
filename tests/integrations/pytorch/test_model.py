"""The model of a plain loop is on the record, if the script still holds it at the end."""

from __future__ import annotations

from typing import Any

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
    answer = tracklet.pyfunc.load_model(logged.model_uri).predict(X.numpy())
    assert (answer == model(X).detach().numpy()).all()


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
