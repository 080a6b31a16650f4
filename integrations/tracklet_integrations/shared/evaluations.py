"""What is known of fitted models after their fits: their runs, their predictions, their metrics.

Everything is held weakly: a model, a prediction and the data it was made from may go at any
moment, and take what is known of them along.
"""

from __future__ import annotations

import json
import logging
import threading
import weakref
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tracklet.autolog import background
from tracklet.autolog.background import afterwards
from tracklet.autolog.datasets import dataset_of, too_slow
from tracklet.autolog.recorder import RunFiles
from tracklet.entities import DatasetInput, InputTag, Metric
from tracklet.names import now
from tracklet_integrations.shared.weak_table import WeakTable

INFO_FILE: Final = "metric_info.json"
MAX_DATASETS: Final = 100
"""Of one name in one run; a loop over temporary data fills no run."""

_SAMPLED_BYTES: Final = 1 << 16
_logger = logging.getLogger("tracklet.autolog")


class RunEvaluations:
    """The metrics that were computed after the fits of one run."""

    def __init__(self, run: Any, label: str) -> None:
        self._run = run
        self._label = label
        self.run_id: str = run.info.run_id
        self._store = run.store
        self._files = RunFiles(run.info.artifact_uri)
        self._lock = threading.Lock()
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
