"""``tracklet models``: ask a model about files, look at one, trust one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result

from tracklet import pyfunc
from tracklet.models import Model, infer_signature, manifest

Call = Callable[..., Result]


@pytest.fixture
def model(tracklet_home: Path) -> str:
    """A folder with a model of two columns."""
    signature = infer_signature(pd.DataFrame({"a": [1.0], "b": [2]}))
    pyfunc.save_model(
        tracklet_home / "m",
        python_model=lambda model_input: (model_input["a"] + model_input["b"]).tolist(),
        signature=signature,
    )
    return str(tracklet_home / "m")


def test_a_model_is_asked_about_a_file(call: Call, model: str, tmp_path: Path) -> None:
    """The file's name says what it is; the answer goes to a file or to standard output."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "x.json").write_text(json.dumps({"dataframe_records": [{"a": 1, "b": 2}]}))
    pd.DataFrame({"a": [5.0], "b": [6]}).to_parquet(tmp_path / "x.parquet")
    expected = {"x.csv": [3.0, 7.0], "x.json": [3.0], "x.parquet": [11.0]}
    for name, answer in expected.items():
        result = call("models", "predict", "-m", model, "-i", str(tmp_path / name))
        assert json.loads(result.stdout) == {"predictions": answer}
    call("models", "predict", "-m", model, "-i", str(tmp_path / "x.csv"),
         "-o", str(tmp_path / "out.json"))  # fmt: skip
    assert json.loads((tmp_path / "out.json").read_text()) == {"predictions": [3.0, 7.0]}


def test_standard_input_is_json(call: Call, model: str) -> None:
    """Another kind has to be said."""
    result = call("models", "predict", "-m", model, typed='{"inputs": {"a": [1], "b": [1]}}')
    assert json.loads(result.stdout) == {"predictions": [2.0]}
    result = call("models", "predict", "-m", model, "-t", "csv", typed="a,b\n1,1\n")
    assert json.loads(result.stdout) == {"predictions": [2.0]}


def test_what_does_not_fit_is_one_line(call: Call, model: str, tmp_path: Path) -> None:
    """No traceback, exit code 1; a file of an unknown kind is a matter of usage."""
    result = call("models", "predict", "-m", model, exits=1, typed='{"inputs": {"a": [1]}}')
    assert "lacks the columns ['b']" in result.stderr
    (tmp_path / "x.txt").write_text("")
    result = call("models", "predict", "-m", model, "-i", str(tmp_path / "x.txt"), exits=2)
    assert "--content-type" in result.stderr


def test_a_strangers_model_is_shown_and_trusted(
    call: Call, answer: Callable[..., Any], model: str
) -> None:
    """What it would run is listed before the question; afterwards it loads like an own one."""
    assert answer("models", "show", "-m", model)["own"] is True
    (Path(model) / manifest.FILE_NAME).unlink()
    facts = answer("models", "show", "-m", model)
    assert (facts["own"], facts["flavors"]) == (False, ["python_function"])
    assert facts["runs when loaded"][0].startswith("unpickle python_model.pkl")
    body = '{"inputs": {"a": [1], "b": [1]}}'
    assert "trust" in call("models", "predict", "-m", model, exits=1, typed=body).stderr
    call("models", "predict", "-m", model, "--trust", typed=body)
    call("models", "trust", model, exits=1, typed="n\n")
    assert "unpickle" in call("models", "trust", model, typed="y\n").stderr
    call("models", "predict", "-m", model, typed=body)
    assert "python_function" in call("models", "show", "-m", model).output


@pytest.mark.parametrize("way", ["link", "path"])
def test_a_model_that_leads_out_of_its_folder_is_not_trusted(
    call: Call, model: str, tmp_path: Path, way: str
) -> None:
    """What it would run is elsewhere, in no list: to show it or to trust it says so and fails."""
    outside = tmp_path / "outside.pkl"
    (Path(model) / "python_model.pkl").rename(outside)
    (Path(model) / manifest.FILE_NAME).unlink()
    if way == "link":
        (Path(model) / "python_model.pkl").symlink_to(outside)
    else:
        about = Model.load(model)
        about.flavors["python_function"]["python_model"] = f"../{outside.name}"
        about.save(Path(model) / "MLmodel")
    for command in (("show", "-m", model), ("trust", "-y", model)):
        failed = call("models", *command, exits=1)
        assert "is a link" in failed.stderr or "names '../outside.pkl'" in failed.stderr
    assert not (Path(model) / manifest.FILE_NAME).exists()


def test_the_class_that_a_model_names_is_shown(call: Call, tmp_path: Path) -> None:
    """What loading it would import stands among what it runs, and nothing is imported to say so."""
    about = Model()
    about.add_flavor("xgboost", data="model.ubj", model_class="os.abort")
    about.add_flavor("python_function", loader_module="antigravity")
    about.save(tmp_path / "MLmodel")
    shown = call("models", "show", "-m", str(tmp_path)).stdout
    assert "import os.abort" in shown
    assert "import the loader antigravity" in shown
