"""The life of runs: params, tags, parents, status, and errors after closing."""
import datetime as dt
import time

import numpy as np
import pytest

import tidalite


def test_params_come_back_as_they_were_given(store):
    params = {"lr": 3e-4, "layers": [64, 10], "name": "x", "flag": True, "none": None, "deep": {"a": [1, {"b": 2.5}]}, "big": 2**60}
    run = store.run("a", params=params)
    assert run.params == params
    assert isinstance(run.params["big"], int) and run.params["flag"] is True


def test_params_may_be_scalars_of_numpy_and_paths(store, tmp_path):
    run = store.run("a", params={"i": np.int64(3), "f": np.float32(0.5), "p": tmp_path, "t": (1, 2)})
    assert run.params == {"i": 3, "f": 0.5, "p": str(tmp_path), "t": [1, 2]}


@pytest.mark.parametrize("params", [{"x": object()}, {"x": {1: 2}}, {3: 1}, {"x": {1, 2}}, [("a", 1)], 3])
def test_params_that_are_not_plain_are_a_type_error(store, params):
    with pytest.raises(TypeError):
        store.run("a", params=params)
    assert store.runs() == [], "a refused run is not begun"


def test_a_param_that_holds_itself_is_refused(store):
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError, match="nests too deep"):
        store.run("a", params={"x": loop})


def test_later_params_and_tags_override_earlier_ones(store):
    run = store.run("a", params={"lr": 0.1, "batch": 32}, tags=["one", "two"])
    run.set_params({"lr": 0.2, "new": "yes"})
    run.add_tags("three", "four")
    run.remove_tags("one", "absent")
    assert run.params == {"lr": 0.2, "batch": 32, "new": "yes"}
    assert run.tags == ["four", "three", "two"]


def test_ids_that_are_generated_differ_and_sort_by_time(store):
    ids = []
    for _ in range(3):
        ids.append(store.run().id)
        time.sleep(0.002)
    assert len(set(ids)) == 3 and ids == sorted(ids)


def test_a_block_that_ends_well_finishes_its_run_and_one_left_by_an_exception_fails(store):
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


def test_a_store_left_by_an_exception_fails_its_runs(path):
    with pytest.raises(ValueError), tidalite.open(path) as store:
        run = store.run("a")
        run.log({"x": 1.0})
        raise ValueError
    with tidalite.open(path, "r") as store:
        assert store.runs()["a"].status == "failed"


def test_a_run_that_ended_takes_no_more_rows(store):
    run = store.run("a")
    run.finish()
    run.finish()
    with pytest.raises(tidalite.Invalid, match="has ended"):
        run.log({"x": 1.0})
    with pytest.raises(tidalite.Invalid):
        run.finish("done")


def test_a_closed_store_says_so(path):
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


def test_a_run_tells_its_parent_and_its_times(store):
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
def test_an_interval_that_makes_no_sense_is_refused(store, interval):
    with pytest.raises((tidalite.Invalid, TypeError)):
        store.run("a").watch_system(interval=interval)


def test_every_call_on_a_store_has_an_answer(store, path):
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


def test_what_a_progress_function_raises_reaches_the_caller_and_the_work_is_done(store):
    store.append({"run": "a", "metric": "x", "step": np.arange(50_000), "value": np.zeros(50_000)})
    store.flush()

    def stop(done, all):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.verify(progress=stop)
    assert store.verify().sound


def test_files_on_a_list_stay_while_the_list_lives(store):
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
