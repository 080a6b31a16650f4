"""The callback that hears of every round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tracklet.patching import checkpoint, report
from tracklet_integrations.shared.boosting import BoostingRecord

# Before every callback of LightGBM's and of the user's: one that stops the training raises, and
# those after it do not hear of the round.
_FIRST: Final = -(10**9)


class RoundCallback:
    """Tells a record of rounds what LightGBM has evaluated; nothing is evaluated for it.

    LightGBM wants a callable with attributes ``order`` and ``before_iteration``.
    """

    def __init__(self, record: BoostingRecord) -> None:
        self.order = _FIRST
        self.before_iteration = False
        self._record = record
        self._maximize = False

    def __call__(self, env: Any) -> None:
        """After a round.

        Args:
            env: LightGBM's ``CallbackEnv``.
        """
        try:
            results = env.evaluation_result_list or ()
            save = _saving(env.model) if hasattr(env.model, "model_to_string") else None
            if results:
                self._maximize = bool(results[-1][3])
            checkpoint("callback")
            self._record.round(env.iteration, list(_values(results)), save, self._is_maximized)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(error, "lightgbm: a round", "lightgbm")

    def _is_maximized(self) -> bool:
        return self._maximize


def _saving(booster: Any) -> Any:
    def save(path: Path) -> None:
        # Of a continued training all rounds are written, not the best of an earlier one.
        booster.save_model(str(path), num_iteration=-1)

    return save


def _values(results: Sequence[Any]) -> Iterator[tuple[str, str, float]]:
    """Dataset, metric and value; a cross-validation's results have a deviation as well."""
    for result in results:
        data, metric, value = result[0], result[1], result[2]
        deviation = result[4] if len(result) > 4 else None
        if deviation is None:
            yield data, metric, value
            continue
        if data == "cv_agg":  # before LightGBM 4.7 the dataset's name was part of the metric's
            data, _, metric = metric.partition(" ")
        yield data, f"{metric}-mean", value
        yield data, f"{metric}-stdv", deviation
