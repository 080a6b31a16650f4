"""What watching adds to ``fit`` of Keras' and to loops around a tape, beside MLflow: CPU seconds.

Twenty epochs of a hundred small batches each. Bare runs and watched ones take turns within one
process, and MLflow's in a process of its own (``TRACKLET_MLFLOW_PYTHON``). Of a run with its model
what Keras takes to save that is taken off.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import numpy as np

ROUNDS, EPOCHS, BATCHES = 4, 20, 100
LOOPS, BLOCKS = 4, 10
LIMIT_PER_EPOCH, LIMIT_PER_STEP, LIMIT_OF_MODEL = 1.02, 1.05, 0.1
TRACES = 0


def fitting() -> tuple[Any, Callable[[], None]]:
    """A model, and a function that fits it."""
    import keras

    class Counting(keras.layers.Dense):
        def call(self, x: Any) -> Any:
            global TRACES
            TRACES += 1
            return super().call(x)

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(BATCHES * 8, 20)).astype("float32")
    model = keras.Sequential(
        [keras.Input((20,)), keras.layers.Dense(32, activation="relu"), Counting(1)]
    )
    model.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
    return model, lambda: model.fit(x, x[:, :1], batch_size=8, epochs=EPOCHS, verbose=0)


def looping() -> Callable[[], None]:
    """A function that trains for an epoch by a compiled step."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(BATCHES * 8, 20)).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(8)
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(32), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def train() -> None:
        for x, y in batches:
            step(x, y)

    return train


def cpu(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def turns(
    train: Callable[[], None], on: Callable[[], None], off: Callable[[], None]
) -> tuple[list[float], list[float]]:
    """What bare trainings and watched ones take; a first one of each is not counted."""
    bare, watched = [], []
    for number in range(ROUNDS + 1):
        without = cpu(train)
        on()
        within = cpu(train)
        off()
        if number:
            bare.append(without)
            watched.append(within)
    return bare, watched


def theirs(folder: str) -> None:
    """MLflow's part: prints what it took."""
    import json

    import mlflow

    mlflow.set_tracking_uri(folder)
    mlflow.keras.autolog(disable=True)
    _, train = fitting()
    found = {}
    for name, settings in SETTINGS.items():

        def on(settings: dict[str, Any] = settings) -> None:
            mlflow.keras.autolog(disable=False, silent=True, **settings)

        found[name] = turns(train, on, lambda: mlflow.keras.autolog(disable=True))
    print(json.dumps(found))


SETTINGS: dict[str, dict[str, Any]] = {
    "fit, each epoch": {"log_models": False},
    "fit, each step": {"log_models": False, "log_every_epoch": False, "log_every_n_steps": 1},
    "fit, with its model": {"log_models": True},
}


def main() -> None:
    from measure import mlflow_python, printed_by, report_added, report_counts

    import tracklet

    python = mlflow_python()
    with tempfile.TemporaryDirectory() as folder:
        other = {}
        if python is not None:
            place = f"{folder}/theirs"
            other = printed_by([python, __file__, "--theirs", place], Path(folder))
        tracklet.set_tracking_uri(f"{folder}/ours")
        model, train = fitting()
        train()
        before = TRACES
        limits = dict(zip(SETTINGS, (LIMIT_PER_EPOCH, LIMIT_PER_STEP, None), strict=True))

        def off() -> None:
            tracklet.autolog(disable=True)

        for name, settings in SETTINGS.items():

            def on(settings: dict[str, Any] = settings) -> None:
                tracklet.keras.autolog(silent=True, **settings)

            bare, ours = turns(train, on, off)
            if settings["log_models"]:
                saved = [cpu(lambda: model.save(f"{folder}/saved.keras")) for _ in range(ROUNDS)]
                bare = [each + min(saved) for each in bare]
            report_added(
                name,
                bare,
                ours,
                limit=LIMIT_OF_MODEL if settings["log_models"] else None,
                limit_ratio=limits[name],
                mlflow=tuple(other[name]) if name in other else None,
            )
        report_counts("traces of fits that were watched", {"tracklet": {"traces": TRACES - before}})

        def on() -> None:
            tracklet.keras.autolog(silent=True, log_models=False)

        bare, ours = [], []
        # What is traced while nobody watches is not seen, so that each kind has a loop of its own.
        for _ in range(LOOPS):
            without, within = looping(), looping()
            without()
            on()
            within()
            ours += [cpu(within) for _ in range(BLOCKS)]
            off()
            bare += [cpu(without) for _ in range(BLOCKS)]
        report_added(
            "epoch of a loop around a tape, compiled", bare, ours, limit_ratio=LIMIT_PER_STEP
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--theirs"]:
        theirs(sys.argv[2])
    else:
        main()
