"""Models of programs that say `import mlflow`."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracklet


@pytest.mark.usefixtures("spoken")
def test_a_model_whose_module_imports_mlflow_needs_tracklet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_8812.py").write_text(
        "import mlflow\nimport mlflow.pyfunc\n\n\n"
        "class Times(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return [mlflow.entities.ViewType.ALL * one for one in model_input]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("shop_8812").Times()
    saved = tmp_path / "m"
    tracklet.pyfunc.save_model(saved, python_model=model, infer_code_paths=True)
    required = (saved / "requirements.txt").read_text().split()
    assert required[0] == f"tracklet=={tracklet.__version__}"
    assert not [line for line in required if line.startswith("mlflow")]
    assert [path.name for path in (saved / "code").iterdir()] == ["shop_8812.py"]
    del sys.modules["shop_8812"]
    assert tracklet.pyfunc.load_model(saved).predict([2]) == [6]


def test_a_function_that_names_mlflows_modules_is_loaded_with_and_without_the_dialect(
    tmp_path: Path, spoken: None
) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "import mlflow, mlflow.entities as kinds\n"
        "def double(model_input):\n"
        "    return [kinds.ViewType.DELETED_ONLY * one for one in model_input]\n",
        names,
    )
    tracklet.pyfunc.save_model(tmp_path / "m", python_model=names["double"])
    assert tracklet.pyfunc.load_model(tmp_path / "m").predict([2]) == [4]
    tracklet.as_mlflow(False)
    assert tracklet.pyfunc.load_model(tmp_path / "m").predict([2]) == [4]


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="mlflow is installed")
def test_the_modules_of_a_model_find_mlflow_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are imported as it is loaded, and those as it is asked; nobody else does."""
    sources = {
        "store_8813": "import mlflow\nfrom store_8813_later import of_all\n",
        "store_8813_later": "def of_all(one):\n    import store_8813_last as last\n"
        "    return last.mlflow.entities.ViewType.ALL * one\n",
        "store_8813_last": "import mlflow\nfrom mlflow.types.schema import Schema\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "model.py").write_text(
        "import mlflow\nimport store_8813 as store\n"
        "mlflow.models.set_model(lambda model_input: [store.of_all(one) for one in model_input])\n"
    )
    script = (
        "import importlib.util, sys, tracklet\n"
        "assert not importlib.util.find_spec('mlflow')\n"
        f"model = tracklet.pyfunc.load_model({str(tmp_path / 'm')!r})\n"
        "assert model.predict([2]) == [6]\n"
        "assert sys.modules['store_8813'].mlflow.models.infer_signature\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'mlflow']\n"
        "assert not importlib.util.find_spec('mlflow')\n"
    )
    with tracklet.dialect.answered():
        tracklet.pyfunc.save_model(
            tmp_path / "m",
            python_model=tmp_path / "model.py",
            code_paths=[tmp_path / f"{name}.py" for name in sources],
        )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
