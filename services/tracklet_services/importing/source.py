"""The contract of a source: a record to be read, entity by entity, without changing it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tracklet.entities import Experiment
from tracklet_services.importing.merge import LoggedModelRecord, RegisteredModelRecord, RunRecord


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something in the source that could not be read.

    Attributes:
        kind: ``"experiment"``, ``"run"``, ``"logged model"`` or ``"registered model"``.
        name: Its id, name or path.
        reason: Why.
    """

    kind: str
    name: str
    reason: str


class ImportSource(ABC):
    """Where a record comes from.

    Entities are read when the iterators come to them, a run at a time, so a record of any size
    takes the memory of its largest run. Nothing is written to the source.
    """

    location: str
    """The path or URI, for the report; without a password."""

    schema: str
    """What the source is, for the report, such as ``"mlruns"``."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        """What the user should know of the source, one text each."""
        self.oddities: Counter[str] = Counter()
        """What was odd in many places, and how often; part of the notices of the report."""
        self.artifact_roots: list[str] = []
        """The record's own folders, from which artifacts may be copied."""

    @abstractmethod
    def count_runs(self) -> int:
        """How many runs there are, about."""

    @abstractmethod
    def experiments(self) -> Iterator[Experiment | Unreadable]:
        """All experiments, the deleted ones included.

        An ``artifact_location`` that the source's store chose by itself is given as ``""``.
        """

    @abstractmethod
    def runs(self, experiment_id: str) -> Iterator[RunRecord | Unreadable]:
        """All runs of an experiment, the deleted ones included."""

    @abstractmethod
    def logged_models(self, experiment_id: str) -> Iterator[LoggedModelRecord | Unreadable]:
        """All logged models of an experiment, the deleted ones included."""

    @abstractmethod
    def registered_models(self) -> Iterator[RegisteredModelRecord | Unreadable]:
        """All registered models, with the deleted versions."""

    @abstractmethod
    def left_out(self) -> dict[str, int]:
        """What the source keeps and tracklet does not: how many of what."""

    def close(self) -> None:  # noqa: B027 - folders hold nothing open
        """Release what is open."""
