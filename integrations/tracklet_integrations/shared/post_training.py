"""What the user computes of a fitted model: predictions, scores and metrics, on the model's run.

Only calls by the user's own code count. What a library computes on the way, such as
``permutation_importance``, is not recorded, nor is what a recorded call computes inside. Everything
is held weakly: a model, a prediction and the data it was made from may go at any moment, and take
what is known of them along.
"""

from __future__ import annotations

import inspect
import json
import logging
import weakref
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Real
from types import FrameType, ModuleType
from typing import Any, Final

from tracklet.autolog import background, session
from tracklet.autolog.background import afterwards
from tracklet.autolog.callers import calling_frame, is_users, name_of
from tracklet.autolog.datasets import dataset_of, too_slow
from tracklet.autolog.integration import LatePatches
from tracklet.autolog.recorder import RunFiles
from tracklet.entities import DatasetInput, InputTag, Metric
from tracklet.names import now
from tracklet.patching import Advice, Call, Outcome, Patch, keep_context
from tracklet.state import lock
from tracklet_integrations.shared.weak_table import WeakTable

ANSWERING: Final = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
)

_NO_METRICS: Final = ("check_scoring", "get_scorer", "make_scorer", "get_scorer_names")
_MAX_TEXT: Final = 32
INFO_FILE: Final = "metric_info.json"
MAX_DATASETS: Final = 100
"""Of one name in one run; a loop over temporary data fills no run."""

_SAMPLED_BYTES: Final = 1 << 16
_logger = logging.getLogger("tracklet.autolog")

UNKNOWN: Final = "unknown_dataset"

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
        frame = calling_frame()
        if is_users(frame):
            data = _first(call)
            self._known.remember(outcome.value, self._source(link, data, frame))

    def watch_score(self, call: Call) -> Generator[None, Outcome, None]:
        """``score``: a metric by itself."""
        link = self._link(call)
        frame = calling_frame() if link is not None else None
        if link is None or not is_users(frame):
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
        frame = calling_frame() if link is not None else None
        if link is None or not is_users(frame):
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
            frame = calling_frame() if source is not None else None
            if source is None or not is_users(frame):
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
        name = name_of(data, frame) or UNKNOWN
        return Source(link, name, content_of(data), weak(data))

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
    name = name_of(value, frame)
    return name if name is not None else f"<{type(value).__name__}>"


# -- which run a model belongs to, and what an answer was made from


class RunEvaluations:
    """The metrics that were computed after the fits of one run."""

    def __init__(self, run: Any, label: str) -> None:
        self._run = run
        self._label = label
        self.run_id: str = run.info.run_id
        self._store = run.store
        self._files = RunFiles(run.store.place_for_artifacts(self.run_id, run.info))
        self._lock = lock()
        self._calls: dict[str, int] = {}
        self._contents: dict[str, list[Any]] = {}
        self._info: dict[str, str] = {}
        self._writing = False
        self._inputs: set[str] = set()

    def dataset_name(self, name: str, content: Any) -> str | None:
        """The name of data; different data of one name are numbered. None if there are too many."""
        with self._lock:
            known = self._contents.setdefault(name, [])
            if content not in known:
                if len(known) >= MAX_DATASETS:
                    return None
                known.append(content)
            number = known.index(content) + 1
        return name if number == 1 else f"{name}-{number}"

    def record(self, function: str, value: float, source: Source, text: str) -> str | None:
        """Record one metric; its key comes back, or None if there are too many.

        Args:
            function: What computed it.
            value: The number.
            source: Which model it is of, and which data.
            text: The call, as people would write it.
        """
        with afterwards(self._run, self._label, "evaluation"):
            return self._record(function, value, source, text)
        return None

    def _record(self, function: str, value: float, source: Source, text: str) -> str | None:
        dataset = self.dataset_name(source.name, source.content)
        if dataset is None:
            _logger.info("%s is not recorded: too many datasets are named %s", text, source.name)
            return None
        with self._lock:
            number = self._calls[function] = self._calls.get(function, 0) + 1
        key = f"{function}-{number}_{dataset}" if number > 1 else f"{function}_{dataset}"
        name, digest = self._input(source)
        point = Metric(key, value, now(), 0, source.link.model_id, name, digest, self.run_id)
        self._store.log_batch(self.run_id, [point])
        with self._lock:
            self._info[key] = text
            begin, self._writing = not self._writing, True
        if begin and not background.later(self._write_info):
            self._write_info()
        return key

    def _input(self, source: Source) -> tuple[str | None, str | None]:
        """Record the data as an input of the run, if they still are what was predicted from."""
        entity = source.entity()
        if entity is None:
            return None, None
        if entity.digest not in self._inputs:
            self._inputs.add(entity.digest)
            tag = InputTag("mlflow.data.context", "eval")
            self._store.log_inputs(self.run_id, [DatasetInput(entity, [tag])])
        return entity.name, entity.digest

    def _write_info(self) -> None:
        with afterwards(self._run, self._label, INFO_FILE):
            with self._lock:
                self._writing = False
                text = json.dumps(dict(sorted(self._info.items())), indent=2)
            self._files.put({INFO_FILE: text})


# Models of several integrations may have been fitted in one run.
_runs: weakref.WeakValueDictionary[str, RunEvaluations] = weakref.WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Link:
    """Which run and logged model a fitted model belongs to."""

    evaluations: RunEvaluations
    model_id: str | None
    dataset_seconds: float | None
    """How long describing what it is asked may take; None describes nothing."""


@dataclass(slots=True)
class Source:
    """What a number was computed from: a model's answer to some data."""

    link: Link
    name: str
    content: Any
    data: Callable[[], Any]
    _entity: Any = field(default=None)

    def entity(self) -> Any:
        """The data's dataset entity; None if they are gone, have changed, or are not wanted."""
        data = self.data()
        seconds = self.link.dataset_seconds
        if self._entity is None and data is not None and seconds is not None:
            if content_of(data) != self.content or too_slow(data, seconds) is not None:
                return None
            dataset = dataset_of(data, None, "dataset")
            self._entity = dataset.to_entity() if dataset is not None else None
        return self._entity


class Register:
    """The fitted models and their predictions, by identity, for as long as they live.

    Args:
        label: The integration that fitted them, for messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._links: WeakTable[Link] = WeakTable()
        self._sources: WeakTable[Source] = WeakTable()
        self._below: WeakTable[tuple[int, Source]] = WeakTable()

    def __bool__(self) -> bool:
        return len(self._links) > 0

    def link(
        self, model: Any, run: Any, model_id: str | None, dataset_seconds: float | None
    ) -> None:
        """Remember which run a model was fitted in."""
        run_id = run.info.run_id
        evaluations = _runs.get(run_id)
        if evaluations is None:
            evaluations = _runs[run_id] = RunEvaluations(run, self._label)
        self._links[model] = Link(evaluations, model_id, dataset_seconds)

    def link_of(self, model: Any) -> Link | None:
        """What a model belongs to; None if it was not fitted under our eyes, or is a copy."""
        return self._links.get(model)

    def remember(self, answer: Any, source: Source) -> None:
        """Remember what an answer was made from; a list or number cannot be remembered."""
        self._sources[answer] = source
        base, data = _array_below(answer), source.data()
        # Of an answer that shows the user's own data, other columns of these are no answer.
        if base is not None and base is not data and base is not _array_below(data):
            self._below[base] = answer.shape[0], source

    def source_of(self, value: Any) -> Source | None:
        """What a value was made from: an answer itself, or columns of one."""
        found = self._sources.get(value)
        base = _array_below(value) if found is None else None
        if base is not None and base.ndim:
            found = self._sources.get(base) if base.shape[0] == value.shape[0] else None
            if found is None:  # the answer may itself show an array that only it knows
                rows, source = self._below.get(base) or (-1, None)
                found = source if rows == value.shape[0] else None
        return found


def _array_below(value: Any) -> Any:
    """The NumPy array that this one shows a part of, or shows otherwise."""
    if type(value).__module__ != "numpy" or not getattr(value, "ndim", 0):
        return None
    base = getattr(value, "base", None)
    return base if hasattr(base, "shape") else None


def content_of(data: Any) -> Any:
    """What tells data apart, from a sample of them: shape, types, and a checksum.

    Data that cannot be looked into are told apart by identity.
    """
    try:
        found = _content(data)
    except Exception as error:  # noqa: BLE001 (odd data are told apart by identity)
        _logger.debug("no checksum of %s: %r", type(data).__name__, error)
        found = None
    return found if found is not None else ("object", id(data))


def _content(data: Any) -> Any:
    kind = type(data)
    library = kind.__module__.partition(".")[0]
    if library == "numpy" and hasattr(data, "dtype") and not data.dtype.hasobject:
        return ("array", data.shape, data.dtype.str, _checksum(data))
    if library == "pandas" and hasattr(data, "iloc"):
        step = max(1, len(data) // 256)
        sample = data.iloc[::step].to_numpy()
        names = tuple(map(str, getattr(data, "columns", ())))
        checksum = zlib.crc32(repr(sample.tolist()).encode())
        return ("frame", data.shape, names, checksum)
    if library == "scipy" and hasattr(data, "data") and hasattr(data.data, "dtype"):
        return ("sparse", data.shape, data.nnz, _checksum(data.data))
    return None


def _checksum(array: Any) -> int:
    size = max(array.nbytes, 1)
    step = max(1, size // _SAMPLED_BYTES) if array.ndim else 1
    sample = array[::step] if array.ndim else array
    return zlib.crc32(sample.tobytes())


def weak(data: Any) -> Callable[[], Any]:
    """A function that gives data for as long as the user has them."""
    try:
        return weakref.ref(data)
    except TypeError:
        return lambda: None
