"""What loops around ``tf.GradientTape`` leave on the record, with no line of logging in them."""

from __future__ import annotations

import queue
import threading

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

import keras
import numpy as np
import tensorflow as tf

import tracklet
from tracklet.patching import injected

pytestmark = [
    # TensorFlow's tensors as arrays of NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tapes are TensorFlow's"),
]

X = np.cos(np.arange(96.0, dtype="float32")).reshape(32, 3)
Y = X[:, :1] * 2
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)  # four of them


def network():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="only")], name="net")
    made.set_weights([np.sin(np.arange(3.0)).reshape(3, 1), np.zeros(1)])
    return made


def stepping(model, optimizer, answers=lambda x, loss: loss):
    """A step as people write it."""

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return answers(x, loss)

    return step


@pytest.mark.parametrize("compiled", [False, True])
def test_a_loop_is_recorded_with_what_it_prints_itself(record, on, compiled):
    """Losses, epochs, rates at the steps that used them, settings, and the model."""
    tracklet.keras.autolog()
    model, optimizer = network(), keras.optimizers.SGD(0.125, momentum=0.5)
    step = stepping(model, optimizer)
    step = tf.function(step) if compiled else step
    printed = []
    for epoch in range(2):
        if epoch:
            optimizer.learning_rate = 0.0625
        printed += [float(step(x, y)) for x, y in BATCHES]
    if compiled:
        assert step.experimental_get_tracing_count() == 2  # the first makes variables
    tracklet.autolog(disable=True)
    run = record.only()
    assert run.info.status == "FINISHED"
    assert record.history(run, "loss") == [*enumerate(printed, 1)]
    assert record.history(run, "lr") == [(1, 0.125), (5, 0.0625)]
    assert record.history(run, "epoch") == [(4, 1.0), (8, 2.0)]
    means = [pytest.approx(np.mean(part)) for part in (printed[:4], printed[4:])]
    assert record.history(run, "train_loss") == [*zip((4, 8), means, strict=True)]
    expected = {
        "optimizer_name": "SGD",
        "optimizer_momentum": "0.5",
        "model": "Sequential",
        "parameters": "4",
        "batches_per_epoch": "4",
        "epochs": "2",
    }
    assert expected.items() <= run.data.params.items()
    logged = tracklet.keras.load_model(f"models:/{record.logged(run).model_id}")
    np.testing.assert_array_equal(logged.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_loss_is_found_wherever_a_compiled_step_returns_it(record, on):
    """By what the gradient is of, not by its name or place; two scalars are told apart."""
    model = network()
    answers = {"loss": lambda x, loss: {"loss": tf.reduce_sum(x), "z": loss}}
    step = tf.function(stepping(model, keras.optimizers.Adam(0.1), answers["loss"]))
    with tracklet.start_run():
        printed = [float(step(x, y)["z"]) for x, y in BATCHES]
    assert record.history(record.only(), "loss") == [*enumerate(printed, 1)]


@pytest.mark.parametrize(
    "answers", [lambda x, loss: loss * 2, lambda x, loss: None, lambda x, loss: tf.reduce_sum(x)]
)
def test_a_loss_that_a_compiled_step_does_not_return_is_left_out_with_a_word(record, on, answers):
    step = tf.function(stepping(network(), keras.optimizers.SGD(0.125), answers))
    with tracklet.start_run():
        for _ in range(2):
            for x, y in BATCHES:
                step(x, y)
    run = record.only()
    assert not {"loss", "train_loss"} & run.data.metrics.keys()
    assert "of 8 steps it is not known" in run.data.tags["tracklet.keras.loss"]
    assert record.history(run, "epoch") == [(4, 1.0), (8, 2.0)]
    assert record.history(run, "lr") == [(1, 0.125)]


def test_a_function_that_steps_several_times_has_steps_and_no_loss(record, on):
    """What it returns is the loss of one of them, and nothing says of which."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)
    inner = stepping(model, optimizer)

    @tf.function
    def whole(batches):
        loss = 0.0
        for x, y in batches:
            loss = inner(x, y)
        return loss

    with tracklet.start_run():
        for _ in range(3):
            whole(BATCHES)
    run = record.only()
    assert "loss" not in run.data.metrics
    assert record.history(run, "lr") == [(4, 0.125)]
    assert int(optimizer.iterations) == 12


@pytest.mark.parametrize("within", ["function", "branch"])
def test_a_loss_of_a_part_of_a_function_is_none_of_what_the_whole_returns(record, on, within):
    """Its place among what the part returns says nothing of the function's own values."""
    inner = stepping(network(), keras.optimizers.SGD(0.125))
    inner = tf.function(inner) if within == "function" else inner

    @tf.function
    def whole(x, y, wanted):
        loss = 0.0
        if within == "function" or wanted:
            loss = inner(x, y)
        return 77.0, loss * 2

    with tracklet.start_run():
        for x, y in BATCHES:
            whole(x, y, tf.constant(True))
    run = record.only()
    assert "loss" not in run.data.metrics
    assert "of 4 steps it is not known" in run.data.tags["tracklet.keras.loss"]


def test_gradients_of_a_compiled_function_may_be_applied_outside_of_it(record, on):
    """Its loss is a tensor of a graph, which has no value; steps and rates are recorded."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)

    @tf.function
    def gradients(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    with tracklet.start_run():
        for x, y in BATCHES:
            optimizer.apply(gradients(x, y), model.trainable_variables)
    run = record.only()
    assert record.history(run, "lr") == [(1, 0.125)]
    assert "of 4 steps it is not known" in run.data.tags["tracklet.keras.loss"]


def test_several_gradients_of_one_step_have_no_loss(record, on):
    """How the script puts them together nothing says."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)
    with tracklet.start_run():
        for _ in range(3):
            whole = None
            for x, y in BATCHES:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((model(x) - y) ** 2)
                found = tape.gradient(loss, model.trainable_variables)
                whole = found if whole is None else [a + b for a, b in zip(whole, found, strict=1)]
            optimizer.apply([each / 4 for each in whole], model.trainable_variables)
    run = record.only()
    assert "loss" not in run.data.metrics
    assert "of 3 steps" in run.data.tags["tracklet.keras.loss"]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_scaled_loss_is_recorded_as_it_was_before(record, on, compiled):
    model = network()
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.125), initial_scale=8.0, dynamic_growth_steps=3
    )

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    step = tf.function(step) if compiled else step
    with tracklet.start_run():
        printed = [float(step(x, y)) for x, y in BATCHES]
    run = record.only()
    assert record.history(run, "loss") == [*enumerate(printed, 1)]
    assert run.data.params["optimizer_name"] == "SGD"


@pytest.mark.parametrize("compiled", [False, True])
def test_two_optimizers_have_their_losses_by_their_names(record, on, compiled):
    """As a generator and a discriminator have; a picture of gradients between is none."""
    one, other = network(), network()
    opt_g, opt_d = keras.optimizers.Adam(0.125), keras.optimizers.SGD(0.25)

    def step(x, y):
        with tf.GradientTape(persistent=True) as tape:
            loss_g = tf.reduce_mean((one(x) - y) ** 2)
            loss_d = tf.reduce_mean(tf.abs(other(x) + y))
        opt_g.apply(tape.gradient(loss_g, one.trainable_variables), one.trainable_variables)
        opt_d.apply(tape.gradient(loss_d, other.trainable_variables), other.trainable_variables)
        return loss_d, loss_g

    step = tf.function(step) if compiled else step
    with tracklet.start_run():
        for x, y in BATCHES:
            with tf.GradientTape() as tape:
                tape.watch(x)
                seen = tf.reduce_sum(one(x))
            tape.gradient(seen, x)
            loss_d, loss_g = step(x, y)
    run = record.only()
    assert record.history(run, "loss/opt_g")[-1] == (4, float(loss_g))
    assert record.history(run, "loss/opt_d")[-1] == (4, float(loss_d))
    assert record.history(run, "lr/opt_d") == [(1, 0.25)]
    assert record.history(run, "epoch") == [(4, 1.0)]


def test_each_training_has_a_run_and_fit_is_seen_once(record, on):
    """A fold after the other, a loop around ``fit`` and after it, and none when it is off."""
    kept = []
    for _ in range(2):
        model, optimizer = network(), keras.optimizers.SGD(0.125)
        kept.append(optimizer)  # so that it is not told by that
        for _ in range(4):
            for x, y in BATCHES:
                stepping(model, optimizer)(x, y)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    tracklet.autolog(disable=True)
    stepping(model, optimizer)(X, Y)
    fit, second, first = record.runs()
    for run in (first, second):
        assert [step for step, _ in record.history(run, "loss")] == [*range(1, 17)]
        assert record.history(run, "epoch") == [(4, 1.0), (8, 2.0), (12, 3.0), (16, 4.0)]
        assert run.data.params["epochs"] == "4"
        assert run.info.status == "FINISHED"
    assert "lr" not in fit.data.metrics
    assert len(record.history(fit, "loss")) == 2


def test_steps_go_on_where_the_optimizer_does_and_evaluations_are_no_epochs(record, on):
    """Its state counts them; a pass of another data set within an epoch is looked at only."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(40)
    others = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    step = tf.function(stepping(model, optimizer))
    with tracklet.start_run():
        for x, y in BATCHES:
            step(x, y)
            for x, y in others:
                tf.reduce_mean((model(x) - y) ** 2)
        for x, _ in others:
            model(x)
        it = iter(BATCHES.repeat())
        for _ in range(3):
            step(*next(it))
    run = record.only()
    assert [at for at, _ in record.history(run, "loss")] == [*range(41, 48)]
    assert record.history(run, "epoch") == [(44, 1.0)]


def test_a_step_that_fails_leaves_nothing_for_the_next(record, on):
    """The error is the script's own, and what another function returns is no loss."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)

    @tf.function
    def broken(x, y):
        stepping(model, optimizer)(x, y)
        raise KeyError("theirs")

    @tf.function
    def other(x):
        return tf.reduce_sum(x)

    with tracklet.start_run():
        with pytest.raises(KeyError, match="theirs"):
            broken(X, Y)
        other(X)
    assert not record.only().data.metrics


@pytest.mark.parametrize("compiled", [False, True])
def test_epochs_of_a_loop_without_a_pass_are_told_by_its_variable(record, on, compiled):
    """Over arrays, or so many batches of a stream: the number is the one that the script has."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)
    step = stepping(model, optimizer)
    step = tf.function(step) if compiled else step
    printed, rates = [], []
    with tracklet.start_run():
        for epoch in range(3, 6):
            optimizer.learning_rate = 0.5**epoch
            rates.append(0.5**epoch)
            for at in range(0, 32, 8):
                x, y = tf.constant(X[at : at + 8]), tf.constant(Y[at : at + 8])
                printed.append(float(step(x, y)))
    run = record.only()
    assert record.history(run, "loss") == [*enumerate(printed, 1)]
    assert record.history(run, "epoch") == [(4, 4.0), (8, 5.0), (12, 6.0)]
    assert record.history(run, "lr") == [*zip((1, 5, 9), rates, strict=True)]
    means = [pytest.approx(np.mean(printed[at : at + 4])) for at in (0, 4, 8)]
    assert record.history(run, "train_loss") == [*zip((4, 8, 12), means, strict=True)]
    assert {"epochs": "3", "batches_per_epoch": "4"}.items() <= run.data.params.items()
    assert run.data.tags["tracklet.keras.epoch"] == "loop variable epoch"


def test_turns_of_a_loop_over_a_stream_are_epochs_and_a_pass_has_the_number_of_its_turn(record, on):
    """A data set that repeats has no pass that ends; of two trainings each has its own epochs."""
    step = stepping(network(), keras.optimizers.SGD(0.125))
    with tracklet.start_run(run_name="stream"):
        stream = iter(BATCHES.repeat())
        for _epoch in range(2):
            for _ in range(3):
                step(*next(stream))
    step = stepping(network(), keras.optimizers.SGD(0.125))
    with tracklet.start_run(run_name="passes"):
        for epoch in range(7, 9):  # noqa: B007
            for x, y in BATCHES:
                step(x, y)
    runs = {run.info.run_name: run for run in record.runs()}
    assert record.history(runs["stream"], "epoch") == [(3, 1.0), (6, 2.0)]
    assert record.history(runs["passes"], "epoch") == [(4, 8.0), (8, 9.0)]


@pytest.mark.parametrize("compiled", [False, True])
def test_losses_of_other_data_are_those_that_the_script_has(record, on, compiled):
    """Of passes of data sets by the data, of arrays by the names; a training's looks are none."""
    model, optimizer = network(), keras.optimizers.SGD(0.125)
    step = stepping(model, optimizer)
    step = tf.function(step) if compiled else step
    held_out = tf.data.Dataset.from_tensor_slices((X[:24] + 1, Y[:24])).batch(8)
    others = tf.data.Dataset.from_tensor_slices((X[:16] + 2, Y[:16])).batch(8)
    valid, tested, smoothed = [], [], 0.0
    with tracklet.start_run():
        for _epoch in range(2):
            for x, y in BATCHES:
                loss = step(x, y)
                smoothed = 0.9 * smoothed + 0.1 * loss
                running_loss = float(smoothed)
            total_loss = 0.0
            for x, y in held_out:
                loss = tf.reduce_mean((model(x) - y) ** 2)
                total_loss += loss.numpy()
            valid.append(total_loss / 3)
            losses = []
            for x, y in others:
                loss = tf.reduce_mean((model(x) - y) ** 2)
                losses.append(float(loss))
            tested.append(np.mean(losses))
    run = record.only()
    close = lambda found: [*zip((4, 8), map(pytest.approx, found), strict=True)]  # noqa: E731
    assert record.history(run, "val_loss") == close(valid)
    assert record.history(run, "test_loss") == close(tested)
    assert "mean of 3 batches' losses at test_loops.py" in run.data.tags["tracklet.keras.val_loss"]
    assert running_loss > 0
    assert "train_eval_loss" not in run.data.metrics


def test_means_that_the_script_takes_of_validation_losses_are_recorded_as_they_are(record, on):
    """By the metric's name or its variable's; inside of a function it is a tensor of a graph."""
    model = network()
    test_loss, val_loss_metric = keras.metrics.Mean(name="test_loss"), keras.metrics.Mean()
    val_loss_of_parts = keras.metrics.Mean(name="val_kl_loss")
    step = tf.function(stepping(model, keras.optimizers.SGD(0.125)))

    @tf.function
    def test_step(x, y):
        loss = tf.reduce_mean((model(x) - y) ** 2)
        for each in (test_loss, val_loss_metric, val_loss_of_parts):
            each.update_state(loss, sample_weight=tf.reduce_sum(x) ** 2)
        return test_loss.result()

    said = []
    with tracklet.start_run():
        for _epoch in range(2):
            assert not test_loss.result()  # nothing was measured yet, which is no loss of 0
            for x, y in BATCHES:
                step(x, y)
            for x, y in BATCHES:
                test_step(x + 1, y)
                assert f"{test_loss.result():.2f}"
            said.append(float(test_loss.result()))
            assert float(val_loss_metric.result()) == said[-1]
            val_loss_of_parts.result()
            for each in (test_loss, val_loss_metric):
                each.reset_state()
    run = record.only()
    assert test_step.experimental_get_tracing_count() == 1
    for metric in ("test_loss", "val_loss"):
        assert record.history(run, metric) == [*zip((4, 8), said, strict=True)]
    assert "val_kl_loss" not in run.data.metrics


def test_a_loss_that_is_named_as_one_of_validation_needs_no_data_set(record, on):
    """As over arrays; what has another name is nobody's."""
    model, step = network(), None
    step = stepping(model, keras.optimizers.SGD(0.125))
    said = []
    with tracklet.start_run():
        for epoch in range(2):  # noqa: B007
            for at in (0, 16):
                step(X[at : at + 16], Y[at : at + 16])
            val_loss = tf.reduce_mean((model(X) - Y) ** 2)
            said.append(float(val_loss))
            loss = tf.reduce_mean(model(X))
            float(loss)
    run = record.only()
    assert record.history(run, "val_loss") == [*zip((2, 4), said, strict=True)]
    assert "test_loss" not in run.data.metrics


def test_a_fold_after_the_other_has_the_turns_of_its_own_loop_from_its_first_step(record, on):
    """Though it shows only after some steps that it is no second optimizer of the first one's."""
    kept = []
    for _fold in range(2):
        model, optimizer = network(), keras.optimizers.SGD(0.125)
        kept.append(optimizer)
        step = stepping(model, optimizer)
        for _epoch in range(12):
            step(X, Y)
    tracklet.autolog(disable=True)
    runs = record.runs()
    assert len(runs) == 2
    for run in runs:
        assert record.history(run, "epoch") == [(at, float(at)) for at in range(1, 13)]
        assert record.history(run, "train_loss") == record.history(run, "loss")


@pytest.mark.parametrize("loads", ["what it reads", "a data set"])
def test_a_thread_that_only_loads_data_is_not_taken_for_the_one_that_trains(record, on, loads):
    """It lives as long as the training does, and was seen before it."""
    tracklet.keras.autolog()
    batches, is_over = queue.Queue(), threading.Event()

    def load():
        for _ in range(3):
            if loads == "a data set":
                for batch in BATCHES:
                    batches.put(batch)
            else:
                for at in range(0, 32, 8):
                    batches.put((tf.constant(X[at : at + 8]).numpy(), Y[at : at + 8]))
        is_over.wait()

    loader = threading.Thread(target=load)
    loader.start()
    try:
        step = stepping(network(), keras.optimizers.SGD(0.125))
        losses = []
        for _epoch in range(3):
            for _ in range(4):
                losses.append(float(step(*batches.get(timeout=60))))
        tracklet.autolog(disable=True)
    finally:
        is_over.set()
        loader.join()
    (run,) = record.runs()
    assert [value for _, value in record.history(run, "loss")] == losses
    assert record.history(run, "epoch")[-1] == (12, 3.0)


def test_the_next_training_does_not_rename_what_was_not_written_yet(record, on, monkeypatch):
    """Its first steps, by an optimizer beside one that still lives, may be when it is written."""
    clock = [1000.0]
    monkeypatch.setattr("tracklet_integrations.keras.loops.time", lambda: clock[0])
    tracklet.keras.autolog()
    models = []
    for _ in range(2):
        models.append((network(), keras.optimizers.SGD(0.125)))
        step = stepping(*models[-1])
        for _ in range(4):
            for x, y in BATCHES:
                step(x, y)
        clock[0] += 60
    tracklet.autolog(disable=True)
    runs = record.runs()
    assert len(runs) == 2
    for run in runs:
        assert {"loss", "lr", "train_loss"} <= set(run.data.metrics)
        assert record.history(run, "epoch")[-1] == (16, 4.0)


@pytest.mark.parametrize("by_itself", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_a_loop_trains_the_same_whichever_step_of_ours_fails(record, monkeypatch, by_itself):
    """All places, and each by itself: losses, weights, optimizer, traces and random state."""

    def trained():
        keras.utils.set_random_seed(5)
        model = network()
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1))
        mean, losses = keras.metrics.Mean(name="val_loss"), []

        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
                scaled = optimizer.scale_loss(loss)
            found = tape.gradient(scaled, model.trainable_variables)
            optimizer.apply(found, model.trainable_variables)
            return loss

        compiled = tf.function(step)
        for _epoch in range(2):
            for x, y in BATCHES.shuffle(4):
                losses.append(float(compiled(x, y)))
                losses.append(step(x, y).numpy())
            mean.update_state(tf.reduce_mean(model(X) ** 2))
            val_loss = float(mean.result())
            losses.append(val_loss)
        state = [each.numpy().tobytes() for each in (*model.variables, *optimizer.variables)]
        drawn = float(keras.random.uniform(())), float(np.random.random())
        return losses, state, drawn, compiled.experimental_get_tracing_count()

    expected, places = trained(), []
    monkeypatch.setattr("tracklet.patching.faults._listening.strict", bool)

    def watched(probe):
        tracklet.keras.autolog(silent=True, log_models=False)
        with injected(probe):
            found = trained()
        tracklet.autolog(disable=True)
        return found

    assert watched(places.append) == expected
    run = record.only()
    assert {"loss", "val_loss", "epoch", "train_loss", "lr"} <= run.data.metrics.keys()
    kinds = {"a step", "a scaled loss", "a gradient", "a call", "a batch", "the end of a data set"}
    assert kinds | {"a look at a loss", "a mean", "step start"} <= {*places}
    for failing in [{each} for each in {*places}] if by_itself else [{*places}]:

        def fail(place, failing=failing):
            if place in failing:
                raise RuntimeError(place)

        assert watched(fail) == expected, failing


def test_a_loss_of_keras_is_a_mean_and_a_sum_over_unknown_sizes_is_left_out(record, on):
    """In a function of the script's own; that of the other data set is never taken for a mean."""
    model, loss_fn = network(), keras.losses.MeanSquaredError()
    step, said = stepping(model, keras.optimizers.SGD(0.125)), []
    held_out = tf.data.Dataset.from_tensor_slices((X[:24] + 1, Y[:24])).batch(8)
    others = tf.data.Dataset.from_tensor_slices((X[:12] + 2, Y[:12])).batch(8)

    def evaluate():
        return np.mean([loss_fn(y, model(x)).numpy() for x, y in held_out])

    with tracklet.start_run():
        for x, y in BATCHES:
            step(x, y)
        said.append(evaluate())
        total_loss = 0.0
        for x, y in others:
            loss = tf.reduce_sum((model(x) - y) ** 2)
            total_loss += float(loss)
        assert total_loss / 12 > 0
    run = record.only()
    assert record.history(run, "val_loss") == [(4, pytest.approx(said[0]))]
    assert "test_loss" not in run.data.metrics
    assert run.data.tags["tracklet.keras.test_loss"].startswith("left out")
