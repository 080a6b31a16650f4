"""Every field of an entity is in the messages of the server, and a client reads it from there."""

from __future__ import annotations

from typing import Any

import pytest

from tracklet import entities
from tracklet.stores.rest import messages
from tracklet_testing.store.field_contract import filled, said

msgspec = pytest.importorskip("msgspec", reason="the extra `server` is not installed")


class _Places:
    def shown(self, uri: str, path: str) -> str:
        return uri

    def shown_source(self, source: str, *of: str) -> str:
        return source


@pytest.mark.parametrize(
    ("kind", "of", "unsaid"),
    [
        (entities.Experiment, "experiment", set()),
        (entities.RunInfo, "run_info", set()),
        (entities.LoggedModel, "model", {"lifecycle_stage"}),
        (entities.RegisteredModel, "registered", set()),
        (entities.ModelVersion, "version", {"storage_location"}),
        (entities.Dataset, "", set()),
        (entities.Metric, "metric", set()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_field_crosses_the_wire(kind: type[Any], of: str, unsaid: set[str]) -> None:
    """But for what the protocol has no word for."""
    from tracklet_services.server import replies

    given = {"value": 0.5} if kind is entities.Metric else {}
    made = filled(kind, given)
    read: Any = messages.reader(kind, "http://server")
    if kind is entities.LoggedModel:
        read = lambda message: messages.logged_model(message, "http://server")  # noqa: E731
    if kind is entities.Dataset:
        reply: Any = replies.run(_of_dataset(made), _Places(), ()).inputs.dataset_inputs[0].dataset
    else:
        reply = getattr(replies, of)(made, _Places())
    found = read(msgspec.json.decode(msgspec.json.encode(reply)))
    lost = {name for name, value in said(made).items() if said(found).get(name, value) != value}
    lost |= said(made).keys() - said(found).keys()
    assert lost <= unsaid
    assert set(said(made)) > unsaid


def _of_dataset(made: entities.Dataset) -> entities.Run:
    info = filled(entities.RunInfo, {})
    inputs = entities.RunInputs([entities.DatasetInput(made, [])], [])
    return entities.Run(info, inputs=inputs)
