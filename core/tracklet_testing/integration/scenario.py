"""One training of the contract: what it learns, and what it leaves on the record."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from tracklet import autolog
from tracklet.client import TrackletClient
from tracklet.entities import Run
from tracklet_testing.integration import random_states

_NEWEST = 60


class Scenario:
    """A training from its source text.

    Args:
        name: What it is called.
        source: Python text that defines ``train()``; see ``IntegrationContract.further``.
    """

    def __init__(self, name: str, source: str) -> None:
        names: dict[str, Any] = {"__name__": "tracklet_contract_training"}
        exec(compile(textwrap.dedent(source), f"<{name}>", "exec"), names)
        self.name = name
        self.names = names
        self.options: Mapping[str, Any] = names.get("options", {})
        self.train: Callable[[], Any] = self._drained

    def _drained(self) -> Any:
        """The training, and then what is done in the background, so that its faults are seen."""
        try:
            return self.names["train"]()
        finally:
            autolog.flush()

    def observe(self) -> tuple[Any, ...]:
        """Train from known random numbers; what was learned, and what the next ones follow from."""
        random_states.start_over()
        learned = self.train()
        return learned, random_states.state()


class Newcomers:
    """The runs that have come since one last asked."""

    def __init__(self) -> None:
        self._client = TrackletClient()
        self._known: set[str] = set()
        self()

    def __call__(self) -> list[Run]:
        """The runs that were not there the last time."""
        found = self._client.search_runs(
            [each.experiment_id for each in self._client.search_experiments()],
            order_by=["attributes.start_time DESC"],
            max_results=_NEWEST,
        )
        new = [run for run in found if run.info.run_id not in self._known]
        self._known.update(run.info.run_id for run in new)
        return new

    def described(self) -> list[str]:
        """What the newcomers hold, but for numbers and ids, which differ from run to run."""
        return sorted(json.dumps(self._contents(run), sort_keys=True) for run in self())

    def _contents(self, run: Run) -> dict[str, Any]:
        files = self._client.list_artifacts(run.info.run_id)
        return {
            "status": run.info.status,
            "params": dict(run.data.params),
            "metrics": sorted(run.data.metrics),
            "tags": sorted(run.data.tags),
            "artifacts": sorted(each.path for each in files),
            "datasets": sorted(each.dataset.digest for each in run.inputs.dataset_inputs),
            "models": len(run.outputs.model_outputs),
        }
