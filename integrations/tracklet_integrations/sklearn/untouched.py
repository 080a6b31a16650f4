"""Calling a fitted estimator without a trace.

``predict`` and ``transform`` are not as pure as they look: some keep a note on the estimator, and
the trees of nearest neighbors count their calls, which pickles show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_MAX_OBJECTS: Final = 10_000
_TREES: Final = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")


class untouched:  # noqa: N801 (used as a function in `with`)
    """In this block an estimator may be called, and afterwards it is as it was.

    Covers the attributes of the estimator and of scikit-learn's objects inside of it, and the
    counters of its trees. Arrays are taken to be left alone, as scikit-learn's own code does.

    Args:
        estimator: The fitted estimator.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._trees: list[tuple[Any, Any]] = []

    def __enter__(self) -> None:
        for each in _parts(self._estimator):
            if type(each).__module__ in _TREES:
                self._trees.append((each, each.__getstate__()))
            else:
                own = vars(each)
                self._attributes.append((own, dict(own)))

    def __exit__(self, *_: object) -> None:
        for own, before in self._attributes:
            _restore(own, before)
        for tree, before in self._trees:
            if not _same_counters(tree.__getstate__(), before):
                tree.__setstate__(before)


def _restore(own: dict[str, Any], before: dict[str, Any]) -> None:
    for name in [name for name in own if name not in before]:
        del own[name]
    if list(own) != list(before):
        own.clear()  # the order of attributes shows in pickles
    for name, value in before.items():
        if own.get(name, own) is not value:
            own[name] = value


def _same_counters(one: Any, other: Any) -> bool:
    return all(a == b for a, b in zip(one, other, strict=True) if isinstance(a, int | float))


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator, and scikit-learn's objects that its attributes lead to, each once."""
    seen: set[int] = set()
    waiting: list[Any] = [estimator]
    while waiting and len(seen) < _MAX_OBJECTS:
        value = waiting.pop()
        if type(value) in (list, tuple):
            waiting.extend(value if len(value) <= _MAX_OBJECTS else ())
            continue
        if type(value) is dict:
            waiting.extend(value.values())
            continue
        module = type(value).__module__
        if id(value) in seen or not (value is estimator or module.startswith("sklearn.")):
            continue
        if module in _TREES:
            seen.add(id(value))
            yield value
        elif isinstance(getattr(value, "__dict__", None), dict):
            seen.add(id(value))
            yield value
            waiting.extend(vars(value).values())
