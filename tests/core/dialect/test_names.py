"""MLflow's public names, each answered or deliberately left out.

``names.tsv`` lists them, by module: name, kind, and for what is called the parameters' names.
"""

import dis
import importlib
import inspect
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tracklet
from tracklet.dialect import table

PATTERNS = [pattern for patterns in table.LEFT_OUT for pattern in patterns.split()]


class Name(NamedTuple):
    """One public name of MLflow's."""

    module: str
    name: str
    kind: str
    parameters: tuple[str, ...]

    @property
    def path(self) -> str:
        """Below ``mlflow``, as the patterns of what is left out have it."""
        return f"{self.module}.{self.name}".removeprefix("mlflow.")

    def accepts(self, found: Any, parameter: str) -> bool:
        """Whether what was found for the name takes a parameter."""
        taken = inspect.signature(found).parameters
        return parameter in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values())


def listed() -> Iterator[Name]:
    module = ""
    for line in Path(__file__).with_name("names.tsv").read_text().splitlines():
        if not line.startswith("\t"):
            module = line
            continue
        name, kind, parameters = [*line.split("\t")[1:], ""][:3]
        yield Name(module, name, kind, tuple(parameters.split()))


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[Name, Any]]:
    """What is found for each name; those that are not found are not there."""
    if "mlflow" in sys.modules:
        pytest.skip("the real mlflow is imported")
    tracklet.as_mlflow()
    found = {}
    for name in listed():
        try:
            value = importlib.import_module(name.module)
            for part in name.name.split("."):
                value = attribute(value, part)
            found[name] = value
        except (AttributeError, ImportError):
            continue
    yield found
    tracklet.as_mlflow(False)


def attribute(owner: Any, name: str) -> Any:
    """An attribute of an object, or of the instances of a class, which its ``__init__`` sets."""
    if isinstance(owner, type) and not hasattr(owner, name):
        if name in getattr(owner, "__match_args__", ()):
            return property()
        for base in owner.__mro__:
            made = vars(base).get("__init__")
            if inspect.isfunction(made):
                code = dis.get_instructions(made)
                if any(each.opname == "STORE_ATTR" and each.argval == name for each in code):
                    return property()
    return getattr(owner, name)


def is_left_out(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in PATTERNS)


def test_every_public_name_of_mlflow_is_answered_or_left_out(answers: dict[Name, Any]) -> None:
    names = [*listed()]
    assert len(names) > 2600
    assert [n.path for n in names if n not in answers and not is_left_out(n.path)] == []


def test_what_is_left_out_is_mlflows_and_not_answered(answers: dict[Name, Any]) -> None:
    absent = [name.path for name in listed() if name not in answers]
    refused = [
        f"{name.path}({parameter})"
        for name, found in answers.items()
        if name.kind in ("class", "function", "method") and callable(found)
        for parameter in name.parameters
        if not parameter.startswith("*") and not name.accepts(found, parameter)
    ]
    assert [path for path in refused if not is_left_out(path)] == []
    assert [name.path for name in answers if is_left_out(name.path)] == []
    paths = absent + refused
    assert [p for p in PATTERNS if not any(fnmatchcase(path, p) for path in paths)] == []


def test_functions_and_methods_take_mlflows_parameters(answers: dict[Name, Any]) -> None:
    accepted = [
        name.accepts(found, parameter)
        for name, found in answers.items()
        if name.kind in ("function", "method") and callable(found)
        for parameter in name.parameters
        if not parameter.startswith("*")
    ]
    assert sum(accepted) >= 0.98 * len(accepted)


def test_what_is_left_out_says_why(answers: dict[Name, Any]) -> None:
    mlflow = importlib.import_module("mlflow")
    with pytest.raises(AttributeError, match=r"mlflow\.evaluate: it records trainings and does"):
        _ = mlflow.evaluate
    with pytest.raises(ModuleNotFoundError, match=r"mlflow\.prophet: it has no flavor for"):
        importlib.import_module("mlflow.prophet")


def test_every_place_that_the_table_names_is_there(answers: dict[Name, Any]) -> None:
    for path in table.MODULES:
        module = importlib.import_module(f"mlflow.{path}".rstrip("."))
        for name in dir(module):
            assert getattr(module, name) is not None, f"{module.__name__}.{name}"
