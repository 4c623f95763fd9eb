"""Every encoding that a part may have is read by DuckDB, Polars, pyarrow and pandas, bit for bit, alone and mixed in one chunk.

Method: tables that make the store choose each encoding go in through `import`. `info --encodings` says what it chose.
"""
import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import tidalite
from test_interop import READERS

T0 = 1_780_000_000_000_000


def table(series):
    """One table of (metric, times in microseconds, values), all of one run, ascending by metric."""
    counts = [len(values) for _, _, values in series]
    return pa.table({
        "run": pa.array(["r"] * sum(counts)).dictionary_encode(),
        "metric": np.repeat([metric for metric, _, _ in series], counts),
        "step": np.concatenate([np.arange(n) for n in counts]),
        "time": pa.array(np.concatenate([times for _, times, _ in series]), pa.timestamp("us", "UTC")),
        "value": np.concatenate([values for _, _, values in series]),
    })


def clock(n):
    return T0 + 1_000_000 * np.arange(n)


def shapes():
    rng = np.random.default_rng(3)
    n = 20_000
    odd = np.where(rng.random(n) < 0.01, np.nan, np.round(rng.random(n), 2))
    odd[:4] = [np.inf, -np.inf, -0.0, 0.0]
    noise = rng.standard_normal(n)
    # Each page repeats 2,000 values of its own: together they are more than a dictionary holds.
    repeats = np.concatenate([rng.choice(rng.standard_normal(2000), 8192) for _ in range(60)])
    jitter = np.sort(rng.integers(0, 10**12, n)) + T0
    return {
        "values of every encoding": (
            [("a", clock(n), odd), ("b", clock(n), noise), ("c", clock(n), np.full(n, 7.0)), ("d", clock(len(repeats)), repeats)],
            {"value": {"RLE_DICTIONARY", "BYTE_STREAM_SPLIT", "PLAIN"}, "time": {"DELTA_BINARY_PACKED"}},
        ),
        "a shared clock that jitters": (
            [(f"m{m}", jitter[:9_001], noise[:9_001] + m) for m in range(6)],
            {"value": {"BYTE_STREAM_SPLIT"}, "time": {"RLE_DICTIONARY"}},
        ),
        "a point a series": (
            [(f"layer/{m:05}/norm", clock(1), noise[m : m + 1]) for m in range(5_000)],
            {"metric": {"DELTA_BYTE_ARRAY"}, "run": {"RLE_DICTIONARY"}},
        ),
    }


@pytest.fixture(scope="module", params=list(shapes()))
def stored(request, tmp_path_factory):
    series, expected = shapes()[request.param]
    folder = tmp_path_factory.mktemp("encodings")
    points = table(series)
    pq.write_table(points, folder / "in.parquet")
    tidalite("import", folder / "store", folder / "in.parquet")
    tidalite("compact", folder / "store")
    return folder / "store", points, expected


def bits(table):
    """The columns as plain arrays, the values by their bits, in the order of the series."""
    table = table.combine_chunks()
    names = [table[c].cast(pa.string()).to_pylist() for c in ("run", "metric")]
    step, time = (table[c].cast(pa.int64()).to_numpy() for c in ("step", "time"))
    value = table["value"].to_numpy(zero_copy_only=False).view(np.uint64)
    order = np.lexsort((step, names[1]))
    return [np.array(names[1])[order], step[order], time[order], value[order]]


def test_the_store_chooses_them(stored):
    store, _, expected = stored
    listed = [json.loads(line) for line in tidalite("info", store, "--encodings", "--format", "json").stdout.splitlines()]
    for column, encodings in expected.items():
        found = {page.split()[0] for row in listed if row["column"] == column for page in row["pages"].split(", ")}
        assert found == encodings, column


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_gets_every_point_bit_for_bit(reader, stored):
    store, points, _ = stored
    files = sorted((store / "parts").glob("*.parquet"))
    got = READERS[reader](files)
    got = got.set_column(got.schema.get_field_index("time"), "time", got["time"].cast(pa.timestamp("us", "UTC")))
    for ours, theirs in zip(bits(points), bits(got)):
        assert np.array_equal(ours, theirs)


def test_a_filter_on_values_counts_the_same(stored):
    store, points, _ = stored
    values = points["value"].to_numpy()
    names = [str(f) for f in (store / "parts").glob("*.parquet")]
    for low in (0.25, 0.5, 7.0):
        expected = int(np.count_nonzero(values >= low))
        counted = duckdb.connect().execute(
            "select count(*) from read_parquet(?) where value >= ? and not isnan(value)", [names, low]
        ).fetchall()[0][0]
        assert counted == expected
        ours = json.loads(tidalite("query", store, "--values", f"{low}..", "--aggregate", "count", "--format", "json").stdout)
        assert ours["count"] == expected
