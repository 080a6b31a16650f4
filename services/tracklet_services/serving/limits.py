"""What one request may cost."""

from __future__ import annotations

from dataclasses import dataclass

from tracklet import settings
from tracklet.errors import InvalidParameterValue


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a scoring server.

    Args:
        body_bytes: The longest body; longer ones get 413.
        seconds: From a request's first byte to its answer; then 504. A prediction that takes
            longer goes on, and its thread is busy until it ends.
        threads: Predictions at the same time.
        waiting: Requests that may wait for a thread; further ones get 503 and ``Retry-After``.
    """

    body_bytes: int = 16 << 20
    seconds: float = 60.0
    threads: int = 4
    waiting: int = 64

    def __post_init__(self) -> None:
        for name in ("body_bytes", "seconds", "threads"):
            if getattr(self, name) <= 0:
                raise InvalidParameterValue(f"{name} must be positive; got {getattr(self, name)}")
        if self.waiting < 0:
            raise InvalidParameterValue(f"waiting must not be negative; got {self.waiting}")

    @staticmethod
    def default_seconds() -> float:
        """``TRACKLET_`` or ``MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT``, or 60."""
        text = settings.option("SCORING_SERVER_REQUEST_TIMEOUT")
        try:
            return 60.0 if text is None else float(text)
        except ValueError:
            raise InvalidParameterValue(
                f"SCORING_SERVER_REQUEST_TIMEOUT must be a number of seconds; got {text!r}"
            ) from None
