"""The contract of an open run: what training writes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from tracklet.entities import Metric


class RunWriter(ABC):
    """The open record of one run, made for the training path.

    Calls may come from any thread. When one returns, the record is with the operating system:
    it survives the death of the process.
    """

    run_id: str

    @abstractmethod
    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        """Append one point. ``value`` is a float already, ``step`` an int."""

    @abstractmethod
    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        """Append points; all keys are checked before the first is written."""

    def log_values(self, values: Mapping[str, float], step: int, timestamp: int) -> None:
        """Append one point to each of several metrics; all keys are checked first.

        Stores that can do better than making :class:`Metric` objects override this.
        """
        self.log_metrics([Metric(key, values[key], timestamp, step) for key in values])

    def link_metrics(self, metrics: Sequence[Metric]) -> None:
        """Add points that this run has already to the record of the models that they name.

        Stores that would otherwise write them to the run a second time override this.
        """
        self.log_metrics(metrics)

    @abstractmethod
    def log_params(self, params: Mapping[str, str]) -> None:
        """Set params; a key that is set already must keep its value. All or nothing is written.

        Raises:
            InvalidParameterValue: A key is malformed, or holds another value already.
        """

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values."""

    @abstractmethod
    def flush(self) -> None:
        """Return when everything written would survive a power cut."""

    @abstractmethod
    def close(self) -> None:
        """Release descriptors and the claim that the run is alive. Idempotent."""
