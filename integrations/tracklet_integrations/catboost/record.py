"""What is recorded of one training, search or selection of features with CatBoost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet.patching import Call
from tracklet_integrations.catboost.curves import TrainingFiles, rounds_of
from tracklet_integrations.shared import boosting
from tracklet_integrations.shared.boosting_integration import SearchRecord
from tracklet_integrations.shared.provenance import Known, Origin

__all__ = ["CatboostRecord", "CatboostSearchRecord", "decided", "plain_params"]

IMPORTANCE: Final = "PredictionValuesChange"
"""The kind that needs no data, of rankers neither."""

# The names that CatBoost takes for one param, its own first.
_ALIASES: Final = (
    ("iterations", "n_estimators", "num_boost_round", "num_trees"),
    ("learning_rate", "eta"),
    ("depth", "max_depth"),
    ("l2_leaf_reg", "reg_lambda"),
    ("random_seed", "random_state"),
    ("loss_function", "objective"),
    ("rsm", "colsample_bylevel"),
    ("border_count", "max_bin"),
    ("max_leaves", "num_leaves"),
    ("min_data_in_leaf", "min_child_samples"),
    ("verbose", "silent", "logging_level", "verbose_eval"),
)
_NAMES: Final = {name: group for group in _ALIASES for name in group}
_NO_PARAMS: Final = ("callbacks", "train_dir", "pool_metainfo_options")


def plain_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params whose texts are the same in every run: NumPy's as Python's, objects by their class."""
    return {key: _plain(value) for key, value in params.items() if key not in _NO_PARAMS}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays, pandas' indexes
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return type(value).__name__


def decided(params: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Those params that were given under no name of theirs."""
    names = {alias for key in given for alias in _NAMES.get(key, (key,))}
    return {key: value for key, value in plain_params(params).items() if key not in names}


class CatboostRecord(boosting.BoostingRecord):
    """Records one training with CatBoost."""

    library: ClassVar[str] = "catboost"
    train_argument: ClassVar[str] = "train_pool"
    no_params: ClassVar[Iterable[str]] = ()
    files: TrainingFiles | None = None
    base: int = 0
    """How many rounds the model that is gone on with had been trained."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._read: dict[tuple[str, str], set[int]] = {}  # the rounds that the files told of

    def params(self, params: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        own = plain_params(self.wrapper.get_params()) if self.wrapper is not None else {}
        found = {**own, **plain_params(arguments), **decided(params, own)}
        self.texts |= self.recorder.params(found)

    def evaluated(self, call: boosting.BoundCall, known: Known) -> list[tuple[str, Origin | None]]:
        pools = _pools(call.all["test_pool"])
        return list(zip(set_names(len(pools)), map(known, pools), strict=True))

    def before_train(self, call: boosting.BoundCall, known: Known) -> None:
        """Record what is known before a training, and follow the files that it writes."""
        params = call.all["params"] or {}
        with self.recorder.step("params"):
            # Now: a model may go on with itself, and has more of them afterwards.
            self.base = int(getattr(call.all.get("init_model"), "tree_count_", None) or 0)
            self.params(params, {})
        with self.recorder.step("data"):
            self.datasets(known(call.all["train_pool"]), self.evaluated(call, known))
        if params.get("allow_writing_files", True):
            with self.recorder.step("files"):
                folder = Path(params.get("train_dir") or "catboost_info").absolute()
                sets = set_names(len(_pools(call.all["test_pool"])))
                sets = sets or (["validation"] if params.get("eval_fraction") else [])
                self.files = TrainingFiles(folder, sets, self._written)
                self.files.follow()

    def _written(self, step: int, values: Sequence[tuple[str, str, float]]) -> None:
        for data, metric, _ in values:
            self._read.setdefault((data, metric), set()).add(step)
        self.round(self.base + step, values)

    def after_failure(self) -> None:
        """Record the rounds until then, if there are files of them."""
        if self.files is not None:
            self.files.stop(read=True)

    def after_train(self, call: boosting.BoundCall, booster: Any) -> None:
        if self.files is not None:
            self.files.stop()
        base, settled = self.base, {}
        with self.recorder.step("params"):
            settled = booster.get_all_params()
            self.texts |= self.recorder.params(decided(settled, self.texts))
        params = call.all["params"] or {}
        stops = bool(params.get("od_type") or params.get("od_pval") or params.get("od_wait"))
        with self.recorder.step("metrics"):
            results = booster.evals_result_
            sets = [name for name in results if name != "learn"]
            watched = (sets[-1], str(settled.get("eval_metric"))) if sets and stops else None
            period, rounds = int(params.get("metric_period") or 1), int(settled["iterations"])
            for step, values in rounds_of(results, period, rounds, watched).items():
                # Neither file has all: one is written before the other, and of what is evaluated
                # at every round they have what the period leaves.
                left = [each for each in values if step not in self._read.get(each[:2], ())]
                if left:
                    self.round(base + step, left)
        best = booster.best_iteration_
        if best is not None and stops:
            self.early_stopping(self.rounds.last_step, base + best, base + best)
        elif best is not None:
            self.recorder.metrics({"best_iteration": base + best})
        self._log_importances(booster)

    def _log_importances(self, booster: Any) -> None:
        def scores(kind: str) -> Mapping[str, float]:
            values = booster.get_feature_importance(type=kind, thread_count=1)
            return dict(zip(booster.feature_names_, map(float, values), strict=True))

        self.importances((IMPORTANCE,), scores)

    def answer_of(self, wrapper: Any, example: Any) -> Any:
        return wrapper.predict(example, thread_count=1)

    # -- cross-validation -------------------------------------------------------------------------

    def before_cv(self, call: boosting.BoundCall, known: Known) -> None:
        """Record what is known before a ``cv``."""
        pool = call.all.get("pool") if call.all.get("pool") is not None else call.all.get("dtrain")
        with self.recorder.step("params"):
            arguments = plain_params(call.without(("pool", "dtrain", "params", "folds")))
            given = {key: value for key, value in arguments.items() if key in call.given}
            own = plain_params(call.all.get("params") or {})
            self.texts |= self.recorder.params({**decided(arguments, own), **own, **given})
        with self.recorder.step("data"):
            self.datasets(known(pool), ())

    def after_cv(self, found: Any) -> None:
        """Record the mean and the deviation of each round."""
        with self.recorder.step("metrics"):
            table = found[0] if isinstance(found, tuple) else found
            columns = {str(key): list(table[key]) for key in table}
            steps = columns.pop("iterations", None) or range(len(next(iter(columns.values()), ())))
            for row, step in enumerate(steps):
                values = [
                    (*key.split("-", 1), float(values[row])) for key, values in columns.items()
                ]
                self.round(int(step), values)  # pyright: ignore[reportArgumentType]


class CatboostSearchRecord(SearchRecord):
    """Records a search of CatBoost's own; the training of the best candidate is in the same run.

    Args:
        search: The model that searches its own params.
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def before(self, call: Call) -> None:
        with self.recorder.step("params"):
            given = {
                key: value
                for key, value in call.arguments().items()
                if key not in ("X", "y", "plot", "plot_file", "log_cout", "log_cerr")
            }
            self.recorder.params(plain_params(given))
        if self._options.log_datasets:
            with self.recorder.step("data"):
                given = call.arguments()
                self._dataset = self.recorder.dataset(given.get("X"), given.get("y"))

    def found(self, result: Any) -> None:
        """Record the best params and the curves of their cross-validation."""
        with self.recorder.step("search"):
            best = plain_params(result["params"])
            self.recorder.params({f"best_{key}": value for key, value in best.items()})
        with self.recorder.step("search"):
            curves = result.get("cv_results") or {}
            for key, values in curves.items():
                if key != "iterations":
                    self.recorder.history(f"cv-{key}", list(values))
            self.recorder.artifacts({"cv_results.json": json.dumps(_lists(curves))})

    def selected(self, result: Any) -> None:
        """Record which features were kept, and what each step cost."""
        with self.recorder.step("search"):
            self.recorder.artifacts({"selected_features.json": json.dumps(result, default=str)})
            kept = result.get("selected_features")
            self.recorder.metrics({"selected_feature_count": len(kept)} if kept else {})
            losses = (result.get("loss_graph") or {}).get("loss_values") or ()
            self.recorder.history("selection_loss", list(losses))


def set_names(count: int) -> list[str]:
    """What CatBoost calls its evaluation sets."""
    return ["validation"] if count == 1 else [f"validation_{i}" for i in range(count)]


def _pools(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    return list(given) if isinstance(given, list | tuple) else [given]


def _lists(curves: Mapping[str, Any]) -> dict[str, list[float]]:
    return {str(key): [float(each) for each in values] for key, values in curves.items()}
