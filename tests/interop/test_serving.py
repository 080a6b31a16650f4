"""Our scoring server answers as MLflow's does; models with type hints go both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet import pyfunc
from tracklet.errors import InvalidParameterValue

pytest.importorskip("starlette")

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("tracklet_home")]

REQUESTS = Path(__file__).parent / "cases" / "requests.py"
HINTS = Path(__file__).parent / "cases" / "hints.py"


def executed(path: Path) -> dict[str, Any]:
    """The names that a file of cases defines, as in a script of its own."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(path.read_text(), path, "exec", dont_inherit=True), space)
    return space


# Where we answer otherwise, on purpose: the beginnings of a case's name.
OTHERWISE = {
    'columns application/json {"inputs": ["x"': "a schema violation, as for any list",
    'columns application/json {"inputs": "x"}': "a schema violation, as for any text",
    'columns application/json {"instances": ["x"': "a schema violation, as for any list",
    'tensor application/json {"instances": [{"a"': "refused when read: no array can come of it",
    'tensor application/json {"inputs": [[1.0, 2.0]], "params": [1]': "params are a dictionary",
    'bare application/json {"inputs": [[1.0, 2.0]], "params": [1]': "params are a dictionary",
    'text application/json {"inputs": [[1': "numbers in lists are no texts",
    'text application/json; charset=utf-8 {"inputs": [[1': "numbers in lists are no texts",
    'text application/json {"instances": [[1': "numbers in lists are no texts",
    'text application/json {"inputs": "x"}': "one text is a column of one, as in predict",
    'columns application/json {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, n': (
        "a signature made of few rows says too often that a value is required"
    ),
    'tensor application/json {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, n': "null",
    "hinted text/csv": "type hints take JSON only",
    'bare application/json "text"': "not compared",
}


def test_every_request_is_answered_as_mlflow_answers_it(
    tracklet_home: Path, in_mlflow: Callable[..., Any]
) -> None:
    """Status, error code and predictions over all payload forms and signature kinds."""
    from tracklet_services.serving import create_app

    theirs = in_mlflow(
        """
        import logging; logging.disable(logging.ERROR)
        from mlflow.pyfunc import scoring_server
        exec(open(arguments[0]).read())
        answer(answers(apps(mlflow, scoring_server.init, arguments[1])))
        """,
        str(REQUESTS),
        str(tracklet_home),
    )
    space = executed(REQUESTS)
    ours = space["answers"](space["apps"](tracklet, create_app, tracklet_home))
    different = {
        name: (theirs[name], ours[name])
        for name in theirs
        if theirs[name] != ours[name] and not any(name.startswith(known) for known in OTHERWISE)
    }
    assert different == {}


def test_mlflows_models_with_type_hints_load_without_mlflow(
    tracklet_home: Path, in_mlflow: Callable[..., Any]
) -> None:
    """Their pickles name MLflow's validation; signature, answers and refusals are the same."""
    cases: list[Any] = [["a"], [1], "a", [None], [], {"role": "u"}, [{"role": "u"}], [{"role": 1}]]
    theirs = in_mlflow(
        """
        import json, logging; logging.disable(logging.ERROR)
        exec(open(arguments[0]).read())
        found = {}
        for name, model in models(mlflow).items():
            path = f"{arguments[1]}/{name}"
            mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=[])
            loaded = mlflow.pyfunc.load_model(path)
            found[name] = [loaded.metadata.signature.to_dict()]
            for data in json.loads(arguments[2]):
                try:
                    found[name].append(loaded.predict(data))
                except mlflow.MlflowException as error:
                    found[name].append(error.error_code)
        answer(found)
        """,
        str(HINTS),
        str(tracklet_home),
        json.dumps(cases),
    )
    space = executed(HINTS)
    for name, model in space["models"](tracklet).items():
        pyfunc.save_model(tracklet_home / f"ours-{name}", python_model=model, pip_requirements=[])
        for place, trust in ((tracklet_home / name, True), (tracklet_home / f"ours-{name}", None)):
            loaded = pyfunc.load_model(place, trust=trust)
            assert loaded.signature is not None
            found: list[Any] = [loaded.signature.to_dict()]
            for data in cases:
                try:
                    found.append(loaded.predict(data))
                except InvalidParameterValue as error:
                    found.append(error.error_code)
            assert found == theirs[name], place
    answered = in_mlflow(
        """
        answer([mlflow.pyfunc.load_model(path).predict(["a"]) for path in arguments])
        """,
        str(tracklet_home / "ours-text"),
        str(tracklet_home / "ours-function"),
    )
    assert answered == [["A"], ["A"]]
