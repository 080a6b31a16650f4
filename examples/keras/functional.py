"""Prices of flats from two inputs: numbers, and the quarter of the city; two outputs."""

import keras
import numpy as np
from keras import layers

import tracklet

tracklet.autolog()

rng = np.random.default_rng(0)
numbers = rng.normal(size=(256, 3)).astype("float32")
quarter = rng.integers(0, 5, size=(256, 1))
price = numbers.sum(axis=1, keepdims=True) + quarter
is_dear = (price > 3).astype("float32")

size = keras.Input((3,), name="numbers")
place = keras.Input((1,), name="quarter", dtype="int64")
embedded = layers.Flatten()(layers.Embedding(5, 2)(place))
hidden = layers.Dense(16, activation="relu")(layers.Concatenate()([size, embedded]))
model = keras.Model(
    {"numbers": size, "quarter": place},
    {
        "price": layers.Dense(1, name="price")(hidden),
        "dear": layers.Dense(1, activation="sigmoid", name="dear")(hidden),
    },
)
model.compile(
    keras.optimizers.Adam(0.01),
    loss={"price": "mse", "dear": "binary_crossentropy"},
    metrics={"dear": ["accuracy"]},
)
data = {"numbers": numbers, "quarter": quarter}
model.fit(data, {"price": price, "dear": is_dear}, epochs=3, batch_size=64, verbose=0)
model.evaluate(data, {"price": price, "dear": is_dear}, verbose=0)
