"""The client's verbs are the stores' own: whoever overrides one there is asked here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tracklet import TrackletClient, stores
from tracklet.record import Store

PASSED_ON = [
    name
    for name, verb in inspect.getmembers(TrackletClient, inspect.isfunction)
    if getattr(verb, "__wrapped__", None) is getattr(Store, name, None) is not None
]


class Remote(Store):
    """A store of verbs of its own, as one behind a server is."""

    def __init__(self, uri: str) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in PASSED_ON:
            return lambda *args, **kwargs: self.asked.append((name, args, kwargs))
        return super().__getattribute__(name)


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_store_without_a_backend_answers_for_itself(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each verb that is passed on reaches what the store made of it, with all it was given."""
    remote = Remote("")
    monkeypatch.setattr(stores._stores, "open", {"remote://x": remote})
    getattr(TrackletClient("remote://x"), name)("a", 1, key="b")
    assert remote.asked == [(name, ("a", 1), {"key": "b"})]


def test_most_verbs_are_passed_on() -> None:
    """A verb that the client types again has something to add."""
    assert len(PASSED_ON) >= 30
