"""Real data: bytes per point and four queries, tidalite compared with the best plain Parquet file, DuckDB's own file and pco.

    pip install -r benches/peers/requirements.txt
    python benches/peers/real.py [--sets digits,co2] [--demo STORE]

The sets are data that scikit-learn and statsmodels carry, the points of a store that `tidalite demo` left, and shapes that telemetry
has: values of few decimals, regular clocks that metrics share, metrics that are mostly constant, series of one point, noise.

Each set is loaded as one Arrow table and compacted; all files of the store count. The best plain Parquet file is the smallest of
three, whose values are BYTE_STREAM_SPLIT, PLAIN or a dictionary, with DELTA_BINARY_PACKED steps and times, zstd at level 3, sorted by
series and step. pco compresses the values alone, series after series. Queries run warm, the best of five; DuckDB reads the best
Parquet file. Where answers differ, the exit code is 1.
"""
from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tidalite

# A sum over all metrics is one of the queries.
warnings.filterwarnings("ignore", message="sum over", category=UserWarning)

T0 = 1_780_000_000_000_000
SECOND = 1_000_000

# A series: run, metric, times in µs since 1970, values.
Series = tuple[str, str, np.ndarray, np.ndarray]


def clock(n: int, every_s: float = 1, start_s: int = 0) -> np.ndarray:
    return T0 + start_s * SECOND + (every_s * SECOND * np.arange(n)).astype(np.int64)


def wide(run: str, frame, every_s: float) -> list[Series]:
    """The numeric columns of a data frame as metrics. A missing value is a point less, as a tracker logs it."""
    numeric = frame.select_dtypes("number")
    columns = [(str(name), numeric[name].to_numpy(float)) for name in numeric.columns]
    present = [(name, ~np.isnan(values), values) for name, values in columns]
    return [(run, name, clock(len(values), every_s)[kept], values[kept]) for name, kept, values in present]


def carried() -> Iterator[tuple[str, list[Series]]]:
    """Data that packages carry."""
    import statsmodels.datasets as econometrics
    from sklearn import datasets

    for name in ("digits", "breast_cancer", "wine", "diabetes"):
        yield name, wide(name, getattr(datasets, f"load_{name}")(as_frame=True).frame, 60)
    for name in ("co2", "macrodata", "fair", "randhie", "anes96"):
        data = getattr(econometrics, name).load_pandas().data
        yield name, wide(name, data.dropna(axis=1, how="all"), 3600)


def demo(path: str) -> Iterator[tuple[str, list[Series]]]:
    """The points of a store that the demo left."""
    table = tidalite.open(path, "r").select().to_arrow()
    keys = [c.cast(pa.string()).to_pylist() for c in (table["run"], table["metric"], table["labels"])]
    times, values = table["time"].cast(pa.int64()).to_numpy(), table["value"].to_numpy()
    starts = [0] + [i for i in range(1, len(values)) if any(k[i] != k[i - 1] for k in keys)] + [len(values)]
    series = []
    for start, end in zip(starts, starts[1:]):
        run, metric, labels = (k[start] for k in keys)
        series.append((run, metric + (f"{{{labels}}}" if labels else ""), times[start:end], values[start:end]))
    yield "demo", series


def shapes() -> Iterator[tuple[str, list[Series]]]:
    """Shapes that telemetry has."""
    rng, n = np.random.default_rng(5), 20_000
    decimals = lambda: np.round(rng.beta(2, 5, n), 2)  # noqa: E731
    yield "two decimals", [(f"host-{h}", f"m{m}", clock(n, 60), decimals()) for h in range(4) for m in range(12)]
    counts = lambda: rng.integers(0, 100, n).astype(float)  # noqa: E731
    names = ("cpu", "disk", "mem")
    yield "shared regular clock", [(f"host-{h:02}", m, clock(n, 300, h * 7777), counts()) for h in range(16) for m in names]
    levels = lambda m: np.where(rng.random(2000) < (0.3 if m % 3 else 0), rng.integers(0, 9, 2000), 7.0)  # noqa: E731
    yield "mostly constant, wide", [("app", f"executor/{m:04}/x", clock(2000), levels(m)) for m in range(1500)]
    yield "one point a series", [(f"r{r:02}", f"metric/{m:05}", clock(1), rng.random(1)) for r in range(50) for m in range(r, 20_000, 50)]
    loss = lambda: (2 * np.exp(-np.arange(n) / 6000) + 0.02 * rng.standard_normal(n)).astype("f4").astype(float)  # noqa: E731
    yield "float32 noise", [(f"r{r}", f"loss/{m}", clock(n), loss()) for r in range(4) for m in range(8)]


def as_table(series: list[Series]) -> pa.Table:
    series = sorted(series, key=lambda s: (s[0].encode(), s[1].encode()))
    counts = [len(values) for *_, values in series]
    return pa.table({
        "run": pa.array(np.repeat([s[0] for s in series], counts)).dictionary_encode(),
        "metric": pa.array(np.repeat([s[1] for s in series], counts)).dictionary_encode(),
        "step": np.concatenate([np.arange(n) for n in counts]),
        "time": pa.array(np.concatenate([s[2] for s in series]), pa.timestamp("us", "UTC")),
        "value": np.concatenate([s[3] for s in series]),
    })


def best_parquet(table: pa.Table, folder: Path) -> tuple[Path, int]:
    """The smallest plain file, and its bytes."""
    found = []
    for values in ("BYTE_STREAM_SPLIT", "PLAIN", "dictionary"):
        path = folder / f"{values}.parquet"
        dictionaries = ["run", "metric"] + (["value"] if values == "dictionary" else [])
        encodings = {"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED"}
        encodings |= {} if values == "dictionary" else {"value": values}
        pq.write_table(table, path, compression="zstd", compression_level=3, use_dictionary=dictionaries, column_encoding=encodings)
        found.append(path)
    least = min(found, key=os.path.getsize)
    return least, least.stat().st_size


def with_pco(table: pa.Table) -> int:
    """Bytes of the values alone."""
    from pcodec import ChunkConfig, standalone

    return len(standalone.simple_compress(table["value"].to_numpy(), ChunkConfig()))


def with_duckdb(table: pa.Table, path: Path) -> int:
    with duckdb.connect(str(path)) as db:
        db.register("t", table)
        db.execute("create table metric as select * from t")
        db.execute("checkpoint")
    return path.stat().st_size


def files_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def best(ask: Callable[[], pa.Table]) -> tuple[float, pa.Table]:
    took, answer = math.inf, None
    for _ in range(5):
        start = time.perf_counter()
        answer = ask()
        took = min(took, time.perf_counter() - start)
    assert answer is not None
    return took, answer


def queries(store: tidalite.Store, parquet: Path, table: pa.Table) -> Iterator[tuple[str, float]]:
    """How many times as long DuckDB takes as tidalite."""
    db, values, times = duckdb.connect(), table["value"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()
    high, low_time = float(np.nanquantile(values, 0.95)), int(np.quantile(times, 0.5))
    end_time = low_time + max(SECOND, int(times.max() - times.min()) // 20)
    window = f"time >= make_timestamptz({low_time}) and time < make_timestamptz({end_time})"
    asked = {
        "scan": (
            f"select count(*), sum(value) from t where value >= {high!r}",
            lambda: store.select(values=(high, None)).aggregate("count", "sum"),
        ),
        "window": (
            f"select metric, avg(value) from t where {window} group by 1 order by 1",
            lambda: store.select(time=(low_time, end_time)).aggregate("mean", by="metric"),
        ),
        "summary": (
            "select run, metric, count(*), avg(value) from t group by 1, 2 order by 1, 2",
            lambda: store.select().aggregate("count", "mean", by=["run", "metric"]),
        ),
        "p99": (
            "select metric, quantile_disc(value, 0.99) from t group by 1 order by 1",
            lambda: store.select().aggregate("p99", by="metric"),
        ),
    }
    for name, (sql, ours) in asked.items():
        text = sql.replace(" from t", f" from '{parquet}'")
        theirs_s, theirs = best(lambda text=text: db.sql(text).to_arrow_table())
        ours_s, answer = best(lambda ours=ours: ours().to_arrow())
        check(name, answer, theirs)
        yield name, theirs_s / ours_s


def check(name: str, ours: pa.Table, theirs: pa.Table) -> None:
    """Counts and rows are equal; means and sums nearly. Percentiles are interpolated in different ways, so these are not compared."""
    if ours.num_rows != theirs.num_rows:
        sys.exit(f"{name}: {ours.num_rows} rows, DuckDB has {theirs.num_rows}")
    mine, other = (np.array(t.columns[-1].to_pylist(), float) for t in (ours, theirs))
    if name != "p99" and not np.allclose(mine, other, rtol=1e-9, atol=1e-12, equal_nan=True):
        sys.exit(f"{name}: answers differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", help="only these, separated by commas")
    parser.add_argument("--demo", metavar="STORE", help="a store that the demo left")
    args = parser.parse_args()
    wanted = args.sets.split(",") if args.sets else None
    sets = [*carried(), *(demo(args.demo) if args.demo else ()), *shapes()]
    print("| set | points | tidalite | best Parquet | tidalite ÷ Parquet | DuckDB | value, tidalite | value, pco | DuckDB ÷ tidalite: scan | window | summary | p99 |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    sizes, values, ratios = [], [], []
    for name, series in sets:
        if wanted and name not in wanted:
            continue
        table = as_table(series)
        n = table.num_rows
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            with tidalite.open(root / "store") as store:
                store.append(table)
                store.compact()
            ours = files_under(root / "store")
            parquet, plain = best_parquet(table, root)
            of_values = 0
            for file in (root / "store" / "parts").glob("*.parquet"):
                metadata = pq.ParquetFile(file).metadata
                of_values += sum(metadata.row_group(g).column(7).total_compressed_size for g in range(metadata.num_row_groups))
            pco = with_pco(table)
            duck = with_duckdb(table, root / "duck.db")
            with tidalite.open(root / "store", "r") as store:
                times = dict(queries(store, parquet, table))
        sizes.append(ours / plain)
        values.append(of_values / pco)
        ratios.extend(times.values())
        bytes_of = " | ".join(f"{size / n:.2f}" for size in (ours, plain))
        print(
            f"| {name} | {n:,} | {bytes_of} | {sizes[-1]:.2f} | {duck / n:.2f} | {of_values / n:.2f} | {pco / n:.2f} | "
            + " | ".join(f"{ratio:.1f}" for ratio in times.values()) + " |",
            flush=True,
        )
    mean = lambda numbers: math.exp(sum(map(math.log, numbers)) / len(numbers))  # noqa: E731
    print(f"\nGeometric means: size {mean(sizes):.2f} × the best Parquet, values {mean(values):.2f} × pco, queries {mean(ratios):.1f} × as fast as DuckDB.")


if __name__ == "__main__":
    main()
