"""What Keras' ``fit`` leaves on the record, and what it does not touch."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("keras")

import keras
import numpy as np

import tracklet
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import UntrustedModel
from tracklet_integrations.keras.fitting import Training
from tracklet_integrations.shared.sink import RunSink

# TensorFlow's tensors as arrays of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.cos(np.arange(48.0)).reshape(16, 3)
Y = X[:, :2] * 2


def network(optimizer=None, **settings):
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="only")], name="net")
    made.set_weights([np.sin(np.arange(6.0)).reshape(3, 2), np.zeros(2)])
    settings = {"loss": "mse", "metrics": ["mae"], "run_eagerly": True, **settings}
    made.compile(optimizer or keras.optimizers.Adam(0.125), **settings)
    return made


def fit(model, *args, **settings):
    usual = {"epochs": 3, "batch_size": 8, "verbose": 0, "shuffle": False}
    args = args or (X, Y)
    given = {"batch_size", "epochs"} if len(args) > 2 else set()
    usual = {key: usual[key] for key in usual.keys() - given}
    return model.fit(*args, **{**usual, **settings})


def test_a_fit_is_recorded_with_its_arguments_as_they_were_bound(record, on):
    """Positional epochs and batch sizes are those that were given; metrics are at their epochs."""
    model = network()
    history = fit(model, X, Y, 4, 2, validation_data=(X[:5], Y[:5])).history
    run = record.only()
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.autologging"] == "keras"
    for key in ("loss", "mae", "val_loss", "val_mae"):
        assert record.history(run, key) == [*enumerate(history[key])]
    assert record.history(run, "learning_rate") == [(0, 0.125), (1, 0.125)]
    expected = {
        "batch_size": "4",
        "epochs": "2",
        "shuffle": "False",
        "validation_split": "0.0",
        "batches_per_epoch": "4",
        "optimizer_name": "Adam",  # of the class, not adam_3
        "optimizer_beta_1": "0.9",
        "loss": "mse",
        "metrics": "['mae']",
        "model": "Sequential",
        "model_name": "net",
        "parameters": "8",
        "trainable_parameters": "8",
        "dtype_policy": "float32",
        "keras_backend": keras.backend.backend(),
        "run_eagerly": "True",
    }
    assert expected.items() <= run.data.params.items()
    assert not {"x", "y", "callbacks", "validation_data", "verbose"} & run.data.params.keys()
    found = {each.tags[0].value: each.dataset for each in run.inputs.dataset_inputs}
    assert set(found) == {"train", "eval"}
    assert "float64" in found["train"].schema
    text = record.artifact(run, "model_summary.txt").read_text()
    assert "net/only Dense kernel [3, 2], bias [2] 8" in " ".join(text.split())
    # What is evaluated later belongs there, too.
    measured = model.evaluate(X[:4], Y[:4], verbose=0, return_dict=True)
    run = record.only()
    assert record.history(run, "test_loss") == [(1, measured["loss"])]
    contexts = {each.tags[0].value: each.dataset for each in run.inputs.dataset_inputs}
    assert set(contexts) == {"train", "eval", "test"}
    (point,) = tracklet.TrackletClient().get_metric_history(run.info.run_id, "test_loss")
    assert point.dataset_digest == contexts["test"].digest
    assert run.info.status == "FINISHED"


def test_callbacks_are_taken_in_every_form_and_never_changed(record, on):
    """None, a list, a tuple, one by itself, and a ready ``CallbackList``, by position or name."""
    heard = []

    class Hearing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            heard.append(epoch)

    theirs = [Hearing()]
    model = network()
    ready = keras.callbacks.CallbackList([theirs[0]], add_history=True, model=model)
    model.fit(X, Y, 8, 1, 0, ready)
    for given in (theirs, (*theirs,), theirs[0], {"a": theirs[0]}, None, []):
        fit(network(), epochs=1, callbacks=given)
    network().fit(X, Y, 8, 1, 0, theirs)
    assert heard == [0] * 6
    assert len(theirs) == 1
    assert [type(each).__name__ for each in ready.callbacks] == ["Hearing", "History"]
    runs = record.runs()
    assert len(runs) == 8
    assert all(record.history(run, "loss") for run in runs)
    assert not any("tracklet.faults" in run.data.tags for run in runs)


def test_early_stopping_says_when_it_stopped_and_what_it_restored(record, on):
    """Settings as params; the restored epoch's metrics once more, one step after the last."""
    stopping = keras.callbacks.EarlyStopping(
        "loss", patience=2, min_delta=100.0, restore_best_weights=True
    )
    history = fit(network(), epochs=9, callbacks=[stopping]).history
    run = record.only()
    assert run.data.params["patience"] == "2"
    assert run.data.params["min_delta"] == "100.0"
    assert run.data.params["monitor"] == "loss"
    stopped = len(history["loss"]) - 1
    assert run.data.metrics["stopped_epoch"] == stopped
    assert run.data.metrics["restored_epoch"] == stopping.best_epoch
    again = (stopped + 1, history["loss"][stopping.best_epoch])
    assert record.history(run, "loss") == [*enumerate(history["loss"]), again]


def test_steps_are_recorded_instead_of_epochs_where_that_is_wanted(record, on):
    """Every n-th step of the optimizer, on through epochs and fits; validation at its step."""
    tracklet.keras.autolog(False, 2, log_models=False)
    model = network()
    fit(model, batch_size=4, epochs=2, validation_data=(X, Y))  # four steps an epoch
    fit(model, batch_size=4, epochs=1)
    later, first = record.runs()
    assert [step for step, _ in record.history(first, "loss")] == [2, 4, 6, 8]
    assert [step for step, _ in record.history(first, "val_loss")] == [4, 8]
    assert [step for step, _ in record.history(later, "loss")] == [10, 12]
    for wrong in ((True, 3), (False, None), (False, 0)):
        with pytest.raises(InvalidParameterValue, match="log_every_n_steps"):
            tracklet.keras.autolog(*wrong)


def test_steps_are_those_of_batches_however_the_optimizer_takes_them(record, on):
    """Several at once, of gradients that are gathered, with a loss that is scaled."""
    tracklet.keras.autolog(
        False,
        4,
        log_models=False,
        checkpoint=True,
        checkpoint_save_best_only=False,
        checkpoint_save_weights_only=True,
        checkpoint_save_freq=4,
    )
    inner = keras.optimizers.SGD(0.125, gradient_accumulation_steps=2)
    scaled = keras.optimizers.LossScaleOptimizer(inner)
    model = network(scaled, run_eagerly=False, steps_per_execution=3)
    fit(model, batch_size=2, epochs=2)  # 3, 3 and 2 steps an epoch
    fit(model, batch_size=2, epochs=1)
    later, first = record.runs()
    assert [step for step, _ in record.history(first, "loss")] == [6, 8, 14, 16]
    assert record.history(first, "learning_rate") == [(8, 0.125), (16, 0.125)]
    assert [step for step, _ in record.history(later, "loss")] == [22, 24]
    client = tracklet.TrackletClient()
    kept = {each.path for each in client.list_artifacts(later.info.run_id, "checkpoints")}
    assert kept == {"checkpoints/global_step_22", "checkpoints/global_step_24"}


def test_random_numbers_drawn_while_a_thread_records_a_batch_stay_drawn(tracklet_home):
    """Keras may tell of a batch in a thread, beside a training that draws."""

    class Meanwhile(float):
        def __float__(self):
            drawn.append(np.random.rand())
            return 0.5

    drawn: list[float] = []
    with tracklet.start_run() as run:
        listener = Training(RunSink(run, "keras"), 1)
        listener.patience = 0.0
        for batch in range(3):
            listener.on_train_batch_end(batch, {"loss": Meanwhile()})
    assert len(set(drawn)) == 3


def test_several_fits_of_a_run_go_on_one_after_the_other(record, on):
    """Epochs are counted on, also where training is resumed with ``initial_epoch``."""
    model = network()
    with tracklet.start_run():
        fit(model, epochs=2)
        fit(model, epochs=4, initial_epoch=2)
        fit(model, epochs=1)
    run = record.only()
    assert [step for step, _ in record.history(run, "loss")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("kind", "status"), [(KeyError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_fit_that_is_cut_off_keeps_what_there_was(record, on, kind, status):
    class Failing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise kind("theirs")

    stopping = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
    with pytest.raises(kind, match="theirs"):
        fit(network(), callbacks=[stopping, Failing()])
    run = record.only()
    assert run.info.status == status
    assert [step for step, _ in record.history(run, "loss")] == [0, 1]
    assert "restored_epoch" not in run.data.metrics  # for nothing was


def test_a_model_is_logged_that_answers_as_the_trained_one(record, on):
    """On the data it was trained on, with the signature of these, and with its metrics."""
    tracklet.keras.autolog()
    model = network()
    fit(model)
    logged = record.logged(record.only())
    view = tracklet.pyfunc.load_model(f"models:/{logged.model_id}")
    assert str(view.metadata.signature.inputs.to_dict()[0]["tensor-spec"]["dtype"]) == "float64"
    np.testing.assert_array_equal(view.predict(X), model.predict(X, verbose=0))
    assert {"loss", "mae"} <= {each.key for each in logged.metrics}
    again = tracklet.keras.load_model(f"models:/{logged.model_id}")
    assert again.optimizer.iterations == 6


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it is TensorFlow's")
def test_a_fit_under_a_strategy_is_recorded_as_any(record, on):
    """Its variables lie on several devices, of which there is one here."""
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = network(run_eagerly=False)
    history = fit(model).history
    run = record.only()
    assert record.history(run, "loss") == [*enumerate(history["loss"])]
    assert record.history(run, "learning_rate")[-1] == (2, 0.125)
    assert run.data.params["distribution"] == "MirroredStrategy"


def test_a_model_that_keras_cannot_save_is_left_out_with_a_word(record, on):
    """One that was made with a function has no configuration; its training is recorded."""

    class Scaled(keras.Model):
        def __init__(self, scale):
            super().__init__()
            self.only, self.scale = keras.layers.Dense(2), scale

        def call(self, x):
            return self.scale(self.only(x))

    tracklet.keras.autolog()
    model = Scaled(lambda x: x * 2)
    model.compile("sgd", "mse")
    fit(model)
    run = record.only()
    assert "has no get_config" in run.data.tags["tracklet.model"]
    assert not run.outputs.model_outputs
    assert len(record.history(run, "loss")) == 3


def test_the_callback_records_by_hand_what_autologging_would(record, tracklet_home):
    """Into the active run; evaluations as MLflow names them; beside autologging it does nothing."""
    model, callback = network(), tracklet.keras.MlflowCallback()
    with tracklet.start_run():
        history = fit(model, callbacks=[callback], validation_data=(X, Y)).history
        model.evaluate(X, Y, verbose=0, callbacks=[callback])
    run = record.only()
    for key in ("loss", "val_loss"):
        assert record.history(run, key) == [*enumerate(history[key])]
    assert [step for step, _ in record.history(run, "validation_loss")] == [2]
    assert run.data.params["optimizer_name"] == "Adam"
    assert record.files(run) == {"model_summary.txt"}
    tracklet.keras.autolog(log_models=False)
    try:
        fit(model, callbacks=[callback])
    finally:
        tracklet.autolog(disable=True)
    assert len(record.runs()) == 2
    assert [step for step, _ in record.history(record.runs()[0], "loss")] == [0, 1, 2]
    with pytest.raises(InvalidParameterValue, match="log_every_n_steps"):
        tracklet.keras.TrackletCallback(log_every_epoch=True, log_every_n_steps=5)


def test_checkpoints_are_written_by_mlflows_options_and_training_goes_on_from_them(record, on):
    """The best, each epoch's, weights at steps; the optimizer goes on where it was."""
    tracklet.keras.autolog(log_models=False, checkpoint=True, checkpoint_monitor="loss")
    model = network(keras.optimizers.SGD(0.5))
    fit(model)
    run = record.only()
    assert run.data.tags["mlflow.latest_checkpoint_artifact"] == (
        "checkpoints/latest_checkpoint.keras"
    )
    best = tracklet.keras.load_checkpoint(run_id=run.info.run_id)
    step = int(best.optimizer.iterations.value)
    assert step % 2 == 0
    assert tracklet.load_checkpoint(run.info.run_id).optimizer.iterations == step
    tracklet.keras.autolog(
        log_models=False,
        checkpoint=True,
        checkpoint_save_best_only=False,
        checkpoint_save_weights_only=True,
        checkpoint_save_freq=4,
    )
    fit(network())  # of six steps
    weights = tracklet.keras.load_checkpoint(
        other := network(), record.runs()[0].info.run_id, global_step=4
    )
    assert weights is other
    with pytest.raises(InvalidParameterValue, match="weights alone"):
        tracklet.keras.load_checkpoint(run_id=record.runs()[0].info.run_id)
    tracklet.keras.autolog(log_models=False, checkpoint=True, checkpoint_save_best_only=False)
    whole = network()
    fit(whole)
    later = record.runs()[0].info.run_id
    half = tracklet.keras.load_checkpoint(run_id=later, epoch=1)
    tracklet.autolog(disable=True)
    fit(half, epochs=3, initial_epoch=2)
    np.testing.assert_array_equal(half.get_weights()[0], whole.get_weights()[0])


def test_a_checkpoint_of_classes_that_keras_does_not_know_is_loaded_into_a_model(record, on):
    """Or within a scope of these; its optimizer goes on. Without them the error says what to do."""

    class Own(keras.layers.Dense):
        pass

    def made():
        model = keras.Sequential([keras.Input((3,)), Own(2)])
        model.compile("adam", "mse")
        return model

    tracklet.keras.autolog(log_models=False, checkpoint=True, checkpoint_monitor="loss")
    model = made()
    fit(model, epochs=1)
    run_id = record.only().info.run_id
    with pytest.raises(TrackletException, match=r"does not find 'Own'; give custom_objects="):
        tracklet.keras.load_checkpoint(run_id=run_id)
    with keras.saving.custom_object_scope({"Own": Own}):
        within = tracklet.keras.load_checkpoint(run_id=run_id)
    for loaded in (tracklet.keras.load_checkpoint(made(), run_id), within):
        np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
        assert int(loaded.optimizer.iterations) == 2


def test_functions_in_a_checkpoint_are_for_trusted_authors(record, on, monkeypatch):
    """Nothing says whose run it is."""
    tracklet.keras.autolog(log_models=False, checkpoint=True, checkpoint_monitor="loss")
    twice = keras.layers.Lambda(lambda x: x * 2, output_shape=(3,))
    model = keras.Sequential([keras.Input((3,)), twice, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    fit(model, epochs=1)
    run_id = record.only().info.run_id
    for load in (partial(tracklet.keras.load_checkpoint, None), tracklet.load_checkpoint):
        with pytest.raises(UntrustedModel, match="a function that is in the file"):
            load(run_id)
    monkeypatch.setenv("TRACKLET_TRUST", "true")
    loaded = tracklet.load_checkpoint(run_id)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_what_the_users_own_callback_has_kept_is_told(record, on, tmp_path):
    best, every = tmp_path / "best.keras", tmp_path / "at-{epoch}.weights.h5"
    keep = keras.callbacks.ModelCheckpoint
    callbacks = [
        keep(str(best), monitor="loss", save_best_only=True),
        keep(str(every), save_weights_only=True),
    ]
    fit(network(), callbacks=callbacks)
    tags = record.only().data.tags
    assert tags["checkpoint.best_model_path"] == str(best)
    assert tags["checkpoint.monitor"] == "loss"
    assert float(tags["checkpoint.best_metric"]) == callbacks[0].best
    assert tags["checkpoint.last_model_path"] == str(tmp_path / "at-3.weights.h5")
