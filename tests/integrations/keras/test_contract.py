"""What every integration promises, of Keras'."""

from __future__ import annotations

from typing import ClassVar

import pytest

pytest.importorskip("keras")

from tracklet.testing import IntegrationContract

# TensorFlow's tensors as arrays of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TRAINING = """
def model(**settings):
    import keras
    import numpy as np

    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="only")], name="net")
    network.set_weights([np.sin(np.arange(6.0)).reshape(3, 2), np.zeros(2)])
    network.compile(keras.optimizers.SGD(0.1), "mse", **{"run_eagerly": True, **settings})
    return network


def train(callbacks=None):
    import numpy as np

    x = np.cos(np.arange(24.0)).reshape(8, 3)
    network = model()
    history = network.fit(
        x, x[:, :2], batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=callbacks
    )
    learned = [each.tobytes() for each in network.get_weights()]
    return learned, history.history


def fail(error):
    import keras

    class Raising(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            raise error

    train([Raising()])
"""


class TestKeras(IntegrationContract):
    name = "keras"
    modules = ("keras",)
    targets = ("keras.src.backend.tensorflow.trainer:TensorFlowTrainer.fit",)
    # Each costs an import of TensorFlow's.
    orderings: ClassVar = {
        "generic import": True,
        "import enable": True,
        "enable import disable": False,
    }
    brought_by = ("tensorflow",)
    test_workers_that_are_processes_record_nothing = None
    training = TRAINING
