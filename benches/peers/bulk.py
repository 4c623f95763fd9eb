"""Bulk load, size on the disk and ten queries: tidalite compared with DuckDB, DuckDB on Parquet, and Polars on Parquet.

    pip install -r benches/peers/requirements.txt
    python benches/peers/bulk.py [--runs 20] [--metrics 50] [--steps 10000] [--systems tidalite,duckdb] [--cold]

Each system loads the same Arrow batches, one per run, until they are durable, and closes, in a process of its own. Its files are
evicted from the page cache. Then a second process opens them for reading and answers one query, the cold one. It runs each query
six times and reports the median of the last five, fetched as an Arrow table. Answers are compared: where numbers differ, the
exit code is 1. With `--cold` each query is instead the first of a new process, three times, with the files out of the page cache:
the median of opening and answering.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from workload import START_US, STAGGER_US, STEP_US, batches, run_name


class Sizes(NamedTuple):
    runs: int
    metrics: int
    steps: int

    @property
    def points(self) -> int:
        return self.runs * self.metrics * self.steps

    @property
    def run(self) -> str:
        return run_name(self.runs // 2)

    @property
    def width(self) -> int:
        """Steps per bucket, for about a thousand buckets."""
        return max(1, self.steps // 1000)

    @property
    def window(self) -> tuple[int, int]:
        """A range of time in µs, in whole seconds: a twentieth of a run's length, in the middle of all runs."""
        middle = START_US + (self.runs * STAGGER_US + self.steps * STEP_US) // 2
        low = middle // 1_000_000 * 1_000_000
        return low, low + max(1, self.steps * STEP_US // 20 // 1_000_000) * 1_000_000


def queries(s: Sizes) -> dict[str, str]:
    """The ten queries as SQL over metric(run, metric, step, time, value)."""
    low, high = s.window
    one = f"run = '{s.run}' and metric = 'loss/0'"
    shape = "min(value) lo, max(value) hi, avg(value) mean"
    return {
        "series": f"select step, time, value from metric where {one} order by step",
        "chart": f"select step // {s.width} b, {shape} from metric where {one} group by 1 order by 1",
        "chart of all runs": f"select run, step // {s.width} b, {shape} from metric where metric = 'loss/0' group by 1, 2 order by 1, 2",
        "summary": f"select run, metric, count(*) n, {shape}, arg_max(value, step) last from metric group by 1, 2",
        "mean band": f"select step // {s.width} b, avg(value) mean, stddev_pop(value) sd from metric where metric = 'loss/0' group by 1 order by 1",
        "top runs": "select run, min(value) best from metric where metric = 'loss/0' group by 1 order by 2 limit 10",
        "quantiles": "select metric, quantile_cont(value, 0.5) p50, quantile_cont(value, 0.95) p95, quantile_cont(value, 0.99) p99 from metric group by 1",
        "time window": f"select metric, epoch_us(time) // 1000000 s, avg(value) mean from metric where time >= make_timestamptz({low}) and time < make_timestamptz({high}) group by 1, 2",
        "align": f"select a.step, a.value x, b.value y from metric a join metric b on a.run = b.run and a.step = b.step where a.run = '{s.run}' and b.run = '{s.run}' and a.metric = 'lr/0' and b.metric = 'loss/0'",
        "filtered scan": "select count(*) n, sum(value) s, min(value) lo, max(value) hi from metric where value >= 0.5",
    }


class Tidalite:
    """Its own store, flushed and compacted."""

    def __init__(self, folder: str, sizes: Sizes, write: bool) -> None:
        import tidalite

        self.t, self.s = tidalite, sizes
        self.store = tidalite.open(os.path.join(folder, "store"), "rw" if write else "r")

    def load(self, given: list[Any]) -> None:
        for batch in given:
            self.store.append(batch)
        self.store.compact()

    def close(self) -> None:
        self.store.close()

    def answer(self, name: str) -> Any:
        select, bucket = self.store.select, self.t.step_bucket(self.s.width)
        shape = ("min", "max", "mean")
        asked: dict[str, Callable[[], Any]] = {
            "series": lambda: select("loss/0", runs=self.s.run).points(),
            "chart": lambda: select("loss/0", runs=self.s.run).aggregate(*shape, by=bucket),
            "chart of all runs": lambda: select("loss/0").aggregate(*shape, by=["run", bucket]),
            "summary": lambda: select().aggregate("count", *shape, "last", by=["run", "metric"]),
            "mean band": lambda: select("loss/0").aggregate("mean", "std", by=bucket),
            "top runs": lambda: select("loss/0").aggregate("min", by="run").sort("min").head(10),
            "quantiles": lambda: select().aggregate("p50", "p95", "p99", by="metric"),
            "time window": lambda: select(time=self.s.window).aggregate("mean", by=["metric", self.t.time_bucket("1s")]),
            "align": lambda: select(["lr/0", "loss/0"], runs=self.s.run).align(on="step"),
            "filtered scan": lambda: select(values=(0.5, None)).aggregate("count", "sum", "min", "max"),
        }
        return asked[name]().to_arrow()


class DuckDB:
    """A table of DuckDB's own file."""

    def __init__(self, folder: str, sizes: Sizes, write: bool) -> None:
        import duckdb

        self.db, self.sql = duckdb.connect(os.path.join(folder, "metric.duckdb"), read_only=not write), queries(sizes)

    def load(self, given: list[Any]) -> None:
        import pyarrow as pa

        self.db.execute("create table metric(run varchar, metric varchar, step bigint, time timestamptz, value double)")
        for batch in given:
            rows = pa.Table.from_batches([batch])  # noqa: F841 (DuckDB finds it by its name)
            self.db.execute("insert into metric select * from rows")
        self.db.execute("checkpoint")

    def close(self) -> None:
        self.db.close()

    def answer(self, name: str) -> Any:
        return self.db.execute(self.sql[name]).to_arrow_table()


class DuckDBOnParquet(DuckDB):
    """One Parquet file, zstd, sorted by run, metric and step, each column with a suitable encoding, as a careful user would write it."""

    def __init__(self, folder: str, sizes: Sizes, write: bool) -> None:
        import duckdb

        self.path = os.path.join(folder, "metric.parquet")
        self.db, self.sql = duckdb.connect(), queries(sizes)
        if not write:
            self.db.execute(f"create view metric as from read_parquet('{self.path}')")

    def load(self, given: list[Any]) -> None:
        write_parquet(self.path, given)


class Polars:
    """Lazily over the same Parquet file, by the streaming engine."""

    def __init__(self, folder: str, sizes: Sizes, write: bool) -> None:
        import polars

        self.pl, self.s, self.path = polars, sizes, os.path.join(folder, "metric.parquet")

    def load(self, given: list[Any]) -> None:
        write_parquet(self.path, given)

    def close(self) -> None:
        pass

    def answer(self, name: str) -> Any:
        pl, rows, c = self.pl, self.pl.scan_parquet(self.path), self.pl.col
        value, bucket = c("value"), (c("step") // self.s.width).alias("b")
        shape = [value.min().alias("lo"), value.max().alias("hi"), value.mean().alias("mean")]
        in_run, is_loss = c("run") == self.s.run, c("metric") == "loss/0"
        low, high = (pl.lit(t).cast(pl.Datetime("us", "UTC")) for t in self.s.window)
        percents = [value.quantile(q, "linear").alias(str(q)) for q in (0.5, 0.95, 0.99)]
        second = (c("time").dt.epoch("us") // 1_000_000).alias("s")
        loss, rate = (rows.filter(in_run & (c("metric") == m)).select("step", value.alias(m)) for m in ("loss/0", "lr/0"))
        asked: dict[str, Callable[[], Any]] = {
            "series": lambda: rows.filter(in_run & is_loss).select("step", "time", "value").sort("step"),
            "chart": lambda: rows.filter(in_run & is_loss).group_by(bucket).agg(shape).sort("b"),
            "chart of all runs": lambda: rows.filter(is_loss).group_by("run", bucket).agg(shape).sort("run", "b"),
            "summary": lambda: rows.group_by("run", "metric").agg(pl.len(), *shape, value.sort_by("step").last().alias("last")),
            "mean band": lambda: rows.filter(is_loss).group_by(bucket).agg(value.mean(), value.std(ddof=0).alias("sd")).sort("b"),
            "top runs": lambda: rows.filter(is_loss).group_by("run").agg(value.min()).sort("value").head(10),
            "quantiles": lambda: rows.group_by("metric").agg(percents),
            "time window": lambda: rows.filter(c("time").is_between(low, high, closed="left")).group_by("metric", second).agg(value.mean()),
            "align": lambda: rate.join(loss, on="step"),
            "filtered scan": lambda: rows.filter(value >= 0.5).select(pl.len(), value.sum().alias("s"), *shape[:2]),
        }
        return asked[name]().collect(engine="streaming").to_arrow()


def write_parquet(path: str, given: list[Any]) -> None:
    """Batches as row groups of a million rows, durable when it returns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    encoding = {"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["run", "metric"], "column_encoding": encoding}
    with pq.ParquetWriter(path, given[0].schema, **options) as writer:
        for batch in given:
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=1 << 20)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


SYSTEMS: dict[str, tuple[str, Any]] = {
    "tidalite": ("tidalite", Tidalite),
    "duckdb": ("DuckDB", DuckDB),
    "duckdb-parquet": ("DuckDB on Parquet", DuckDBOnParquet),
    "polars": ("Polars on Parquet", Polars),
}


def load(system: str, sizes: Sizes, folder: str) -> dict[str, Any]:
    """Loads, in this process: points a second, and bytes per point."""
    given = list(batches(*sizes))
    one = SYSTEMS[system][1](folder, sizes, write=True)
    begun = time.perf_counter()
    one.load(given)
    one.close()
    taken = time.perf_counter() - begun
    size = sum(os.path.getsize(file) for file in _files(folder))
    return {"load, M points/s": sizes.points / taken / 1e6, "bytes per point": size / sizes.points}


def ask(system: str, sizes: Sizes, folder: str) -> dict[str, Any]:
    """Opens and queries in this process: milliseconds, and the numbers of each answer that must agree."""
    kind = SYSTEMS[system][1]
    # Not measured: a notebook has imported it before.
    __import__({"duckdb-parquet": "duckdb"}.get(system, system))
    import pyarrow  # noqa: F401 (all systems need it to give an Arrow table)

    begun = time.perf_counter()
    one = kind(folder, sizes, write=False)
    one.answer("series")
    found: dict[str, Any] = {"open and first query, cold, ms": (time.perf_counter() - begun) * 1e3}
    agree = {}
    for name in queries(sizes):
        agree[name] = _outline(one.answer(name))
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            one.answer(name)
            taken.append(time.perf_counter() - begun)
        found[f"{name}, ms"] = statistics.median(taken) * 1e3
    one.close()
    return {**found, "agree": agree}


def ask_once(system: str, sizes: Sizes, folder: str, query: str) -> dict[str, Any]:
    """Opens and runs one query in this process: milliseconds."""
    kind = SYSTEMS[system][1]
    __import__({"duckdb-parquet": "duckdb"}.get(system, system))
    import pyarrow  # noqa: F401 (as in `ask`)

    begun = time.perf_counter()
    one = kind(folder, sizes, write=False)
    one.answer(query)
    taken = time.perf_counter() - begun
    one.close()
    return {"ms": taken * 1e3}


def _outline(table: Any) -> list[float]:
    """The number of rows, and the sum of each column of floats, in ascending order, since systems name columns differently."""
    import pyarrow as pa
    import pyarrow.compute as pc

    floats = [column for column in table.columns if pa.types.is_floating(column.type)]
    return [table.num_rows, *sorted(pc.sum(column).as_py() for column in floats)]


def _files(folder: str) -> Iterator[str]:
    for at, _, files in os.walk(folder):
        yield from (os.path.join(at, file) for file in files)


def _put_out_of_cache(folder: str) -> None:
    os.sync()
    for path in _files(folder):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _in_a_process(part: str, system: str, sizes: Sizes, folder: str, query: str = "series") -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", part, "--systems", system, "--folder", folder, "--query", query]
    command += ["--runs", str(sizes.runs), "--metrics", str(sizes.metrics), "--steps", str(sizes.steps)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        sys.exit(f"{system}, {part}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--metrics", type=int, default=50)
    asked.add_argument("--steps", type=int, default=10_000)
    asked.add_argument("--systems", default=",".join(SYSTEMS), help=f"some of {','.join(SYSTEMS)}")
    asked.add_argument("--cold", action="store_true", help="each query as the first of a new process")
    asked.add_argument("--part", choices=["load", "ask", "ask-once"], help=argparse.SUPPRESS)
    asked.add_argument("--query", help=argparse.SUPPRESS)
    asked.add_argument("--folder", help=argparse.SUPPRESS)
    given = asked.parse_args()
    sizes = Sizes(given.runs, given.metrics, given.steps)
    chosen = given.systems.split(",")
    for system in chosen:
        if system not in SYSTEMS:
            asked.error(f"--systems: {system} is none of {','.join(SYSTEMS)}")
    if given.part == "ask-once":
        print(json.dumps(ask_once(chosen[0], sizes, given.folder, given.query)))
        return 0
    if given.part:
        print(json.dumps((load if given.part == "load" else ask)(chosen[0], sizes, given.folder)))
        return 0
    found: dict[str, dict[str, Any]] = {}
    for system in chosen:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            loaded = _in_a_process("load", system, sizes, folder)
            if given.cold:
                found[system] = {f"{name}, cold, ms": _cold(system, sizes, folder, name) for name in queries(sizes)}
                continue
            _put_out_of_cache(folder)
            found[system] = {**loaded, **_in_a_process("ask", system, sizes, folder)}
    differ = [] if given.cold else _differences({system: row.pop("agree") for system, row in found.items()})
    _print(sizes, found)
    for line in differ:
        print(line, file=sys.stderr)
    return 1 if differ else 0


def _cold(system: str, sizes: Sizes, folder: str, query: str) -> float:
    taken = []
    for _ in range(3):
        _put_out_of_cache(folder)
        taken.append(_in_a_process("ask-once", system, sizes, folder, query)["ms"])
    return statistics.median(taken)


def _differences(answers: dict[str, dict[str, list[float]]]) -> list[str]:
    first, *others = answers
    lines = []
    for system in others:
        for name, expected in answers[first].items():
            got = answers[system][name]
            same = len(got) == len(expected) and all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(got, expected, strict=True))
            if not same:
                lines.append(f"{name}: {first} answers {expected}, {system} {got} (rows, then sums of columns)")
    return lines


def _print(sizes: Sizes, found: dict[str, dict[str, Any]]) -> None:
    peers = [system for system in found if system != "tidalite"]
    print(f"{sizes.points:,} points: {sizes.runs} runs × {sizes.metrics} metrics × {sizes.steps:,} steps\n")
    heads = [SYSTEMS[system][0] for system in found] + (["best peer ÷ tidalite"] if "tidalite" in found and peers else [])
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    ratios: dict[str, float] = {}
    for name in next(iter(found.values())):
        cells = [_number(row[name]) for row in found.values()]
        if "tidalite" in found and peers:
            ours = found["tidalite"][name]
            # More is better only for a rate.
            ratio = ours / max(found[p][name] for p in peers) if name.startswith("load") else min(found[p][name] for p in peers) / ours
            cells.append(f"{ratio:.1f}")
            ratios[name] = ratio
        print(f"| {name} | " + " | ".join(cells) + " |")
    if ratios:
        asked = [ratio for name, ratio in ratios.items() if name.split(",")[0] in queries(sizes)]
        mean = math.exp(statistics.fmean(map(math.log, asked)))
        print(f"| geometric mean of the ten queries | {'| ' * len(found)}{mean:.1f} |")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
