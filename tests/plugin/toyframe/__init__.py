"""A made-up machine-learning framework: fits a line by gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__version__ = "1.4"

Callback = Callable[[int, float], None]


class Line:
    """``y = slope * x + intercept``.

    Args:
        rate: The learning rate.
        epochs: How often to go over the data.
    """

    def __init__(self, rate: float = 0.05, epochs: int = 5) -> None:
        self.rate = rate
        self.epochs = epochs
        self.slope = 0.0
        self.intercept = 0.0

    def fit(
        self, xs: Sequence[float], ys: Sequence[float], callbacks: Sequence[Callback] = ()
    ) -> Line:
        """Train; each callback gets the epoch and the mean squared error before it."""
        if len(xs) != len(ys):
            raise ValueError(f"{len(xs)} inputs, but {len(ys)} targets")
        for epoch in range(self.epochs):
            errors = [self.slope * x + self.intercept - y for x, y in zip(xs, ys, strict=True)]
            for callback in callbacks:
                callback(epoch, sum(error**2 for error in errors) / len(errors))
            pairs = zip(errors, xs, strict=True)
            self.slope -= self.rate * sum(2 * error * x for error, x in pairs) / len(errors)
            self.intercept -= self.rate * sum(2 * error for error in errors) / len(errors)
        return self

    def predict(self, xs: Sequence[float]) -> list[float]:
        """One value per input."""
        return [self.slope * x + self.intercept for x in xs]
