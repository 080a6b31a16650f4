"""Drawing: matplotlib's figures on a canvas of their own, never through pyplot.

So no figure is registered anywhere, no backend is chosen, and no window opens.
"""

from __future__ import annotations

import importlib.util
import io
from typing import Any, Final

from tracklet_integrations.sklearn.curves import Curves

CONFUSION_MATRIX: Final = "training_confusion_matrix.png"
ROC_CURVE: Final = "training_roc_curve.png"
PRECISION_RECALL_CURVE: Final = "training_precision_recall_curve.png"

_DPI: Final = 80
_ANNOTATED_CLASSES: Final = 12


def is_available() -> bool:
    """Whether matplotlib is installed; it is not imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(curves: Curves) -> dict[str, bytes]:
    """PNG files by name."""
    drawn = {}
    if curves.confusion is not None:
        drawn[CONFUSION_MATRIX] = _confusion_matrix(curves)
    if curves.roc is not None:
        drawn[ROC_CURVE] = _curve(
            curves.roc,
            "ROC curve",
            "False positive rate",
            "True positive rate",
            f"AUC = {curves.roc_area:.3f}",
        )
    if curves.precision_recall is not None:
        drawn[PRECISION_RECALL_CURVE] = _curve(
            curves.precision_recall,
            "Precision-recall curve",
            "Recall",
            "Precision",
            f"AP = {curves.average_precision:.3f}",
        )
    return drawn


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.canvas.print_png(buffer)
    return buffer.getvalue()


def _curve(points: tuple[Any, Any], title: str, x: str, y: str, label: str) -> bytes:
    figure, axes = _figure(5, 4)
    axes.plot(*points)
    axes.set(title=f"{title} ({label})", xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return _png(figure)


def _confusion_matrix(curves: Curves) -> bytes:
    count = len(curves.classes)
    size = min(4 + 0.3 * count, 12)
    figure, axes = _figure(size + 1, size)
    image = axes.imshow(curves.confusion, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image)
    axes.set(title="Normalized confusion matrix", xlabel="Predicted label", ylabel="True label")
    ticks = range(count)
    axes.set_xticks(ticks, curves.classes, rotation=45 if count > 5 else 0)
    axes.set_yticks(ticks, curves.classes)
    if count <= _ANNOTATED_CLASSES:
        for row in ticks:
            for column in ticks:
                share = float(curves.confusion[row, column])
                color = "white" if share > 0.5 else "black"
                axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=color)
    return _png(figure)
