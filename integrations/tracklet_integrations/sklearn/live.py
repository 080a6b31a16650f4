"""Measuring while an estimator trains, through scikit-learn's own callbacks (1.9 and later).

Only where asked for, because it predicts the training data once per iteration. The callback is on
the estimator for the time of the fit and leaves nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tracklet.autolog import TrainingRecorder

KEY: Final = "training_loss"

_HELD: Final = "_skl_callbacks"


def is_possible(estimator: Any) -> bool:
    """Whether an estimator tells of its iterations, and the user does not listen already."""
    kind = type(estimator)
    return (
        kind.__module__ == "sklearn.linear_model._logistic"
        and kind.__name__ == "LogisticRegression"
        and hasattr(kind, "set_callbacks")
        and getattr(estimator, "solver", "") == "lbfgs"
        and _HELD not in vars(estimator)
    )


@contextmanager
def measured(estimator: Any, recorder: TrainingRecorder) -> Iterator[None]:
    """In this block every iteration of the estimator's fit becomes a point of a metric."""
    with recorder.step("live"):
        estimator.set_callbacks(LossRecorder(recorder))
    try:
        yield
    finally:
        vars(estimator).pop(_HELD, None)


class LossRecorder:
    """A callback of scikit-learn's that records the log loss on the training data."""

    def __init__(self, recorder: TrainingRecorder) -> None:
        self._recorder = recorder
        self._count = 0

    def setup(self, estimator: Any, context: Any) -> None:
        """The fit begins."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """The fit has ended."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """An iteration begins."""

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any = None,  # noqa: N803 (scikit-learn passes it by this name)
        y: Any = None,
        fitted_estimator: Any = None,
    ) -> None:
        """An iteration, or the fit, has ended; whatever goes wrong here is contained."""
        with self._recorder.step("live"):
            if context.task_name != "lbfgs-iter" or X is None or fitted_estimator is None:
                return
            from sklearn.metrics import log_loss

            loss = log_loss(y, fitted_estimator.predict_proba(X))
            self._recorder.history(KEY, [loss], first_step=self._count)
            self._count += 1
