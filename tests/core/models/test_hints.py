"""Type hints of ``predict``: the signature that they say and the data that they let pass."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import pandas as pd
import pytest

from tracklet import pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.models import Model, ModelSignature, infer_signature
from tracklet.models.pyfunc import hints
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
