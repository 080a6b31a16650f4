"""``tracklet.<name>`` for plugins of other distributions."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracklet
from tracklet import facades, state
from tracklet.errors import PluginError

SOURCE = """
from pathlib import Path
from tracklet.models.flavor import Flavor, FlavorConfig

__all__ = ["ToyFlavor", "shout"]

class ToyFlavor(Flavor):
    name = "toyfacade"
    requires = ""
    loader_module = "toyfacade"

    def save(self, model, path, options):
        (Path(path) / "model.txt").write_text(str(model))
        return FlavorConfig({})

    def load(self, path, config):
        return (Path(path) / "model.txt").read_text()

    def predictor(self, model, config): ...

def shout(text):
    "Say it louder."
    return text.upper()
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with a flavor `toyfacade`, on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    metadata = tmp_path / "toy-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(
        "[tracklet.flavors]\ntoyfacade = toy_facade_plugin:ToyFlavor\n"
    )
    (tmp_path / "toy_facade_plugin.py").write_text(SOURCE)
    state.forget("tracklet.facades")
    state.forget("tracklet.plugins")
    yield tmp_path
    state.forget("tracklet.facades")
    state.forget("tracklet.plugins")
    sys.modules.pop("toy_facade_plugin", None)


def test_a_registered_name_is_served_as_attribute_and_as_import(toy: Path) -> None:
    module = tracklet.toyfacade  # type: ignore[attr-defined]
    assert module is importlib.import_module("tracklet.toyfacade")
    assert module.shout("ok") == "OK"
    assert {"log_model", "save_model", "load_model", "shout"} <= set(module.__all__)
    assert "ToyFlavor" not in module.__all__
    assert module.FLAVOR_NAME == "toyfacade"
    assert module.get_default_pip_requirements(include_cloudpickle=True)[0][:11] == "cloudpickle"


def test_without_the_plugin_the_name_is_an_ordinary_mistake() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'toyfacade'"):
        tracklet.toyfacade  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=r"tracklet\.toyfacade"):
        importlib.import_module("tracklet.toyfacade")


def test_a_typing_error_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'autlog'"):
        tracklet.autlog  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(tracklet, "_private")
    with pytest.raises(ImportError):
        exec("from tracklet import autlog")


def test_a_claim_by_two_distributions_is_explained(toy: Path) -> None:
    other = toy / "other-3.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 3.0\n")
    (other / "entry_points.txt").write_text(
        "[tracklet.flavors]\ntoyfacade = toy_facade_plugin:Other\n"
    )
    state.forget("tracklet.plugins")
    with pytest.raises(PluginError, match="uninstall one of other, toy"):
        tracklet.toyfacade  # type: ignore[attr-defined]  # noqa: B018


def test_our_own_modules_go_first(toy: Path) -> None:
    (toy / "toy-1.2.dist-info" / "entry_points.txt").write_text(
        "[tracklet.flavors]\nsettings = toy_facade_plugin:ToyFlavor\n"
    )
    state.forget("tracklet.plugins")
    assert importlib.reload(importlib.import_module("tracklet.names")).__file__
    assert tracklet.settings.tracking_uri  # type: ignore[attr-defined]


def test_the_finder_is_installed_once_and_asked_last() -> None:
    facades.install()
    facades.install()
    finders = [one for one in sys.meta_path if type(one).__module__ == "tracklet.facades"]
    assert len(finders) == 1
