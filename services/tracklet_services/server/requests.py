"""What clients ask, as MLflow's REST protocol spells it: a field for each parameter of a verb.

Numbers may be texts, as protocol buffers allow; unknown fields are left out; all else that does
not fit is an error that names the field. A body that is refused has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar, get_type_hints

from msgspec import Meta, Struct, defstruct

from tracklet import entities
from tracklet.entities import messages

E = TypeVar("E", bound=entities.Entity)

Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Int32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
View: TypeAlias = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
ModelStatus: TypeAlias = Literal[
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
    "PENDING",
    "READY",
    "FAILED",
]


class Pair(Struct):
    """A key and a text."""

    key: str
    value: str


Pairs: TypeAlias = Sequence[Pair]
Texts: TypeAlias = Sequence[str]


def by_key(pairs: Pairs) -> dict[str, str]:
    """Texts by key; of a key that is given twice, the last."""
    return {pair.key: pair.value for pair in pairs}


class MeasuredOn(Struct, kw_only=True):
    """A dataset that models were measured on."""

    dataset_name: str
    dataset_digest: str | None = None


class ModelOrder(Struct, kw_only=True):
    """What logged models are ordered by."""

    field_name: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class OfRun(Struct, kw_only=True):
    """What names a run, also under its oldest name."""

    run_id: str = ""
    run_uuid: str = ""

    def __post_init__(self) -> None:
        self.run_id = self.run_id or self.run_uuid
        if not self.run_id:
            raise ValueError("Object missing required field `run_id`")


class OfTrace(Struct, kw_only=True):
    """What names a trace, also under its older name."""

    trace_id: str = ""
    request_id: str = ""

    def __post_init__(self) -> None:
        self.trace_id = self.trace_id or self.request_id
        if not self.trace_id:
            raise ValueError("Object missing required field `trace_id`")


_ALSO: Final[Mapping[str, type[Struct]]] = {"run_id": OfRun, "trace_id": OfTrace}


@cache
def asked_of(verb: Callable[..., Any]) -> type[Struct]:
    """The class of what a verb is asked: its parameters, but for the first, are the fields."""
    hints = get_type_hints(verb, include_extras=True)
    fields: list[Any] = []
    bases: tuple[type[Struct], ...] = ()
    for said in list(signature(verb).parameters.values())[1:]:
        if said.name in _ALSO and said.default is said.empty and hints[said.name] is str:
            bases = (_ALSO[said.name],)
        elif said.default is said.empty:
            fields.append((said.name, hints[said.name]))
        else:
            fields.append((said.name, hints[said.name], said.default))
    home = verb.__module__.rpartition(".")[2]
    name = f"{home}_{verb.__name__}".title().replace("_", "")
    return defstruct(name, fields, bases=bases, kw_only=True, module=verb.__module__)


# -- of entities ---------------------------------------------------------------------------------

_FORMS: Final[dict[str, tuple[Any, str]]] = {
    "str": (str, "{}"),
    "str | None": (str | None, "{} or None"),
    "int": (Int64, "{}"),
    "float": (float, "{}"),
    "list[InputTag]": (list[Pair], "[InputTag(pair.key, pair.value) for pair in {}]"),
}
"""The type of a field of a message by its form, and what is made of its value."""

_MAKERS: Final[dict[str, Any]] = {"InputTag": entities.InputTag}


def _message(kind: type[entities.Entity], without: str = "") -> Any:
    """The class of the message of an entity, perhaps without the entity's last field.

    What makes the entity is compiled, for messages come by the thousand.
    """
    fields: list[Any] = []
    values: list[str] = []
    for field, name, form in messages.fields(kind):
        if field == without:
            continue
        type_, value = _FORMS[form]
        values.append(value.format(f"asked.{name}"))
        if field not in kind._defaults:
            fields.append((name, type_))
        else:
            default = [] if form.startswith("list") else kind._defaults[field]
            fields.append((name, type_, default))
    made = defstruct(kind.__name__, fields, kw_only=True, module=__name__)
    known = {**_MAKERS, "kind": kind}
    _MAKERS[kind.__name__] = eval(f"lambda asked: kind({', '.join(values)})", known)
    _FORMS[kind.__name__] = made, f"{kind.__name__}({{}})"
    return made


if TYPE_CHECKING:
    Point: TypeAlias = Any
    DatasetInput: TypeAlias = Any
    ModelInput: TypeAlias = Any
    ModelOutput: TypeAlias = Any
else:
    _message(entities.Dataset)
    Point = _message(entities.Metric, without="run_id")
    DatasetInput = _message(entities.DatasetInput)
    ModelInput = _message(entities.LoggedModelInput)
    ModelOutput = _message(entities.LoggedModelOutput)


def made(kind: type[E], asked: Sequence[Any]) -> list[E]:
    """The entities of messages."""
    return list(map(_MAKERS[kind.__name__], asked))


# -- traces --------------------------------------------------------------------------------------


class ExperimentPlace(Struct, kw_only=True):
    """An experiment."""

    experiment_id: str


class TracePlace(Struct, kw_only=True, omit_defaults=True):
    """Where traces are."""

    type: str = "MLFLOW_EXPERIMENT"
    mlflow_experiment: ExperimentPlace | None = None


class AssessmentSource(Struct, kw_only=True, omit_defaults=True):
    """Who assessed."""

    source_type: str = "SOURCE_TYPE_UNSPECIFIED"
    source_id: str | None = None


class AssessmentError(Struct, kw_only=True, omit_defaults=True):
    """Why there is no feedback."""

    error_code: str = ""
    error_message: str | None = None
    stack_trace: str | None = None


class Feedback(Struct, kw_only=True, omit_defaults=True):
    """A judgement."""

    value: Any = None
    error: AssessmentError | None = None


class SerializedValue(Struct, kw_only=True):
    """A value as a text."""

    serialization_format: Literal["JSON_FORMAT"] = "JSON_FORMAT"
    value: str


class Expectation(Struct, kw_only=True, omit_defaults=True):
    """What a trace should have answered."""

    value: Any = None
    serialized_value: SerializedValue | None = None


class Assessment(Struct, kw_only=True, omit_defaults=True):
    """What is thought of a trace."""

    assessment_id: str | None = None
    assessment_name: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    source: AssessmentSource | None = None
    create_time: str | None = None
    last_update_time: str | None = None
    feedback: Feedback | None = None
    expectation: Expectation | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    valid: bool | None = None
    overrides: str | None = None


class TraceInfo(Struct, kw_only=True, omit_defaults=True):
    """What is known of a trace."""

    trace_id: str
    trace_location: TracePlace
    request_time: str
    execution_duration: str | None = None
    state: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    client_request_id: str | None = None
    trace_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    assessments: list[Assessment] = []


class NewTrace(Struct, kw_only=True):
    """A trace."""

    trace_info: TraceInfo


class PromptOfTrace(Struct, kw_only=True):
    """A version of a prompt."""

    name: str
    version: str
