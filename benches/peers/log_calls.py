"""The cost of `log` in a training loop: tidalite compared with other trackers, each through its own Python API and defaults.

    pip install -r benches/peers/requirements.txt
    python benches/peers/log_calls.py [--calls 400] [--metrics 20] [--rounds 3] [--systems tidalite,jsonl]

Each system runs in a process of its own, the systems in turn, several rounds; the table has medians over the rounds. A loop
makes CALLS calls of METRICS metrics each; the first tenth, at most 20, is not timed. The columns:

- µs per call: mean over the loop;
- points/s until closed: from the first timed call until the system reports that everything is written;
- CPU s: of the process and its children, from opening to closed, imports left out;
- bytes per point: files on the disk, once closed.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from workload import metric_names, runs

Log = Callable[[int], Any]
# One function per system: starts a run in a folder, and gives a function that logs row i and one that closes.
Begin = Callable[[str, list[dict[str, float]], list[int]], tuple[Log, Callable[[], Any]]]


def tidalite(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    import tidalite

    store = tidalite.open(folder)
    run = store.run("run")
    return (lambda i: run.log(rows[i], step=i)), store.close


def jsonl(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    """One JSON object per line, flushed to the operating system in each call."""
    file = open(os.path.join(folder, "metrics.jsonl"), "w")

    def log(i: int) -> None:
        file.write(json.dumps({"step": i, "time": times[i], **rows[i]}) + "\n")
        file.flush()

    return log, file.close


def sqlite(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    """One transaction per call, in WAL mode with `synchronous=normal`: durable against a crash of the process, as tidalite's default."""
    import sqlite3

    db = sqlite3.connect(os.path.join(folder, "metrics.db"))
    db.executescript(
        "pragma journal_mode=wal; pragma synchronous=normal;"
        "create table metric(run text, name text, step int, time int, value real, primary key(run, name, step)) without rowid;"
    )

    def log(i: int) -> None:
        with db:
            db.executemany("insert into metric values('run',?,?,?,?)", [(k, i, times[i], v) for k, v in rows[i].items()])

    return log, db.close


def wandb(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    """Offline, without its samples of the machine and its capture of the console."""
    import wandb

    run = wandb.init(project="bench", dir=folder, mode="offline", settings=wandb.Settings(x_disable_stats=True, console="off"))

    def close() -> None:
        run.finish()
        wandb.teardown()

    return (lambda i: run.log(rows[i], step=i)), close


def trackio(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    import trackio

    trackio.init(project="bench", embed=False)
    return (lambda i: trackio.log(rows[i], step=i)), trackio.finish


def tensorboardX(folder: str, rows: list[dict[str, float]], times: list[int]) -> tuple[Log, Callable[[], Any]]:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(folder)

    def log(i: int) -> None:
        for name, value in rows[i].items():
            writer.add_scalar(name, value, i)

    return log, writer.close


SYSTEMS: dict[str, tuple[str, str | None, Begin]] = {
    "tidalite": ("tidalite", "tidalite", tidalite),
    "jsonl": ("JSON lines, flushed", None, jsonl),
    "trackio": ("Trackio", "trackio", trackio),
    "sqlite": ("SQLite, WAL", None, sqlite),
    "wandb": ("wandb offline", "wandb", wandb),
    "tensorboardX": ("tensorboardX", "tensorboardX", tensorboardX),
}


def measure(system: str, calls: int, metrics: int) -> dict[str, float]:
    """One system, in this process."""
    _, module, begin = SYSTEMS[system]
    _, times, values = next(runs(1, metrics, calls))
    names = metric_names(metrics)
    rows = [dict(zip(names, column, strict=True)) for column in values.T.tolist()]
    warm = min(20, calls // 10)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        # Read when Trackio is imported.
        os.environ["TRACKIO_DIR"] = folder
        if module:
            # Not measured: a training loop has imported everything before.
            __import__(module)
        before = _cpu_seconds()
        log, close = begin(folder, rows, times.tolist())
        for i in range(warm):
            log(i)
        begun = time.perf_counter()
        for i in range(warm, calls):
            log(i)
        logged = time.perf_counter()
        close()
        closed = time.perf_counter()
        cpu = _cpu_seconds() - before
        size = sum(os.path.getsize(os.path.join(at, file)) for at, _, files in os.walk(folder) for file in files)
    timed = calls - warm
    return {
        "us": (logged - begun) / timed * 1e6,
        "rate": timed * metrics / (closed - begun),
        "cpu": cpu,
        "bytes": size / (calls * metrics),
    }


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _in_a_process(system: str, calls: int, metrics: int) -> dict[str, float] | str:
    quiet = {"WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    command = [sys.executable, __file__, "--one", system, "--calls", str(calls), "--metrics", str(metrics)]
    done = subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=600)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--calls", type=int, default=400)
    asked.add_argument("--metrics", type=int, default=20)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--systems", default=",".join(SYSTEMS), help=f"some of {','.join(SYSTEMS)}")
    asked.add_argument("--one", choices=SYSTEMS, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.calls, given.metrics)), flush=True)
        # Some systems leave threads running that would delay the exit.
        os._exit(0)
    chosen = given.systems.split(",")
    for system in chosen:
        if system not in SYSTEMS:
            asked.error(f"--systems: {system} is none of {','.join(SYSTEMS)}")
    left_out = {s: f"not installed: pip install {m}" for s in chosen if (m := SYSTEMS[s][1]) and not importlib.util.find_spec(m)}
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(given.rounds):
        for system in chosen:
            if system in left_out:
                continue
            one = _in_a_process(system, given.calls, given.metrics)
            if isinstance(one, str):
                left_out[system] = one
            else:
                found.setdefault(system, []).append(one)
    _print(given, {s: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for s, rs in found.items()}, left_out)
    return 1 if left_out else 0


def _print(given: argparse.Namespace, found: dict[str, dict[str, float]], left_out: dict[str, str]) -> None:
    base = found.get("tidalite", {}).get("us")
    print(f"{given.calls} calls of {given.metrics} metrics; medians of {given.rounds} rounds\n")
    print("| | µs a call | × tidalite | points/s till closed | CPU s | bytes per point |")
    print("|---|---|---|---|---|---|")
    for system, row in sorted(found.items(), key=lambda item: item[1]["us"]):
        ratio = f"{row['us'] / base:,.1f}" if base else ""
        name = SYSTEMS[system][0]
        print(f"| {name} | {row['us']:,.1f} | {ratio} | {row['rate']:,.0f} | {row['cpu']:.2f} | {row['bytes']:.1f} |")
    for system, why in left_out.items():
        print(f"| {SYSTEMS[system][0]} | {why} | | | | |")


if __name__ == "__main__":
    sys.exit(main())
