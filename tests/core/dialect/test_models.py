"""Models of programs that say `import mlflow`."""

import importlib
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
