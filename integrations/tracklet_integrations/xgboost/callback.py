"""The callback that hears of every round."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from tracklet.patching import checkpoint, report
from tracklet_integrations.shared.boosting import BoostingRecord

# Metrics of which XGBoost takes more to be better; "mape" only begins like one of them.
_MORE_IS_BETTER = ("auc", "aucpr", "pre", "map", "ndcg")


def round_callback(record: BoostingRecord) -> Any:
    """A ``TrainingCallback`` that tells a record of rounds; it changes nothing of the training."""
    return _callback_class()(record)


@functools.cache
def _callback_class() -> Any:
    from xgboost.callback import TrainingCallback

    class RoundCallback(TrainingCallback):
        """Reads what XGBoost has evaluated; nothing is evaluated for it."""

        def __init__(self, record: BoostingRecord) -> None:
            super().__init__()
            self._record = record
            self._first = 0
            self._log: Mapping[str, Mapping[str, Any]] = {}

        def __hash__(self) -> int:
            # Before XGBoost 3 callbacks are kept in a set. One that stops the training keeps those
            # after it from hearing of the round; this is put in first, and its place is the first.
            return 0

        def before_training(self, model: Any) -> Any:
            try:
                # A continued training goes on counting where the model stands.
                self._first = int(model.num_boosted_rounds()) if _is_booster(model) else 0
                checkpoint("callback")
            except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
                report(error, "xgboost: before training", "xgboost")
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            try:
                self._log = evals_log
                checkpoint("callback")
                self._record.round(
                    self._first + epoch,
                    list(_values(evals_log, epoch, epoch + 1)),
                    model.save_model if _is_booster(model) else None,
                    self._maximize,
                )
            except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
                report(error, "xgboost: a round", "xgboost")
            return False

        def _maximize(self) -> bool:
            metrics = [metric for of_data in self._log.values() for metric in of_data]
            return (
                bool(metrics) and metrics[-1] != "mape" and metrics[-1].startswith(_MORE_IS_BETTER)
            )

    return RoundCallback


def _is_booster(model: Any) -> bool:
    return model is not None and hasattr(model, "save_model")


def _values(
    log: Mapping[str, Mapping[str, Any]], step: int, trained: int
) -> Iterator[tuple[str, str, float]]:
    """One round's values; of datasets with the same name each has one in every round."""
    for data, metrics in log.items():
        for metric, history in metrics.items():
            times, odd = divmod(len(history), trained)
            if times and not odd:
                found = history[step * times : (step + 1) * times]
            else:  # a metric that is not evaluated in every round
                found = history[-1:] if step + 1 == trained else ()
            for value in found:
                if isinstance(value, tuple):  # cross-validation: mean and deviation
                    yield data, f"{metric}-mean", value[0]
                    yield data, f"{metric}-std", value[1]
                else:
                    yield data, metric, value


def all_values(
    log: Mapping[str, Mapping[str, Any]],
) -> Iterator[list[tuple[str, str, float]]]:
    """All rounds' values, of a training that is over."""
    lengths = [len(history) for metrics in log.values() for history in metrics.values()]
    trained = min(lengths, default=0)  # a dataset's name that stands twice has twice as many
    for step in range(trained):
        yield list(_values(log, step, trained))
