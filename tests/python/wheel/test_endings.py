"""How runs end: each row of the table in docs/python.md is a test, in a process of its own.

Method: a script starts runs and ends in some way; then the store is read by this process.
"""
import os
import signal
import subprocess
import sys
import textwrap

import pytest

import tidalite

HEAD = """
import os, sys, threading, time
import tidalite
store = tidalite.open(sys.argv[1])
"""


@pytest.fixture
def ends(tmp_path):
    """Runs a script and gives of each run how it ended: `finished`, `failed: <reason>` or `lost`."""

    def run(text, *flags, stdin=None):
        path, file = tmp_path / "metrics", tmp_path / "script.py"
        file.write_text(HEAD + textwrap.dedent(text))
        done = subprocess.run([sys.executable, *flags, file, path], capture_output=True, text=True, timeout=60, input=stdin)
        print(done.stdout, done.stderr, sep="\n")
        with tidalite.open(path, "r") as store:
            return {r.id: r.status if r.reason is None else f"{r.status}: {r.reason}" for r in store.runs()}

    return run


# A `with` block.

WITH = """
try:
    with store.run("a") as run:
        run.log({"x": 1.0})
        %s
except BaseException:
    pass
"""


@pytest.mark.parametrize(
    ("last", "end"),
    [
        ("pass", "finished"),
        ("raise ValueError('bad lr\\nmore')", "failed: ValueError: bad lr"),
        ("raise KeyboardInterrupt", "failed: KeyboardInterrupt"),
        ("sys.exit()", "finished"),
        ("sys.exit(0)", "finished"),
        ("sys.exit(3)", "failed: exit code 3"),
        ("sys.exit('no data')", "failed: SystemExit: no data"),
        ("raise tidalite.Invalid('x' * 5000)", "failed: " + ("tidalite.Invalid: " + "x" * 5000)[:1000]),
    ],
)
def test_a_block_says_how_it_was_left(ends, last, end):
    assert ends(WITH % last) == {"a": end}


def test_a_block_left_by_break_return_or_the_close_of_a_generator_finished(ends):
    assert ends("""
    for _ in range(3):
        with store.run("break"):
            break
    def early():
        with store.run("return"):
            return 1
    early()
    def steps():
        with store.run("generator") as run:
            while True:
                yield run.log({"x": 1.0})
    it = steps(); next(it); it.close()
    """) == {"break": "finished", "return": "finished", "generator": "finished"}


def test_a_store_that_an_exception_leaves_fails_its_runs_with_it(ends):
    assert ends("with store:\n    run = store.run('a')\n    1 / 0") == {"a": "failed: ZeroDivisionError: division by zero"}


# The end of a process. The run is held by the module, by a function, or by a frame below.

PLACES = {
    "a module": "run = store.run('a')\nrun.log({'x': 1.0})\n%s",
    "a function": "def main():\n    run = store.run('a')\n    run.log({'x': 1.0})\n    %s\nmain()",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("last", "end"),
    [
        ("pass", "finished"),
        ("raise ValueError('boom')", "failed: ValueError: boom"),
        ("raise KeyboardInterrupt", "failed: KeyboardInterrupt"),
        ("sys.exit()", "finished"),
        ("sys.exit(3)", "failed: exit code 3"),
        ("sys.exit('no data')", "failed: SystemExit: no data"),
        ("os._exit(0)", "lost"),
    ],
)
def test_the_end_of_a_process_ends_its_runs(ends, place, last, end):
    assert ends(PLACES[place] % last) == {"a": end}


def test_an_exit_raised_in_a_function_that_holds_the_run_failed(ends):
    assert ends(PLACES["a function"] % "raise SystemExit(3)") == {"a": "failed: SystemExit"}


def test_an_exit_or_exception_that_was_caught_means_nothing(ends):
    assert ends("""
    run = store.run("a")
    for last in (lambda: sys.exit(3), lambda: 1 / 0):
        try:
            last()
        except BaseException:
            pass
    """) == {"a": "finished"}


def test_an_exception_is_the_programs_own_however_its_hook_is_set(ends):
    assert ends("""
    run = store.run("a")
    before = sys.excepthook
    sys.excepthook = lambda *what: before(*what)
    {}["missing"]
    """) == {"a": "failed: KeyError: 'missing'"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_process_leaves_its_runs_lost(ends):
    assert ends(f"run = store.run('a')\nos.kill(os.getpid(), {int(signal.SIGTERM)})\ntime.sleep(9)") == {"a": "lost"}


def test_an_old_exception_at_a_prompt_has_no_part(ends):
    assert ends("run = store.run('a')", "-i", stdin="1 / 0\nrun.log({'x': 1.0})\n") == {"a": "finished"}


def test_a_hook_that_a_library_calls_for_an_exception_it_survived_means_nothing(ends):
    assert ends("""
    run = store.run("a")
    def slot():
        1 / 0
    try:
        slot()
    except ZeroDivisionError as e:
        sys.excepthook(type(e), e, e.__traceback__.tb_next)
    """) == {"a": "finished"}


# A function that holds the run, left by an exception that someone catches.


def test_a_sweep_that_catches_what_its_trials_raise_has_failed_and_finished_runs(ends):
    assert ends("""
    def trial(i):
        run = store.run(f"r{i}")
        run.log({"x": float(i)})
        if i % 2:
            raise ValueError(f"trial {i}")
    def sweep(catch):
        for i in range(4):
            catch(i)
    def named(i):
        try:
            trial(i)
        except ValueError as e:
            print(e)
    def bare(i):
        try:
            trial(i + 4)
        except:
            print("caught")
    def told(i):
        try:
            trial(i + 8)
        except ValueError as e:
            problem = e
            del e, problem
            print("handled")
    for catch in (named, bare, told):
        sweep(catch)
    """) == {f"r{i}": "failed: an exception" if i % 2 else "finished" for i in range(12)} | {
        "r9": "failed: an exception", "r11": "failed: an exception"
    }


def test_a_suppressed_exception_failed_the_run(ends):
    assert ends("""
    import contextlib
    def trial():
        run = store.run("a")
        {}[1]
    with contextlib.suppress(KeyError):
        trial()
    print("on")
    """) == {"a": "failed: an exception"}


def test_a_run_dropped_while_its_exception_is_handled_has_the_reason(ends):
    assert ends("""
    def trial():
        run = store.run("a")
        raise ValueError("boom")
    try:
        trial()
    except ValueError as e:
        e.__traceback__ = None
    """) == {"a": "failed: ValueError: boom" if KNOWN else "failed: an exception"}


def test_a_run_that_begins_and_ends_while_another_exception_is_handled_finished(ends):
    assert ends("""
    def trial():
        run = store.run("a")
        run.log({"x": 1.0})
    try:
        import no_such_module
    except ImportError:
        trial()
    """) == {"a": "finished"}


def test_a_run_whose_function_handled_an_exception_itself_finished(ends):
    assert ends("""
    def trial():
        run = store.run("a")
        try:
            1 / 0
        except ZeroDivisionError as e:
            run.log({"x": 1.0})
        return run.log({"x": 2.0})
    trial()
    def looped():
        run = store.run("b")
        for _ in range(3):
            try:
                1 / 0
            except ZeroDivisionError:
                continue
    looped()
    """) == {"a": "finished", "b": "finished"}


def test_a_run_freed_by_the_garbage_collector_finished(ends):
    assert ends("""
    import gc
    class Trainer:
        def __init__(self):
            self.run, self.me = store.run("a"), self
    Trainer()
    try:
        1 / 0
    except ZeroDivisionError:
        gc.collect()
    """) == {"a": "finished"}


# Threads and processes that work for others.


def test_a_thread_that_raises_fails_the_run_that_it_holds(ends):
    assert ends("""
    shared = store.run("shared")
    def work():
        run = store.run("own")
        shared.log({"x": 1.0})
        raise ValueError("in a thread")
    thread = threading.Thread(target=work)
    thread.start(); thread.join()
    """) == {"own": "failed: ValueError: in a thread", "shared": "finished"}


TRIAL = """
import sys, tidalite
def trial(i):
    run = tidalite.open(sys.argv[1]).run(f"r{i}")
    run.log({"x": float(i)})
    if i == 1:
        raise ValueError("trial 1")
"""
# Python 3.10 drops the exception later.
KNOWN = sys.version_info >= (3, 11)
POOL = {"r0": "finished", "r1": "failed: ValueError: trial 1", "r2": "finished"}


@pytest.fixture
def trial(tmp_path, monkeypatch):
    (tmp_path / "trials.py").write_text(TRIAL)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize("executor", ["ThreadPoolExecutor(2)", "ProcessPoolExecutor(2)"])
def test_an_executors_worker_that_raises_fails_its_run(ends, trial, executor):
    known = KNOWN or executor.startswith("Thread")
    assert ends(f"""
    from concurrent.futures import *
    from trials import trial
    if __name__ == "__main__":
        with {executor} as pool:
            futures = [pool.submit(trial, i) for i in range(3)]
        print([f.exception() for f in futures])
    """) == POOL | ({} if known else {"r1": "failed: an exception"})


def test_a_run_that_a_variable_of_the_program_holds_is_not_failed_by_a_kept_exception(ends):
    assert ends("""
    run, errors = store.run("a"), []
    class Holder: pass
    holder = Holder(); holder.run = store.run("b")
    def step(run, holder):
        raise ValueError("a bad batch")
    for _ in range(3):
        try:
            step(run, holder)
        except ValueError as e:
            errors.append(e)
    """) == {"a": "finished", "b": "finished"}


def test_a_run_that_a_running_function_holds_is_not_failed_by_a_kept_exception(ends):
    assert ends("""
    def step(run):
        raise ValueError("a bad batch")
    def main():
        run, errors = store.run("a"), []
        for _ in range(3):
            try:
                step(run)
            except ValueError as e:
                errors.append(e)
        run.log({"x": 1.0})
        store.close()
    main()
    """) == {"a": "finished"}


def test_runs_in_frames_that_a_list_of_errors_keeps_failed(ends):
    assert ends("""
    class Trainer:
        def __init__(self, id):
            self.run = store.run(id)
        def fit(self):
            raise ValueError("diverged")
    def trial(id):
        Trainer(id).fit()
    errors = []
    with store:
        for i in range(3):
            try:
                trial(f"r{i}")
            except ValueError as e:
                errors.append(e)
    """) == {f"r{i}": "failed: ValueError: diverged" for i in range(3)}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_multiprocessing_pools_worker_that_raises_fails_its_run(ends, trial, start):
    assert ends(f"""
    import multiprocessing
    from trials import trial
    if __name__ == "__main__":
        with multiprocessing.get_context({start!r}).Pool(2) as pool:
            for done in [pool.apply_async(trial, (i,)) for i in range(3)]:
                done.wait()
            pool.close(); pool.join()
    """) == POOL | {"r1": "failed: an exception"}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_child_of_multiprocessing_ends_its_runs_and_not_its_parents(ends, tmp_path, monkeypatch, start):
    (tmp_path / "children.py").write_text("""
import sys, tidalite
def child(id):
    global run
    run = tidalite.open(sys.argv[1]).run(id)
    run.log({"x": 1.0})
    if id == "raises":
        raise ValueError("in a child")
    if id == "exits":
        sys.exit(3)
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert ends(f"""
    import multiprocessing
    from children import child
    if __name__ == "__main__":
        run = store.run("parent")
        for id in ("ends", "raises", "exits"):
            process = multiprocessing.get_context({start!r}).Process(target=child, args=(id,))
            process.start(); process.join()
            assert run.status == "running"
    """) == {
        "ends": "finished",
        # Since Python 3.13 the exception is gone when the child ends.
        "raises": "failed: ValueError: in a child" if sys.version_info < (3, 13) else "failed: exit code 1",
        "exits": "failed: exit code 3",
        "parent": "finished",
    }


# What the run says.


def test_finish_and_fail_take_a_reason(store):
    store.run("a").fail("loss is NaN")
    store.run("b").fail(ValueError("boom"))
    store.run("c").finish("failed", "boom")
    store.run("d").fail()
    runs = store.runs()
    assert [(r.status, r.reason) for r in runs] == [
        ("failed", "loss is NaN"), ("failed", "ValueError: boom"), ("failed", "boom"), ("failed", None)
    ]
    with pytest.raises(tidalite.Invalid, match="no reason"):
        store.run("e").finish("finished", "well")
    with pytest.raises(TypeError, match="the reason is of type int"):
        store.run("e").fail(3)


def test_a_dropped_run_leaves_the_exception_on_its_way_as_it_is(ends):
    assert ends("""
    def take(run, other):
        pass
    try:
        take(store.run("a"), 1 / 0)
    except ZeroDivisionError as e:
        store.run("said", params={"message": str(e)}).finish()
    """) == {"a": "failed: ZeroDivisionError: division by zero", "said": "finished"}
