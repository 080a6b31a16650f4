"""The part of the contract on the user's objects: what was trained, and what was raised."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import pickle
import traceback
import weakref
from typing import Any

import pytest

from tracklet import autolog
from tracklet_testing.integration.trainings import Trainings


class ObjectContract(Trainings):
    """What the user has is the same with and without us, and is the user's alone."""

    @pytest.fixture
    def trained(self, script: dict[str, Any]) -> Any:
        """The optional ``trained()`` of the training's source text."""
        if "trained" not in script:
            pytest.skip("the training's source text defines no trained()")
        return script["trained"]

    def test_what_was_trained_is_the_same_object(
        self, trained: Any, bare: Any, tracklet_home: Any
    ) -> None:
        """Its class, its attributes and their order, its pickle, and that of its copy."""
        trained()
        plain, again = _first(trained()), _first(trained())
        stable = pickle.dumps(plain) == pickle.dumps(again)
        with self.watched():
            watched = _first(trained())
            autolog.flush()
            assert type(watched) is type(plain)
            assert list(getattr(watched, "__dict__", ())) == list(getattr(plain, "__dict__", ()))
            if stable:  # else it differs from training to training by itself
                assert pickle.dumps(watched) == pickle.dumps(plain)
                assert pickle.dumps(copy.deepcopy(watched)) == pickle.dumps(copy.deepcopy(plain))

    def test_nothing_of_the_training_is_kept_alive(self, trained: Any, enabled: None) -> None:
        """When the user lets go of what was trained, and of what it was trained on, it is gone."""
        found = trained()
        parts = found if isinstance(found, tuple) else (found,)
        dying = [weakref.ref(part) for part in parts]
        autolog.flush()
        del found, parts
        gc.collect()
        assert [each() for each in dying] == [None] * len(dying)

    def test_an_exception_of_the_users_is_not_kept_alive(
        self, script: dict[str, Any], enabled: None
    ) -> None:
        """Nor is its traceback, which holds everything that the training had in its hands."""
        reference = _raised(script)
        gc.collect()
        assert reference() is None

    def test_an_exception_of_the_users_shows_what_it_showed(
        self, script: dict[str, Any], bare: Any, tracklet_home: Any
    ) -> None:
        """The same frames in the same order; of ours one per watched call, and that is marked."""
        plain, ours = _shown(script)
        assert not ours
        with self.watched():
            watched, ours = _shown(script)
        assert watched == plain
        assert all(is_hidden for _, is_hidden in ours), f"not marked as ours: {ours}"
        depths = [depth for depth, _ in ours]
        assert all(b - a > 1 for a, b in itertools.pairwise(depths)), ours


class Failure(ValueError):
    """An exception of the user's, of which weak references can be had."""


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def _raised(script: dict[str, Any]) -> weakref.ref[Failure]:
    error = Failure("the user's")
    reference = weakref.ref(error)
    with contextlib.suppress(Failure):
        script["fail"](error)
    return reference


def _shown(script: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[int, bool]]]:
    """What a traceback says but for our frames; and of those how deep they are, and if marked."""
    error = Failure("the user's")
    with pytest.raises(Failure) as caught:
        script["fail"](error)
    assert caught.value is error
    frames, ours = [], []
    for depth, (frame, line) in enumerate(traceback.walk_tb(error.__traceback__)):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(("tracklet.patching", "tracklet.autolog", "wrapt")):
            ours.append((depth, "__tracebackhide__" in frame.f_locals))
        elif depth:  # the first one is this function
            frames.append((frame.f_code.co_filename, line, frame.f_code.co_qualname))
    about = {
        "frames": frames,
        "args": error.args,
        "notes": getattr(error, "__notes__", None),
        "cause": error.__cause__,
        "context": error.__context__,
    }
    return about, ours
