"""Logging from Python: accepted values arrive bit for bit, refused ones are named, and a refused row leaves nothing."""
import datetime as dt
import math
import struct
import threading
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import tidalite


def points(store, metric, **selection):
    table = store.select(tidalite.escape(metric), **selection).to_arrow()
    return list(zip(table["step"].to_pylist(), table["value"].to_pylist()))


def bits(value):
    return struct.pack("<d", value)


@pytest.mark.parametrize("value", [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1])
def test_a_value_keeps_its_bits(store, value):
    run = store.run("a")
    run.log({"x": value}, step=1)
    [(_, got)] = points(store, "x")
    assert bits(got) == bits(value)


def test_a_nan_keeps_its_payload(store):
    odd = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0]
    store.run("a").log({"x": odd})
    value = store.select("x").to_numpy()["value"]
    assert value.view(np.uint64)[0] == 0x7FF8_0000_DEAD_BEEF


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (False, 0.0),
        (2**60, float(2**60)),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.float16(2.0), 2.0),
        (np.int8(-4), -4.0),
        (np.uint64(2**63), float(2**63)),
        (np.bool_(True), 1.0),
        (np.array(7.5), 7.5),
        (jnp.float32(1.5), 1.5),
        (jnp.array(3), 3.0),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
    ],
)
def test_any_single_number_is_accepted(store, value, expected):
    store.run("a").log({"x": value}, step=0)
    assert points(store, "x") == [(0, expected)]


class Tensor:
    """As torch's tensors: `float()` works for one element, and raises RuntimeError otherwise."""

    def __init__(self, *values):
        self.values, self.shape = values, (len(values),)

    def __float__(self):
        if len(self.values) != 1:
            raise RuntimeError(f"a Tensor with {len(self.values)} elements cannot be converted to Scalar")
        return float(self.values[0])


def test_a_tensor_of_one_element_is_a_number(store):
    store.run("a").log({"x": Tensor(2.5)})
    assert points(store, "x") == [(0, 2.5)]


@pytest.mark.parametrize(
    "value",
    [None, "0.5", b"1", [1.0], (1.0,), {"a": 1}, np.arange(3.0), np.zeros((2, 2)), jnp.arange(2), Tensor(1, 2), 1 + 2j, object(), 10**400],
    ids=lambda v: type(v).__name__,
)
def test_what_is_not_one_number_is_a_type_error_that_names_the_key(store, value):
    run = store.run("a")
    with pytest.raises(TypeError, match='metric "bad/one"'):
        run.log({"fine": 1.0, "bad/one": value, "also": 2.0}, step=3)
    assert store.metrics() == [], "nothing of a refused row is logged"


def test_an_error_of_the_values_own_is_not_hidden(store):
    class Lost:
        def __float__(self):
            raise OSError("the device is gone")

    with pytest.raises(OSError, match="the device is gone"):
        store.run("a").log({"x": Lost()})


def test_a_value_may_change_the_dict_and_log_itself_while_it_is_read(store):
    run = store.run("a")
    row = {}

    class Busy:
        def __float__(self):
            row["new"] = 1.0
            run.log({"inner": 2.0}, step=0)
            return 3.0

    row.update(x=Busy(), y=4.0)
    run.log(row, step=0)
    assert store.metrics() == ["inner", "x", "y"]


def test_steps_count_up_and_may_be_given_in_any_order(store):
    run = store.run("a")
    run.log({"x": 0.0})
    run.log({"x": 1.0})
    run.log({"x": 2.0}, step=10)
    run.log({"x": 3.0})
    run.log({"x": 4.0}, step=np.int64(-5))
    run.log({"x": 5.0}, step=10)
    assert points(store, "x") == [(-5, 4.0), (0, 0.0), (1, 1.0), (10, 5.0), (11, 3.0)]
    assert points(store, "x", repeats="all")[3:5] == [(10, 2.0), (10, 5.0)]


@pytest.mark.parametrize("step", [1.5, "3", [1], np.array([1, 2])])
def test_a_step_that_is_not_a_whole_number_is_refused(store, step):
    with pytest.raises(TypeError):
        store.run("a").log({"x": 1.0}, step=step)
    assert store.metrics() == []


def test_a_step_beyond_64_bits_is_refused(store):
    with pytest.raises(tidalite.Invalid, match="beyond 64 bits"):
        store.run("a").log({"x": 1.0}, step=2**63)
    store.run("a").log({"x": 1.0}, step=2**63 - 1)
    store.run("a").log({"x": 1.0}, step=-(2**63))
    assert [s for s, _ in points(store, "x")] == [-(2**63), 2**63 - 1]


US = 1_764_063_000_123_456
UTC = dt.timezone.utc


@pytest.mark.parametrize(
    "time",
    [
        US,
        np.int64(US),
        dt.datetime(2025, 11, 25, 9, 30, 0, 123456, tzinfo=UTC),
        dt.datetime(2025, 11, 25, 10, 30, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        dt.datetime(2025, 11, 25, 9, 30, 0, 123456),
        pd.Timestamp("2025-11-25T09:30:00.123456789Z"),
        pd.Timestamp("2025-11-25T09:30:00.123456"),
        np.datetime64("2025-11-25T09:30:00.123456789"),
        "2025-11-25T09:30:00.123456+00:00",
    ],
    ids=lambda t: type(t).__name__,
)
def test_a_time_is_the_moment_that_it_says(store, time):
    store.run("a").log({"x": 1.0}, time=time)
    [got] = store.select("x").to_arrow()["time"].cast("int64").to_pylist()
    assert got == US


@pytest.mark.parametrize("time", [1.5, True, "yesterday", np.datetime64("NaT"), object(), 10**18])
def test_a_time_that_is_not_a_time_is_refused(store, time):
    with pytest.raises((TypeError, tidalite.Invalid)):
        store.run("a").log({"x": 1.0}, time=time)
    assert store.metrics() == []


def test_a_missing_time_is_now(store):
    before = dt.datetime.now(UTC) - dt.timedelta(seconds=1)
    store.run("a").log({"x": 1.0})
    [got] = store.select("x").to_arrow()["time"].to_pylist()
    assert before <= got <= dt.datetime.now(UTC) + dt.timedelta(seconds=1)


def test_labels_of_a_row_extend_and_override_the_runs(store):
    run = store.run("a", labels={"rank": 3, "host": "n1"})
    run.log({"x": 1.0}, step=0)
    run.log({"x": 2.0}, step=0, labels={"host": "n2", "gpu": 0})
    table = store.select("x").to_arrow()
    assert table["labels"].to_pylist() == ["gpu=0,host=n2,rank=3", "host=n1,rank=3"]
    assert run.labels == {"host": "n1", "rank": "3"}


def test_keys_made_anew_in_each_call_are_the_same_metrics(store):
    run = store.run("a")
    for step in range(100):
        run.log({f"m{i}": float(i) for i in range(40)}, step=step)
    table = store.select().aggregate("count", "min", "max", by="metric").to_numpy()
    assert table["count"].tolist() == [100] * 40
    assert (table["min"] == table["max"]).all()


def test_rows_with_other_keys_or_orders_are_kept_apart(store):
    run = store.run("a")
    for step in range(50):
        run.log({"x": 1.0, "y": 2.0}, step=step)
        run.log({"y": 2.5, "x": 1.5}, step=step + 1000)
        run.log({"x": 9.0}, step=step + 2000)
        run.log({f"only/{step}": 0.0}, step=step)
    got = store.select("x").aggregate("min", "max", by=tidalite.step_bucket(1000)).to_numpy()
    assert got["min"].tolist() == got["max"].tolist() == [1.0, 1.5, 9.0]
    assert len(store.metrics()) == 52


@pytest.mark.parametrize("values", [OrderedDict(x=1.0), MappingProxyType({"x": 1.0})], ids=lambda v: type(v).__name__)
def test_any_mapping_is_a_row(store, values):
    store.run("a").log(values)
    assert points(store, "x") == [(0, 1.0)]


@pytest.mark.parametrize("values", [None, 1.0, "x", [("x", 1.0)], {1: 1.0}, {None: 1.0}])
def test_what_is_not_a_row_is_a_type_error(store, values):
    with pytest.raises(TypeError):
        store.run("a").log(values)


@pytest.mark.parametrize("name", ["", "x" * 70_000, "\ud800"])
def test_a_wrong_name_is_refused_and_nothing_is_logged(store, name):
    with pytest.raises(tidalite.Invalid):
        store.run("a").log({"fine": 1.0, name: 2.0})
    assert store.metrics() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\0b", "🌊/ünï", 'say "hi"', "a b", "x*y?[z]{a,b}\\"])
def test_any_other_name_is_only_a_name(store, name):
    store.run(name).log({name: 1.0})
    store.compact()
    assert store.metrics() == [name]
    assert [r.id for r in store.runs()] == [name]
    assert points(store, name, runs=tidalite.escape(name)) == [(0, 1.0)]


def test_an_empty_row_is_refused(store):
    with pytest.raises(tidalite.Invalid, match="no values"):
        store.run("a").log({})


def test_many_threads_log_to_one_run_and_no_point_is_missing(store):
    run = store.run("a")

    def work(thread):
        for step in range(2000):
            run.log({f"t{thread}": float(step), "shared": float(thread)}, step=step * 8 + thread)

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    counts = store.select().aggregate("count", by="metric").to_numpy()
    assert counts["count"].tolist() == [16_000] + [2000] * 8


def test_at_durability_row_and_at_an_interval_rows_arrive_too(path):
    for durability in ["row", 0.05, dt.timedelta(milliseconds=50), "process"]:
        with tidalite.open(path, durability=durability) as store:
            store.run("a").log({"x": 1.0})
            store.sync()
    with tidalite.open(path) as store:
        assert [s for s, _ in points(store, "x")] == [0, 1, 2, 3]
