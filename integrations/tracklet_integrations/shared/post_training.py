"""Watching what the user computes of a fitted model: predictions, scores and metrics.

Only calls by the user's own code count. What a library computes on the way, such as
``permutation_importance``, is not recorded, nor is what a recorded call computes inside.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextvars import ContextVar
from numbers import Real
from types import FrameType, ModuleType
from typing import Any, Final

from tracklet.autolog import session
from tracklet.autolog.integration import LatePatches
from tracklet.patching import Advice, Call, Outcome, Patch, keep_context
from tracklet_integrations.shared import callers, evaluations
from tracklet_integrations.shared.evaluations import Link, Register, Source

ANSWERING: Final = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
)

_NO_METRICS: Final = ("check_scoring", "get_scorer", "make_scorer", "get_scorer_names")
_MAX_TEXT: Final = 32

_inside: ContextVar[bool] = ContextVar("tracklet_evaluation", default=False)
keep_context(_inside)


class PostTraining:
    """The advice around what may be called of the models that one integration has seen fitted.

    Args:
        label: The integration, for messages.
        watch: Applies a patch of the integration.
    """

    def __init__(self, label: str, watch: Callable[[Patch], None]) -> None:
        self._watch = watch
        self._known = Register(label)
        self._watched: weakref.WeakKeyDictionary[type, set[str]] = weakref.WeakKeyDictionary()

    def continue_from(self, earlier: PostTraining) -> None:
        """Know what another one knows, and watch what it watched."""
        self._known = earlier._known
        for owner, names in tuple(earlier._watched.items()):
            for name in names:
                self._watch_method(owner, name)

    def link(
        self, model: Any, run: Any, model_id: str | None, dataset_seconds: float | None
    ) -> None:
        """From now on what is computed of this model belongs to this run."""
        for name in (*ANSWERING, "score"):
            self._watch_method(type(model), name)
        self._known.link(model, run, model_id, dataset_seconds)

    def _watch_method(self, cls: type, name: str) -> None:
        owner = next((each for each in cls.__mro__ if name in vars(each)), None)
        if owner is None or owner is object:
            return
        names = self._watched.setdefault(owner, set())
        if name not in names:
            names.add(name)
            advice = self.watch_score if name == "score" else self.watch_answer
            target = f"{owner.__qualname__}.{name}"
            self._watch(Patch(owner.__module__, target, advice, owner=owner))

    def patches(self) -> Iterator[Patch | LatePatches]:
        """The metric functions of scikit-learn, and its scorers."""
        yield LatePatches("sklearn.metrics", self._metric_patches)
        for scorer in ("_BaseScorer", "_PassthroughScorer"):
            yield Patch("sklearn.metrics._scorer", f"{scorer}.__call__", self.watch_scorer)

    def _metric_patches(self, module: ModuleType) -> Iterator[Patch]:
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name, None)
            if not inspect.isfunction(inspect.unwrap(function) if function else None):
                continue
            if name not in _NO_METRICS and not name.startswith("plot_"):
                yield Patch(module.__name__, name, self._watch_metric(name))

    def watch_answer(self, call: Call) -> Generator[None, Outcome, None]:
        """``predict`` and its like: remember what the answer was made from."""
        link = self._link(call)
        outcome = yield
        if link is None or outcome.error is not None or outcome.value is None:
            return
        frame = callers.calling_frame()
        if callers.is_users(frame):
            data = _first(call)
            self._known.remember(outcome.value, self._source(link, data, frame))

    def watch_score(self, call: Call) -> Generator[None, Outcome, None]:
        """``score``: a metric by itself."""
        link = self._link(call)
        frame = callers.calling_frame() if link is not None else None
        if link is None or not callers.is_users(frame):
            yield
            return
        outcome = yield from _alone()
        name = f"{type(call.instance).__name__}_score"
        text = f"{type(call.instance).__name__}.score({_arguments(call, frame)})"
        self._record(name, outcome, self._source(link, _first(call), frame), text)

    def watch_scorer(self, call: Call) -> Generator[None, Outcome, None]:
        """``scorer(estimator, X, y)``: a metric, by the name of the scorer's function."""
        arguments = call.arguments() if self._known else {}
        model = arguments.get("estimator")
        link = self._known.link_of(model) if self._is_open() and model is not None else None
        frame = callers.calling_frame() if link is not None else None
        if link is None or not callers.is_users(frame):
            yield
            return
        outcome = yield from _alone()
        if outcome.error is not None or not _is_number(outcome.value):
            return
        scorer = call.instance
        function = getattr(scorer, "_score_func", None)
        name = getattr(function, "__name__", None) or f"{type(model).__name__}_score"
        value = float(outcome.value) * getattr(scorer, "_sign", 1)
        source = self._source(link, arguments.get("X"), frame)
        call_text = f"{name}({_arguments(call, frame)})"
        self._record(name, Outcome(value), source, call_text)

    def _watch_metric(self, name: str) -> Advice:
        def watch_metric(call: Call) -> Generator[None, Outcome, None]:
            source = self._source_among(call) if self._is_open() else None
            frame = callers.calling_frame() if source is not None else None
            if source is None or not callers.is_users(frame):
                yield
                return
            outcome = yield from _alone()
            self._record(name, outcome, source, f"{name}({_arguments(call, frame)})")

        return watch_metric

    def _is_open(self) -> bool:
        return bool(self._known) and not _inside.get() and session.current() is None

    def _link(self, call: Call) -> Link | None:
        return self._known.link_of(call.instance) if self._is_open() else None

    def _source(self, link: Link, data: Any, frame: FrameType | None) -> Source:
        name = callers.name_of(data, frame) or callers.UNKNOWN
        return Source(link, name, evaluations.content_of(data), evaluations.weak(data))

    def _source_among(self, call: Call) -> Source | None:
        for value in (*call.args, *call.kwargs.values()):
            source = self._known.source_of(value)
            if source is not None:
                return source
        return None

    def _record(self, name: str, outcome: Outcome, source: Source, text: str) -> None:
        if outcome.error is None and _is_number(outcome.value):
            source.link.evaluations.record(name, float(outcome.value), source, text)


def _alone() -> Generator[None, Outcome, Outcome]:
    """The original; nothing that it computes on the way is recorded."""
    token = _inside.set(True)
    try:
        return (yield)
    finally:
        _inside.reset(token)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _first(call: Call) -> Any:
    """The data that a method was given: its first argument."""
    return call.args[0] if call.args else next(iter(call.kwargs.values()), None)


def _arguments(call: Call, frame: FrameType | None) -> str:
    """The arguments as one would write them.

    Args:
        call: The call.
        frame: Where names of variables are looked for; None shows types instead.
    """
    try:
        given: Mapping[str, Any] = call.arguments()
    except TypeError:
        given = call.kwargs
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat.update(value if name == "kwargs" and isinstance(value, dict) else {name: value})
    return ", ".join(f"{name}={_text(value, frame)}" for name, value in flat.items())


def _text(value: Any, frame: FrameType | None) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "...")
    if value is None or isinstance(value, bool | int | float | complex):
        return repr(value)
    name = callers.name_of(value, frame)
    return name if name is not None else f"<{type(value).__name__}>"
