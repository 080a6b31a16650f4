"""Without the outside plugin installed, nothing of it is there."""

import importlib
import importlib.metadata
import json
import subprocess
import sys

import pytest

try:
    importlib.metadata.version("tracklet-toyframe")
except importlib.metadata.PackageNotFoundError:
    pass
else:
    pytest.skip("tracklet-toyframe is installed", allow_module_level=True)


def test_it_is_not_listed() -> None:
    command = [
        sys.executable,
        "-c",
        "from tracklet.cli import main; main()",
        "plugins",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    assert listed
    assert "toyframe" not in {one["name"] for one in listed}


def test_its_module_is_an_import_error_and_its_name_an_attribute_error() -> None:
    import tracklet

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tracklet.toyframe")
    with pytest.raises(AttributeError):
        tracklet.toyframe  # type: ignore[attr-defined]  # noqa: B018
