"""What is recorded of a gradient boosting, whichever framework does it.

An integration says which call is watched, hands a callback to the framework, and tells this record
of rounds, datasets and the trained model. A round may take less than a millisecond, so a point
costs one ``write(2)`` and little else. Points are with the operating system when the round is over;
an interrupted training keeps all of them.
"""

from __future__ import annotations

import functools
import inspect
import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, InitVar, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from tracklet.autolog.checkpoints import Checkpoints, Mode
from tracklet.autolog.datasets import with_all_rows
from tracklet.autolog.integration import CommonOptions
from tracklet.autolog.recorder import Recorder
from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue
from tracklet.names import now
from tracklet.patching import Call, checkpoint, report
from tracklet_integrations.shared.importances import log_importance
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.provenance import UNSEEN, Known, Origin

_MODES: Final = ("min", "max")
# The arguments of every `train` and `cv` that are no params: data, functions and results.
_NO_PARAMS: Final = ("params", "feval", "callbacks", "learning_rates", "folds", "fpreproc")
# Constructor arguments of the wrappers that are none either.
_NOT_OWN: Final = ("callbacks", "client")


@dataclass(frozen=True)
class BoostingOptions(CommonOptions):
    """What boosting integrations can be told, but for ``extra_tags``, which a library's own has.

    In the order in which they are taken by position. What each says is in the docstring of a
    library's own.
    """

    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_models: bool = True
    log_datasets: bool = True
    disable: InitVar[bool] = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    registered_model_name: str | None = None


@dataclass(frozen=True)
class CheckpointedOptions(BoostingOptions):
    """The same of a library that shows its model after each round; those are taken by keyword.

    Raises:
        InvalidParameterValue: A value breaks its rule.
    """

    _: KW_ONLY
    log_checkpoints: bool = False
    checkpoint_save_freq: int = 10
    checkpoint_save_best_only: bool = False
    checkpoint_monitor: str | None = None
    checkpoint_mode: Literal["min", "max"] | None = None
    checkpoint_keep_last: int | None = 3

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        for name in ("checkpoint_save_freq", "checkpoint_keep_last"):
            value = getattr(self, name)
            none = value is None and name == "checkpoint_keep_last"
            if not none and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidParameterValue(f"{name} must be a number of at least 1; got {value!r}")
        if self.checkpoint_mode is not None:
            self.check_choice("checkpoint_mode", _MODES)


class BoostingRecord:
    """Records one training in rounds; a library's own derives from it.

    Args:
        recorder: What it is recorded through.
        options: What is wanted.
        wrapper: The wrapper whose fit this is; None of a ``train`` or ``cv`` of the user's.
    """

    library: ClassVar[str]
    """The library's package, which is its flavor's name, too."""

    train_argument: ClassVar[str]
    """What ``train`` and ``cv`` call the data that is trained on."""

    no_params: ClassVar[Iterable[str]]
    """Those of the library's own arguments of ``train`` and ``cv`` that are no params either."""

    continued_argument: ClassVar[str]
    """What ``train`` calls the model that it goes on with."""

    checkpoint_suffix: ClassVar[str]
    """The ending of the library's own files."""

    booster_class: ClassVar[str]
    """What ``train`` returns, by module and name."""

    def __init__(self, recorder: Recorder, options: BoostingOptions, wrapper: Any = None) -> None:
        self.recorder = recorder
        self.options = options
        self.wrapper = wrapper
        self.last = self
        """The record of the last training of a wrapper's fit, which may train several times."""
        self.rounds = RoundMetrics(recorder)
        self.example: Any = None
        self.schema: Any = None
        self.texts: dict[str, str] = {}
        self.checkpoints: Checkpoints | None = None
        self._continued: Any = None  # what is gone on with
        self.model_id: str | None = None
        """The logged model, once there is one."""

    # -- what a library says about itself -----------------------------------------------------

    def params_of(self, call: BoundCall) -> Mapping[str, Any]:
        """The library's params that a call was given."""
        raise NotImplementedError

    def evaluated(self, call: BoundCall, known: Known) -> Iterable[tuple[str, Origin | None]]:
        """The evaluation sets of a ``train``, under the names that the library gives them."""
        raise NotImplementedError

    def callback(self) -> Any:
        """A callback of the library's that tells this record of rounds."""
        raise NotImplementedError

    def after_train(self, call: BoundCall, booster: Any) -> None:
        """Record what ``train`` has brought: early stopping and importances."""
        raise NotImplementedError

    def after_cv(self, found: Any) -> None:
        """Record what ``cv`` returned beyond the rounds that a callback told of."""

    def log_booster(self, booster: Any) -> None:
        """Log what ``train`` returned."""
        raise NotImplementedError

    def before_distributed(self, wrapper: Any) -> None:
        """Record the params of a wrapper that trains in other processes."""
        raise NotImplementedError

    def after_distributed(self, wrapper: Any) -> None:
        """Record what a wrapper's training in other processes has brought.

        Callbacks run in those processes, so that its rounds are known only now.
        """
        raise NotImplementedError

    def answer_of(self, wrapper: Any, example: Any) -> Any:
        """What a fitted wrapper of the library's own class answers."""
        return wrapper.predict(example)

    @staticmethod
    def model_options(options: Any) -> Mapping[str, Any]:
        """What the flavor takes beside a model."""
        return {}

    # -- before the training ------------------------------------------------------------------

    def before_train(self, call: BoundCall, known: Known) -> None:
        """Record what is known before a ``train``, listen to its rounds, and write checkpoints."""
        self.before_cv(call, known)
        self._continued = call.all.get(self.continued_argument)
        options = self.options
        if isinstance(options, CheckpointedOptions) and options.log_checkpoints:
            self.checkpoints = Checkpoints(
                self.recorder,
                self.library,
                {"model_class": self.booster_class},
                self.checkpoint_suffix,
                every=options.checkpoint_save_freq,
                monitor=options.checkpoint_monitor,
                mode=options.checkpoint_mode or "min",
                best_only=options.checkpoint_save_best_only,
                keep_last=options.checkpoint_keep_last,
            )

    def before_cv(self, call: BoundCall, known: Known) -> None:
        """Record what is known before a ``cv``, and listen; it has no evaluation sets."""
        self.record_params(call)
        with self.recorder.step("data"):
            train = known(call.all.get(self.train_argument))
            self.datasets(train, self.evaluated(call, known))
        with self.recorder.step("callback"):
            call.replace("callbacks", add_first(call.all.get("callbacks"), self.callback()))

    def record_params(self, call: BoundCall) -> None:
        """Record the params that a ``train`` or ``cv`` is given."""
        left_out = (*_NO_PARAMS, self.train_argument, *self.no_params)
        with self.recorder.step("params"):
            self.params(self.params_of(call), call.without(left_out))

    def params(self, params: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Record the framework's params and the other arguments of the call; params win.

        Of a wrapper's fit the wrapper's own params are recorded as well, where it trains by no
        other value.
        """
        own = self.wrapper.get_params(deep=False) if self.wrapper is not None else {}
        own = {key: value for key, value in own.items() if key not in _NOT_OWN}
        if own.get("objective") is None:  # it is yet to be chosen
            own.pop("objective", None)
        self.texts |= self.recorder.params({**own, **arguments, **params})

    def another(self) -> BoostingRecord:
        """The record of one more training in the same fit of a wrapper."""
        recorder = self.recorder
        again = Recorder(
            recorder.run, recorder.label, managed=recorder.managed, extra_tags=recorder.extra_tags
        )
        self.last = type(self)(again, self.options, self.wrapper)
        return self.last

    def datasets(
        self, train: Origin | None, evaluated: Iterable[tuple[str, Origin | None]]
    ) -> None:
        """Record what is trained and evaluated on, and keep the training's example.

        Args:
            train: The training data's.
            evaluated: The evaluation sets', by name.
        """
        if train is not None and self.example is None:
            self.example, self.schema = train.example, train.schema
        if not self.options.log_datasets:
            return
        told = []
        for name, context, origin in (
            ("dataset", "train", train),
            *((name, "eval", origin) for name, origin in evaluated),
        ):
            if origin is not None:
                origin.log(self.recorder, name, context)
            reason = UNSEEN if origin is None else origin.reason
            told += [f"{name} {reason}"] if reason else []
        if told:
            self.recorder.run.writer.set_tags({"tracklet.dataset": "; ".join(told)})

    def round(
        self,
        step: int,
        values: Sequence[tuple[str, str, float]],
        save: Callable[[Path], object] | None = None,
        maximize: Callable[[], bool] | None = None,
    ) -> None:
        """Record a round that was trained; never raises, save in strict mode.

        Args:
            step: The round, counted from 0 over the model's life.
            values: The evaluation set's name, the metric's name and its value.
            save: Writes the model as it is now to a file.
            maximize: Whether more of the last metric is better.
        """
        try:
            checkpoint("round")
            if not self.rounds.count:
                self._go_on(step, values)
            self.rounds.add(step, values)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            report(error, f"{self.recorder.label}: round {step}", self.recorder.label)
        if self.checkpoints is not None and save is not None:
            self._checkpoint(self.checkpoints, step, save, maximize)

    def _go_on(self, first: int, values: Sequence[tuple[str, str, float]]) -> None:
        """In a further attempt at a run: what the earlier ones have of this round on is theirs.

        Args:
            first: The first round that is trained, counted from 0 over the model's life.
            values: What it has measured.
        """
        run, given = self.recorder.run, self._continued
        if run.attempt is None or run.attempt.is_decided:
            return
        from tracklet.fluent import resuming

        with self.recorder.step("resume"):
            path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
            keys = self.rounds.keys(values)
            times = [resuming.before(run, keys, first)]
            if path is not None:
                with suppress(OSError, ValueError):
                    times.append(os.stat(path).st_mtime_ns // 1_000_000 + 1)
            since = min((each for each in times if each is not None), default=None)
            resuming.supersede(run, first - 1 if first else None, since, path, keys)

    def _checkpoint(
        self,
        checkpoints: Checkpoints,
        step: int,
        save: Callable[[Path], object],
        maximize: Callable[[], bool] | None,
    ) -> None:
        metrics = self.rounds.at(step)
        if checkpoints.monitor is None and metrics:
            checkpoints.monitor = list(metrics)[-1]
            given = getattr(self.options, "checkpoint_mode", None)
            if given is None and maximize is not None:
                mode: Mode = "max" if maximize() else "min"
                checkpoints.mode = mode
        if checkpoints.wants(step, metrics):
            checkpoints.write(step, metrics, save)

    def early_stopping(self, stopped: int, best: int, best_step: int) -> None:
        """Record where training stopped and which round was best, and that round's metrics again.

        Args:
            stopped: What is recorded as ``stopped_iteration``.
            best: What is recorded as ``best_iteration``.
            best_step: The best round, counted from 0.
        """
        self.recorder.metrics({"stopped_iteration": stopped, "best_iteration": best})
        with self.recorder.step("metrics"):
            self.rounds.repeat(best_step)

    def importances(
        self,
        kinds: Iterable[str],
        scores_of: Callable[[str], Mapping[str, Any] | None],
        indent: int | None = None,
    ) -> None:
        """Record feature importances; those of a kind that has none are left out."""
        for kind in kinds:
            with self.recorder.step("importance"):
                scores = scores_of(kind)
                if scores is not None:
                    log_importance(self.recorder, kind, scores, indent=indent)

    def log_wrapper(self, wrapper: Any) -> None:
        """Log a fitted wrapper. Only ``predict`` of the library's own classes is called."""
        owner = next((cls for cls in type(wrapper).__mro__ if "predict" in vars(cls)), object)
        own = owner.__module__.partition(".")[0] == self.library
        self.model(wrapper, functools.partial(self.answer_of, wrapper) if own else None)

    def model(self, model: Any, predict: Callable[[Any], Any] | None) -> None:
        """Log the trained model, with all metrics of the training.

        Args:
            predict: Its answer to the example, for the signature; None if it may not be asked.
        """
        options, recorder = self.options, self.recorder
        info = recorder.model(
            model,
            "model",
            # False rather than None: a missing one must not be made up by asking the model again.
            signature=self._signature(predict) or False,
            input_example=self.example if options.log_input_examples else None,
            params=self.texts,
            registered_model_name=options.registered_model_name,
            **self.model_options(options),
        )
        if info is not None and info.model_id is not None:
            self.model_id = info.model_id
            with recorder.step("model"):
                recorder.run.writer.link_metrics(self.rounds.of_model(info.model_id))

    def _signature(self, predict: Callable[[Any], Any] | None) -> Any:
        signature = None
        if not self.options.log_model_signatures or self.example is None:
            return None
        with self.recorder.step("signature"):
            from tracklet.models import infer_signature

            answer = predict(self.example) if predict is not None else None
            signature = with_all_rows(infer_signature(self.example, answer), self.schema)
        return signature


class BoundCall:
    """A watched call's arguments by name, however they were given.

    Args:
        signature: The original's.
    """

    def __init__(self, call: Call, signature: inspect.Signature) -> None:
        self._call = call
        # By position rather than by `bind`: some functions take more by position, with a warning,
        # than their signature says.
        self._names = [
            name
            for name, each in signature.parameters.items()
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]
        self.given: dict[str, Any] = dict(zip(self._names, call.args, strict=False)) | call.kwargs
        defaults = {
            name: signature.parameters[name].default
            for name in self._names
            if signature.parameters[name].default is not inspect.Parameter.empty
        }
        self.all: dict[str, Any] = {
            name: self.given.get(name, defaults.get(name)) for name in self._names
        }

    def without(self, names: Iterable[str]) -> dict[str, Any]:
        """All arguments, with the defaults of those not given, but for some."""
        left_out = frozenset(names)
        return {name: value for name, value in self.all.items() if name not in left_out}

    def replace(self, name: str, value: Any) -> None:
        """Call the original with another value; the caller's own objects stay as they are."""
        position = self._names.index(name)
        args = self._call.args
        if position < len(args):
            self._call.args = (*args[:position], value, *args[position + 1 :])
        else:
            self._call.kwargs = {**self._call.kwargs, name: value}


def add_first(callbacks: Any, callback: Any) -> list[Any]:
    """The user's callbacks with one of ours before them; None and a single one stay what they are.

    Ours is the first, because a callback that stops the training keeps later ones from seeing the
    round. The user's list is not touched.
    """
    if callbacks is None:
        return [callback]
    if isinstance(callbacks, Iterable):
        return [callback, *callbacks]
    return [callback, callbacks]


class RoundMetrics:
    """The metrics of one training, by round.

    Where an earlier training in the same run has recorded the same metrics, the steps of this one
    come after its steps; a training that continues that one's model goes on anyway.

    Args:
        recorder: The training's.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._write = recorder.run.writer.log_values
        self._recorder = recorder
        self._offset: int | None = None
        self._keys: dict[tuple[str, str, int], str] = {}
        self._points: dict[str, tuple[array[int], array[int], array[float]]] = {}
        self.count = 0
        """How many rounds were recorded."""
        self.last_step = -1
        """The last of them."""

    def add(self, step: int, values: Iterable[tuple[str, str, float]]) -> None:
        """Record one round.

        Two metrics of the same name on the same dataset are told apart: the second is called
        ``<dataset>-<metric>-2``.

        Args:
            step: The round, counted from 0 over the model's life.
            values: The dataset's name, the metric's name and the value, in the framework's order.
        """
        found: dict[str, float] = {}
        for dataset, metric, value in values:
            number = 1
            while (key := self._key(dataset, metric, number)) in found:
                number += 1
            found[key] = float(value)
        if self._offset is None and found:
            known = [self._recorder.known_steps(key) for key in found]
            self._offset = max((steps for steps in known if steps > step), default=0)
        self.count += 1
        self.last_step = max(step, self.last_step)
        self._record(step, found)

    def keys(self, values: Iterable[tuple[str, str, float]]) -> set[str]:
        """The metrics that a round's values are recorded as, but for further ones of a name."""
        return {self._key(dataset, metric, 1) for dataset, metric, _ in values}

    def _record(self, step: int, found: dict[str, float]) -> None:
        if not found:
            return
        timestamp = now()
        self._write(found, step + (self._offset or 0), timestamp)
        for key, value in found.items():
            points = self._points.get(key)
            if points is None:
                points = self._points[key] = (array("q"), array("q"), array("d"))
            points[0].append(timestamp)
            points[1].append(step)
            points[2].append(value)

    def at(self, step: int) -> dict[str, float]:
        """All metrics of a round; empty if it was not recorded."""
        found = {}
        for key, (_, steps, values) in self._points.items():
            position = step - steps[0]  # mostly there: rounds follow one another
            if not (0 <= position < len(steps) and steps[position] == step):
                if step not in steps:
                    continue
                position = steps.index(step)
            found[key] = values[position]
        return found

    def note(self) -> None:
        """Remember for later trainings in the same run which steps there are."""
        for key, (_, steps, _) in self._points.items():
            self._recorder.note_steps(key, max(steps) + (self._offset or 0) + 1)

    def repeat(self, step: int) -> None:
        """Record the metrics of a round once more, as the round after the last."""
        self._record(self.last_step + 1, self.at(step))

    def of_model(self, model_id: str) -> list[Metric]:
        """All points, as those of a logged model; but for what logging it has linked already.

        That is a metric whose last point is of step 0.
        """
        run_id, offset = self._recorder.run_id, self._offset or 0
        return [
            Metric(key, value, timestamp, step + offset, model_id, None, None, run_id)
            for key, points in self._points.items()
            if points[1][-1] + offset != 0
            for timestamp, step, value in zip(*points, strict=True)
        ]

    def _key(self, dataset: str, metric: str, number: int) -> str:
        known = self._keys.get((dataset, metric, number))
        if known is None:
            key = f"{dataset}-{metric}" if number == 1 else f"{dataset}-{metric}-{number}"
            known = self._keys[dataset, metric, number] = metric_key(key)
        return known
