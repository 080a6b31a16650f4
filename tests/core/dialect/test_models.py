"""Models of programs that say `import mlflow`."""

import importlib
import sys
from pathlib import Path

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
