"""A made-up framework and its integration, installed as real distributions in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracklet import state
from tracklet.testing import reset

FRAMEWORK = '''
"""A framework that trains at once."""
__version__ = "2.1.0.dev3"

class Model:
    def __init__(self, rate=0.1):
        self.rate = rate
        self.inner = None

    def fit(self, rows):
        if self.inner is not None:
            self.inner.fit(rows)
        if isinstance(rows, BaseException):
            raise rows
        self.mean = sum(rows) / len(rows)
        return self
'''

INTEGRATION = """
from dataclasses import dataclass
from typing import ClassVar
from tracklet.autolog import Explanation, Integration, Options, recording
from tracklet.errors import InvalidParameterValue
from tracklet.patching import Patch

fault = None

@dataclass(frozen=True, kw_only=True)
class ToyOptions(Options):
    log_models: bool = True
    detail: int = 1

    def __post_init__(self):
        super().__post_init__()
        if self.detail < 0:
            raise InvalidParameterValue(f"detail must not be negative; got {self.detail}")

class ToyIntegration(Integration):
    name = "toy"
    modules = ("toy_framework",)
    requires = "toy-framework>=2.0"
    Options = ToyOptions

    def patches(self, framework, options):
        yield Patch("toy_framework", "Model.fit", self.watch_fit)
        yield Patch("toy_framework", "Model.gone", self.watch_fit)

    def explain(self, options):
        return Explanation(("the mean",), {"the median": "not asked for"})

    def watch_fit(self, call):
        with recording(self.name, self.options) as recorder:
            if recorder is None:
                yield
                return
            recorder.params({"rate": call.instance.rate})
            if fault == "before":
                raise RuntimeError("before the training")
            outcome = yield
            recorder.finish(outcome)
            if outcome.error is None:
                recorder.metrics({"mean": call.instance.mean})
                if fault == "step":
                    with recorder.step("plots"):
                        raise RuntimeError("in a step")
                    recorder.tags({"after": "the failing step"})
                if fault == "after":
                    raise RuntimeError("after the training")
"""

BROKEN = "raise RuntimeError('broken on import')\n"


def distribution(folder: Path, name: str, entry_points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tracklet.integrations]\n{entry_points}\n")


@pytest.fixture
def install():
    """Installs a made-up distribution into a folder."""
    return distribution


@pytest.fixture
def toy(
    tracklet_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The folder in which the framework and the integration are installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "toy_framework.py").write_text(FRAMEWORK)
    (folder / "toy_integration.py").write_text(INTEGRATION)
    (folder / "toy_broken.py").write_text(BROKEN)
    distribution(folder, "toy_plugin", "toy = toy_integration:ToyIntegration")
    monkeypatch.syspath_prepend(folder)
    state.forget("tracklet.plugins")
    yield folder
    reset()
    for name in ("toy_framework", "toy_integration", "toy_broken"):
        sys.modules.pop(name, None)
