"""Type hints of ``predict``: the signature that they say and the data that they let pass."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import inspect
import logging
import pickle
from pathlib import Path
from typing import Any, Optional, Union

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from tracklet import pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.models import Model, ModelSignature, infer_signature
from tracklet.models.pyfunc import PythonModelContext, hints
from tracklet.models.pyfunc.python_model import PythonModelPredictor
from tracklet.types.type_hints import TypeFromExample

pydantic = pytest.importorskip("pydantic")


class Inner(pydantic.BaseModel):
    x: float


class Message(pydantic.BaseModel):
    role: str
    count: int = 3
    note: Optional[str] = None  # noqa: UP045 - both ways to write it
    other: str | None = None
    tags: list[str] = []  # noqa: RUF012 - pydantic copies defaults
    scores: dict[str, int] = {}  # noqa: RUF012
    inner: Inner


class NoDefault(pydantic.BaseModel):
    note: str | None


def model_of(hint: Any, result: Any = None) -> Any:
    class Hinted(pyfunc.PythonModel):
        def predict(self, model_input, params=None):  # type: ignore[no-untyped-def, override]
            return list(model_input)

    Hinted.predict.__annotations__.update({"model_input": hint, "return": result})
    return Hinted()


def saved(path: Path, hint: Any, result: Any = None, **more: Any) -> Any:
    pyfunc.save_model(path, python_model=model_of(hint, result), pip_requirements=[], **more)
    return pyfunc.load_model(path)


FITTING: list[tuple[Any, str, Any, Any]] = [
    (list[int], '[{"type": "long", "required": true}]', [1, True], [1.0]),
    (list[str], '[{"type": "string", "required": true}]', ["a"], [1]),
    (list[bool], '[{"type": "boolean", "required": true}]', [True], [1]),
    (list[float], '[{"type": "double", "required": true}]', [1.5], [1]),
    (list[bytes], '[{"type": "binary", "required": true}]', [b"x"], ["x"]),
    (list[dt.datetime], '[{"type": "datetime", "required": true}]',
     [dt.datetime(2020, 1, 1)], ["2020-01-01"]),
    (list[list[int]], '[{"type": "array", "items": {"type": "long"}, "required": true}]',
     [[1], []], [["a"]]),
    (list[dict[str, int]], '[{"type": "map", "values": {"type": "long"}, "required": true}]',
     [{"a": 1}], [{1: 1}]),
    (list[Inner], '[{"type": "object", "properties": {"x": {"type": "double", "required": true}},'
     ' "required": true}]', [Inner(x=1)], [{"x": "1"}]),
    (list[Any], '[{"type": "any", "required": true}]', [1, "a", None], "no list"),
    (list[Union[int, str]], '[{"type": "any", "required": true}]', [1, "a"], {"a": 1}),  # noqa: UP007
    (list[int | str], '[{"type": "any", "required": true}]', [1, "a"], (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "inputs", "good", "bad"), FITTING, ids=str)
def test_a_list_hint_is_signature_and_check(
    tmp_path: Path, hint: Any, inputs: str, good: Any, bad: Any
) -> None:
    """The schema is stored; data passes as it is or is refused, without conversion."""
    loaded = saved(tmp_path / "m", hint, list[str])
    signature = loaded.signature
    assert signature.to_dict()["inputs"] == inputs
    assert signature.to_dict()["outputs"] == '[{"type": "string", "required": true}]'
    assert signature.from_type_hint
    assert loaded.predict(good) == good
    assert loaded.predict([]) == []
    with pytest.raises(InvalidParameterValue, match="type hint"):
        loaded.predict(bad)


def test_pydantic_models_are_made_from_dictionaries(tmp_path: Path) -> None:
    """Nested ones too; all elements that do not fit are named, with their fields."""
    loaded = saved(tmp_path / "m", list[Message])
    (made,) = loaded.predict([{"role": "u", "inner": {"x": 1.0}}])
    assert made.model_dump() == Message(role="u", inner=Inner(x=1)).model_dump()
    frame = pd.DataFrame({"role": ["u", "v"], "inner": [{"x": 1.0}, {"x": 2.0}]})
    assert [one.role for one in loaded.predict(frame)] == ["u", "v"]
    with pytest.raises(InvalidParameterValue, match=r"\[0\].*role.*\[2\].*dictionary"):
        loaded.predict([{"inner": {"x": 1.0}}, {"role": "u", "inner": {"x": 1.0}}, 3])
    properties = loaded.signature.inputs.inputs[0].type.properties
    assert {one.name: one.required for one in properties} == {
        "count": True, "inner": True, "note": False, "other": False, "role": True,
        "scores": True, "tags": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "hint", [list, list[dict], list[dict[int, str]], list[int | None], list[NoDefault]], ids=str
)
def test_hints_that_promise_too_much_are_refused(tmp_path: Path, hint: Any) -> None:
    """Before anything is written."""
    with pytest.raises(hints.UnsupportedHint):
        pyfunc.save_model(tmp_path / "m", python_model=model_of(hint))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("hint", "warned"),
    [(str, True), (dict[str, int], True), (list[dt.date], True), (list[object], True),
     (pd.DataFrame, False), (np.ndarray, False), (pd.Series, False), (Any, False)],
    ids=str,
)  # fmt: skip
def test_hints_that_say_nothing_leave_it_to_the_example(
    tmp_path: Path, hint: Any, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning where the author may have expected more."""
    with caplog.at_level(logging.WARNING):
        loaded = saved(tmp_path / "m", hint)
    assert loaded.signature is None
    assert ("type hint" in caplog.text) == warned


def test_a_given_signature_yields_to_the_hint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning; its params stay."""
    given = infer_signature([1.5], ["a"], {"t": 1})
    loaded = saved(tmp_path / "m", list[str], signature=given)
    assert "which hold" in caplog.text
    assert loaded.signature.to_dict()["inputs"] == '[{"type": "string", "required": true}]'
    assert loaded.params_schema == given.params


def test_the_example_may_decide(tmp_path: Path) -> None:
    """``TypeFromExample``: data is checked by the example's schema and comes in its form."""
    loaded = saved(tmp_path / "m", TypeFromExample, input_example=["a", "b"])
    about = Model.load(tmp_path / "m")
    assert isinstance(about.signature, ModelSignature)
    assert (about.signature.from_type_hint, about.signature.type_hint_from_example) == (False, True)
    assert loaded.predict(["x"]) == ["x"]
    assert loaded.predict(pd.DataFrame({"any": ["x"]})) == ["x"]
    with pytest.raises(InvalidParameterValue):
        loaded.predict([1])
    records = saved(tmp_path / "r", TypeFromExample, input_example=[{"a": 1, "b": "x"}])
    assert records.predict([{"b": "y", "a": 2}]) == [{"a": 2, "b": "y"}]
    frame = saved(tmp_path / "f", TypeFromExample, input_example=pd.DataFrame({"a": [1]}))
    assert frame.predict(pd.DataFrame({"a": [2]})) == ["a"]


def test_functions_and_files_have_hints_as_well(tmp_path: Path) -> None:
    """Also written as text, by ``from __future__ import annotations``."""

    def upper(model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]

    pyfunc.save_model(tmp_path / "f", python_model=upper, pip_requirements=[])
    (tmp_path / "code.py").write_text(
        "from __future__ import annotations\n"
        "import tracklet\n"
        "class Upper(tracklet.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[str]) -> list[str]:\n"
        "        return [text.upper() for text in model_input]\n"
        "tracklet.models.set_model(Upper())\n"
    )
    pyfunc.save_model(tmp_path / "c", python_model=tmp_path / "code.py")
    for name in ("f", "c"):
        loaded = pyfunc.load_model(tmp_path / name)
        assert loaded.signature is not None
        assert loaded.signature.from_type_hint
        assert loaded.predict(["a"]) == ["A"]
        with pytest.raises(InvalidParameterValue, match="expected str"):
            loaded.predict([1])


class Talk(pyfunc.PythonModel):
    """Its hints are resolved when it is first asked: this module writes them as text."""

    def predict(self, context: Any, model_input: list[Message], params: Any = None) -> list[str]:
        assert all(type(one) is Message for one in model_input)
        return [one.role for one in model_input]


class Loud(Talk):
    def predict(self, context: Any, model_input: list[Message], params: Any = None) -> list[str]:
        return [role.upper() for role in super().predict(context, model_input)]


SAID = [{"role": "u", "inner": {"x": 1.0}}]


@pytest.mark.parametrize(("make", "answer"), [(Talk, "u"), (Loud, "U")])
def test_who_asks_the_instance_itself_has_the_data_checked_and_made(
    tmp_path: Path, make: type[Talk], answer: str
) -> None:
    """Before it is saved, and as it was loaded; by position and by name; also through super()."""
    pyfunc.save_model(tmp_path / "m", python_model=make(), pip_requirements=[])
    loaded = pyfunc.load_model(tmp_path / "m")
    assert loaded.predict(SAID) == [answer]
    raw = loaded.unwrap_python_model()
    for model in (make(), copy.deepcopy(make()), cloudpickle.loads(cloudpickle.dumps(raw)), raw):
        assert model.predict(None, SAID) == [answer]
        assert model.predict(context=None, model_input=SAID, params={}) == [answer]
        for wrong in ([{"role": 3}], ["a"], SAID[0], "a"):
            with pytest.raises(InvalidParameterValue, match="type hint"):
                model.predict(None, wrong)
        with pytest.raises(TypeError, match="model_input"):
            model.predict(None)


def test_a_predict_that_checks_looks_and_is_stored_as_it_was_written(tmp_path: Path) -> None:
    """Signature, name, source and what the folder holds; a hint that says nothing adds nothing."""
    assert list(inspect.signature(Talk.predict).parameters) == [
        "self", "context", "model_input", "params",
    ]  # fmt: skip
    assert inspect.isfunction(Talk.predict)
    assert Talk.predict.__qualname__ == "Talk.predict"
    assert "Message for one" in inspect.getsource(Talk.predict)
    assert pickle.loads(pickle.dumps(Talk())).predict(None, SAID) == ["u"]

    class Upper(pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:  # type: ignore[override]
            return [text.upper() for text in model_input]

    pyfunc.save_model(tmp_path / "m", python_model=Upper(), pip_requirements=[])
    stored = (tmp_path / "m" / "python_model.pkl").read_bytes()
    assert b"checking" not in stored
    loaded = pyfunc.load_model(tmp_path / "m")
    assert loaded.predict(["a"]) == loaded.unwrap_python_model().predict(["a"]) == ["A"]
    assert model_of(object).predict("abc") == ["a", "b", "c"]


def test_loaded_models_check_their_data_once(tmp_path: Path) -> None:
    """Dictionaries become models on the way in, and not again; decorators of the user's stay."""
    asked = []

    def listening(predict: Any) -> Any:
        @functools.wraps(predict)
        def listens(*args: Any) -> Any:
            asked.append(args[-1])
            return predict(*args)

        return listens

    class Made(pydantic.BaseModel):
        x: int

        @pydantic.model_validator(mode="before")
        @classmethod
        def count(cls, values: Any) -> Any:
            asked.append("made")
            return values

    class Model(pyfunc.PythonModel):
        def predict(self, model_input: list[Made]) -> list[int]:  # type: ignore[override]
            return [one.x for one in model_input]

    Model.predict.__annotations__["model_input"] = list[Made]
    predictor = PythonModelPredictor(Model(), PythonModelContext({}))
    assert predictor.predict(predictor.checked([{"x": 1}])) == [1]
    assert asked == ["made"]
    Model.predict = listening(Model.predict)  # type: ignore[method-assign]
    predictor = PythonModelPredictor(Model(), PythonModelContext({}))
    assert predictor.predict(predictor.checked([{"x": 1}])) == [1]
    assert [type(each).__name__ for each in asked] == ["str", "str", "list"]
