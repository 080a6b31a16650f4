"""Modules that models bring along: each model runs its own, or is refused."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tracklet import models, pyfunc
from tracklet.errors import TrackletException

pytestmark = pytest.mark.usefixtures("tracklet_home")

NAME = "shop_4716"


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = [*sys.path]
    yield
    sys.path[:] = before
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def package(folder: Path, factor: int) -> Path:
    """A package of the user's own; a part of it is imported only when the model is asked."""
    place = folder / NAME
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(
        "def times(data):\n    from shop_4716.late import FACTOR\n"
        "    return [FACTOR * one for one in data]\n"
    )
    (place / "late.py").write_text(f"FACTOR = {factor}\n")
    return place


def saved(folder: Path, factor: int, also: str = "") -> Path:
    """A model whose pickle names a function of the package, which it brings along."""
    place = package(folder, factor)
    paths = [place, folder / "also_4716.py"] if also else [place]
    (folder / "also_4716.py").write_text(also)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    function = importlib.import_module(NAME).times
    pyfunc.save_model(
        folder / "m",
        python_model=function,
        code_paths=paths,
        pip_requirements=[],
    )
    sys.path.remove(str(folder))
    forget()
    return folder / "m"


def answer(path: Path) -> Any:
    return pyfunc.load_model(path).predict([1])


def test_a_second_models_code_is_never_the_firsts(tmp_path: Path) -> None:
    """It is refused by both ways to load, with both folders named; the first goes on as it was."""
    one, other, same = (saved(tmp_path / str(n), n % 2) for n in (3, 2, 5))
    first = pyfunc.load_model(one)
    before = [*sys.path]
    for load in (pyfunc.load_model, models.load_model):
        with pytest.raises(TrackletException, match=NAME) as caught:
            load(other)
        assert str(one) in str(caught.value)
        assert str(other) in str(caught.value)
    assert sys.path == before
    assert first.predict([1]) == [1]
    assert answer(one) == [1]
    assert answer(same) == [1]


def test_a_module_of_the_users_own_is_shared_only_if_it_is_the_same(tmp_path: Path) -> None:
    """What the process has imported already would run in the place of the model's."""
    path = saved(tmp_path / "model", 1)
    for factor, place in ((2, "other"), (1, "same")):
        package(tmp_path / place, factor)
        sys.path.insert(0, str(tmp_path / place))
        importlib.invalidate_caches()
        importlib.import_module(NAME)
        if factor == 1:
            assert answer(path) == [1]
        else:
            with pytest.raises(TrackletException, match=str(tmp_path / place)):
                answer(path)
        forget()


def test_a_model_that_changed_in_its_place_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    """The same folder with other code is another model."""
    path = saved(tmp_path / "a", 1)
    assert answer(path) == [1]
    path.rename(tmp_path / "old")
    forgotten = {name: sys.modules.pop(name) for name in [*sys.modules] if NAME in name}
    saved(tmp_path / "b", 2).rename(path)
    sys.modules.update(forgotten)
    with pytest.raises(TrackletException, match=NAME):
        answer(path)


def test_a_model_that_could_not_be_loaded_leaves_its_names_free(tmp_path: Path) -> None:
    """The names are the first model's that is there, not the first that was tried."""
    broken, whole = saved(tmp_path / "a", 1), saved(tmp_path / "b", 2)
    refused, other = (saved(tmp_path / str(n), n, also=f"X = {n}") for n in (1, 2))
    (broken / "python_model.pkl").write_bytes(b"")
    with pytest.raises(TrackletException):
        pyfunc.load_model(broken, trust=True)
    assert answer(whole) == [2]
    with pytest.raises(TrackletException, match=NAME):
        answer(refused)
    assert answer(other) == [2]


def test_whoever_wants_it_gets_the_code_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """``TRACKLET_ALLOW_OTHER_CODE`` lets the model load, with a warning that names both."""
    one, other = saved(tmp_path / "a", 1), saved(tmp_path / "b", 2)
    assert answer(one) == [1]
    monkeypatch.setenv("TRACKLET_ALLOW_OTHER_CODE", "true")
    assert answer(other) == [1]
    assert str(one) in caplog.text
    assert str(other) in caplog.text


def test_models_loaded_in_threads_run_their_own_code(tmp_path: Path) -> None:
    """Of two that cannot be together one is there, and every answer is its."""
    paths = [saved(tmp_path / str(factor), factor) for factor in (1, 2)]

    def ask(turn: int) -> tuple[int, Any]:
        try:
            return turn % 2 + 1, answer(paths[turn % 2])
        except TrackletException:
            return turn % 2 + 1, None

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(ask, range(24))]
    told = {(factor, *given) for factor, given in answers if given is not None}
    assert told in ({(1, 1)}, {(2, 2)})
