"""How a run ended that nobody finished: well, or by an exception. The compiled part asks.

A run whose `with` or `finish` said how it ended needs none of this. For the others there are only traces of an exception: it is being
handled, a frame drops it, it left the main program, or something keeps it. Each function answers with the reason of a failure, or with
`None` for a run that finished. Where there is no trace, the run finished.
"""
from __future__ import annotations

import dis
import gc
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_REASON_MAX = 1000
_UNKNOWN = "an exception"
"""The reason where the exception is gone."""

_ended: str | None = None
"""Why the main program failed."""
_main_ended = False
"""Whether it is known how the main program ended."""
_collecting = False
"""Whether the garbage collector runs. It may run in any frame, which says nothing of the objects that it frees."""
_child_of: int | None = None
"""The process in which `multiprocessing` calls the compiled part at its end."""


def of(exc: BaseException) -> str | None:
    """The reason of a failure by this exception: its type and the first line of its message. `None` for an exception that ends a
    generator or a program without an error."""
    if isinstance(exc, GeneratorExit):
        return None
    if isinstance(exc, SystemExit):
        if exc.code is None or isinstance(exc.code, int):
            return f"exit code {int(exc.code)}" if exc.code else None
        return _line("SystemExit", exc.code)
    kind = type(exc)
    module = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
    return _line(module + kind.__qualname__, exc)


def _line(kind: str, message: object) -> str:
    try:
        lines = str(message).strip().splitlines()
    except Exception:
        lines = []
    return (f"{kind}: {lines[0]}" if lines else kind)[:_REASON_MAX]


def handled() -> BaseException | None:
    """The exception that is being handled."""
    return sys.exc_info()[1]


def reason_now() -> str | None:
    """The reason of a failure by the exception that is being handled, or that ended the main program."""
    exc = handled()
    return _ended if exc is None else of(exc)


def started(close_all: Callable[[], object]) -> int:
    """Prepares for the end of a run that starts. Gives the id of the exception that is being handled, which is not of the run."""
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)
    if getattr(sys.excepthook, "_of_tidalite", None) is None:
        sys.excepthook = _noting_hook(sys.excepthook)
    if getattr(threading.excepthook, "_of_tidalite", None) is None:
        threading.excepthook = _noting_thread_hook(threading.excepthook)
    if getattr(sys.exit, "_of_tidalite", None) is None:
        sys.exit = _noting_exit(sys.exit)
    _close_in_child(close_all)
    exc = handled()
    return 0 if exc is None else id(exc)


def dropped(before: int, error: BaseException | None) -> str | None:
    """For a run whose last handle goes. `before` is what `started` gave; `error` is an exception that no frame has caught yet."""
    if _collecting:
        return None
    exc = error if error is not None else handled()
    if exc is not None and id(exc) != before:
        return of(exc)
    try:
        frame = sys._getframe(1)
    except ValueError:
        # No Python code runs any more: the main program has dropped its exception.
        return _ended if _main_ended else "SystemExit"
    if _drops_exception(frame):
        return _thread_reason() or _UNKNOWN
    return None


def at_end() -> tuple[int, str | None]:
    """For the runs that are open when the process ends: the id of the exception that ends it, and the reason."""
    exc = handled()
    # `multiprocessing` ends a child while it handles the child's exception.
    return (0, _ended) if exc is None else (id(exc), of(exc))


# An exception that leaves the main program.


def _note(reason: str | None) -> None:
    global _ended, _main_ended
    _ended, _main_ended = reason, True


def _is_interactive() -> bool:
    """Whether the program goes on after an exception: at a prompt, or in a notebook."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or "PYTHONINSPECT" in os.environ


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def _noting_hook(before: Callable[..., object]) -> Callable[..., object]:
    def hook(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> object:
        # Others call the hook as well, for exceptions that they have caught. Such a traceback begins in a frame with a caller.
        is_main = traceback is None or traceback.tb_frame.f_back is None
        if is_main and _in_main_thread() and not _is_interactive():
            _note(of(exc))
        return before(kind, exc, traceback)

    hook._of_tidalite = True  # type: ignore[attr-defined]
    return hook


class _ExitWatch:
    """Goes with the exception of `sys.exit`, and with it. If no frame runs then, nobody caught it: the interpreter took it."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason

    def __del__(self) -> None:
        try:
            sys._getframe(1)
        except ValueError:
            if _in_main_thread():
                _note(self.reason)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy in another process watches nothing.
        return type(None), ()


def _noting_exit(before: Callable[..., object]) -> Any:
    def exit(*status: object) -> object:
        try:
            return before(*status)
        except SystemExit as exc:
            exc._tidalite_watch = _ExitWatch(of(exc))  # type: ignore[attr-defined]
            raise

    exit.__doc__ = before.__doc__
    exit._of_tidalite = True  # type: ignore[attr-defined]
    return exit


# An exception that a thread's function ends by.

_in_thread = threading.local()


def _noting_thread_hook(before: Callable[..., object]) -> Any:
    def hook(args: Any) -> object:
        _in_thread.reason = None if args.exc_value is None else of(args.exc_value)
        return before(args)

    hook._of_tidalite = True  # type: ignore[attr-defined]
    return hook


def _thread_reason() -> str | None:
    """Why this thread failed. The module `threading` drops the exception right after its hook."""
    caller = sys._getframe(2)
    reason: str | None = getattr(_in_thread, "reason", None)
    return reason if caller.f_globals.get("__name__") == "threading" else None


# Frames.


def _on_collection(phase: str, info: dict[str, int]) -> None:
    global _collecting
    _collecting = phase == "start"


def instruction(frame: FrameType, back: int = 0) -> str:
    """The name of the frame's current instruction, or of one before it. Empty where there is none."""
    code, at = frame.f_code.co_code, frame.f_lasti
    names = []
    while at >= 0 and len(names) <= back:
        name = dis.opname[code[at]]
        if name not in ("CACHE", "EXTENDED_ARG"):
            names.append(name)
        at -= 2
    return names[back] if len(names) > back else ""


def _drops_exception(frame: FrameType) -> bool:
    """Whether the frame's current instruction ends the handling of an exception, or clears the `e` of `except … as e`."""
    now = instruction(frame)
    if now == "POP_EXCEPT":
        return True
    if now == "STORE_FAST" and (frame.f_globals.get("__name__"), frame.f_code.co_name) == ("multiprocessing.pool", "worker"):
        # A worker of a pool keeps the exception of a task until it has sent it. What a task returns rarely holds a run.
        return frame.f_code.co_varnames[frame.f_code.co_code[frame.f_lasti + 1]] == "result"
    return now.startswith("STORE_") and instruction(frame, 2) == "POP_EXCEPT" and instruction(frame, 1).startswith("LOAD_")


# Children of `multiprocessing`.


def _close_in_child(close_all: Callable[[], object]) -> None:
    """They end without `atexit`, so `multiprocessing` is asked to call at their end."""
    global _child_of
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _child_of == os.getpid():
        return
    from multiprocessing.util import Finalize

    _child_of = os.getpid()
    Finalize(None, close_all, exitpriority=-10)
    # Since Python 3.13 the exception is gone by then. Its exit code is known while the child waits for its threads.
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(_note_exit_of_child)


def _note_exit_of_child() -> None:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == ("multiprocessing.process", "_bootstrap"):
            code = frame.f_locals.get("exitcode")
            _note(f"exit code {code}" if code else None)
            return
        frame = frame.f_back
