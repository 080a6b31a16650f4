"""The names that scripts call, and how they are called, change only on purpose."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import tracklet

KNOWN = Path(__file__).parent / "signatures.txt"
MODULES = {path.stem for path in Path(tracklet.__file__).parent.iterdir()}


def signatures() -> Iterator[str]:
    """Each callable of the package and each verb of the client, with its signature."""
    for name in tracklet.__all__:
        # Modules of frameworks are no part of this: they need not be installed.
        value = getattr(tracklet, name) if name not in MODULES else None
        if callable(value):
            yield f"{name}{inspect.signature(value)}"
    for name in dir(tracklet.TrackletClient):
        value = getattr(tracklet.TrackletClient, name)
        if not name.startswith("_") and callable(value):
            yield f"TrackletClient.{name}{inspect.signature(value)}"


def test_names_and_signatures_are_the_ones_that_are_written_down() -> None:
    """A change here is a change for everybody's scripts; write it into the file if it is meant."""
    assert list(signatures()) == KNOWN.read_text(encoding="utf-8").splitlines()
