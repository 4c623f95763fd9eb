"""How cost grows with size: load, open and queries against 1, 10 and 100 M points, and against 1 k to 1 M series.

    pip install matplotlib numpy pyarrow, and the package
    python benches/scaling.py [--largest] [--picture docs/images/scaling.png] [--format json]

Each size is loaded in one process and queried in another, which reports the median of five answers and its peak memory (the
memory option is at its default). `--largest` adds what takes minutes and gigabytes: 100 M points, 1 M series, a run with 100,000
metrics and one series of 100 M points. The picture has cost against size on logarithmic axes, with the slope of n log n for comparison.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np

START_US = 1_780_000_000_000_000
# At most this many points per batch.
BATCH = 4_000_000


class Size(NamedTuple):
    sweep: str
    runs: int
    metrics: int
    steps: int

    @property
    def series(self) -> int:
        return self.runs * self.metrics

    @property
    def points(self) -> int:
        return self.series * self.steps

    @property
    def n(self) -> int:
        """What the sweep counts."""
        return self.series if self.sweep == "series" else self.points


USUAL = [Size("points", 20, 50, 1_000), Size("points", 20, 50, 10_000)]
USUAL += [Size("series", runs, 100, 100) for runs in (10, 100, 1_000)]
LARGEST = [Size("points", 20, 50, 100_000), Size("series", 10_000, 100, 100)]
LARGEST += [Size("wide run", 1, 100_000, 10), Size("long series", 1, 1, 100_000_000)]


def batches(size: Size) -> Any:
    """All points, in Arrow batches of whole runs, or of ranges of steps where a run is larger than a batch."""
    import pyarrow as pa

    names = pa.array([f"metric/{i}" for i in range(size.metrics)])
    rng = np.random.default_rng(size.points)
    a_run = size.metrics * size.steps
    runs_each, steps_each = max(1, BATCH // a_run), min(size.steps, max(1, BATCH // size.metrics))
    for run in range(0, size.runs, runs_each):
        count = min(runs_each, size.runs - run)
        ids = pa.array([f"run-{run + i:05}" for i in range(count)])
        for low in range(0, size.steps, steps_each):
            steps = np.arange(low, min(size.steps, low + steps_each))
            each, total = len(steps), count * size.metrics * len(steps)
            yield pa.record_batch(
                {
                    "run": pa.DictionaryArray.from_arrays(pa.array(np.repeat(np.arange(count, dtype="i4"), size.metrics * each)), ids),
                    "metric": pa.DictionaryArray.from_arrays(
                        pa.array(np.tile(np.repeat(np.arange(size.metrics, dtype="i4"), each), count)), names
                    ),
                    "step": pa.array(np.tile(steps, count * size.metrics)),
                    "time": pa.array(START_US + 100_000 * np.tile(steps, count * size.metrics)).cast(pa.timestamp("us", "UTC")),
                    "value": pa.array(rng.standard_normal(total).astype("f4").astype("f8")),
                }
            )


def load(size: Size, folder: str) -> dict[str, Any]:
    import tidalite

    taken = 0.0
    with tidalite.open(folder) as store:
        for batch in batches(size):
            begun = time.perf_counter()
            store.append(batch)
            taken += time.perf_counter() - begun
        begun = time.perf_counter()
        store.compact()
        compacted = time.perf_counter() - begun
    files = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return {"load": taken, "compact": compacted, "bytes per point": sum(map(os.path.getsize, files)) / size.points}


def ask(size: Size, folder: str) -> dict[str, Any]:
    import pyarrow  # noqa: F401 (answers become Arrow; a notebook has imported it before)
    import tidalite

    begun = time.perf_counter()
    store = tidalite.open(folder, "r")
    one = store.select("metric/0", runs="run-00000")
    one.chart(1000).to_arrow()
    found = {"open and first chart": time.perf_counter() - begun}
    asked = {
        "list runs": lambda: len(store.runs()),
        "list metrics": lambda: len(store.metrics()),
        "a series": lambda: store.select("metric/0", runs="run-00000", steps=(0, 10_000)).points().to_arrow(),
        "a chart": lambda: store.select("metric/0", runs="run-00000").chart(1000).to_arrow(),
        "a chart of all runs": lambda: store.select("metric/0").chart(1000).to_arrow(),
        "a mean of each series": lambda: store.select().aggregate("count", "mean", by=["run", "metric"]).to_arrow(),
    }
    for name, question in asked.items():
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            question()
            times.append(time.perf_counter() - begun)
        found[name] = statistics.median(times)
    store.close()
    return {**found, "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(part: str, size: Size, folder: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", part, "--size", json.dumps(size), "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{size}, {part}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def number(value: float) -> str:
    """Three significant digits and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def head(row: dict[str, Any]) -> None:
    names = [name for name in row if name not in ("load", "bytes per point", "peak MiB")]
    print("| runs × metrics × steps | points | series | load, M points/s | bytes per point | " + ", ms | ".join(names) + ", ms | peak MiB |")
    print("|---" * (len(names) + 6) + "|")


def line(size: Size, row: dict[str, Any]) -> None:
    cells = [f"{size.runs:,} × {size.metrics:,} × {size.steps:,}", f"{size.points / 1e6:g} M", f"{size.series:,}"]
    cells += [f"{size.points / row['load'] / 1e6:.1f}", f"{row['bytes per point']:.2f}"]
    cells += [number(row[name] * 1e3) for name in row if name not in ("load", "bytes per point", "peak MiB")]
    print("| " + " | ".join([*cells, f"{row['peak MiB']:.0f}"]) + " |", flush=True)


def draw(sizes: list[Size], found: list[dict[str, Any]], path: str) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5), sharey=True)
    names = [name for name in found[0] if name not in ("bytes per point", "peak MiB")]
    for axis, sweep in zip(axes, ("points", "series")):
        chosen = [(size, row) for size, row in zip(sizes, found) if size.sweep == sweep]
        n = np.array([size.n for size, _ in chosen], dtype=float)
        for name in names:
            axis.plot(n, [row[name] * 1e3 for _, row in chosen], marker="o", label=name)
        slope = n * np.log(n)
        for start in (0.05, 50):
            axis.plot(n, slope / slope[0] * start, color="0.8", linestyle="--", zorder=0, label="n log n" if start < 1 else None)
        axis.set(xscale="log", yscale="log", xlabel=f"{sweep} in the store", title=f"cost against {sweep}")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds")
    axes[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--largest", action="store_true", help="also what takes minutes and gigabytes")
    asked.add_argument("--picture", metavar="FILE", help="draws cost against size")
    asked.add_argument("--format", choices=["table", "json"], default="table")
    for hidden in ("--part", "--size", "--folder"):
        asked.add_argument(hidden, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.part:
        size = Size(*json.loads(given.size))
        print(json.dumps((load if given.part == "load" else ask)(size, given.folder)))
        return 0
    sizes, found = USUAL + (LARGEST if given.largest else []), []
    for size in sizes:
        if sys.stderr.isatty():
            print(f"{size.sweep}: {size.n:,} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            store = os.path.join(folder, "store")
            found.append({**in_a_process("load", size, store), **in_a_process("ask", size, store)})
        if given.format == "table":
            if len(found) == 1:
                head(found[0])
            line(size, found[-1])
    if given.format == "json":
        print(json.dumps([{**size._asdict(), **row} for size, row in zip(sizes, found)], indent=1))
    if given.picture:
        draw(sizes, found, given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
