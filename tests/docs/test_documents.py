"""The documents are true: links lead somewhere, examples run, and CI calls what README says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text()):
        path = (document.parent / target) if target else document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), f"{target}#{anchor}"


MODEL = """
import numpy as np
import tracklet
from sklearn.linear_model import LinearRegression
X = np.arange(12.0).reshape(6, 2)
model = LinearRegression().fit(X, X[:, 0])
"""


@pytest.mark.parametrize(
    ("page", "needs", "before", "after"),
    [
        (
            "README.md",
            ["sklearn"],
            "",
            "assert run.data.metrics\nassert len(model.predict(X)) == len(X)",
        ),
        ("docs/autologging.md", ["sklearn", "xgboost", "lightgbm"], "", ""),
        ("docs/models.md", ["sklearn"], MODEL, ""),
    ],
)
def test_the_examples_of_a_page_run(
    tmp_path: Path, page: str, needs: list[str], before: str, after: str
) -> None:
    """One after the other, as they are read."""
    for module in needs:
        pytest.importorskip(module)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert examples
    script = tmp_path / "example.py"
    script.write_text("\n".join([before, *examples, after]))
    environment = {**os.environ, "TRACKLET_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("TRACKLET_TRACKING_URI", None)
    environment.pop("MLFLOW_TRACKING_URI", None)
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "mlruns").is_dir()


def test_ci_calls_the_test_command_of_the_readme() -> None:
    commands = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert commands[1].strip() in (ROOT / ".ci" / "run").read_text()


def test_the_page_of_frameworks_is_what_the_plugins_say() -> None:
    """It is written by ``python docs/frameworks.py``, which is to be run when a plugin changes."""
    made = subprocess.run(
        [sys.executable, "-c", "import frameworks; print(frameworks.page(), end='')"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "docs",
    )
    assert made.stdout == (ROOT / "docs" / "frameworks.md").read_text()
