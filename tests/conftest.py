"""No test touches what the user's own configuration folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _configuration_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The key that marks own models is made anew, for the tests' child processes too."""
    if "TRACKLET_CONFIG_DIR" in os.environ:
        yield
        return
    os.environ["TRACKLET_CONFIG_DIR"] = str(tmp_path_factory.mktemp("config"))
    yield
    del os.environ["TRACKLET_CONFIG_DIR"]
