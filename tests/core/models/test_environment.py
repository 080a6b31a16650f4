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


def test_the_users_own_modules_are_found(tmp_path: Path) -> None:
    """Those that the model refers to and those that these import, and no installed ones."""
    source = tmp_path / "src"
    (source / "shop_4713").mkdir(parents=True)
    (source / "shop_4713" / "__init__.py").write_text("from shop_4713.rules import twice\n")
    (source / "shop_4713" / "rules.py").write_text(
        "import numpy\nimport factors_4713\n"
        "def twice(data):\n    return numpy.multiply(data, factors_4713.TWO).tolist()\n"
    )
    (source / "factors_4713.py").write_text("TWO = 2\n")
    (source / "unused_4713.py").write_text("")
    script = f"""
        import sys; sys.path.insert(0, {str(source)!r})
        import shop_4713
        from tracklet import pyfunc
        pyfunc.save_model({str(tmp_path / "m")!r}, python_model=shop_4713.twice,
                          infer_code_paths=True)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    copied = {p.relative_to(tmp_path / "m" / "code").as_posix()
              for p in (tmp_path / "m" / "code").rglob("*.py")}  # fmt: skip
    assert copied == {"shop_4713/__init__.py", "shop_4713/rules.py", "factors_4713.py"}
    load = "import sys, tracklet.pyfunc as p; print(p.load_model(sys.argv[1]).predict([3]))"
    done = subprocess.run(
        [sys.executable, "-c", load, str(tmp_path / "m")], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[6]", done.stderr
    with pytest.raises(InvalidParameterValue, match="give only one"):
        pyfunc.save_model(
            tmp_path / "n", python_model=line().predict, infer_code_paths=True, code_paths=[]
        )


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
