"""`import mlflow`, answered by tracklet, in this process and in those that it starts."""

import importlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import tracklet
from tracklet.errors import InvalidState

IS_INSTALLED = importlib.util.find_spec("mlflow") is not None


@pytest.mark.usefixtures("spoken")
def test_mlflow_and_its_modules_are_tracklets() -> None:
    import mlflow  # type: ignore[import-not-found]
    import mlflow.sklearn  # type: ignore[import-not-found]
    from mlflow.models import infer_signature  # type: ignore[import-not-found]
    from mlflow.tracking.client import MlflowClient  # type: ignore[import-not-found]

    assert mlflow.start_run is tracklet.start_run
    assert mlflow.sklearn.log_model is tracklet.sklearn.log_model
    assert infer_signature is tracklet.models.infer_signature
    assert MlflowClient is tracklet.MlflowClient
    assert {"start_run", "sklearn", "log_metric"} <= set(dir(mlflow))


@pytest.mark.usefixtures("spoken")
def test_a_module_is_an_attribute_without_an_import_of_its_own() -> None:
    import mlflow  # type: ignore[import-not-found]

    assert mlflow.entities.Metric is tracklet.entities.Metric
    assert mlflow.pyfunc.PythonModel is tracklet.pyfunc.PythonModel


@pytest.mark.usefixtures("spoken")
def test_whoever_asks_for_the_version_learns_which_dialect_is_spoken() -> None:
    assert importlib.metadata.version("mlflow") == tracklet.dialect.VERSION
    assert importlib.import_module("mlflow").__version__ == tracklet.dialect.VERSION
    assert importlib.util.find_spec("mlflow") is not None


@pytest.mark.usefixtures("spoken")
def test_what_is_not_spoken_is_an_error_that_says_so() -> None:
    mlflow = importlib.import_module("mlflow")
    with pytest.raises(ModuleNotFoundError, match=r"tracklet does not speak mlflow\.no_such"):
        importlib.import_module("mlflow.no_such")
    with pytest.raises(AttributeError, match=r"tracklet does not speak mlflow\.entities\.NoSuch"):
        _ = mlflow.entities.NoSuch
    assert not hasattr(mlflow, "__wrapped__")


def test_it_is_undone(tracklet_home: Path) -> None:
    before = [*sys.path], os.environ.get("PYTHONPATH"), [*sys.meta_path]
    tracklet.as_mlflow()
    tracklet.as_mlflow()
    importlib.import_module("mlflow.entities.model_registry")
    tracklet.as_mlflow(False)
    assert ([*sys.path], os.environ.get("PYTHONPATH"), [*sys.meta_path]) == before
    assert not [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
    assert (importlib.util.find_spec("mlflow") is not None) == IS_INSTALLED


def test_a_real_mlflow_that_is_imported_already_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    real = importlib.import_module("mlflow")
    try:
        with pytest.raises(InvalidState, match=r"mlflow is imported already, from .*mlflow\.py"):
            tracklet.as_mlflow()
        assert sys.modules["mlflow"] is real
    finally:
        del sys.modules["mlflow"]


def test_an_installed_mlflow_stays_out_of_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.py").write_text("raise SystemExit('the real one was touched')")
    monkeypatch.syspath_prepend(tmp_path)
    tracklet.as_mlflow()
    try:
        assert importlib.import_module("mlflow").log_metric is tracklet.log_metric
    finally:
        tracklet.as_mlflow(False)


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_child_processes_speak_it(method: str) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        whose = pool.submit(eval, "__import__('mlflow').log_metric.__module__")
        assert whose.result() == tracklet.log_metric.__module__


@pytest.mark.usefixtures("spoken")
def test_programs_that_are_started_speak_it() -> None:
    code = (
        "import mlflow, importlib.metadata as installed\n"
        "print(mlflow.log_metric.__module__, installed.version('mlflow'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [tracklet.log_metric.__module__, tracklet.dialect.VERSION]


@pytest.mark.usefixtures("spoken")
def test_an_interpreter_without_this_tracklet_keeps_its_own_mlflow(tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").write_text("is_real = True")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import mlflow; print(mlflow.is_real)"
    # Without site-packages this interpreter stands for one of another environment.
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
