"""XGBoost: how its training is watched and recorded."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import CommonOptions, LatePatches, recording, switch
from tracklet.errors import InvalidParameterValue
from tracklet.patching import Call, Outcome, Patch, checkpoint, report
from tracklet_integrations.shared import boosting
from tracklet_integrations.shared.boosting_integration import BoostingIntegration
from tracklet_integrations.shared.provenance import BATCHES, Known, Origin, origin_of, part_of

__all__ = ["XgboostIntegration", "XgboostOptions", "autolog"]

_logger = logging.getLogger("tracklet.autolog")

_FORMATS = ("ubj", "json", "xgb")
_IMPORTANCES = ("weight", "gain", "cover", "total_gain", "total_cover")


@dataclass(frozen=True)
class _Importances:
    importance_types: Sequence[str] | None = None


# The fields of the last base come first.
@dataclass(frozen=True)
class XgboostOptions(boosting.CheckpointedOptions, _Importances):
    """Record every training with XGBoost.

    Each outermost ``xgboost.train``, ``xgboost.cv`` and ``fit`` of a scikit-learn wrapper becomes a
    run, or is added to the active one: params, the metrics of every round, early stopping,
    importances, the model with its signature, the datasets' fingerprints. XGBoost need not be
    imported yet. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        importance_types: Which importances to store; ``["weight"]`` by default. Others are
            ``"gain"``, ``"cover"``, ``"total_gain"`` and ``"total_cover"``.
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 2.0 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        model_format: ``"ubj"``, ``"json"`` or ``"xgb"``.
        extra_tags: Further tags for the runs that autologging starts.
        log_checkpoints: Write checkpoints during training; ``tracklet.load_checkpoint`` reads them.
        checkpoint_save_freq: Every how many rounds.
        checkpoint_save_best_only: Keep only the checkpoint of the best round so far.
        checkpoint_monitor: The metric that decides what is best, such as ``"valid-logloss"``; by
            default the last metric of the last evaluation set.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better; by default
            what its name says.
        checkpoint_keep_last: How many checkpoints to keep; None is all.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    model_format: str = "ubj"
    extra_tags: Mapping[str, Any] | None = None

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        self.check_choice("model_format", _FORMATS)
        kinds = self.importance_types
        if isinstance(kinds, str) or any(each not in _IMPORTANCES for each in kinds or ()):
            raise InvalidParameterValue(
                f"importance_types must be a list of {', '.join(_IMPORTANCES)}; got {kinds!r}"
            )
        object.__setattr__(self, "importance_types", tuple(kinds) if kinds is not None else None)

    @property
    def importances(self) -> Sequence[str]:
        """The importances to store."""
        return ("weight",) if self.importance_types is None else self.importance_types


# Metrics of which XGBoost takes more to be better; "mape" only begins like one of them.
_MORE_IS_BETTER = ("auc", "aucpr", "pre", "map", "ndcg")


def round_callback(record: boosting.BoostingRecord) -> Any:
    """A ``TrainingCallback`` that tells a record of rounds; it changes nothing of the training."""
    return _callback_class()(record)


@functools.cache
def _callback_class() -> Any:
    from xgboost.callback import TrainingCallback

    class RoundCallback(TrainingCallback):
        """Reads what XGBoost has evaluated; nothing is evaluated for it."""

        def __init__(self, record: boosting.BoostingRecord) -> None:
            super().__init__()
            self._record = record
            self._first: int | None = None
            self._log: Mapping[str, Mapping[str, Any]] = {}

        def __hash__(self) -> int:
            # Before XGBoost 3 callbacks are kept in a set. One that stops the training keeps those
            # after it from hearing of the round; this is put in first, and its place is the first.
            return 0

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            try:
                self._log = evals_log
                checkpoint("callback")
                if self._first is None:
                    # A continued training goes on counting where the model stands. Asked before its
                    # first round, a booster configures itself, and warns where nobody expects it.
                    trained = model.num_boosted_rounds() if _is_booster(model) else 0
                    self._first = max(0, int(trained) - epoch - 1)
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


class XgboostRecord(boosting.BoostingRecord):
    """Records one training with XGBoost."""

    library: ClassVar[str] = "xgboost"
    train_argument: ClassVar[str] = "dtrain"
    continued_argument: ClassVar[str] = "xgb_model"
    checkpoint_suffix: ClassVar[str] = ".ubj"
    booster_class: ClassVar[str] = "xgboost.core.Booster"
    no_params: ClassVar[Iterable[str]] = ("evals", "obj", "evals_result", "xgb_model", "client")

    @staticmethod
    def model_options(options: Any) -> Mapping[str, Any]:
        return {"model_format": options.model_format}

    def params_of(self, call: boosting.BoundCall) -> Mapping[str, Any]:
        return _params(call.all["params"])

    def evaluated(self, call: boosting.BoundCall, known: Known) -> list[tuple[str, Origin | None]]:
        return [(str(name), known(data)) for data, name in call.all.get("evals") or ()]

    def callback(self) -> Any:
        return round_callback(self)

    def after_train(self, call: boosting.BoundCall, booster: Any) -> None:
        self._after(booster, _stops_early(call))

    def _after(self, booster: Any, stops_early: bool) -> None:
        options: Any = self.options
        with self.recorder.step("early stopping"):
            best = booster.attributes().get("best_iteration") if stops_early else None
            if best is not None:
                self.early_stopping(self.rounds.last_step, int(best), int(best))
        self.importances(options.importances, lambda kind: _importance(booster, kind))

    def after_dask_train(self, call: boosting.BoundCall, result: Mapping[str, Any]) -> None:
        """Record what ``xgboost.dask.train`` has brought."""
        self._after_dask(result["booster"], result["history"], _stops_early(call))

    def before_distributed(self, wrapper: Any) -> None:
        with self.recorder.step("params"):
            arguments = {
                "num_boost_round": wrapper.get_num_boosting_rounds(),
                "early_stopping_rounds": wrapper.early_stopping_rounds,
            }
            self.params({}, arguments)

    def after_distributed(self, wrapper: Any) -> None:
        with self.recorder.step("params"):
            self.params({}, {})  # the objective, which is chosen by now
        history = vars(wrapper).get("evals_result_") or {}
        callbacks = wrapper.callbacks or ()
        stops_early = bool(wrapper.early_stopping_rounds) or any(map(_is_stopping, callbacks))
        self._after_dask(wrapper.get_booster(), history, stops_early)

    def _after_dask(self, booster: Any, history: Mapping[str, Any], stops_early: bool) -> None:
        with self.recorder.step("metrics"):
            for step, values in enumerate(all_values(history)):
                self.round(step, values)
        self._after(booster, stops_early)
        if self.options.log_models:
            self.log_booster(booster)

    def log_booster(self, booster: Any) -> None:
        def predict(example: Any) -> Any:
            import xgboost

            # One thread: a pool of OpenMP's that the user's training did not start would make
            # their later forks hang.
            data = xgboost.DMatrix(
                example,
                enable_categorical=True,
                feature_types=booster.feature_types,
                nthread=1,
            )
            return booster.predict(data)

        self.model(booster, predict)


def _params(params: Any) -> Mapping[str, Any]:
    """The params as a mapping; of pairs with the same name all values are kept."""
    if isinstance(params, Mapping):
        return params
    found: dict[str, Any] = {}
    for name, value in params:
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _stops_early(call: boosting.BoundCall) -> bool:
    if call.all.get("early_stopping_rounds"):
        return True
    callbacks = call.given.get("callbacks") or ()
    return any(map(_is_stopping, callbacks))


def _is_stopping(callback: Any) -> bool:
    return any(cls.__name__ == "EarlyStopping" for cls in type(callback).__mro__)


def _importance(booster: Any, kind: str) -> Mapping[str, Any] | None:
    import xgboost

    try:
        return booster.get_score(importance_type=kind)
    except (ValueError, xgboost.core.XGBoostError) as error:
        # A linear booster has weights and no gains.
        _logger.info("the importance %r is left out: %s", kind, str(error).splitlines()[0])
        return None


_CONTAINERS: Final = ("DMatrix", "QuantileDMatrix", "ExtMemQuantileDMatrix")

# The container that is being made in this context.
_making: ContextVar[list[Origin] | None] = ContextVar("tracklet_xgboost_data", default=None)


class XgboostIntegration(BoostingIntegration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "xgboost"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    requires: ClassVar[str] = "xgboost>=2.0"
    Options: ClassVar[type[CommonOptions]] = XgboostOptions
    Record: ClassVar[type[boosting.BoostingRecord]] = XgboostRecord
    engine: ClassVar[str] = "xgboost.training"
    distributed: ClassVar[tuple[str, ...]] = ("xgboost.dask", "xgboost.spark")
    omissions: ClassVar[Mapping[str, str]] = {
        "Booster.update by itself": "there is no telling where such a training begins and ends",
        "the workers of xgboost.dask": (
            "they share one training, which is recorded where it is asked for"
        ),
        "xgboost.spark": "it trains in other processes, which this one cannot look into",
    }

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        yield from super().patches(framework, options)
        yield LatePatches("xgboost.dask", self._of_dask)
        if options.log_models or options.log_datasets:
            for name in _CONTAINERS:
                yield Patch("xgboost.core", f"{name}.__init__", self.watch_data)
            yield Patch("xgboost.core", "DMatrix.slice", self.watch_part)
            yield Patch("xgboost.data", "_proxy_transform", self.watch_batch)

    def wrapper_of(self, framework: ModuleType) -> type | None:
        return framework.XGBModel

    def is_worker(self, call: boosting.BoundCall) -> bool:
        collective: Any = sys.modules.get("xgboost.collective")
        return collective is not None and bool(collective.is_distributed())

    def importances(self, options: Any) -> Iterable[str]:
        return options.importances

    # -- data ---------------------------------------------------------------------------------

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``DMatrix`` and its like: what it is made of is looked at, and not kept."""
        if not self.wants_data():
            yield
            return
        batches: list[Origin] = []
        token = _making.set(batches)
        try:
            arguments = call.arguments()
            origin = self.origin(arguments.get("data"), arguments.get("label"))
            outcome = yield
        finally:
            _making.reset(token)
        if outcome.error is None:
            if origin.example is None and origin.dataset is None and batches:
                origin = replace(batches[0], reason=BATCHES)
            self.origins[call.instance] = origin

    def watch_part(self, call: Call) -> Generator[None, Outcome, None]:
        """Some rows of a ``DMatrix``."""
        outcome = yield
        whole = self.known(call.instance)
        if outcome.error is None and whole is not None:
            self.origins[outcome.value] = part_of(whole)

    def watch_batch(self, call: Call) -> Generator[None, Outcome, None]:
        """A batch of a ``DataIter``; the first one stands for all in the example."""
        batches = _making.get()
        if batches is not None and not batches:
            data = call.args[0] if call.args else call.kwargs.get("data")
            batches.append(origin_of(data, example=self.options.log_models, dataset=False))
        yield

    # -- dask ---------------------------------------------------------------------------------

    def _of_dask(self, module: ModuleType) -> Iterator[Patch]:
        self._dask_train = inspect.signature(module.train)
        yield Patch(module.__name__, "train", self.watch_dask_train)
        yield from self.of_distributed(module)

    def watch_dask_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``xgboost.dask.train``: one run, by the process that asked for the training."""
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            record = XgboostRecord(recorder, self.options)
            bound = boosting.BoundCall(call, self._dask_train)
            record.record_params(bound)
            outcome = yield
            recorder.finish(outcome)
            # An asynchronous client is given something to await, of which nothing is known yet.
            if outcome.error is None and isinstance(outcome.value, dict):
                record.after_dask_train(bound, outcome.value)
                record.rounds.note()


autolog = switch("xgboost", XgboostOptions)
