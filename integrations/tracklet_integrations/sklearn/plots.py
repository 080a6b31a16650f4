"""What is drawn of a fit: a classifier's confusion matrix and curves, and ``estimator.html``.

All of it is made off the training path; what it shows is copied before, because the user may go on
to change it.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any, Final

from tracklet.state import lock
from tracklet_integrations.shared.canvas import (
    GLYPH_HEIGHT,
    GLYPH_WIDTH,
    GRID,
    Canvas,
    series_colour,
    shade,
)

CONFUSION_MATRIX: Final = "training_confusion_matrix.png"
ROC_CURVE: Final = "training_roc_curve.png"
PRECISION_RECALL_CURVE: Final = "training_precision_recall_curve.png"
HTML: Final = "estimator.html"

_MAX_CLASSES: Final = 50
_ANNOTATED_CLASSES: Final = 12
_MAX_LABEL: Final = 36
_SCALE_STEPS: Final = 60
_TICKS: Final = tuple(tick / 5 for tick in range(6))
_TOP: Final = 36
_LEFT, _WIDTH, _HEIGHT = 64, 360, 260  # of curves

_reading = lock()

_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="UTF-8"/>\n</head>\n'
    "<body>\n{body}\n</body>\n</html>\n"
)


@dataclass(slots=True)
class Sample:
    """What the plots are made of.

    ``true`` and ``predicted`` are each row's position in ``classes``, which are sorted; ``scores``
    are those of the positive one of two classes, or None.
    """

    classes: Any
    true: Any
    predicted: Any
    weight: Any = None
    scores: Any = None
    positive: int = 1

    def draw(self) -> dict[str, bytes]:
        """PNG files by name."""
        drawn = {}
        if 0 < len(self.classes) <= _MAX_CLASSES:
            drawn[CONFUSION_MATRIX] = self._confusion_matrix()
            if self.scores is not None and len(self.classes) == 2:
                drawn.update(self._curves())
        return drawn

    def _confusion_matrix(self) -> bytes:
        """The shares of each true class that were predicted as each class."""
        import numpy as np

        count = len(self.classes)
        pairs = self.true * count + self.predicted
        matrix = np.bincount(pairs, self.weight, count * count).reshape(count, count)
        totals = matrix.sum(axis=1, keepdims=True)
        shares = np.divide(matrix, totals, out=np.zeros((count, count)), where=totals != 0)
        return _matrix(tuple(str(each)[:_MAX_LABEL] for each in self.classes), shares.tolist())

    def _curves(self) -> dict[str, bytes]:
        """The receiver operating characteristic, and precision against recall."""
        import numpy as np

        weight = np.ones(len(self.true)) if self.weight is None else self.weight
        order = np.argsort(self.scores, kind="stable")[::-1]
        order = order[weight[order] != 0]
        scores, weight = self.scores[order], weight[order]
        positive = self.true[order] == self.positive
        # A point for each different score: what was found with it, rightly and wrongly.
        last = np.append(scores[1:] != scores[:-1], True)
        right, wrong = (weight * positive).cumsum()[last], (weight * (1 - positive)).cumsum()[last]
        if not (right[-1] > 0 and wrong[-1] > 0):
            return {}  # one of the classes has no weight
        precision = np.append(1.0, right / (right + wrong))
        right, wrong = np.append(0.0, right) / right[-1], np.append(0.0, wrong) / wrong[-1]
        area = np.sum(np.diff(wrong) * (right[1:] + right[:-1]) / 2)
        average = np.sum(np.diff(right) * precision[1:])
        return {
            ROC_CURVE: _curve(
                wrong,
                right,
                f"ROC curve (AUC = {area:.3f})",
                "False positive rate",
                "True positive rate",
            ),
            PRECISION_RECALL_CURVE: _curve(
                right,
                precision,
                f"Precision-recall curve (AP = {average:.3f})",
                "Recall",
                "Precision",
            ),
        }


def _matrix(labels: tuple[str, ...], shares: list[list[float]]) -> bytes:
    """Squares, the darker the greater the share; and a scale of the shades."""
    ground, left, cell = _matrix_ground(labels)
    canvas, count = ground.copy(), len(labels)
    for row in range(count):
        y = _TOP + row * cell
        for column, share in enumerate(shares[row]):
            x = left + column * cell
            canvas.fill(x, y, cell, cell, shade(share))
            if count <= _ANNOTATED_CLASSES:
                middle = y + (cell - GLYPH_HEIGHT) // 2
                _text_around(canvas, x + cell // 2, middle, f"{share:.2f}", light=share > 0.5)
    return canvas.png()


@functools.lru_cache(8)
def _matrix_ground(labels: tuple[str, ...]) -> tuple[Canvas, int, int]:
    """All but the squares, which every fit of the same classes has; their left edge and size."""
    count = len(labels)
    cell = max(16, min(120, 480 // count))
    widest = max(map(len, labels)) * GLYPH_WIDTH
    is_narrow = widest > cell - 6
    left, size = 44 + widest, cell * count
    bottom = _TOP + size + 8
    canvas = Canvas(left + size + 84, bottom + (widest if is_narrow else GLYPH_HEIGHT) + 30)
    for position, label in enumerate(labels):
        middle = _TOP + position * cell + (cell - GLYPH_HEIGHT) // 2
        canvas.text(left - 8 - len(label) * GLYPH_WIDTH, middle, label)
        centre = left + position * cell + cell // 2
        if is_narrow:
            end = bottom + len(label) * GLYPH_WIDTH
            canvas.rising_text(centre - GLYPH_HEIGHT // 2, end, label)
        else:
            _text_around(canvas, centre, bottom, label)
    _text_around(canvas, left + size // 2, 10, "Normalized confusion matrix")
    _text_around(canvas, left + size // 2, canvas.height - 20, "Predicted label")
    _rising_text_around(canvas, 8, _TOP + size // 2, "True label")
    scale = left + size + 20
    for step in range(_SCALE_STEPS):
        y, end = (size * each // _SCALE_STEPS for each in (step, step + 1))
        canvas.fill(scale, _TOP + y, 16, end - y, shade(1 - step / (_SCALE_STEPS - 1)))
    for tick in _TICKS:
        y = _TOP + round(size * (1 - tick)) - GLYPH_HEIGHT // 2
        canvas.text(scale + 22, y, f"{tick:.1f}")
    return canvas, left, cell


def _curve(x: Any, y: Any, title: str, x_label: str, y_label: str) -> bytes:
    """A line through points between 0 and 1."""
    import numpy as np

    canvas = _curve_ground(x_label, y_label).copy()
    across = _LEFT + np.rint(_WIDTH * x).astype(int)
    up = _TOP + np.rint(_HEIGHT * (1 - y)).astype(int)
    moved = np.diff(across) != 0  # of each column of pixels, the first point and the last
    kept = np.append(True, moved) | np.append(moved, True)
    points = zip(across[kept].tolist(), up[kept].tolist(), strict=True)
    canvas.line(list(points), series_colour(0))
    _text_around(canvas, _LEFT + _WIDTH // 2, 10, title)
    return canvas.png()


@functools.cache
def _curve_ground(x_label: str, y_label: str) -> Canvas:
    """All but the line and the title, which every curve of the kind has."""
    canvas = Canvas(_LEFT + _WIDTH + 24, _TOP + _HEIGHT + 56)
    for tick in _TICKS:
        across, up = _LEFT + round(_WIDTH * tick), _TOP + round(_HEIGHT * (1 - tick))
        canvas.fill(across, _TOP, 1, _HEIGHT, GRID)
        canvas.fill(_LEFT, up, _WIDTH, 1, GRID)
        _text_around(canvas, across, _TOP + _HEIGHT + 8, f"{tick:.1f}")
        canvas.text(_LEFT - 28, up - GLYPH_HEIGHT // 2, f"{tick:.1f}")
    _text_around(canvas, _LEFT + _WIDTH // 2, canvas.height - 22, x_label)
    _rising_text_around(canvas, 8, _TOP + _HEIGHT // 2, y_label)
    return canvas


def _text_around(canvas: Canvas, x: int, y: int, text: str, *, light: bool = False) -> None:
    canvas.text(max(0, x - len(text) * GLYPH_WIDTH // 2), y, text, light=light)


def _rising_text_around(canvas: Canvas, x: int, y: int, text: str) -> None:
    canvas.rising_text(x, y + len(text) * GLYPH_WIDTH // 2, text)


def page_maker(estimator: Any, pure: bool) -> Callable[[], str]:
    """A function that makes ``estimator.html``, later and in another thread.

    Args:
        estimator: The fitted estimator.
        pure: Whether it consists of scikit-learn's own classes. Otherwise the page is made now,
            because the representation runs the user's code, which expects to be in its thread.
    """
    if not pure:
        page = _page(estimator)
        return lambda: page
    # A shallow copy keeps what it shows as it is now.
    snapshot = copy.copy(estimator)
    return lambda: _page(snapshot)


def _page(estimator: Any) -> str:
    """The estimator as notebooks show it."""
    from sklearn.utils import estimator_html_repr

    with _docstrings_read():
        return _PAGE.format(body=estimator_html_repr(estimator))


@contextmanager
def _docstrings_read() -> Iterator[None]:
    """In this block scikit-learn reads a docstring once, and does not say what it finds odd in it.

    They are looked at for the page alone, and filters of warnings are all threads'. Without this a
    class's docstring is cleaned anew for each of its params, for half of the time of a page.
    """
    reader: Any = sys.modules.get("sklearn.externals._numpydoc.docscrape")
    describer = sys.modules.get("sklearn.utils._repr_html.common")
    thread = get_ident()
    with _reading, ExitStack() as stack:
        if hasattr(reader, "warn"):
            warn = reader.warn

            def elsewhere(message: Any, *args: Any, stacklevel: int = 1, **kwargs: Any) -> None:
                if get_ident() != thread:
                    warn(message, *args, stacklevel=stacklevel + 1, **kwargs)

            stack.enter_context(_replaced(reader, "warn", elsewhere))
        if getattr(describer, "inspect", None) is inspect:
            stack.enter_context(_replaced(describer, "inspect", _ReadOnce()))
        yield


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


class _ReadOnce:
    """The module ``inspect``, with a memory for docstrings."""

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def getdoc(self, described: Any) -> str | None:
        text = getattr(described, "__doc__", None)
        return _cleaned(text) if type(text) is str else inspect.getdoc(described)


_cleaned = functools.lru_cache(32)(inspect.cleandoc)
