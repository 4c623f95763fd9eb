"""The life of a run: params, tags, parents, status, and errors after its end."""
import argparse
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import time
import types

import numpy as np
import pytest

import tidalite


def test_params_are_read_back_as_given(store):
    params = {"lr": 3e-4, "layers": [64, 10], "name": "x", "flag": True, "none": None, "deep": {"a": [1, {"b": 2.5}]}, "big": 2**60}
    run = store.run("a", params=params)
    assert run.params == params
    assert isinstance(run.params["big"], int) and run.params["flag"] is True


def test_params_may_be_scalars_of_numpy_and_paths(store, tmp_path):
    run = store.run("a", params={"i": np.int64(3), "f": np.float32(0.5), "p": tmp_path, "t": (1, 2)})
    assert run.params == {"i": 3, "f": 0.5, "p": str(tmp_path), "t": [1, 2]}


class Net(enum.Enum):
    VIT = "vit"


class Size(enum.IntEnum):
    BIG = 3


@dataclasses.dataclass
class Config:
    lr: float
    net: Net = Net.VIT


Pair = collections.namedtuple("Pair", "a b")


class Tensor:
    """A scalar as of torch."""

    dtype, ndim = "torch.float32", 0

    def item(self):
        return 0.5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.bool_(True), True),
        (np.int32(3), 3),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (np.array(True), True),
        (Tensor(), 0.5),
        (Net.VIT, "vit"),
        (Size.BIG, 3),
        (decimal.Decimal("0.5"), 0.5),
        (dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone.utc), "2026-01-31T12:00:00+00:00"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.time(12), "12:00:00"),
        (dt.timedelta(minutes=5), "0:05:00"),
        (np.datetime64("2026-01-31T12:00:00.5", "ns"), "2026-01-31T12:00:00.500000000"),
        (pathlib.PurePosixPath("/data"), "/data"),
        ((1, "a"), [1, "a"]),
        (range(3), [0, 1, 2]),
        ({3, 1, 20}, [1, 3, 20]),
        (frozenset({"b", 1}), [1, "b"] if repr("b") > repr(1) else ["b", 1]),
        (Config(0.1), {"lr": 0.1, "net": "vit"}),
        (Pair(1, [2]), {"a": 1, "b": [2]}),
        (argparse.Namespace(lr=0.1, deep=argparse.Namespace(x=None)), {"lr": 0.1, "deep": {"x": None}}),
        (types.SimpleNamespace(x=1), {"x": 1}),
        (collections.OrderedDict(x=1), {"x": 1}),
    ],
)
def test_params_keep_their_types(store, given, kept):
    found = store.run("a", params={"x": given}).params["x"]
    assert found == kept and type(found) is type(kept)


def test_params_may_be_an_object_with_fields(store):
    for given in (Config(0.1), argparse.Namespace(lr=0.1, net="vit"), {"lr": 0.1, "net": Net.VIT}):
        assert store.run(params=given).params == {"lr": 0.1, "net": "vit"}


@pytest.mark.parametrize("value", [object(), b"bytes", np.arange(3), len, Config, np.complex64(1j), lambda: 1, np.float64])
def test_a_param_of_another_type_is_a_type_error_that_names_it(store, value):
    with pytest.raises(TypeError, match=r'param "deep\.x\[1\]" is of type '):
        store.run("a", params={"deep": {"x": [0, value]}})
    assert store.runs() == []


@pytest.mark.parametrize("params", [{"x": object()}, {"x": {1: 2}}, {3: 1}, [("a", 1)], 3, Config])
def test_params_that_are_not_plain_are_a_type_error(store, params):
    with pytest.raises(TypeError):
        store.run("a", params=params)
    assert store.runs() == [], "a refused run is not begun"


def test_a_param_that_contains_itself_is_refused(store):
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError, match="nests too deep"):
        store.run("a", params={"x": loop})


def test_later_params_override_and_later_tags_are_added(store):
    run = store.run("a", params={"lr": 0.1, "batch": 32}, tags=["one", "two"])
    run.set_params({"lr": 0.2, "new": "yes"})
    run.add_tags("three", "four")
    run.remove_tags("one", "absent")
    assert run.params == {"lr": 0.2, "batch": 32, "new": "yes"}
    assert run.tags == ["four", "three", "two"]


def test_generated_ids_differ_and_sort_by_time(store):
    ids = []
    for _ in range(3):
        ids.append(store.run().id)
        time.sleep(0.002)
    assert len(set(ids)) == 3 and ids == sorted(ids)


def test_a_block_finishes_its_run_and_an_exception_fails_it(store):
    with store.run("good") as run:
        assert run.status == "running"
        run.log({"x": 1.0})
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), store.run(error.__name__):
            raise error
    status = {r.id: r.status for r in store.runs()}
    assert status == {"good": "finished", "ValueError": "failed", "KeyboardInterrupt": "failed"}


def test_closing_the_store_finishes_its_runs(path):
    with tidalite.open(path) as store:
        store.run("a").log({"x": 1.0})
    with tidalite.open(path, "r") as store:
        assert store.runs()["a"].status == "finished"


def test_an_exception_that_leaves_the_store_fails_its_runs(path):
    with pytest.raises(ValueError), tidalite.open(path) as store:
        run = store.run("a")
        run.log({"x": 1.0})
        raise ValueError
    with tidalite.open(path, "r") as store:
        assert store.runs()["a"].status == "failed"


def test_a_run_that_has_ended_refuses_rows(store):
    run = store.run("a")
    run.finish()
    run.finish()
    with pytest.raises(tidalite.Invalid, match="has ended"):
        run.log({"x": 1.0})
    with pytest.raises(tidalite.Invalid):
        run.finish("done")


def test_a_closed_store_refuses_every_call(path):
    store = tidalite.open(path)
    run = store.run("a")
    store.close()
    store.close()
    for call in [store.runs, store.flush, store.metrics, lambda: store.run("b"), lambda: len(store.select().points())]:
        with pytest.raises(tidalite.Invalid, match="closed"):
            call()
    with pytest.raises(tidalite.Invalid):
        run.log({"x": 1.0})


def test_a_store_opened_for_reading_refuses_to_write(path):
    tidalite.open(path).close()
    with tidalite.open(path, "r") as store:
        with pytest.raises(tidalite.Invalid, match="read-only"):
            store.run("a")
        with pytest.raises(tidalite.Invalid, match="read-only"):
            store.append({"run": "a", "metric": "x", "step": [1], "value": [1.0]})


def test_a_run_has_its_parent_and_its_times(store):
    first = store.run("first")
    second = store.run("second", parent=(first, 100))
    third = store.run("third", parent=first.id)
    first.finish()
    runs = store.runs()
    assert (runs["second"].parent, runs["second"].parent_step) == ("first", 100)
    assert (runs["third"].parent, runs["third"].parent_step) == ("first", None)
    assert runs["first"].started <= runs["first"].ended <= dt.datetime.now(dt.timezone.utc)
    assert runs["second"].ended is None
    assert (second.status, third.status) == ("running", "running")


def test_the_machine_is_sampled_into_the_run_until_it_ends(store):
    run = store.run("a")
    watch = run.watch_system(interval=0.05)
    deadline = time.monotonic() + 20
    while "system/memory/used_bytes" not in store.metrics() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.log({"loss": 1.0})
    run.finish()
    assert watch.error is None
    assert any(m.startswith("system/disk/") for m in store.metrics())
    assert store.select("loss").to_numpy()["step"].tolist() == [0], "samples do not move the run's own steps"
    count = len(store.select("system/*").points())
    time.sleep(0.2)
    assert len(store.select("system/*").points()) == count > 0
    watch.stop()


@pytest.mark.parametrize("interval", [0, -1, 1e-9, float("nan"), "1s"])
def test_an_invalid_interval_is_refused(store, interval):
    with pytest.raises((tidalite.Invalid, TypeError)):
        store.run("a").watch_system(interval=interval)


def test_maintenance_calls_report_their_work(store, path):
    with store.run("a") as run:
        for step in range(1000):
            run.log({"x": float(step)}, step=step)
    seen = []
    assert store.flush(progress=seen.append).points == 1000
    assert sum(seen) >= 1000 or seen[-1] == 1000
    assert store.compact().points >= 0
    stats = store.stats()
    assert (stats.points, stats.series, stats.runs, stats.parts) == (1000, 1, 1, 1)
    report = store.verify(progress=lambda done, all: seen.append((done, all)))
    assert report.sound and report.points == 1000 and seen[-1][0] == seen[-1][1]
    assert store.recovery().sound
    copy = path.parent / "copy"
    store.backup(copy)
    with tidalite.open(copy, "r") as other:
        assert len(other.select("x").points()) == 1000
    assert store.path == str(path) or str(store.path) == str(path)


def test_an_exception_from_a_progress_function_reaches_the_caller(store):
    store.append({"run": "a", "metric": "x", "step": np.arange(50_000), "value": np.zeros(50_000)})
    store.flush()

    def stop(done, all):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.verify(progress=stop)
    assert store.verify().sound


def test_replaced_files_are_kept_while_the_list_exists(store):
    import os

    for part in range(3):
        store.append({"run": "a", "metric": "x", "step": np.arange(20_000) + part * 20_000, "value": np.zeros(20_000)})
        store.flush()
    files = store.parquet_files()
    assert len(files) >= 2
    store.compact()
    assert all(os.path.exists(f) for f in files)
    assert set(store.parquet_files()).isdisjoint(files)
    del files
    store.compact()
