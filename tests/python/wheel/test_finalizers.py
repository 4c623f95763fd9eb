"""Finalizers that log, whenever the garbage collector runs them: nothing waits for itself.

Method: a script in its own process, which a watchdog kills; a script that hangs fails the test.
"""
import pytest

HEAD = """
import gc, os, sys, threading, time
import tidalite
path = sys.argv[1]
store = tidalite.open(path)
run = store.run("a")
logged = 0

class Logs:
    # In a cycle, so that only the collector frees it.
    def __init__(self): self.me = self
    def __del__(self):
        global logged
        try:
            run.log({"finalized": 1.0, "n": float(logged)})
            run.log({"timed": 1.0}, time="2026-01-01", labels={"by": "finalizer"})
            logged += 1
        except tidalite.Invalid:
            pass  # The store is closed.
"""

CALLS = {
    "log": """
gc.set_threshold(1)
def work():
    for i in range(400):
        Logs()
        run.log({f"m{i % 40}": 1.0, "x": float(i)}, step=i, time=i if i % 2 else None, labels={"k": str(i % 3)})
        run.log({"x": i})
    for i in range(40):
        Logs()
        try:
            run.log({"\\udc80": 1.0, "x": 1.0})
        except (tidalite.Invalid, UnicodeError, TypeError):
            pass
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
""",
    "flush and close": """
gc.set_threshold(1)
done = threading.Event()
def flush():
    for _ in range(15):
        Logs()
        store.flush(progress=lambda points: Logs())
        store.compact(progress=lambda done, all: Logs())
        store.stats(); store.metrics(); store.runs(); store.select("x").to_arrow()
        run.set_params({"p": [Logs() and 1]})
    done.set()
def log():
    i = 0
    while not done.is_set():
        Logs()
        run.log({"x": float(i)}); i += 1
        if i % 100 == 0:
            time.sleep(0.001)  # Otherwise the store grows so fast that the compactions take minutes.
threads = [threading.Thread(target=f) for f in (flush, log)]
[t.start() for t in threads]; [t.join() for t in threads]
Logs()
with run.watch_system(interval=0.05):
    Logs()
closing = [threading.Thread(target=store.close) for _ in range(2)]
[(Logs(), t.start()) for t in closing]; [t.join() for t in closing]
Logs()
""",
    "progress that logs": """
for i in range(10):
    other = tidalite.open(path).run(f"r{i}")
    run.log({"x": 1.0}, step=i)
    # Without a step, so that the callback reads the store.
    store.flush(progress=lambda points: other.log({"points": points}))
    store.compact(progress=lambda done, all: (other.log({"done": done}), store.select("x").points().to_arrow(), store.flush()))
    store.verify(progress=lambda done, all: other.log({"verified": done}))
logged = 1
""",
    "names with finalizers": """
class Name(str):
    def __del__(self):
        run.log({"finalized": 1.0})
        global logged
        logged += 1
for i in range(100):
    run.log({Name(f"m{i}"): 1.0})
""",
}


@pytest.mark.parametrize("calls", CALLS)
def test_a_finalizer_that_logs_never_waits_for_itself(script, path, calls):
    done = script(HEAD + CALLS[calls] + "\nassert logged > 0\nprint('done')\n", path, timeout=120)
    assert done.stdout.strip().endswith("done") and "Exception ignored" not in done.stderr, done.stderr
