"""A snapshot of a store is one view for several answers, and a store is the one that was opened, wherever the process goes."""
import multiprocessing as mp
import os
import shutil
import time

import pytest

import tidalite


def test_runs_and_selections_of_a_snapshot_agree_whatever_is_written_meanwhile(store):
    run = store.run("a", params={"lr": 1.0})
    for step in range(10):
        run.log({"x": step}, step=step)
    store.flush()
    files = list(store.snapshot().parquet_files())
    run.log({"x": 10}, step=10)
    snapshot = store.snapshot()
    with pytest.raises(tidalite.Invalid, match="1 points are not flushed"):
        snapshot.parquet_files()
    before = repr(snapshot), snapshot.version, snapshot.bytes_by_run()
    store.run("b").log({"x": 1.0, "y": 2.0}, step=0)
    run.log({"x": 11}, step=11)
    store.delete_run("a")
    store.compact()
    assert snapshot.is_cut
    assert snapshot.runs().ids == ["a"] and snapshot.runs("params.lr > 2").ids == []
    assert snapshot.metrics() == ["x"]
    assert snapshot.select("x").to_numpy()["step"].tolist() == list(range(11))
    assert snapshot.select("x", where="params.lr = 1", steps=(3, 5)).to_numpy()["step"].tolist() == [3, 4]
    assert snapshot.stats().points == 11 and snapshot.bytes_by_metric().keys() == {"x"}
    assert before == (repr(snapshot), snapshot.version, snapshot.bytes_by_run())
    assert all(os.path.exists(file) for file in files)
    assert store.runs().ids == ["b"] and store.snapshot().version > snapshot.version
    store.close()
    assert snapshot.select("x").aggregate("count").to_numpy()["count"].tolist() == [11]
    with pytest.raises(tidalite.Invalid):
        store.snapshot()


def test_a_snapshot_refuses_what_a_store_refuses(store):
    snapshot = store.snapshot()
    with pytest.raises(TypeError):
        snapshot.select(3)
    with pytest.raises(tidalite.Invalid):
        snapshot.select("x", repeats="some")
    with pytest.raises(tidalite.Invalid):
        snapshot.runs("params.lr >")


def _relay(path, me, token, rows):
    run = tidalite.open(path).run("r", labels={"w": me})
    while (i := token.recv()) < rows:
        run.log({"x": i}, step=i)
        token.send(i + 1)
    token.send(i)


def test_a_row_is_never_seen_without_the_rows_that_other_processes_logged_before_it(path):
    rows = 20_000
    tidalite.open(path).close()
    spawn = mp.get_context("spawn")
    ends = spawn.Pipe()
    processes = [spawn.Process(target=_relay, args=(path, me, end, rows)) for me, end in enumerate(ends)]
    for process in processes:
        process.start()
    with tidalite.open(path, "r") as store:
        # Imports NumPy, which takes longer than the rows.
        store.select("x").aggregate("count").to_numpy()
        ends[1].send(0)
        looks = 0
        while all(process.is_alive() for process in processes):
            snapshot = store.snapshot()
            seen = snapshot.select("x").aggregate("count", "max").to_numpy()
            assert snapshot.is_cut and seen["count"][0] in (0, seen["max"][0] + 1)
            looks += 1
        assert looks > 3
    for process in processes:
        process.terminate()
        process.join()


WANDER = """
import os, sys, tidalite
from tidalite.loggers.tensorboard import SummaryWriter
from tidalite.loggers._session import Session
base = sys.argv[1]
for job in ("job1", "job2"):
    os.mkdir(f"{base}/{job}")
os.chdir(f"{base}/job2")
tidalite.open("metrics").run("other").finish()
os.chdir(f"{base}/job1")
store = tidalite.open("metrics")
assert str(store.path) == f"{os.getcwd()}/metrics"
run = store.run("live")
session, writer = Session("metrics", "by-session"), SummaryWriter("logs/by-writer")
writer.add_scalar("x", 1.0, 0)
os.chdir(f"{base}/job2")
for step in range(30_000):
    run.log({"x": 1.0}, step=step)
assert store.runs().ids == ["live"]
session.run().log({"x": 1.0}, step=0)
session.end()
writer.close()
# Joins its run again.
writer.add_scalar("x", 1.0, 1)
writer.close()
store.flush()
store.close()
"""


def test_a_changed_current_folder_leads_stores_and_loggers_nowhere_else(script, tmp_path):
    script(WANDER, tmp_path)
    with tidalite.open(tmp_path / "job1/metrics", "r") as store:
        assert store.runs().ids == ["by-session", "live"]
        assert store.select("x", runs="live").aggregate("count").to_numpy()["count"].tolist() == [30_000]
    with tidalite.open(tmp_path / "job1/logs/tidalite", "r") as store:
        assert store.select("x", runs="by-writer").to_numpy()["step"].tolist() == [0, 1]
    with tidalite.open(tmp_path / "job2/metrics", "r") as store:
        assert store.runs().ids == ["other"]
    assert sorted(os.listdir(tmp_path / "job2")) == ["metrics"]


def test_a_store_that_was_deleted_and_created_anew_is_an_error_for_its_old_handles(path):
    store = tidalite.open(path)
    run = store.run("lost")
    run.log({"x": 1.0}, step=0)
    shutil.rmtree(path)
    with tidalite.open(path) as other:
        other.run("other").finish()
    for call in (store.runs, store.flush, store.compact, store.snapshot, store.select("x").to_numpy, lambda: store.run("new")):
        with pytest.raises(tidalite.NotFound, match="is gone, or another one is in its place"):
            call()
    with pytest.raises(tidalite.Poisoned, match="is gone, or another one is in its place"):
        for step in range(300):
            run.log({"x": 1.0}, step=step)
            time.sleep(0.1)
    with tidalite.open(path, "r") as other:
        assert other.runs().ids == ["other"]
