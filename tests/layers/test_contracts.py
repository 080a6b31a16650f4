"""The contracts of import-linter hold, and each of them breaks where a violation is planted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is installed in the session `layers`")

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "integrations", "flavors", "services")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder / name) for name in FOLDERS)
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources, to plant violations in."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("core/tracklet/entities/run.py", "import tracklet.stores", "Lower layers"),
        ("core/tracklet/settings.py", "def late(): import tracklet.client", "Lower layers"),
        ("core/tracklet/patching/__init__.py", "import tracklet.settings", "Lower layers"),
        ("core/tracklet/patching/__init__.py", "import yaml", "Patching knows only"),
        ("core/tracklet/models/__init__.py", "def late(): import sklearn", "no framework"),
        ("core/tracklet/models/__init__.py", "import tracklet_flavors.sklearn", "Only facades"),
        ("core/tracklet/autolog/__init__.py", "import tracklet_integrations", "Only facades"),
        ("flavors/tracklet_flavors/sklearn/__init__.py", "import wrapt", "A flavor imports no"),
        (
            "flavors/tracklet_flavors/sklearn/__init__.py",
            "import tracklet.patching",
            "A flavor imports no",
        ),
        (
            "flavors/tracklet_flavors/sklearn/__init__.py",
            "import tracklet_flavors.pyfunc",
            "Flavors do not know",
        ),
        (
            "integrations/tracklet_integrations/sklearn/__init__.py",
            "def late(): import tracklet_flavors.sklearn",
            "An integration imports no flavor",
        ),
        ("core/tracklet/brand_new.py", "import tracklet.errors", "Lower layers"),
    ],
)
def test_a_planted_violation_breaks_its_contract(
    copy: Path, file: str, planted: str, contract: str
) -> None:
    target = copy / file
    source = target.read_text() if target.exists() else ""
    target.write_text(f"{source}\n{planted}\n")
    done = lint(copy)
    assert done.returncode != 0
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), done.stdout
