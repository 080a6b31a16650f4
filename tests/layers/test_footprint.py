"""What ``pip install tracklet`` brings along."""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(name: str) -> set[str]:
    """The distributions that a plain install of ``name`` needs here, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current in found:
            continue
        found.add(current)
        for text in distribution(current).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def test_a_plain_install_brings_at_most_ten_distributions() -> None:
    assert len(closure("tracklet")) <= 10, sorted(closure("tracklet"))
