"""The part of the contract on what is put in the place of watched functions."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import pkgutil
import sys
import types
from typing import Any

from tracklet import autolog
from tracklet_testing.integration.trainings import Trainings


class PatchContract(Trainings):
    """Watched functions look and behave as before, and are put back."""

    def test_disable_puts_back_the_very_same_objects(self, bare: Any) -> None:
        """After disabling, every watched attribute holds the object that it held before."""
        autolog.enable(self.name)
        hooks = _hooks(self.name)
        assert hooks, f"{self.name} watches nothing"
        autolog.enable(self.name, disable=True)
        before = {hook: _raw(hook) for hook in hooks}
        autolog.enable(self.name)
        for target in self.targets:
            hook = target.replace(":", ".")
            assert hook in hooks, f"{target} is not watched; what is: {sorted(hooks)[:20]}"
            assert _raw(hook) is not before[hook]
        autolog.enable(self.name, disable=True)
        assert all(_raw(hook) is raw for hook, raw in before.items())

    def test_another_patcher_above_and_below_keeps_working(
        self, bare: Any, script: dict[str, Any]
    ) -> None:
        """Someone else's wrapper under ours, and over it, sees its calls and is left in place."""
        for above in (False, True):
            for target in self.targets:
                owner, name = _owner(target)
                raw = vars(owner)[name]
                if not isinstance(raw, types.FunctionType):
                    continue
                calls: list[str] = []
                if above:
                    autolog.enable(self.name)
                foreign = _counting(vars(owner)[name], calls, name)
                setattr(owner, name, foreign)
                try:
                    script["train"]()
                    is_called = bool(calls)
                    if not above:
                        autolog.enable(self.name)
                    seen = len(self.runs())
                    assert script["train"]() == bare
                    assert len(self.runs()) > seen
                    autolog.enable(self.name, disable=True)
                    assert vars(owner)[name] is foreign
                    del calls[:]
                    assert script["train"]() == bare
                    assert bool(calls) == is_called
                finally:
                    setattr(owner, name, raw)
                    autolog.enable(self.name, disable=True)

    def test_enabling_again_changes_nothing(self, script: dict[str, Any], enabled: None) -> None:
        """Enabling twice watches once."""
        hooks = _hooks(self.name)
        autolog.enable(self.name)
        assert _hooks(self.name) == hooks
        script["train"]()
        first = len(self.runs())
        autolog.enable(self.name)
        script["train"]()
        assert len(self.runs()) == 2 * first

    def test_watched_functions_look_the_same(self, bare: Any) -> None:
        """Signature, name, documentation, source and kind of a watched function are its own."""
        plain = {target: _facts(pkgutil.resolve_name(target)) for target in self.targets}
        with self.watched():
            for target in self.targets:
                assert _facts(pkgutil.resolve_name(target)) == plain[target]

    def test_watched_functions_pickle_and_copy(self, enabled: None) -> None:
        """A watched function pickles by its name and copies as itself."""
        for target in self.targets:
            function = pkgutil.resolve_name(target)
            assert pickle.loads(pickle.dumps(function)) == function  # noqa: S301 (our own bytes)
            assert copy.deepcopy(function) == function


def _owner(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    owner, _, name = path.rpartition(".")
    return pkgutil.resolve_name(f"{module}:{owner}"), name


def _counting(function: Any, calls: list[str], name: str) -> Any:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return function(*args, **kwargs)

    return counted


def _hooks(name: str) -> frozenset[str]:
    return frozenset(hook for each in autolog.plan() if each.name == name for hook in each.hooks)


def _raw(hook: str) -> Any:
    """What the owner of a watched attribute holds under its name, without binding it."""
    parts = hook.split(".")
    for split in range(len(parts) - 1, 0, -1):
        owner: Any = sys.modules.get(".".join(parts[:split]))
        if owner is None:
            continue
        for part in parts[split:-1]:
            owner = vars(owner).get(part)
            if owner is None:
                return None  # a class that its module does not show
        return vars(owner).get(parts[-1])
    return None


def _facts(function: Any) -> dict[str, Any]:
    names = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__code__")
    facts = {name: getattr(function, name, None) for name in names}
    facts["signature"] = inspect.signature(function)
    facts["isfunction"] = isinstance(function, types.FunctionType)
    facts["iscoroutinefunction"] = inspect.iscoroutinefunction(function)
    try:
        facts["source"] = inspect.getsource(function)
    except OSError:
        facts["source"] = None
    return facts
