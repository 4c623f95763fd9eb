"""Processes that fork, spawn, are killed, exit early, or are interrupted: no accepted row is lost, and no process hangs.

Method: each case is a script that runs in its own process and prints how many rows were accepted; the test then reads the store.
"""
import os
import signal
import subprocess
import sys
import time

import pytest

import tidalite

HEAD = """
import os, signal, sys, threading, time
import tidalite
path = sys.argv[1]
"""


def steps(path, metric="x", **selection):
    with tidalite.open(path, "r") as store:
        return store.select(metric, **selection).to_numpy()["step"].tolist()


def statuses(path):
    with tidalite.open(path, "r") as store:
        return {r.id: r.status for r in store.runs()}


def test_a_script_that_ends_leaves_its_runs_finished(script, path):
    script(HEAD + "store = tidalite.open(path)\nrun = store.run('a')\n[run.log({'x': 1.0}) for _ in range(1000)]", path)
    assert steps(path) == list(range(1000))
    assert statuses(path) == {"a": "finished"}


def test_a_script_that_ends_by_an_exception_leaves_its_runs_failed(script, path):
    done = script(HEAD + "store = tidalite.open(path)\nrun = store.run('a')\nrun.log({'x': 1.0})\nraise ValueError('boom')", path, check=False)
    assert done.returncode == 1 and "boom" in done.stderr and "tidalite" not in done.stderr.replace("import tidalite", "")
    assert steps(path) == [0]
    assert statuses(path) == {"a": "failed"}


def test_an_exception_in_a_thread_affects_nothing_else(script, path):
    script(
        HEAD
        + """
store = tidalite.open(path)
run = store.run('a')
def work():
    for i in range(100):
        run.log({'x': float(i)}, step=i)
    raise ValueError('in a thread')
thread = threading.Thread(target=work)
thread.start(); thread.join()
run.log({'x': 100.0}, step=100)
""",
        path,
    )
    assert steps(path) == list(range(101))
    assert statuses(path) == {"a": "finished"}


def test_daemon_threads_that_log_until_the_exit_do_not_hang_or_crash_it(script, path):
    for _ in range(5):
        script(
            HEAD
            + """
store = tidalite.open(path)
run = store.run('a')
watch = run.watch_system(interval=0.05)
def work():
    i = 0
    while True:
        run.log({'x': float(i)}, step=i); i += 1
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
def read():
    while True:
        len(store.select('x').points())
threading.Thread(target=read, daemon=True).start()
threading.Thread(target=lambda: store.select('y').follow().wait(), daemon=True).start()
time.sleep(0.3)
""",
            path,
        )
    assert steps(path)[0] == 0
    assert statuses(path) == {"a": "finished"}


@pytest.mark.parametrize("round", range(5))
def test_sigkill_loses_no_accepted_row(path, tmp_path, round):
    text = HEAD + """
run = tidalite.open(path).run('a')
step = 0
while True:
    run.log({'x': float(step), 'y': -float(step)}, step=step)
    os.write(1, step.to_bytes(8, 'little'))
    step += 1
"""
    file = tmp_path / "script.py"
    file.write_text(text)
    process = subprocess.Popen([sys.executable, file, path], stdout=subprocess.PIPE)
    told = process.stdout.read(8 * (100 + 700 * round))
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read()
    process.wait()
    accepted = len(told) // 8
    got = steps(path)
    assert got == list(range(len(got))) and len(got) >= accepted > 0
    assert steps(path, "y") == got, "rows are whole"
    assert statuses(path) == {"a": "lost"}


def test_ctrl_c_during_logging_loses_no_row(path, tmp_path):
    # Children of a background process may ignore SIGINT.
    text = HEAD + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
with tidalite.open(path) as store, store.run('a') as run:
    print('go', flush=True)
    step = 0
    try:
        while True:
            run.log({'x': float(step)}, step=step)
            step += 1
    finally:
        print(step, flush=True)
"""
    file = tmp_path / "script.py"
    file.write_text(text)
    process = subprocess.Popen([sys.executable, file, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    logged = int(process.stdout.readline())
    assert process.wait(timeout=30) != 0
    assert steps(path)[: logged] == list(range(logged)) and len(steps(path)) in (logged, logged + 1)
    assert statuses(path) == {"a": "failed"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_writes_on_its_own_and_ends_neither_run_nor_store_of_the_parent(script, path):
    script(
        HEAD
        + """
store = tidalite.open(path)
run = store.run('a')
run.log({'x': 0.0}, step=0)
pids = []
for child in range(1, 4):
    pid = os.fork()
    if pid == 0:
        for i in range(500):
            run.log({'x': float(child)}, step=child * 1000 + i)
        own = store.run(f'child-{child}')
        own.log({'x': 1.0}, step=-child)
        assert len(store.select('x', runs='a').points()) >= 501
        if child == 1:
            sys.exit(0)          # runs the exit handlers
        if child == 2:
            os._exit(0)          # does not
        os.kill(os.getpid(), signal.SIGKILL)
    pids.append(pid)
for i in range(1, 500):
    run.log({'x': 0.0}, step=i)
[os.waitpid(p, 0) for p in pids]
run.log({'x': 0.0}, step=500)
assert run.status == 'running', run.status
store.flush()
run.finish()
""",
        path,
    )
    expected = list(range(501)) + [c * 1000 + i for c in (1, 2, 3) for i in range(500)]
    assert steps(path, runs="a") == expected
    got = statuses(path)
    assert got["a"] == "finished" and got["child-1"] == "finished" and got["child-3"] == "lost"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_log_to_one_store(script, path, method):
    script(
        """
import multiprocessing, sys
import tidalite

def work(path, rank):
    with tidalite.open(path) as store, store.run('job', labels={'rank': rank}) as run:
        for i in range(300):
            run.log({'x': float(rank)}, step=i)

if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[2])
    store = tidalite.open(sys.argv[1])
    run = store.run('job', labels={'rank': 'main'})
    run.log({'x': -1.0}, step=0)
    workers = [context.Process(target=work, args=(sys.argv[1], rank)) for rank in range(4)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert all(w.exitcode == 0 for w in workers)
    assert len(store.select('x').points()) == 1201
""",
        path,
        method,
    )
    assert len(steps(path, labels={"rank": 3})) == 300
    assert statuses(path) == {"job": "finished"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_other_threads_log_does_not_hang(script, path):
    script(
        HEAD
        + """
store = tidalite.open(path)
run = store.run('a')
run.watch_system(interval=0.05)
stop = False
def work(t):
    i = 0
    while not stop:
        run.log({f't{t}': float(i)}, step=i); i += 1
threads = [threading.Thread(target=work, args=(t,)) for t in range(3)]
[t.start() for t in threads]
for n in range(20):
    pid = os.fork()
    if pid == 0:
        run.log({'child': float(n)}, step=n)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
[t.join() for t in threads]
""",
        path,
    )
    assert steps(path, "child") == list(range(20))


def test_a_reader_sees_the_rows_of_another_process_while_it_writes(path, tmp_path):
    file = tmp_path / "script.py"
    file.write_text(HEAD + "run = tidalite.open(path).run('a')\nfor i in range(200):\n    run.log({'x': float(i)}, step=i)\n    time.sleep(0.005)\n")
    process = subprocess.Popen([sys.executable, file, path])
    while not (path / "log").is_dir():
        time.sleep(0.01)
    with tidalite.open(path, "r") as store:
        seen = [s for table in store.select("x").follow(timeout=3) for s in table.to_numpy()["step"].tolist()]
    assert process.wait() == 0
    assert seen == list(range(200))


def test_a_full_disk_is_an_error_and_logging_continues_afterwards(script, path):
    """`RLIMIT_FSIZE` simulates a full disk: Python ignores its signal, so writes fail with EFBIG.

    The limit is below the least segment of a log (64 KiB). Under a higher one the log goes on in smaller segments.
    """
    done = script(
        HEAD
        + """
import resource
store = tidalite.open(path, background=False)
run = store.run('a')
run.log({'x': 0.0}, step=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 10, resource.RLIM_INFINITY))
step, refused = 1, 0
while refused == 0 and step < 10_000_000:
    try:
        run.log({'x': float(step)}, step=step)
        step += 1
    except tidalite.Full:
        refused += 1
assert refused == 1, 'the limit was never met'
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run.log({'x': float(step)}, step=step)
print(step)
""",
        path,
    )
    last = int(done.stdout)
    assert steps(path) == list(range(last + 1)), "rows before and after the full disk are there"


def modes(root):
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            at = os.stat(os.path.join(folder, name))
            yield name, at.st_mode & 0o7777, at.st_gid, name in folders


SHARED = HEAD + """
import numpy as np  # before the user changes, who may not read the interpreter's files
os.umask(0o077)
if len(sys.argv) > 2:
    os.setgroups([int(sys.argv[3])]); os.setgid(65534); os.setuid(int(sys.argv[2]))
with tidalite.open(path) as store:
    with store.run("a") as run:
        for step in range(100):
            run.log({"x": 1.0})
    store.append({"run": "a", "metric": "big", "step": np.arange(50_000), "value": np.zeros(50_000)})
    store.flush()
    store.compact()
    print(store.stats().points)
"""


@pytest.mark.parametrize("mode", [0o2770, 0o700, 0o755, 0o2775])
def test_what_a_process_makes_takes_the_mode_and_group_of_the_stores_folder(script, path, mode):
    path.mkdir()
    group = 12_345 if os.getuid() == 0 else os.getgid()
    os.chown(path, -1, group)
    os.chmod(path, mode)
    script(SHARED, path)
    made = list(modes(path))
    assert len(made) > 10
    for name, found, gid, is_folder in made:
        wanted = mode if is_folder else mode & 0o666
        assert (oct(found), gid) == (oct(wanted), group), name


def test_a_new_store_of_a_process_that_shares_nothing_is_private(script, path):
    script(SHARED, path)
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert all(found & 0o077 == 0 for _, found, _, _ in modes(path))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become other users")
def test_users_of_one_group_share_a_store_whatever_their_umask(script, path, tmp_path):
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o005 != 0o005:
            os.chmod(folder, folder.stat().st_mode | 0o055)
    path.mkdir()
    os.chown(path, -1, 12_345)
    os.chmod(path, 0o2770)
    # Without the setgid bit too: then each gives the group itself.
    for round, mode in enumerate([0o2770, 0o770]):
        if round:
            for folder, _, _ in os.walk(path):
                os.chmod(folder, mode)
        for user in (2001, 2002):
            script(SHARED, path, user, 12_345)
    with tidalite.open(path) as store:
        assert store.verify().sound and len(store.runs()["a"].participants) == 4
    assert {gid for _, _, gid, _ in modes(path)} == {12_345}
