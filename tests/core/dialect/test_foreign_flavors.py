"""Flavors that others wrote for MLflow, by MLflow's own functions, save and log with tracklet."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tracklet
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, TrackletException


@pytest.fixture
def numbers(spoken: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    yield importlib.import_module("foreign_flavor")
    del sys.modules["foreign_flavor"]


def test_a_foreign_flavor_logs_and_loads_a_model(numbers: Any, tmp_path: Path) -> None:
    (tmp_path / "numbers_of_mine.py").write_text("ONE = 1")
    with tracklet.start_run() as run:
        info = numbers.log_model(
            0.5,
            "half",
            code_paths=[str(tmp_path / "numbers_of_mine.py")],
            input_example=[1.0],
            registered_model_name="half",
            tags={"team": "blue"},
            metadata={"why": "because"},
        )
    assert (info.name, info.run_id, info.tags["team"]) == ("half", run.info.run_id, "blue")
    assert info.metadata == {"why": "because"}
    assert sorted(info.flavors) == ["numbers", "python_function"]
    assert info.registered_model_version == 1
    assert numbers.load_model(info.model_uri) == 0.5
    assert importlib.import_module("numbers_of_mine").ONE == 1
    loaded = tracklet.pyfunc.load_model("models:/half/1")
    assert loaded.predict(1.0) == 1.5
    assert loaded.input_example == [1.0]
    folder = Path(tracklet.artifacts.download_artifacts(info.model_uri))
    needs = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in needs] == ["tracklet", "click"]


def test_a_foreign_flavor_is_told_of_an_environment_in_each_way(
    numbers: Any, tmp_path: Path
) -> None:
    (tmp_path / "bounds.txt").write_text("click<9")
    wanted = ["click", f"-c {tmp_path / 'bounds.txt'}"]
    numbers.save_model(0.5, tmp_path / "pip", pip_requirements=wanted)
    assert (tmp_path / "pip" / "constraints.txt").read_text() == "click<9"
    assert "-c constraints.txt" in (tmp_path / "pip" / "requirements.txt").read_text()
    given = {"name": "mine", "dependencies": [{"pip": ["click"]}]}
    numbers.save_model(0.5, tmp_path / "conda", conda_env=given)
    assert yaml.safe_load((tmp_path / "conda" / "conda.yaml").read_text()) == given
    made = importlib.import_module("mlflow.utils.environment")._mlflow_conda_env
    env = made(additional_conda_deps=["gcc"], additional_pip_deps=["a==1"])
    assert env["dependencies"][1] == "gcc"
    assert env["dependencies"][-1]["pip"][-1] == "a==1"
    made(tmp_path / "conda.yaml", additional_conda_channels=["mine"], install_mlflow=False)
    assert "mine" in yaml.safe_load((tmp_path / "conda.yaml").read_text())["channels"]


def test_what_a_foreign_flavor_refuses_leaves_no_ready_model(numbers: Any, tmp_path: Path) -> None:
    with pytest.raises(TrackletException, match="no number") as caught:
        numbers.log_model("text", "half")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert [str(model.status) for model in tracklet.search_logged_models(output_format="list")] == [
        "FAILED"
    ]
    numbers.save_model(0.5, tmp_path / "m")
    with pytest.raises(ResourceAlreadyExists, match="is not empty"):
        numbers.save_model(0.5, tmp_path / "m")
    (tmp_path / "m" / "MLmodel").write_text("flavors: {}")
    with pytest.raises(InvalidParameterValue, match="has no flavor 'numbers'"):
        numbers.load_model(str(tmp_path / "m"))
