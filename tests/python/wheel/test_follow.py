"""Following: each point once, in portions of any size; waiting can be interrupted."""
import os
import signal
import threading
import time

import pytest

import tidalite


def test_each_point_is_handed_out_once(store):
    run = store.run("a")
    follow = store.select("x").follow()
    seen = []
    for step in range(500):
        run.log({"x": float(step), "y": 0.0}, step=step)
        if step % 7 == 0:
            seen += follow.poll().to_numpy()["step"].tolist()
        if step == 250:
            store.compact()
    seen += follow.poll().to_numpy()["step"].tolist()
    assert seen == list(range(500))
    assert len(follow.poll()) == 0


def test_a_new_follower_starts_now_and_a_cursor_where_another_stood(store):
    run = store.run("a")
    run.log({"x": 0.0})
    new = store.select("x").follow(new=True)
    run.log({"x": 1.0})
    cursor = new.cursor
    assert new.poll().to_numpy()["value"].tolist() == [1.0]
    assert store.select("x").follow(cursor=cursor).poll().to_numpy()["value"].tolist() == [1.0]
    with pytest.raises(tidalite.Invalid):
        store.select("x").follow(new=True, cursor=cursor)


def test_iteration_ends_when_nothing_comes_for_the_timeout(store):
    run = store.run("a")

    def log():
        for step in range(20):
            run.log({"x": float(step)}, step=step)
            time.sleep(0.01)

    thread = threading.Thread(target=log)
    thread.start()
    steps = [s for table in store.select("x").follow(timeout=2.0) for s in table.to_numpy()["step"].tolist()]
    thread.join()
    assert steps == list(range(20))


def test_waiting_gives_up_after_the_timeout_and_wakes_on_a_row(store):
    run = store.run("a")
    follow = store.select("x").follow()
    assert len(follow.wait(timeout=0.05)) == 0
    threading.Timer(0.1, lambda: run.log({"x": 1.0})).start()
    assert len(follow.wait(timeout=30)) == 1
    with pytest.raises(tidalite.Invalid):
        follow.wait(timeout=-1)


def test_waiting_without_end_can_be_interrupted(store):
    # A process that was started in the background may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            store.select("x").follow().wait()
    finally:
        signal.signal(signal.SIGINT, before)
