"""LightGBM: how its training is watched and recorded."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import CommonOptions, LatePatches, switch
from tracklet.patching import Call, Outcome, Patch, checkpoint, report
from tracklet_integrations.shared import boosting
from tracklet_integrations.shared.boosting_integration import BoostingIntegration
from tracklet_integrations.shared.provenance import Known, Origin, names_of, part_of

__all__ = ["LightgbmIntegration", "LightgbmOptions", "autolog"]

_IMPORTANCES: Final = ("split", "gain")


@dataclass(frozen=True)
class LightgbmOptions(boosting.CheckpointedOptions):
    """Record every training with LightGBM.

    Each outermost ``lightgbm.train``, ``lightgbm.cv`` and ``fit`` of a scikit-learn wrapper becomes
    a run, or is added to the active one: params, the metrics of every round, early stopping,
    importances, the model with its signature, the datasets' fingerprints. LightGBM need not be
    imported yet. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 4.1 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        extra_tags: Further tags for the runs that autologging starts.
        log_checkpoints: Write checkpoints during training; ``tracklet.load_checkpoint`` reads them.
        checkpoint_save_freq: Every how many rounds.
        checkpoint_save_best_only: Keep only the checkpoint of the best round so far.
        checkpoint_monitor: The metric that decides what is best, such as ``"valid_0-l2"``; by
            default the last metric of the last evaluation set.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better; by default
            what LightGBM says.
        checkpoint_keep_last: How many checkpoints to keep; None is all.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    extra_tags: Mapping[str, Any] | None = None


# Before every callback of LightGBM's and of the user's: one that stops the training raises, and
# those after it do not hear of the round.
_FIRST: Final = -(10**9)


class RoundCallback:
    """Tells a record of rounds what LightGBM has evaluated; nothing is evaluated for it.

    LightGBM wants a callable with attributes ``order`` and ``before_iteration``.
    """

    def __init__(self, record: boosting.BoostingRecord) -> None:
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
            self._record.round(env.iteration, list(_values(results)), save, lambda: self._maximize)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(error, "lightgbm: a round", "lightgbm")


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


class LightgbmRecord(boosting.BoostingRecord):
    """Records one training with LightGBM."""

    library: ClassVar[str] = "lightgbm"
    train_argument: ClassVar[str] = "train_set"
    continued_argument: ClassVar[str] = "init_model"
    checkpoint_suffix: ClassVar[str] = ".lgb"
    booster_class: ClassVar[str] = "lightgbm.basic.Booster"
    no_params: ClassVar[Iterable[str]] = ("valid_sets", "valid_names", "fobj", "init_model")

    def params_of(self, call: boosting.BoundCall) -> Mapping[str, Any]:
        return call.all["params"] or {}

    def evaluated(self, call: boosting.BoundCall, known: Known) -> list[tuple[str, Origin | None]]:
        sets = call.all.get("valid_sets")
        if sets is None:
            return []
        sets = list(sets) if isinstance(sets, list | tuple) else [sets]
        names = names_of(len(sets), call.all.get("valid_names"))
        train = call.all.get("train_set")
        given = call.all.get("valid_names") is not None
        return [
            ("training" if each is train and not given else name, known(each))
            for name, each in zip(names, sets, strict=True)
        ]

    def callback(self) -> RoundCallback:
        return RoundCallback(self)

    def after_train(self, call: boosting.BoundCall, booster: Any) -> None:
        with self.recorder.step("early stopping"):
            best = int(booster.best_iteration or 0)
            if best > 0:
                self.early_stopping(self.rounds.last_step + 1, best, best - 1)
        self._log_importances(booster)

    def _log_importances(self, booster: Any) -> None:
        def scores(kind: str) -> Mapping[str, float]:
            values = booster.feature_importance(importance_type=kind).tolist()
            return dict(zip(booster.feature_name(), values, strict=True))

        self.importances(_IMPORTANCES, scores, indent=2)

    def log_booster(self, booster: Any) -> None:
        def predict(example: Any) -> Any:
            # One thread: a pool of OpenMP's that the user's training did not start would make
            # their later forks hang.
            return booster.predict(example, num_threads=1)

        self.model(booster, predict)

    def answer_of(self, wrapper: Any, example: Any) -> Any:
        # A wrapper's own `predict` warns once more of all parameters, and draws from a random
        # generator that it was given.
        answer = wrapper.booster_.predict(example, num_threads=1)
        if not hasattr(wrapper, "classes_") or callable(wrapper.objective):
            return answer
        import numpy as np

        return np.resize(wrapper.classes_, len(answer))

    def before_distributed(self, wrapper: Any) -> None:
        with self.recorder.step("params"):
            self.params({}, {})

    def after_distributed(self, wrapper: Any) -> None:
        # One worker has told of the rounds, and all share the model.
        with self.recorder.step("params"):
            self.params({"objective": wrapper.objective_}, {})
        with self.recorder.step("metrics"):
            results = vars(wrapper).get("_evals_result") or {}
            rounds = max((len(of) for each in results.values() for of in each.values()), default=0)
            for step in range(rounds):
                values = [
                    (data, metric, history[step])
                    for data, metrics in results.items()
                    for metric, history in metrics.items()
                    if step < len(history)
                ]
                self.round(step, values)
        self._log_importances(wrapper.booster_)
        if self.options.log_models:
            self.log_wrapper(wrapper.to_local())


class LightgbmIntegration(BoostingIntegration):
    """Records every outermost ``train``, ``cv`` and wrapper's ``fit``, through a callback."""

    name: ClassVar[str] = "lightgbm"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    requires: ClassVar[str] = "lightgbm>=4.1"
    Options: ClassVar[type[CommonOptions]] = LightgbmOptions
    Record: ClassVar[type[boosting.BoostingRecord]] = LightgbmRecord
    engine: ClassVar[str] = "lightgbm.engine"
    distributed: ClassVar[tuple[str, ...]] = ("lightgbm.dask",)
    omissions: ClassVar[Mapping[str, str]] = {
        "Booster.update by itself": "there is no telling where such a training begins and ends",
        "the workers of lightgbm.dask, and trainings with machines": (
            "they share one training; that of lightgbm.dask is recorded where it is asked for"
        ),
        "LightGBM on Spark": "it trains in other processes, which this one cannot look into",
    }

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        yield from super().patches(framework, options)
        yield LatePatches("lightgbm.dask", self.of_distributed)
        if options.log_models or options.log_datasets:
            yield Patch("lightgbm.basic", "Dataset.__init__", self.watch_data)

    def wrapper_of(self, framework: ModuleType) -> type | None:
        return getattr(framework, "LGBMModel", None)

    def is_worker(self, call: boosting.BoundCall) -> bool:
        return _names_machines(call.all.get("params") or {})

    def is_working(self, wrapper: Any) -> bool:
        return _names_machines(vars(wrapper).get("_other_params") or {})

    def importances(self, options: Any) -> Iterable[str]:
        return _IMPORTANCES

    def watch_data(self, call: Call) -> Generator[None, Outcome, None]:
        """``Dataset``: what it is made of is looked at, and not kept."""
        if not self.wants_data():
            yield
            return
        arguments = call.arguments()
        origin = self.origin(arguments.get("data"), arguments.get("label"))
        outcome = yield
        if outcome.error is None and arguments.get("data") is not None:
            self.origins[call.instance] = origin

    def known(self, container: Any) -> Origin | None:
        """Also of a copy, of a subset, and of one that still has what it was made of."""
        found = super().known(container)
        facts = vars(container) if hasattr(container, "__dict__") else {}
        if found is not None or "reference" not in facts:
            return found
        if facts.get("used_indices") is not None:
            whole = self.known(facts["reference"])
            return part_of(whole) if whole is not None else None
        data = facts.get("data")
        return self.origin(data, facts.get("label")) if data is not None else None


def _names_machines(params: Mapping[str, Any]) -> bool:
    return bool(params.get("machines")) or int(params.get("num_machines") or 1) > 1


autolog = switch("lightgbm", LightgbmOptions)
