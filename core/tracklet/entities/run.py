"""Experiments and their runs: one training each, with what was recorded of it, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracklet.entities.entity import Entity, KeyValue, LifecycleStage, NumberedWords, renamed
from tracklet.errors import InvalidArgument, InvalidParameterValue
from tracklet.frozen import field

if TYPE_CHECKING:
    from tracklet.entities.dataset import DatasetInput, LoggedModelInput, LoggedModelOutput

_MAY_BE_UNSET: Final = frozenset({"model_id", "dataset_name", "dataset_digest", "run_id"})


class ExperimentTag(KeyValue):
    """A key and a text on an experiment."""


class Experiment(Entity):
    """A named group of runs."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str = LifecycleStage.ACTIVE
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None
    workspace: str = "default"
    trace_location: str | None = None


class RunStatus(NumberedWords):
    """The states of a run; numbers are what ``meta.yaml`` holds."""

    RUNNING: Final = 1
    SCHEDULED: Final = 2
    FINISHED: Final = 3
    FAILED: Final = 4
    KILLED: Final = 5

    @classmethod
    def is_terminated(cls, status: int | str) -> bool:
        """Whether a run in this state is over."""
        return status not in (cls.RUNNING, cls.SCHEDULED, "RUNNING", "SCHEDULED")


class SourceType(NumberedWords):
    """What started a run."""

    NOTEBOOK: Final = 1
    JOB: Final = 2
    PROJECT: Final = 3
    LOCAL: Final = 4
    UNKNOWN: Final = 5


class Metric(Entity):
    """One point of a metric; ``timestamp`` in ms, ``step`` any 64-bit integer."""

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        if (self.dataset_name is None) != (self.dataset_digest is None):
            raise InvalidParameterValue(
                "a metric names its dataset by dataset_name and dataset_digest together; got "
                f"dataset_name={self.dataset_name!r}, dataset_digest={self.dataset_digest!r}"
            )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> None:
            # Reached only by slots that were never set: what reads many points at once leaves
            # out those that hold nothing.
            if name in _MAY_BE_UNSET:
                return None
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class FileInfo(Entity):
    """A file or folder below an artifact root; ``file_size`` in bytes, None for folders."""

    path: str
    is_dir: bool
    file_size: int | None = None


class Param(KeyValue):
    """A key and a text, set once per run."""


class RunTag(KeyValue):
    """A key and a text on a run; may be set again."""


class RunInfo(Entity):
    """What identifies a run and where it stands. ``status`` is the state's name."""

    run_id: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int | None
    end_time: int | None
    lifecycle_stage: str = LifecycleStage.ACTIVE
    artifact_uri: str | None = None
    run_name: str | None = None

    run_uuid = renamed("run_id")


class RunData(Entity):
    """The latest value of each metric, and the params and tags.

    The latest point of a metric is the greatest by (step, timestamp, value).
    """

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class RunInputs(Entity):
    """The datasets and models that a run used."""

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)


class RunOutputs(Entity):
    """The models that a run produced."""

    model_outputs: list[LoggedModelOutput] = field(default_factory=list)


class Run(Entity, slots=False):
    """One training: its identity, its data, what it used and what it produced.

    Not slotted: the active run that ``start_run`` returns is a subclass with a life of its own.
    """

    info: RunInfo
    data: RunData = field(default_factory=RunData)
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)

    def __post_init__(self) -> None:
        given = (type(self.info), type(self.data), type(self.inputs), type(self.outputs))
        if given == _KINDS:
            return  # a search makes thousands
        for what, kind in _PARTS:
            value = getattr(self, what)
            if not isinstance(value, kind) and (value is not None or what == "info"):
                raise InvalidArgument(f"the {what} of a run is a {kind.__name__}; got {value!r}")

    def _repr_html_(self) -> str:
        from tracklet.entities import html  # only notebooks ask for it

        return html.of_run(self)


_PARTS: Final = (
    ("info", RunInfo),
    ("data", RunData),
    ("inputs", RunInputs),
    ("outputs", RunOutputs),
)
_KINDS: Final = tuple(kind for _, kind in _PARTS)
