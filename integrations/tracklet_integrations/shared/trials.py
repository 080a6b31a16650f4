"""Parameter searches: the candidates as a table, the best of them as child runs."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Final, cast

from tracklet.autolog.recorder import ChildRun, TrainingRecorder, shortened

TRIALS_FILE: Final = "trials.json"
RESULTS_FILE: Final = "cv_results.csv"

_MAX_NAME: Final = 120
_TABLES_TAG: Final = "mlflow.loggedArtifacts"
_logger = logging.getLogger("tracklet.autolog")


class Trials:
    """The candidates of a fitted search.

    Args:
        results: Its ``cv_results_``.
        refit: Its ``refit``; the name of a metric decides what the best ones are.
    """

    def __init__(self, results: Mapping[str, Any], refit: Any = None) -> None:
        self.columns: dict[str, list[Any]] = {key: list(results[key]) for key in results}
        self.params: list[Mapping[str, Any]] = [dict(each) for each in self.columns["params"]]
        self.rank_column = self._rank_column(refit)

    def __len__(self) -> int:
        return len(self.params)

    def _rank_column(self, refit: Any) -> str | None:
        ranks = [key for key in self.columns if key.startswith("rank_test_")]
        if isinstance(refit, str) and f"rank_test_{refit}" in ranks:
            return f"rank_test_{refit}"
        return ranks[0] if ranks else None

    @property
    def has_several_ranks(self) -> bool:
        """Whether the candidates were ranked by several metrics."""
        return sum(key.startswith("rank_test_") for key in self.columns) > 1

    def best(self, count: int | None) -> list[int]:
        """The numbers of the best candidates, best first; all of them for None."""
        order: list[int] = list(range(len(self)))
        if self.rank_column is not None:
            ranks = self.columns[self.rank_column]
            order.sort(key=lambda trial: (_number(ranks[trial], math.inf), trial))
        return order if count is None else order[:count]

    def metrics(self, trial: int) -> dict[str, float]:
        """The numbers of one candidate, without those of single folds."""
        found = {}
        for key, values in self.columns.items():
            if key.startswith(("param", "split")):
                continue
            value = values[trial]
            if isinstance(value, Real) and not isinstance(value, bool):
                found[key] = float(value)
        return found

    def rank(self, trial: int) -> int | None:
        """The place of a candidate; 1 is the best."""
        if self.rank_column is None:
            return None
        return int(_number(self.columns[self.rank_column][trial], 0))

    def name(self, trial: int) -> str:
        """A candidate's name: its params."""
        text = ", ".join(f"{key}={value}" for key, value in self.params[trial].items())
        rank = self.rank(trial)
        text = f"#{rank}: {text}" if rank is not None else text
        text = " ".join(text.split())
        return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"

    def as_csv(self) -> str:
        """``cv_results_`` as CSV, one line per candidate."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return text.getvalue()

    def as_table(self, run_ids: Mapping[int, str]) -> str:
        """All candidates as a table that ``tracklet.load_table`` reads.

        Args:
            run_ids: The child runs of those candidates that have one.
        """
        names = list(dict.fromkeys(name for params in self.params for name in params))
        measured = [key for key in self.columns if not key.startswith("param")]
        rows = [
            [
                trial,
                *(_cell(self.params[trial].get(name)) for name in names),
                *(_cell(self.columns[key][trial]) for key in measured),
                run_ids.get(trial),
            ]
            for trial in range(len(self))
        ]
        columns = ["trial", *(f"param_{name}" for name in names), *measured, "run_id"]
        return json.dumps({"columns": columns, "data": rows})


def record(
    search: Any,
    recorder: TrainingRecorder,
    *,
    best_model_id: str | None,
    dataset: Any,
    max_child_runs: int | None,
) -> None:
    """Record a search's candidates, if it shows any: all as a table, the best as child runs.

    Args:
        search: The fitted search.
        recorder: What records the search.
        best_model_id: The logged model of the candidate that was refitted.
        dataset: The dataset entity that they were trained on.
        max_child_runs: How many of them become child runs; None is all.
    """
    trials = None
    with recorder.step("search"):
        results = getattr(search, "cv_results_", None)
        if isinstance(results, Mapping) and "params" in results:
            trials = Trials(results, getattr(search, "refit", None))
    if trials is None:
        return
    run_ids: dict[int, str] = {}
    with recorder.step("search"):
        recorder.artifacts({RESULTS_FILE: trials.as_csv()})
    with recorder.step("search"):
        chosen = trials.best(max_child_runs)
        _announce(trials, len(chosen))
        children = _children(search, trials, chosen, best_model_id, dataset)
        for trial, child in zip(chosen, children, strict=True):
            run_id = recorder.child(child)
            if run_id is not None:
                run_ids[trial] = run_id
    with recorder.step("search"):
        recorder.artifacts({TRIALS_FILE: trials.as_table(run_ids)})
        tables = [{"path": recorder.folder + TRIALS_FILE, "type": "table"}]
        recorder.note({_TABLES_TAG: json.dumps(tables)})


def _children(
    search: Any,
    trials: Trials,
    chosen: Sequence[int],
    best_model_id: str | None,
    dataset: Any,
) -> Iterator[ChildRun]:
    seed, best_index = search.estimator, getattr(search, "best_index_", None)
    of_seed = {key: _text(value) for key, value in seed.get_params(deep=True).items()}
    kind = type(seed)
    tags = {
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__name__}",
    }
    for trial in chosen:
        own = {key: _text(value) for key, value in trials.params[trial].items()}
        yield ChildRun(
            trials.name(trial),
            {**of_seed, **own},
            trials.metrics(trial),
            tags,
            dataset,
            best_model_id if trial == best_index else None,
        )


def _announce(trials: Trials, count: int) -> None:
    made = "no runs" if not count else "the best run" if count == 1 else f"the {count} best runs"
    rest = len(trials) - count
    omitted = "no runs" if not rest else "one run" if rest == 1 else f"{rest} runs"
    _logger.info("Logging %s, %s will be omitted.", made, omitted)
    if trials.has_several_ranks and rest:
        _logger.info("The best ones are those by %s.", trials.rank_column)


def _text(value: Any) -> str:
    return shortened(str(value))


def _number(value: Any, otherwise: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return otherwise if math.isnan(number) else number


def _cell(value: Any) -> Any:
    """A value as JSON has it; what it cannot hold becomes text, and what is no number null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return None
        if not math.isfinite(number):
            return str(number)
        return operator.index(cast(Any, value)) if _whole(value) else number
    return _text(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) or getattr(getattr(value, "dtype", None), "kind", "f") in "iu"
