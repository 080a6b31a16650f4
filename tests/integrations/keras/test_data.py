"""What is kept of the data that Keras trains on: never is it iterated for that."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("keras")

import keras
import numpy as np

# TensorFlow's tensors as arrays of NumPy 2; a loader's and a generator's order is its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*ran out of data:UserWarning"),
]

X = np.cos(np.arange(48.0, dtype="float32")).reshape(16, 3)
Y = X[:, :2] * 2


def trained(x, y=None, *, of=None, **settings):
    """A model of one or several inputs, fitted to data."""
    inputs = of or [keras.Input((3,), name="a")]
    parts = [*inputs.values()] if isinstance(inputs, dict) else inputs
    joined = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    model = keras.Model(inputs if len(parts) > 1 else parts[0], keras.layers.Dense(2)(joined))
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, y, epochs=2, verbose=0, **settings)


def kept(record):
    run = record.only()
    assert "tracklet.dataset" not in run.data.tags
    (found,) = run.inputs.dataset_inputs
    schema = json.loads(found.dataset.schema) if found.dataset.schema else None
    return run, schema, json.loads(found.dataset.profile)


class Batches(keras.utils.PyDataset):
    """Counts how often its first batch is asked for; Keras does it, too."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __len__(self):
        return 2

    def __getitem__(self, at):
        self.asked.append(at)
        return X[at * 8 : at * 8 + 8], Y[at * 8 : at * 8 + 8]


def test_of_a_pydataset_its_kind_is_kept_and_no_batch_is_fetched(record, on):
    watched = Batches()
    trained(watched, shuffle=False)
    _, schema, profile = kept(record)
    assert (schema, profile) == (None, {"kind": "Batches", "batch_size": None})
    import tracklet

    tracklet.autolog(disable=True)
    bare = Batches()
    trained(bare, shuffle=False)
    assert watched.asked == bare.asked


def test_a_generator_is_left_to_keras(record, on):
    drawn = []

    def endless():
        while True:
            drawn.append(1)
            yield X[:8], Y[:8]

    trained(endless(), steps_per_epoch=2)
    run, schema, profile = kept(record)
    assert (schema, profile) == (None, {"kind": "generator", "batch_size": None})
    assert run.data.params["steps_per_epoch"] == "2"
    counted = len(drawn)
    import tracklet

    tracklet.autolog(disable=True)
    drawn.clear()
    trained(endless(), steps_per_epoch=2)
    assert counted == len(drawn)


def test_of_a_loader_of_pytorch_its_batches_and_the_kind_of_its_data_are_kept(record, on):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    trained(torch.utils.data.DataLoader(data, batch_size=4))
    run, schema, profile = kept(record)
    told = {"kind": "DataLoader", "batch_size": 4, "dataset": "TensorDataset"}
    assert (schema, profile) == (None, told)
    assert run.data.params["batch_size"] == "4"


def test_of_a_tf_dataset_what_it_says_of_its_elements_is_kept(record, on):
    """Of one that is made by a generator, which is asked for what training needs and no more."""
    tf = pytest.importorskip("tensorflow")
    drawn = []

    def rows():
        for x, y in zip(X, Y, strict=True):
            drawn.append(1)
            yield {"a": x, "b": x}, y

    shapes = {"a": tf.TensorSpec((3,)), "b": tf.TensorSpec((3,))}
    data = tf.data.Dataset.from_generator(rows, output_signature=(shapes, tf.TensorSpec((2,))))
    both = {"a": keras.Input((3,), name="a"), "b": keras.Input((3,), name="b")}
    trained(data.batch(8).prefetch(1), of=both)
    run, schema, profile = kept(record)
    assert profile == {"kind": "tf.data.Dataset", "batch_size": 8}
    features = json.loads(schema["mlflow_tensorspec"]["features"])
    assert [(each["name"], each["tensor-spec"]["shape"]) for each in features] == [
        ("a", [-1, 3]),
        ("b", [-1, 3]),
    ]
    assert len(drawn) == 2 * len(X)
    assert run.data.params["batch_size"] == "8"


@pytest.mark.parametrize("form", ["list", "dict"])
def test_several_inputs_are_one_dataset_by_their_names(record, on, form):
    both = [keras.Input((3,), name="a"), keras.Input((3,), name="b")]
    if form == "list":
        trained([X, X + 1], Y, of=both)
    else:
        trained({"a": X, "b": X + 1}, Y, of={each.name: each for each in both})
    _, schema, profile = kept(record)
    names = ("input_0", "input_1") if form == "list" else ("a", "b")
    assert profile["features_shape"] == {name: [16, 3] for name in names}
    assert profile["targets_shape"] == [16, 2]
    assert all(name in schema["mlflow_tensorspec"]["features"] for name in names)
