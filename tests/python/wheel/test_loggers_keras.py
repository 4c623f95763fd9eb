"""The Keras callback logs epochs, batches, the learning rate and params of `fit` to a run, and its status.

Method: a small model is trained briefly on the JAX backend; the history that Keras returns is compared bit for bit.
"""
import gc
import math
import os
import struct

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np
import pytest
import tidalite
from tidalite.loggers.keras import TidaliteCallback

RNG = np.random.default_rng(0)
X = RNG.random((64, 3), dtype="f4")
Y = X @ np.array([[1.0], [2.0], [3.0]], "f4")


def model(rate=0.1, **options):
    made = keras.Sequential([keras.layers.Dense(1)])
    made.compile(optimizer=keras.optimizers.SGD(rate), loss="mse", metrics=["mae"], **options)
    return made


def bits(values):
    return [struct.pack("<d", v) for v in values]


def values(store, metric, run=None):
    found = store.select(metric, runs=run).to_numpy()
    return dict(zip(found["step"].tolist(), found["value"].tolist()))


def test_every_number_of_the_history_arrives_bit_for_bit(store):
    history = model().fit(X, Y, epochs=4, validation_split=0.25, verbose=0, callbacks=[TidaliteCallback(store, "a")])
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    for metric, expected in history.history.items():
        found = values(store, metric)
        assert list(found) == [0, 1, 2, 3] and bits(found.values()) == bits(map(float, expected))
    assert store.runs()["a"].status == "finished"


def test_the_learning_rate_is_logged_as_it_changes(store):
    halving = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=4, decay_rate=0.5)
    model(halving).fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[TidaliteCallback(store)])
    assert list(values(store, "learning_rate").values()) == pytest.approx([0.05, 0.025, 0.0125])


def test_batches_are_logged_only_if_set(store):
    model().fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=[TidaliteCallback(store, "none")])
    model().fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=[TidaliteCallback(store, "all", batches=True)])
    model().fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=[TidaliteCallback(store, "some", batches=3)])
    assert values(store, "batch/loss", "none") == {}
    assert list(values(store, "batch/loss", "all")) == list(range(8)) == list(values(store, "batch/mae", "all"))
    assert list(values(store, "batch/loss", "some")) == [0, 3, 6]


def test_params_are_those_of_fit_and_of_the_optimizer(store):
    model(0.25).fit(X, Y, epochs=2, verbose=0, callbacks=[TidaliteCallback(store, "a", tags=["t"], labels={"rank": 0})])
    run = store.runs()["a"]
    assert run.params["epochs"] == 2 and run.params["optimizer.learning_rate"] == 0.25
    assert run.tags == ("t",) and run.labels == {"rank": "0"}


def test_a_training_that_diverges_keeps_its_nan(store):
    model(1e30).fit(X, Y, epochs=5, verbose=0, callbacks=[TidaliteCallback(store)])
    found = list(values(store, "loss").values())
    assert len(found) == 5 and not math.isfinite(found[-1])


class Breaks(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("broken off")


def test_an_interrupted_training_in_a_with_is_failed_at_once(store):
    with pytest.raises(RuntimeError, match="broken off"):
        with TidaliteCallback(store, "a") as callback:
            model().fit(X, Y, epochs=3, verbose=0, callbacks=[callback, Breaks()])
    assert store.runs()["a"].status == "failed" and list(values(store, "loss")) == [0]


def test_an_interrupted_training_is_failed_once_its_callback_is_collected(store):
    try:
        model().fit(X, Y, epochs=3, verbose=0, callbacks=[TidaliteCallback(store, "a"), Breaks()])
    except RuntimeError:
        pass
    gc.collect()
    assert store.runs()["a"].status == "failed"


def test_a_script_that_dies_in_training_leaves_a_failed_run(path, script):
    text = f"""
        import os
        os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "jax", "cpu"
        import keras, numpy as np
        from tidalite.loggers.keras import TidaliteCallback
        class Breaks(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                raise SystemExit(0)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(loss="mse")
        callback = TidaliteCallback({str(path)!r}, "a")
        model.fit(np.zeros((8, 2)), np.zeros((8, 1)), epochs=2, verbose=0, callbacks=[callback, Breaks()])
    """
    script(text, check=False)
    with tidalite.open(path, "r") as store:
        assert store.runs()["a"].status == "failed" and len(store.select("loss").points()) == 1


def test_each_fit_with_a_new_callback_is_a_new_run(path):
    for _ in range(2):
        model().fit(X, Y, epochs=1, verbose=0, callbacks=[TidaliteCallback(path)])
    with tidalite.open(path, "r") as store:
        assert [run.status for run in store.runs()] == ["finished"] * 2


def test_a_second_fit_with_the_same_callback_joins_the_same_run(path):
    callback = TidaliteCallback(path, "a")
    made = model()
    made.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    made.fit(X, Y, epochs=4, initial_epoch=2, verbose=0, callbacks=[callback])
    with tidalite.open(path, "r") as store:
        assert store.runs().ids == ["a"] and store.runs()["a"].status == "finished"
        assert list(values(store, "loss")) == [0, 1, 2, 3]
