"""Hugging Face's ``Trainer``: how what it trains is recorded, through a callback.

Like Lightning's it is among the trainer's only as long as a call lasts, and the rules of plain
loops are off meanwhile. The trainer's own callback for MLflow rests if it would write into the same
store. Callbacks are called by the names of their methods, so that this one needs no base class.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import InitVar, dataclass, replace
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet import settings
from tracklet.autolog import (
    CommonOptions,
    Explanation,
    Integration,
    recording,
    switch,
)
from tracklet.entities import Metric
from tracklet.fluent.active import ActiveRun
from tracklet.patching import Call, Outcome, Patch, PatchError, checkpoint
from tracklet_integrations.shared import networks
from tracklet_integrations.shared.among_callbacks import among_callbacks
from tracklet_integrations.shared.driving import driven_by
from tracklet_integrations.shared.evaluating import watch_evaluation
from tracklet_integrations.shared.forwards import Forwards
from tracklet_integrations.shared.sink import RunSink
from tracklet_integrations.shared.trained import log_model
from tracklet_integrations.shared.weak_table import WeakTable

__all__ = ["TransformersIntegration", "TransformersOptions", "autolog"]

LABEL: Final = "transformers"

_SECRET: Final = re.compile(r"(^|_)(token|password|secret|api_key)$")


@dataclass(frozen=True)
class TransformersOptions(CommonOptions):
    """Record every training with Hugging Face's ``Trainer``.

    What it logs, its arguments and the model's configuration, without tokens, its checkpoints, and
    what it says at the end. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        log_input_examples: Accepted for compatibility, as is ``log_datasets``.
        log_models: Log the trained model, as a module of PyTorch's; one of more than a GiB is left
            to the trainer's checkpoints, and a tag says so.
        log_model_signatures: Log models with what they take and give, as their first forwards show.
        log_datasets: See ``log_input_examples``.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 4.46 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        extra_tags: Further tags for the runs that autologging starts.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    log_input_examples: bool = False
    log_models: bool = False
    log_model_signatures: bool = False
    log_datasets: bool = False
    disable: InitVar[bool] = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    extra_tags: Mapping[str, Any] | None = None


class TransformersIntegration(Integration):
    """Watches ``Trainer.train``, ``evaluate`` and ``predict``."""

    name: ClassVar[str] = LABEL
    modules: ClassVar[tuple[str, ...]] = ("transformers",)
    requires: ClassVar[str] = "transformers>=4.46"
    Options: ClassVar[type[Any]] = TransformersOptions

    # The run that a trainer's last training was recorded into: what it evaluates later belongs
    # there.
    _homes: WeakTable[ActiveRun]

    def continue_from(self, earlier: Integration) -> None:
        """Trainers keep the runs that their trainings were recorded into."""
        assert isinstance(earlier, TransformersIntegration)
        self._homes = earlier._homes

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch]:
        """The trainer's doors; its module is imported when somebody asks for it."""
        if not hasattr(framework, "__path__"):
            raise PatchError("the module transformers is not Hugging Face's")
        if not hasattr(self, "_homes"):
            self._homes = WeakTable()
        yield Patch("transformers.trainer", "Trainer.train", self.watch_train)
        for name in ("evaluate", "predict"):
            yield Patch("transformers.trainer", f"Trainer.{name}", self.watch_evaluation)

    def explain(self, options: Any) -> Explanation:
        """What is recorded."""
        return Explanation(
            records=(
                "metrics: what the trainer logs, at its global step, with eval_* and train_*",
                "params: the training arguments and the model's configuration, without tokens",
                "tags: the newest and the best checkpoint; a trial's name and params",
                "model_summary.txt",
                *(("the trained model",) if options.log_models else ()),
            ),
            omits={} if options.log_models else {"the trained model": "log_models is off"},
        )

    def watch_train(self, call: Call) -> Generator[None, Outcome, None]:
        """``train``: a run of its own, or the user's."""
        trainer, options = call.instance, self.options
        leads = bool(trainer.is_world_process_zero())
        tags = {**_tags_of(trainer), **(options.extra_tags or {})}
        asked = replace(options, extra_tags=tags)
        with driven_by(LABEL), recording(LABEL, asked, muted=not leads) as recorder:
            if recorder is None:
                yield
                return
            self._homes[trainer] = recorder.run
            looks = options.log_models and options.log_model_signatures
            callback = RecordCallback(RunSink(recorder.run, LABEL, recorder), looks=looks)
            with among_callbacks(trainer.callback_handler, callback, without=_is_same_record):
                outcome = yield
            recorder.finish(outcome)
            signature = None
            if callback.forwards is not None:
                callback.forwards.leave()
                with recorder.step("signature"):
                    signature = callback.forwards.signature()
            if outcome.error is None and options.log_models:
                log_model(
                    recorder,
                    trainer.model,
                    size=networks.size_of,
                    params=callback.texts,
                    points=callback.last.values(),
                    signature=signature or False,
                    otherwise="the trainer's checkpoints have it",
                )

    def watch_evaluation(self, call: Call) -> Generator[None, Outcome, None]:
        """``evaluate`` and ``predict`` outside of a training: into the run of the training."""
        trainer = call.instance
        yield from watch_evaluation(
            LABEL,
            self.options,
            self._homes.get(trainer),
            lambda sink: among_callbacks(
                trainer.callback_handler, RecordCallback(sink), without=_is_same_record
            ),
            leads=bool(trainer.is_world_process_zero()),
        )


class RecordCallback:
    """Hears what a trainer says; it is no ``TrainerCallback``, and answers nothing.

    Args:
        sink: Where that goes.
        looks: Whether the model's first forwards are looked at.
    """

    def __init__(self, sink: RunSink, *, looks: bool = False) -> None:
        self._sink = sink
        self._looks = looks
        self.forwards: Forwards | None = None
        self.texts: dict[str, str] = {}
        self.last: dict[str, Metric] = {}
        """The newest point of each metric."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(name)

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
    ) -> None:
        """What is known before the first step."""
        found: dict[str, Any] = {}
        tags: dict[str, Any] = {}
        with self._sink.step("describe"):
            found = {**_configuration(model), **_arguments(args), **networks.model_params(model)}
            if state.trial_name is not None:
                tags["trial_name"] = state.trial_name
            if state.trial_params is not None:
                tags["trial_params"] = json.dumps(state.trial_params, default=str)
        self.texts = self._sink.params(found)
        if tags:
            self._sink.note(tags)
        with self._sink.step("summary"):
            self._sink.artifacts({"model_summary.txt": networks.summary(model)})
        if self._looks:
            with self._sink.step("signature"):
                self.forwards = Forwards(networks.unwrapped(model))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """What it logs, at the training's step."""
        self._take(logs or {}, state)

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        """What a prediction has measured, which it does not log by itself."""
        self._take(metrics or {}, state)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Where a checkpoint is, and which is the best so far."""
        with self._sink.step("checkpoint"):
            newest = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
            self._sink.note({"checkpoint.last_model_path": newest, **_best(args, state)})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The best checkpoint, and how good it is."""
        with self._sink.step("checkpoint"):
            best = _best(args, state)
            if best:
                self._sink.note(best)
            if state.best_metric is not None:
                self._take({"best_metric": float(state.best_metric)}, state)

    def _take(self, values: Mapping[str, Any], state: Any) -> None:
        with self._sink.step("metrics"):
            checkpoint("callback")
            points = self._sink.scalars(dict(_numbers(values)), int(state.global_step))
            self.last |= {each.key: each for each in points}


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if not isinstance(value, int | float):
            if getattr(value, "ndim", None) != 0 and getattr(value, "size", None) != 1:
                continue
            value = value.item()
        yield name, float(value)


def _arguments(args: Any) -> dict[str, Any]:
    """The training arguments, as the trainer's own callbacks would tell them; no tokens."""
    return {key: value for key, value in args.to_sanitized_dict().items() if not _secret(key)}


def _configuration(model: Any) -> dict[str, Any]:
    """The model's configuration, and those of its adapters."""
    config: Any = getattr(model, "config", None)
    found = dict(config.to_dict()) if hasattr(config, "to_dict") else {}
    adapters = getattr(model, "peft_config", None)
    for name, adapter in (adapters if isinstance(adapters, Mapping) else {}).items():
        settings_of = adapter.to_dict() if hasattr(adapter, "to_dict") else {}
        found |= {f"peft/{name}/{key}": value for key, value in settings_of.items()}
    return {key: value for key, value in found.items() if not _secret(key)}


def _secret(key: str) -> bool:
    return _SECRET.search(key.lower()) is not None


def _best(args: Any, state: Any) -> dict[str, Any]:
    if not state.best_model_checkpoint:
        return {}
    return {
        "checkpoint.best_model_path": state.best_model_checkpoint,
        "checkpoint.best_metric": state.best_metric,
        "checkpoint.monitor": args.metric_for_best_model or "",
        "checkpoint.mode": "max" if args.greater_is_better else "min",
    }


def _tags_of(trainer: Any) -> dict[str, Any]:
    """The run's name and tags, where the trainer's callback for MLflow has them from."""
    args = trainer.args
    tags: dict[str, Any] = {}
    with suppress(ValueError, TypeError):  # its own callback would fail; ours does without
        tags |= json.loads(os.environ.get("MLFLOW_TAGS") or "{}")
    name = getattr(args, "run_name", None)
    if name and name != args.output_dir:  # which is the default of older versions
        tags["mlflow.runName"] = name
    return tags


def _is_same_record(callback: Any) -> bool:
    """Whether a callback is the trainer's own for MLflow, and writes where we do."""
    if all(cls.__name__ != "MLflowCallback" for cls in type(callback).__mro__):
        return False
    mlflow: Any = sys.modules.get("mlflow")
    try:
        theirs = mlflow.get_tracking_uri()
    except Exception:  # noqa: BLE001 (a package of that name that is none)
        return False
    ours = settings.tracking_uri()
    return theirs == ours or _folder(theirs) == _folder(ours) is not None


def _folder(uri: str) -> str | None:
    path = settings.path_of(uri)
    return None if path is None else os.path.realpath(path)


autolog = switch("transformers", TransformersOptions)
