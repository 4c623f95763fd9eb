"""Open runs that something keeps in a frame that an exception ended: a future, or a list of errors.

Only what such frames alone hold counts. A run that a variable of the program holds as well may have gone on after the exception.
"""
from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from . import _outcome

_DEPTH_MAX = 3
"""How many objects may lie between a frame and a run: an object with the run as an attribute, and its dict."""
_SEARCHES_MAX = 64
"""Each search reads the references of all objects."""


class _Found(list[Any]):
    """A list that this module made. What it refers to is not kept by it."""


def fail_kept() -> None:
    """Fails them, each with its exception as the reason."""
    live = _Live()
    runs, reasons = _Found(), {}
    for exc in _Found(o for o in gc.get_objects() if isinstance(o, BaseException)):
        reason = _outcome.of(exc)
        for run in _runs_of(exc, live) if reason is not None else ():
            if id(run) not in reasons:
                runs.append(run)
                reasons[id(run)] = reason
    for run in _kept(runs, live, [_SEARCHES_MAX]):
        run.finish("failed", reasons[id(run)])


class _Live:
    """The frames that run in any thread, and the objects that their variables hold."""

    def __init__(self) -> None:
        tops = sys._current_frames().values()
        frames = [f for top in tops for f in _callers(top)]
        self.frames = {id(f) for f in frames}
        others = (f for f in frames if f.f_globals is not globals())
        # The garbage collector does not know these references.
        self.values = {id(value) for f in others for value in f.f_locals.values()}

    def has_left(self, frame: FrameType) -> bool:
        """Whether an exception ended the frame: it does not run, and its last instruction neither returned nor yielded."""
        last = _outcome.instruction(frame)
        return id(frame) not in self.frames and not last.startswith(("RETURN_", "YIELD_", "RESUME", "SEND")) and last != ""


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _runs_of(exc: BaseException, live: _Live) -> _Found:
    """The runs in the variables of the frames that an exception ended, and in the attributes of these variables."""
    from ._tidalite import Run

    found = _Found()
    traceback = exc.__traceback__
    while traceback is not None:
        if live.has_left(traceback.tb_frame):
            for value in traceback.tb_frame.f_locals.values():
                if isinstance(value, Run):
                    found.append(value)
                elif isinstance(vars_of := getattr(value, "__dict__", None), dict):
                    found.extend(v for v in vars_of.values() if isinstance(v, Run))
        traceback = traceback.tb_next
    return found


def _kept(runs: _Found, live: _Live, searches: list[int]) -> _Found:
    """Those of the runs that only frames hold that an exception ended."""
    if not runs or searches[0] == 0:
        return _Found()
    searches[0] -= 1
    if _only_left_hold(runs, live, _DEPTH_MAX, set()):
        return runs
    half = len(runs) // 2
    parts = (_Found(runs[:half]), _Found(runs[half:])) if half else ()
    return _Found(run for part in parts for run in _kept(part, live, searches))


def _only_left_hold(held: _Found, live: _Live, depth: int, seen: set[int]) -> bool:
    if any(id(one) in live.values for one in held):
        return False
    seen |= {id(one) for one in held}
    between, asked = _Found(), tuple(held)
    for holder in _Found(gc.get_referrers(*asked)):
        if isinstance(holder, FrameType):
            if holder.f_globals is not globals() and not live.has_left(holder):
                return False
        elif holder is not asked and not isinstance(holder, (_Found, _Live)) and id(holder) not in seen:
            between.append(holder)
    return not between or (depth > 0 and _only_left_hold(between, live, depth - 1, seen))
