"""An autoencoder whose train step is its own: noise on the way in, and two losses."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tracklet

tracklet.autolog()


class Denoiser(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3, activation="relu")
        self.outer = layers.Dense(8)
        self.noise = layers.GaussianNoise(0.1)
        self.total = keras.metrics.Mean(name="loss")
        self.sparsity = keras.metrics.Mean(name="sparsity")

    @property
    def metrics(self):
        return [self.total, self.sparsity]

    def call(self, x, training=False):
        return self.outer(self.inner(self.noise(x, training=training)))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            code = self.inner(self.noise(data, training=True))
            sparsity = tf.reduce_mean(tf.abs(code))
            loss = tf.reduce_mean((self.outer(code) - data) ** 2) + 0.01 * sparsity
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.total.update_state(loss)
        self.sparsity.update_state(sparsity)
        return {each.name: each.result() for each in self.metrics}


data = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
model = Denoiser()
model.compile(keras.optimizers.Adam(0.01))
model.fit(data, epochs=3, batch_size=32, verbose=0)
