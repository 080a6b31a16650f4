"""What a model needs where it is loaded: versions, modules of the user's own, extra files."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue
from tracklet.models import environment
from tracklet_flavors import sklearn as flavor

pytestmark = pytest.mark.usefixtures("tracklet_home")


def line() -> Any:
    return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])


def requirements(path: Path) -> set[str]:
    lines = (path / "requirements.txt").read_text().splitlines()
    return {line.partition("==")[0] for line in lines}


def test_other_versions_are_named_in_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Which library, which version here, which the model's; none when all is met."""
    flavor.save_model(line(), tmp_path / "m")
    with caplog.at_level(logging.WARNING):
        pyfunc.load_model(tmp_path / "m")
        flavor.load_model(tmp_path / "m")
    assert caplog.text == ""
    (tmp_path / "m" / "requirements.txt").write_text(
        "# by hand\nmlflow==9.9\nnumpy==1.0.1\nscikit-learn>=1.0\nleft-pad==1\n-r other.txt\n"
        "pywin32==1; sys_platform == 'win32'\n"
    )
    with caplog.at_level(logging.WARNING):
        pyfunc.load_model(tmp_path / "m")
    (record,) = caplog.records
    text = record.getMessage()
    assert "numpy is " in text
    assert "==1.0.1" in text
    assert "left-pad is not installed" in text
    assert "scikit-learn" not in text
    assert "mlflow" not in text
    assert "pywin32" not in text
    caplog.clear()
    pyfunc.load_model(tmp_path / "m", suppress_warnings=True)
    assert caplog.text == ""
    (tmp_path / "m" / "requirements.txt").unlink()
    assert environment.differences(tmp_path / "m") == []


def test_a_variant_of_a_distribution_meets_what_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tensorflow-cpu is TensorFlow, for its version too."""
    metadata = tmp_path / "site" / "opencv_python_headless-4.9.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opencv-python-headless\nVersion: 4.9\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    environment.version.cache_clear()
    (tmp_path / "requirements.txt").write_text("opencv-python==4.9\n")
    assert environment.differences(tmp_path) == []
    (tmp_path / "requirements.txt").write_text("opencv-python==4.8\n")
    (difference,) = environment.differences(tmp_path)
    assert difference.startswith("opencv-python is 4.9")
    environment.version.cache_clear()


def test_the_users_own_modules_and_what_they_import_are_found(tmp_path: Path) -> None:
    """However the model refers to them, wherever they import, and nothing that is not reached."""
    source = tmp_path / "src"
    (source / "shop_4713" / "deep").mkdir(parents=True)  # a package without __init__.py
    (source / "shop_4713" / "deep" / "__init__.py").write_text("from .more import two\n")
    (source / "shop_4713" / "deep" / "more.py").write_text(
        "def two():\n    from factors_4713 import TWO\n    return TWO\n"
    )
    (source / "shop_4713" / "rules.py").write_text(
        "from . import deep\n"
        "def twice(data):\n    import numpy\n    return numpy.multiply(data, deep.two()).tolist()\n"
    )
    (source / "shop_4713" / "train.py").write_text("import pandas, plotting_4713\n")
    (source / "factors_4713.py").write_text("TWO = 2\ndef never():\n    import yaml\n")
    (source / "plotting_4713.py").write_text("")
    (tmp_path / "model_4713.py").write_text(
        "import tracklet\n"
        "def ask(model_input):\n    from shop_4713.rules import twice\n"
        "    return twice(model_input)\n"
        "tracklet.models.set_model(ask)\n"
    )
    script = f"""
        import sys; sys.path.insert(0, {str(source)!r})
        import tracklet_services, shop_4713.rules, shop_4713.train
        from sklearn.preprocessing import FunctionTransformer
        from tracklet import pyfunc
        from tracklet_flavors import sklearn
        def ask(model_input):
            import shop_4713.rules as rules
            plotting_4713, tracklet_services = model_input, None
            return rules.twice(plotting_4713)
        ways = dict(by_name=shop_4713.rules.twice, by_value=ask,
                    from_code={str(tmp_path / "model_4713.py")!r})
        for name, model in ways.items():
            path = {str(tmp_path)!r} + "/" + name
            pyfunc.save_model(path, python_model=model, infer_code_paths=True)
            pyfunc.save_model(path + "_given", python_model=model, code_paths=[
                {str(source / "shop_4713")!r}, {str(source / "factors_4713.py")!r}])
        sklearn.save_model(FunctionTransformer(ask), {str(tmp_path / "lambda")!r})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    kept = [f"shop_4713/{name}" for name in ("deep/__init__", "deep/more", "rules", "train")]
    for way in ("by_name", "by_value", "from_code"):
        for path in (tmp_path / way, tmp_path / f"{way}_given"):
            copied = {p.relative_to(path / "code").as_posix() for p in path.rglob("code/**/*.py")}
            assert copied == {"factors_4713.py", *(f"{name}.py" for name in kept)}, path
            assert {"numpy", "PyYAML"} < requirements(path), path
            assert not {"pandas", "scikit-learn"} & requirements(path), path
    assert {"numpy", "PyYAML", "scikit-learn"} < requirements(tmp_path / "lambda")
    (tmp_path / "by_name").rename(tmp_path / "m")
    load = "import sys, tracklet.pyfunc as p; print(p.load_model(sys.argv[1]).predict([3]))"
    done = subprocess.run(
        [sys.executable, "-c", load, str(tmp_path / "m")], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[6]", done.stderr
    with pytest.raises(InvalidParameterValue, match="give only one"):
        pyfunc.save_model(
            tmp_path / "n", python_model=line().predict, infer_code_paths=True, code_paths=[]
        )


def test_a_missing_module_of_the_users_own_is_not_looked_for_in_requirements(
    tmp_path: Path,
) -> None:
    """The error says how such a module comes with the model."""
    (tmp_path / "absent_4717.py").write_text("def answer(data):\n    return data\n")
    script = f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        import absent_4717
        from tracklet import pyfunc
        pyfunc.save_model({str(tmp_path / "m")!r}, python_model=absent_4717.answer)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    with pytest.raises(tracklet.TrackletException, match=r"absent_4717.*code_paths"):
        pyfunc.load_model(tmp_path / "m")


def test_extra_files_lie_beside_the_model(tmp_path: Path) -> None:
    """Their paths are in the flavor's entry; what is no file is refused."""
    (tmp_path / "notes.txt").write_text("hello")
    flavor.save_model(line(), tmp_path / "m", extra_files=[tmp_path / "notes.txt"])
    about = models.Model.load(tmp_path / "m")
    assert about.flavors["sklearn"]["extra_files"] == [{"path": "extra_files/notes.txt"}]
    assert (tmp_path / "m" / "extra_files" / "notes.txt").read_text() == "hello"
    flavor.load_model(tmp_path / "m")
    for wrong in ([tmp_path], ["/absent"], "notes.txt", [tmp_path / "notes.txt"] * 2):
        with pytest.raises(tracklet.TrackletException):
            flavor.save_model(line(), tmp_path / "n", extra_files=wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "n").exists()


def test_a_loader_module_and_its_data_are_a_model(tmp_path: Path) -> None:
    """MLflow's oldest style: saved, loaded natively and as pyfunc in a fresh process."""
    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / "reading_4714.py").write_text(
        "class Greeter:\n"
        "    def __init__(self, word): self.word = word\n"
        "    def predict(self, data): return [f'{self.word} {one}' for one in data]\n"
        "def _load_pyfunc(path):\n"
        "    return Greeter(open(path).read())\n"
    )
    pyfunc.save_model(
        tmp_path / "m",
        loader_module="reading_4714",
        data_path=tmp_path / "words.txt",
        code_paths=[tmp_path / "reading_4714.py"],
    )
    entry = models.Model.load(tmp_path / "m").flavors["python_function"]
    assert (entry["loader_module"], entry["data"]) == ("reading_4714", "data/words.txt")
    script = """
import sys, tracklet
print(tracklet.pyfunc.load_model(sys.argv[1]).predict(["x"]))
print(type(tracklet.load_model(sys.argv[1])).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "m")],
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["['hello x']", "Greeter"], done.stderr


def test_the_two_styles_exclude_each_other(tmp_path: Path) -> None:
    """A loader with data, or a model with artifacts; anything else says what is missing."""
    wrong: list[dict[str, Any]] = [
        {},
        {"data_path": "x"},
        {"loader_module": "x", "python_model": lambda x: x},
        {"loader_module": "x", "artifacts": {"a": "b"}},
        {"python_model": lambda x: x, "data_path": "x"},
        {"artifacts": {"a": "b"}},
        {"loader_module": "x", "data_path": "/absent"},
    ]
    for arguments in wrong:
        with pytest.raises(InvalidParameterValue):
            pyfunc.save_model(tmp_path / "m", **arguments)
    assert not (tmp_path / "m").exists()
