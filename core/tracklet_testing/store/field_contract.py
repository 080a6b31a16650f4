"""Every field of an entity is kept by every store: who adds one learns here who lacks it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tracklet import entities, names
from tracklet.record import Store
from tracklet.record.backend import Past, identity, info_of

_NOT_KEPT: Final = frozenset({"workspace", "trace_location"})
_WORDS: Final = {
    "lifecycle_stage": "active",
    "status": "FINISHED",
    "current_stage": "Staging",
    "name": "a name",
    "version": 1,
}


class FieldContract:
    """What an entity says of itself comes back, found by its id and by a search."""

    @pytest.mark.parametrize(
        "kind",
        [
            entities.Experiment,
            entities.RunInfo,
            entities.LoggedModel,
            entities.RegisteredModel,
            entities.ModelVersion,
        ],
        ids=lambda kind: kind.__name__,
    )
    def test_every_field_of_an_entity_is_kept(
        self, store: Store, experiment_id: str, kind: type[entities.Entity]
    ) -> None:
        """Each has the value that it was created with."""
        if not hasattr(store, "backend"):
            pytest.skip("its entities are created by a server")
        given: dict[str, Any] = {"run_id": names.run_id(), "model_id": names.model_id()}
        given["experiment_id"] = experiment_id
        if kind is entities.Experiment:
            given["experiment_id"] = names.experiment_id()
        made: Any = filled(kind, given)
        if kind is entities.ModelVersion:
            store.create_registered_model(made.name)
        with store.backend.writing(exclusive=True) as at:
            at.create(entities.Run(made) if kind is entities.RunInfo else made, past=Past())
        with store.backend.reading() as at:
            entry = at.find(*identity(made))
            assert entry is not None
            found = [entry.info, info_of(at.load(entry))]
        found += [info for info in _all(store, experiment_id) if identity(info) == identity(made)]
        assert len(found) == 3
        for each in found:
            assert said(each) == said(made)


def filled(kind: type[Any], given: dict[str, Any]) -> Any:
    """An entity whose every field of one value has a value of its own."""
    values: dict[str, Any] = {}
    for place, (field, form) in enumerate(kind._fields.items()):
        if field in _NOT_KEPT:
            continue
        if field in given or field in _WORDS:
            values[field] = given.get(field) or _WORDS[field]
        elif form.startswith("str"):
            values[field] = f"s3://bucket/{field}"
        elif form.startswith("int"):
            values[field] = 1_600_000_000_000 + place
    if kind is entities.LoggedModel:
        values["status"] = entities.LoggedModelStatus.FAILED
    return kind(**values)


def said(info: Any) -> dict[str, Any]:
    """The fields of one value each."""
    plain = (str, int, float, type(None))
    return {name: value for name, value in info if isinstance(value, plain)}


def _all(store: Store, experiment_id: str) -> list[Any]:
    return [
        *store.search_experiments(),
        *(run.info for run in store.search_runs([experiment_id])),
        *store.search_logged_models([experiment_id]),
        *store.search_registered_models(),
        *store.search_model_versions(),
    ]
