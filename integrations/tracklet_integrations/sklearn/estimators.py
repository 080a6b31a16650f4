"""What kind of estimator this is: which classes there are, what may be called on one, and how.

Calling leaves no trace: see :class:`untouched`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tracklet.autolog import callers

FITTING: Final = ("fit", "fit_transform", "fit_predict", "partial_fit")

# Preparing data is no training; as a step of a pipeline it is recorded with the pipeline.
_PREPARING: Final = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
)
_PREPARING_CLASSES: Final = {("sklearn.compose._column_transformer", "ColumnTransformer")}

_TRUSTED: Final = frozenset({"sklearn", "numpy", "scipy", "builtins"})
_NOT_PREDICTING: Final = frozenset(
    """callbacks cv eval_metric importance_getter param_distributions param_grid refit score_func
    scoring""".split()
)
_WRAPPED: Final = ("func", "pyfunc", "__wrapped__", "__self__")  # in partials and the like
_MAX_PARTS: Final = 1000
_MAX_DEPTH: Final = 32

_MAX_OBJECTS: Final = 10_000
_TREES: Final = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")


def own_fitting_methods(cls: type) -> Iterable[str]:
    """Those methods that train which a class defines itself."""
    own = vars(cls)
    for name in FITTING:
        if name in own and not getattr(own[name], "__isabstractmethod__", False):
            yield name


def is_estimator(value: Any) -> bool:
    """Whether this derives from scikit-learn's base class; what the user named need not."""
    base: Any = sys.modules["sklearn.base"]
    return isinstance(value, base.BaseEstimator)


def prepares_data(cls: type) -> bool:
    """Whether an estimator by itself is a preparation rather than a training.

    What can predict was trained: ``RFE`` and ``RFECV`` stand among the selections of features.
    """
    module = cls.__module__
    if any("predict" in vars(each) for each in cls.__mro__):
        return False
    if (module, cls.__name__) in _PREPARING_CLASSES:
        return True
    return any(module == each or module.startswith(each + ".") for each in _PREPARING)


def users_code(value: Any, params: Mapping[str, Any] | None = None, depth: int = 0) -> str | None:
    """What of the user's own code predicting would run; None if it runs that of libraries alone.

    A class or function of the user's may count calls, write files or draw random numbers, so what
    holds one is only ever called by the user. Params that only the training looks at do not count.

    Args:
        value: An estimator, or a value of a param of one.
        params: Its params, where they are known already.
        depth: How deep it lies in other values.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes | complex):
        return None
    parts: Iterable[Any] = ()
    if isinstance(value, list | tuple | set | frozenset):
        parts = value if len(value) <= _MAX_PARTS else ()
    elif isinstance(value, dict):
        parts = value.values()
    else:
        cls = value if isinstance(value, type) else type(value)
        home = cls.__module__
        if callable(value) and cls is not value:
            home = getattr(value, "__module__", None) or home
        name = getattr(value, "__qualname__", None) or cls.__qualname__
        if not _is_trusted(home) or not _is_trusted(cls.__module__) or "<lambda>" in name:
            return f"{home}.{name}"
        if cls is not value:
            parts = _held(value, params)
    if depth > _MAX_DEPTH:
        return None
    return next(filter(None, (users_code(each, None, depth + 1) for each in parts)), None)


def _held(value: Any, params: Mapping[str, Any] | None) -> Iterable[Any]:
    """What a library's object runs when it predicts: estimators and functions inside of it."""
    if not hasattr(type(value), "get_params"):
        return [getattr(value, name, None) for name in _WRAPPED]
    best = vars(value).get("best_estimator_") if is_search(value) else None
    if best is not None:
        return [best]
    known = value.get_params(deep=False) if params is None else params
    return [known[name] for name in known if name not in _NOT_PREDICTING]


def _is_trusted(module: str) -> bool:
    return module.partition(".")[0] in _TRUSTED or callers.is_library_module(module)


def scoring_of(estimator: Any) -> Any:
    """What ``score`` calls instead of the default, if a search was told so."""
    for each in innermost(estimator):
        scoring = getattr(each, "__dict__", {}).get("scoring")
        if scoring is not None:
            return scoring
    return None


def innermost(estimator: Any) -> Iterator[Any]:
    """An estimator, and the last steps of pipelines of pipelines."""
    for _ in range(_MAX_DEPTH):
        yield estimator
        steps = getattr(estimator, "__dict__", {}).get("steps")
        if not (isinstance(steps, list) and steps and isinstance(steps[-1], tuple)):
            return
        estimator = steps[-1][1]


def weight_key(estimator: Any) -> str:
    """What ``fit`` calls the sample weights of a pipeline's last step."""
    names = [each.steps[-1][0] for each in innermost(estimator) if "steps" in vars(each)]
    return "__".join([*names, "sample_weight"])


def may_overwrite_input(params: Mapping[str, Any]) -> bool:
    """Whether fitting may change the training data in place, as ``copy_X=False`` allows."""
    return any(
        value is False and key.rpartition("__")[2] in ("copy", "copy_X", "copy_x")
        for key, value in params.items()
    )


def generators_in(params: Mapping[str, Any]) -> list[Any]:
    """The NumPy random generators among an estimator's params; the user may own them."""
    random: Any = sys.modules.get("numpy.random")
    if random is None:
        return []
    kinds = (random.Generator, random.RandomState)
    return [value for value in params.values() if isinstance(value, kinds)]


def is_search(estimator: Any) -> bool:
    """Whether this is a parameter search: something that fits many candidates and keeps one.

    scikit-learn's own, what derives from them, and what is named like them and wraps an estimator,
    as other libraries' searches do.
    """
    kind = type(estimator)
    if any(cls.__name__ == "BaseSearchCV" for cls in kind.__mro__):
        return True
    return kind.__name__.endswith("SearchCV") and hasattr(estimator, "estimator")


def step_of_default_score(estimator: Any) -> Any:
    """The estimator whose class decides what ``score`` means: a pipeline's or search's innermost.

    None if that cannot be known without calling it.
    """
    for _ in range(32):
        mro = type(estimator).__mro__
        kinds = {cls.__name__ for cls in mro if cls.__module__.startswith("sklearn.")}
        if "Pipeline" in kinds:
            estimator = estimator.steps[-1][1]
        elif "BaseSearchCV" in kinds:
            if estimator.scoring is not None:
                return None
            estimator = getattr(estimator, "best_estimator_", None)
        else:
            return estimator
    return None


class untouched:  # noqa: N801 (used as a function in `with`)
    """In this block a fitted estimator may be called, and afterwards it is as it was.

    ``predict`` and ``transform`` are not as pure as they look: some keep a note on the estimator,
    and the trees of nearest neighbors count their calls, which pickles show.

    Covers the attributes of the estimator, of estimators and of scikit-learn's objects inside of
    it, and the counters of its trees. Arrays are taken to be left alone, as scikit-learn's own code
    does.

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
        is_part = module.startswith("sklearn.") or hasattr(type(value), "get_params")
        if id(value) in seen or not (value is estimator or is_part):
            continue
        if module in _TREES:
            seen.add(id(value))
            yield value
        elif isinstance(getattr(value, "__dict__", None), dict):
            seen.add(id(value))
            yield value
            waiting.extend(vars(value).values())
