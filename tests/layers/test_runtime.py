"""What really gets imported: each test looks into a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    "tracklet": ROOT / "core",
    "tracklet_integrations": ROOT / "integrations",
    "tracklet_flavors": ROOT / "flavors",
    "tracklet_services": ROOT / "services",
    "tracklet_testing": ROOT / "core",
}
FRAMEWORKS = {
    "catboost", "jax", "keras", "lightgbm", "lightning", "matplotlib", "numpy", "pandas", "polars",
    "pyarrow", "pytorch_lightning", "scipy", "sklearn", "statsmodels", "tensorflow", "torch",
    "transformers", "xgboost",
}  # fmt: skip
OURS = {
    "alembic",
    "click",
    "cloudpickle",
    "packaging",
    "platformdirs",
    "sqlalchemy",
    "wrapt",
    "yaml",
}
PLUGINS = {"tracklet_integrations", "tracklet_flavors"}

# The process notes every attempt to import one of the forbidden roots, installed or not, and every
# metadata file of a distribution that is opened. It has imported nothing else when it forks for
# each of the cases, so that every one of them begins where a fresh process does.
PROBE = """
import json, os, sys, traceback
forbidden, cases = json.load(sys.stdin)
noted = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in forbidden:
            noted.append(name)

def audit(event, args):
    if event == "open" and str(args[0]).endswith(("METADATA", "PKG-INFO", "entry_points.txt")):
        noted.append(f"opens {args[0]}")

sys.meta_path.insert(0, Watch())
sys.addaudithook(audit)
for modules in cases:
    if (child := os.fork()):
        assert os.waitpid(child, 0)[1] == 0, modules
        continue
    status = 1
    try:
        for module in modules:
            __import__(module)
        os.write(1, (json.dumps(noted) + "\\n").encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
"""


def noted(cases: list[list[str]], forbidden: set[str]) -> list[list[str]]:
    """What is noted of each of the cases, which are modules to import in a process of their own."""
    # The repository's sources first, and nothing that a coverage tool or a test runner left behind.
    path = os.pathsep.join(str(folder) for folder in SOURCES.values())
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        input=json.dumps([sorted(forbidden), cases]),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def modules_of(package: str) -> list[str]:
    found = []
    for path in sorted((SOURCES[package] / package).rglob("*.py")):
        parts = path.relative_to(SOURCES[package]).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


# These stand above the plugins, or are run by the interpreter or Alembic under names of their own.
_PLUGINS = (
    "catboost keras lightgbm onnx optuna pyfunc pytorch sklearn tensorboard tensorflow "
    "transformers xgboost"
)
FACADES = tuple(f"tracklet.{name}" for name in _PLUGINS.split())
NOT_IMPORTED = (
    *FACADES,
    "tracklet.__main__",
    "tracklet.dialect.autologging",
    "tracklet.dialect.found",
    "tracklet_services.sql.migrations",
)
CORE = [name for name in modules_of("tracklet") if not name.startswith(NOT_IMPORTED)]
PLUGIN_MODULES = modules_of("tracklet_integrations") + modules_of("tracklet_flavors")


@pytest.fixture(scope="module")
def of_each() -> dict[str, list[str]]:
    """What is noted of each module of a plugin and each facade, imported alone."""
    modules = [*PLUGIN_MODULES, *FACADES]
    return dict(zip(modules, noted([[each] for each in modules], FRAMEWORKS), strict=True))


def test_import_tracklet_loads_nothing_heavy_no_plugin_and_reads_no_metadata() -> None:
    assert noted([["tracklet"]], FRAMEWORKS | OURS | PLUGINS) == [[]]


def test_the_pytest_plugin_loads_nothing_of_tracklet_s_but_its_own_package() -> None:
    assert noted([["tracklet_testing.pytest_plugin"]], FRAMEWORKS | OURS | PLUGINS) == [[]]


def test_no_module_of_the_core_imports_a_framework_at_module_level() -> None:
    (attempts,) = noted([CORE], FRAMEWORKS)
    assert [attempt for attempt in attempts if not attempt.startswith("opens ")] == []


def test_no_module_of_the_core_imports_a_plugin() -> None:
    # The test kit stands above all and goes through the public API, facades too.
    core = [name for name in CORE if not name.startswith("tracklet_testing")]
    (attempts,) = noted([core], PLUGINS)
    assert [attempt for attempt in attempts if not attempt.startswith("opens ")] == []


@pytest.mark.parametrize("module", PLUGIN_MODULES)
def test_a_plugin_module_imported_alone_pulls_in_no_framework(
    module: str, of_each: dict[str, list[str]]
) -> None:
    assert of_each[module] == []


@pytest.mark.parametrize("module", FACADES)
def test_a_facade_pulls_in_no_framework_either(module: str, of_each: dict[str, list[str]]) -> None:
    assert of_each[module] == []
