"""`async for` over a follower.

While nothing is new, a follower waits for a bell: a socket that can be read once the store has changed. The event loop
watches it, so no thread waits. Points are read in the loop's own pool of threads, and only after the bell rang.
"""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidalite import Follow, Table


async def next_table(follow: Follow) -> Table:
    """The new points of a follower, once there are any. `StopAsyncIteration` after its timeout."""
    loop = asyncio.get_running_loop()
    timeout = follow._timeout
    end = None if timeout is None else loop.time() + timeout
    while True:
        table = await loop.run_in_executor(None, follow.poll)
        if len(table):
            return table
        if end is not None and loop.time() >= end:
            raise StopAsyncIteration
        await _changed(follow, loop, end)


async def _changed(follow: Follow, loop: asyncio.AbstractEventLoop, end: float | None) -> None:
    """Returns once the store has changed since the last poll, or at the time `end`."""
    rung = loop.create_future()

    def ring() -> None:
        if not rung.done():
            rung.set_result(None)

    bell = follow._bell()
    loop.add_reader(bell, ring)
    timer = None if end is None else loop.call_at(end, ring)
    try:
        follow._ring_on_change()
        await rung
    finally:
        loop.remove_reader(bell)
        if timer is not None:
            timer.cancel()
