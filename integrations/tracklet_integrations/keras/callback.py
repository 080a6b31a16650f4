"""The callback that scripts hand to Keras by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet.autolog import session
from tracklet.fluent.starting import run_to_record
from tracklet.patching import checkpoint
from tracklet_integrations.keras import LABEL, check_frequency
from tracklet_integrations.keras.fitting import Training
from tracklet_integrations.shared.sink import RunSink


class TrackletCallback(Training):
    """Records a training into the active run; without one it starts one.

    What is recorded is what autologging records by itself: the optimizer's settings, how the model
    is compiled, ``model_summary.txt``, the metrics of each epoch; but neither the arguments of
    ``fit``, nor datasets, nor the model. Where autologging records the call it does nothing. Keras
    looks for the names of its methods; it derives from none of its classes.

    Args:
        log_every_epoch: Record metrics at the end of each epoch, with the epoch as step.
        log_every_n_steps: Record them every so many steps instead, with the optimizer's step.
        model_id: The logged model that the metrics are also linked with.

    Raises:
        InvalidParameterValue: Both frequencies are set, or none.
    """

    patience = 0.0  # nothing tells it that a training has failed

    def __init__(
        self,
        log_every_epoch: bool = True,
        log_every_n_steps: int | None = None,
        model_id: str | None = None,
    ) -> None:
        check_frequency(log_every_epoch, log_every_n_steps)
        super().__init__(None, log_every_n_steps)
        self.model_id = model_id
        self._is_training = False

    def _begin(self) -> bool:
        """Whether it is to record, into the run that is active now."""
        recorded = session.current()
        if recorded is not None and recorded.recorder is not None:
            return False
        self.sink = RunSink(run_to_record(), LABEL)
        return True

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """What is known before the first batch."""
        self._is_training = self._begin()
        if self._is_training:
            super().on_train_begin(logs)

    def on_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What is measured so far."""
        if self._is_training:
            super().on_train_batch_end(batch, logs)

    on_train_batch_end = on_batch_end

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """What the epoch has measured."""
        if self._is_training:
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """The training is over; what is evaluated now is no validation."""
        self._is_training = False

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """What an evaluation outside of a training has measured, as ``validation_*``."""
        if self._is_training or not self._begin():
            return
        with self.sink.step("metrics"):
            checkpoint("callback")
            measured = {f"validation_{name}": value for name, value in (logs or {}).items()}
            self.take(measured, self.last_step)


MlflowCallback = MLflowCallback = TrackletCallback
