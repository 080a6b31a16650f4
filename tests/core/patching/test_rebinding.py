"""Names that the user's modules bound before a function was watched lead to the watched one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tracklet import state
from tracklet.patching import Call, Outcome, Patch
from tracklet.patching.rebinding import together


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """A library, an installed package that uses it, and a user's module that does."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "rebound_library.py").write_text("def train(rounds):\n    return rounds\n")
    uses = "from rebound_library import train\nfit = train\nkept = [train]\n"
    (installed / "rebound_package.py").write_text(uses)
    (tmp_path / "rebound_script.py").write_text(uses)
    for folder in (installed, tmp_path):
        monkeypatch.syspath_prepend(folder)
    names = ("rebound_library", "rebound_package", "rebound_script")
    yield {name.removeprefix("rebound_"): importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]
    state.forget("tracklet.patching.rebinding")


@pytest.fixture
def seen() -> list[object]:
    return []


@pytest.fixture
def patch(modules: dict[str, ModuleType], seen: list[object]) -> Iterator[Patch]:
    def watch(call: Call) -> Generator[None, Outcome, None]:
        seen.append(call.args)
        yield

    patch = Patch("rebound_library", "train", watch)
    patch.apply()
    yield patch
    patch.revert()


def test_calls_by_a_name_that_was_bound_before_are_seen(
    modules: dict[str, ModuleType], patch: Patch, seen: list[object]
) -> None:
    assert modules["script"].train(1) == 1
    assert modules["script"].fit(2) == 2
    assert seen == [(1,), (2,)]
    assert modules["script"].train is modules["library"].train


def test_an_installed_package_and_what_a_container_holds_are_left_alone(
    modules: dict[str, ModuleType], patch: Patch, seen: list[object]
) -> None:
    raw = modules["library"].train.__wrapped__
    assert modules["package"].train is raw
    assert modules["script"].kept == [raw]


def test_the_names_are_put_back_but_for_those_that_the_user_bound_anew(
    modules: dict[str, ModuleType], patch: Patch
) -> None:
    raw = modules["library"].train.__wrapped__
    modules["script"].fit = print
    patch.revert()
    assert modules["script"].train is raw
    assert modules["script"].fit is print


def test_names_follow_whatever_becomes_of_a_function_while_patches_change_together(
    modules: dict[str, ModuleType], patch: Patch
) -> None:
    raw = modules["library"].train.__wrapped__
    with together():
        patch.revert()
        patch.apply()
        patch.revert()
    assert modules["script"].train is modules["script"].fit is raw
    with together(), together():
        patch.apply()
        patch.revert()
        patch.apply()
    assert modules["script"].train is modules["library"].train is not raw


def test_a_module_that_is_imported_later_is_looked_at_too(
    modules: dict[str, ModuleType], patch: Patch, tmp_path: Path
) -> None:
    (tmp_path / "rebound_later.py").write_text("from rebound_library import train\n")
    importlib.invalidate_caches()
    later = importlib.import_module("rebound_later")
    try:
        patch.revert()
        assert later.train is modules["script"].train is modules["library"].train
    finally:
        del sys.modules["rebound_later"]
