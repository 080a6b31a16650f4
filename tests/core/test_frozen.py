"""Frozen values are what a frozen, slotted dataclass would be, without a dataclass being made."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import typing
from dataclasses import dataclass

import pytest

from tracklet import entities
from tracklet.entities import Entity, Experiment, Metric, Run, RunData, RunInfo, RunTag
from tracklet.frozen import Frozen, field, replace


class Point(Frozen):
    """Two numbers and what is said of them."""

    x: int
    y: int = 0
    marks: list[str] = field(default_factory=list)
    other: Point | None = None


def _twin() -> typing.Any:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0
        marks: list[str] = dataclasses.field(default_factory=list)
        other: Point | None = None

    Point.__qualname__ = "Point"
    Point.__init__.__qualname__ = "Point.__init__"
    return Point


TWIN = _twin()

CALLS: list[tuple[tuple[typing.Any, ...], dict[str, typing.Any]]] = [
    ((1,), {}),
    ((1, 2, ["a"], None), {}),
    ((), {"y": 3, "x": 1}),
    ((1,), {"marks": ["m"]}),
    ((), {}),
    ((), {"y": 1}),
    ((1,), {"x": 1}),
    ((1,), {"z": 1}),
    ((1, 2, [], None, 5), {}),
]


@pytest.mark.parametrize(("given", "named"), CALLS)
def test_a_value_is_made_and_refused_as_a_dataclass_is(
    given: tuple[typing.Any, ...], named: dict[str, typing.Any]
) -> None:
    outcomes = []
    for kind in (Point, TWIN):
        try:
            outcomes.append(repr(kind(*given, **named)))
        except TypeError as error:
            outcomes.append(f"TypeError: {error}")
    assert outcomes[0] == outcomes[1]


def test_signature_and_match_args_are_a_dataclass_s() -> None:
    assert str(inspect.signature(Point)) == str(inspect.signature(TWIN))
    assert Point.__match_args__ == TWIN.__match_args__
    assert Point.__slots__ == TWIN.__slots__
    assert Point(1) is not None  # a constructor that was looked at still makes values
    match Point(1, 2):
        case Point(x, y=2):
            assert x == 1
        case _:
            pytest.fail("a pattern finds the fields by position and by name")


def test_equality_and_hash_go_by_class_and_fields() -> None:
    assert RunTag("k", "v") == RunTag("k", "v")
    assert hash(RunTag("k", "v")) == hash(("k", "v"))
    assert RunTag("k", "v") != entities.ExperimentTag("k", "v")
    assert RunTag("k", "v") != ("k", "v")
    nan = float("nan")
    assert Metric("m", nan, 0) == Metric("m", nan, 0)
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        hash(Point(1))


def test_defaults_made_by_a_factory_are_not_shared() -> None:
    first, second = Point(1), Point(1)
    first.marks.append("a")
    assert second.marks == []
    assert Point(1).marks == []


@pytest.mark.parametrize("value", [Point(1), Run(RunInfo("r", "0", "u", "RUNNING", 0, None))])
def test_nothing_can_be_assigned_or_deleted(value: typing.Any) -> None:
    name = next(iter(value.__match_args__))
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(value, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'new'"):
        value.new = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(value, name)


def test_values_survive_pickling_and_copying() -> None:
    run = Run(RunInfo("r", "0", "u", "RUNNING", 0, None), RunData({"m": 1.0}))
    for value in (Point(1, 2, ["a"], Point(3)), run, Metric("m", 1.0, 0, run_id="r")):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(value, protocol)) == value
        assert copy.copy(value) == value
        assert copy.deepcopy(value) == value
    marks = ["a"]
    assert copy.copy(Point(1, marks=marks)).marks is marks
    assert copy.deepcopy(Point(1, marks=marks)).marks is not marks


def test_the_state_of_a_pickle_is_a_slotted_dataclass_s() -> None:
    assert Point(1, 2).__reduce_ex__(4)[2] == TWIN(1, 2).__reduce_ex__(4)[2]


def test_a_value_that_holds_itself_shows_itself() -> None:
    point = Point(1)
    point.marks.append(point)  # type: ignore[arg-type]
    assert repr(point) == "Point(x=1, y=0, marks=[...], other=None)"


def test_dataclasses_takes_frozen_values_for_its_own() -> None:
    point = Point(1, 2, ["a"])
    assert dataclasses.replace(point, y=5) == replace(point, y=5) == Point(1, 5, ["a"])
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "marks": ["a"], "other": None}
    assert [each.name for each in dataclasses.fields(Metric)] == list(Metric.__match_args__)
    assert dataclasses.is_dataclass(Experiment)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        replace(point, nothing=1)


def test_a_dataclass_can_be_derived_from_an_unslotted_one() -> None:
    @dataclass(frozen=True)
    class Longer(Run):
        note: str = ""

        def __init__(self, info: RunInfo, note: str) -> None:
            super().__init__(info)
            vars(self)["note"] = note

    made = Longer(RunInfo("r", "0", "u", "RUNNING", 0, None), "n")
    assert (made.info.run_id, made.note) == ("r", "n")
    assert [each.name for each in dataclasses.fields(Longer)][-1] == "note"


def test_a_subclass_has_its_base_s_fields_first_and_may_give_them_defaults() -> None:
    class Named(Point):
        x: int = 7
        name: str = "n"

    assert repr(Named()).endswith("Named(x=7, y=0, marks=[], other=None, name='n')")
    assert Named.__slots__ == ("name",)


def test_a_class_that_checks_its_values_does_so_when_they_are_set() -> None:
    class Even(Entity):
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError(f"{self.number} is odd")

    assert dict(Even(2)) == {"number": 2}
    with pytest.raises(ValueError, match="3 is odd"):
        Even(3)


def test_values_of_a_class_without_fields_are_equal() -> None:
    class Nothing(Frozen):
        pass

    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        Nothing(1)  # type: ignore[call-arg]


def test_every_entity_is_frozen_and_none_needs_dataclasses_to_be_loaded() -> None:
    script = (
        "import sys\n"
        "from tracklet import entities\n"
        "for name in entities.__all__:\n"
        "    getattr(entities, name)\n"
        "entities.Metric('m', 1.0, 0), entities.RunData()\n"
        "print([m for m in ('dataclasses', 'inspect') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert issubclass(Metric, Frozen)
