"""A tf.data pipeline, early stopping, and training that goes on from a checkpoint of its run."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

import tracklet

tracklet.keras.autolog(checkpoint=True, checkpoint_save_best_only=False)

rng = np.random.default_rng(0)
x = rng.normal(size=(400, 6)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("float32")
train = tf.data.Dataset.from_tensor_slices((x[:300], y[:300])).shuffle(300, seed=0).batch(32)
test = tf.data.Dataset.from_tensor_slices((x[300:], y[300:])).batch(100)

model = keras.Sequential(
    [
        keras.Input((6,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
rate = keras.optimizers.schedules.ExponentialDecay(0.01, 20, 0.9)
model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
stopping = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
with tracklet.start_run() as run:
    model.fit(train.prefetch(1), validation_data=test, epochs=4, callbacks=[stopping], verbose=0)
    model = tracklet.keras.load_checkpoint()
    model.fit(train, validation_data=test, initial_epoch=4, epochs=6, verbose=0)
