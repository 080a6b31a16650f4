"""What an import took, what was there already and what it left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tracklet_services.importing.merge import Change

KINDS: Final = ("experiments", "runs", "logged models", "registered models")
MAX_REASONS: Final = 100
"""Of so many skipped things the report says which and why; of the others only how many."""


@dataclass(slots=True)
class Tally:
    """How many entities of one kind came to which end."""

    taken: int = 0
    updated: int = 0
    already_there: int = 0
    skipped: int = 0

    def add(self, change: Change) -> None:
        """Count an entity."""
        if change is Change.TAKEN:
            self.taken += 1
        elif change is Change.UPDATED:
            self.updated += 1
        else:
            self.already_there += 1


@dataclass(frozen=True, slots=True)
class Skip:
    """An entity, or a part of one, that was not taken."""

    kind: str
    name: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        source: Where the record came from.
        schema: What the source is.
        target: Where it went.
        tallies: Per kind of entity.
        points: How many points of metrics were written.
        artifacts: How many artifact files were copied.
        experiments: Ids in the source and here, where they differ.
        left_out: What the source keeps and tracklet does not: how many of what.
        skips: The first skipped entities and parts, with reasons.
        parts_skipped: How many parts of entities (a param, a metric) were not taken.
        notices: What else the user should know.
    """

    source: str
    schema: str
    target: str
    tallies: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in KINDS})
    points: int = 0
    artifacts: int = 0
    experiments: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)
    parts_skipped: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """How many entities were taken or updated."""
        return sum(tally.taken + tally.updated for tally in self.tallies.values())

    def skip(self, kind: str, name: str, reason: str) -> None:
        """Count an entity that was not taken."""
        self.tallies[kind].skipped += 1
        self._remember(Skip(kind, name, reason))

    def skip_part(self, kind: str, name: str, reason: str) -> None:
        """Count a part of an entity that was not taken."""
        self.parts_skipped += 1
        self._remember(Skip(kind, name, reason))

    def _remember(self, skip: Skip) -> None:
        if len(self.skips) < MAX_REASONS:
            self.skips.append(skip)

    def to_dictionary(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        return asdict(self)
