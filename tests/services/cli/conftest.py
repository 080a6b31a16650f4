"""A command line to call, and runs to look at."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tracklet.client import TrackletClient
from tracklet.entities import Metric, Param, RunTag
from tracklet_services.cli.app import app

# From click 8.2 on the two streams are apart by themselves.
MIXES = "mix_stderr" in inspect.signature(CliRunner).parameters
RUNNER = CliRunner(**{"mix_stderr": False} if MIXES else {})


@pytest.fixture
def client(tracklet_home: Path) -> TrackletClient:
    return TrackletClient()


@pytest.fixture
def call(tracklet_home: Path) -> Callable[..., Result]:
    """Call the command line; the exit code must be the expected one."""

    def call(*arguments: str, exits: int = 0, typed: str | None = None) -> Result:
        result = RUNNER.invoke(app, arguments, input=typed, prog_name="tracklet")
        assert result.exit_code == exits, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


@pytest.fixture
def answer(call: Callable[..., Result]) -> Callable[..., Any]:
    """Call the command line with --json and return what it printed."""

    def answer(*arguments: str, exits: int = 0) -> Any:
        return json.loads(call(*arguments, "--json", exits=exits).stdout)

    return answer


@pytest.fixture
def make_run(client: TrackletClient) -> Callable[..., str]:
    """Record a finished run and return its id."""
    clock = iter(range(1_700_000_000_000, 1_800_000_000_000, 60_000))

    def make_run(
        name: str = "a-run",
        *,
        experiment: str = "Default",
        metrics: dict[str, float] | None = None,
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment)
        start = next(clock)
        run_id = client.create_run(experiment_id, start, run_name=name).info.run_id
        client.log_batch(
            run_id,
            [Metric(key, value, start, 0) for key, value in (metrics or {}).items()],
            [Param(key, value) for key, value in (params or {}).items()],
            [RunTag(key, value) for key, value in (tags or {}).items()],
        )
        client.set_terminated(run_id, end_time=start + 3200)
        return run_id

    return make_run
