"""Following: each point is handed out once, and waiting can be interrupted."""
import asyncio
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


def test_a_new_follower_starts_now_and_a_cursor_continues_another(store):
    run = store.run("a")
    run.log({"x": 0.0})
    new = store.select("x").follow(new=True)
    run.log({"x": 1.0})
    cursor = new.cursor
    assert new.poll().to_numpy()["value"].tolist() == [1.0]
    assert store.select("x").follow(cursor=cursor).poll().to_numpy()["value"].tolist() == [1.0]
    with pytest.raises(tidalite.Invalid):
        store.select("x").follow(new=True, cursor=cursor)


def test_iteration_ends_after_the_timeout_without_points(store):
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


def test_waiting_ends_after_the_timeout_or_on_a_row(store):
    run = store.run("a")
    follow = store.select("x").follow()
    assert len(follow.wait(timeout=0.05)) == 0
    threading.Timer(0.1, lambda: run.log({"x": 1.0})).start()
    assert len(follow.wait(timeout=30)) == 1
    with pytest.raises(tidalite.Invalid):
        follow.wait(timeout=-1)


def test_waiting_without_a_timeout_can_be_interrupted(store):
    # A process that was started in the background may ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            store.select("x").follow().wait()
    finally:
        signal.signal(signal.SIGINT, before)


def test_async_iteration_gets_each_point_and_ends_after_the_timeout(store):
    run = store.run("a")

    async def log():
        for step in range(20):
            run.log({"x": float(step)}, step=step)
            await asyncio.sleep(0.01)

    async def read():
        return [s async for table in store.select("x").follow(timeout=1.0) for s in table.to_numpy()["step"].tolist()]

    async def main():
        steps, _ = await asyncio.gather(read(), log())
        return steps

    assert asyncio.run(main()) == list(range(20))


def test_many_followers_wait_without_threads_and_do_not_hold_up_the_event_loop(store):
    run = store.run("a")
    turns = 0

    async def first():
        async for table in store.select("x").follow(new=True):
            return table.to_numpy()["value"].tolist()

    async def turn():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    async def main():
        readers = [asyncio.create_task(first()) for _ in range(50)]
        turning = asyncio.create_task(turn())
        await asyncio.sleep(0.5)
        before, threads = turns, threading.active_count()
        await asyncio.sleep(0.5)
        assert turns - before > 20
        # The pool of the event loop, which read the store at first.
        assert threads < 50
        run.log({"x": 7.0})
        found = await asyncio.wait_for(asyncio.gather(*readers), 30)
        turning.cancel()
        return found

    assert asyncio.run(main()) == [[7.0]] * 50


def test_an_async_wait_can_be_cancelled_and_goes_on_later(store):
    run = store.run("a")
    follow = store.select("x").follow()

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(follow.__anext__(), 0.2)
        run.log({"x": 1.0})
        return await asyncio.wait_for(follow.__anext__(), 30)

    assert len(asyncio.run(main())) == 1
