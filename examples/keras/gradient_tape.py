"""A loop written by hand, with a compiled step: losses, rates, epochs and model are recorded."""

import keras
import tensorflow as tf
from keras import layers

import tracklet

tracklet.autolog()

tf.random.set_seed(0)
x = tf.random.normal((256, 4))
y = tf.reduce_sum(x, axis=1, keepdims=True)
batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(256, seed=0).batch(32)

model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
optimizer = keras.optimizers.SGD(0.05, momentum=0.9)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


for epoch in range(3):
    losses = [step(x, y) for x, y in batches]
    print(f"epoch {epoch}: {float(tf.reduce_mean(losses)):.4f}")
