"""A model by a class of its own, with dropout and a rate that is reduced on plateaus."""

import keras
import numpy as np
from keras import layers

import tracklet

tracklet.autolog()


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(32, activation="relu")
        self.dropout = layers.Dropout(0.2)
        self.out = layers.Dense(3)

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


rng = np.random.default_rng(0)
x = rng.normal(size=(300, 8))
y = x[:, :3].argmax(axis=1)
model = Classifier()
model.compile(
    "adam",
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
slower = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1)
model.fit(x, y, epochs=4, validation_split=0.2, callbacks=[slower], verbose=0)
