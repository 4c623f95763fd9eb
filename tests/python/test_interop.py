"""Parts are plain Parquet: DuckDB, Polars, pandas and pyarrow read them, agree with our own answers, NaN included, and notice a
flipped bit in a page.

Method: a table with awkward values goes in through `import`, and is read back through each reader and through `query`. Rows are
compared by the bits of their values. Bits are flipped in copies of the part's pages; a reader may refuse, or give the very
same rows, but never other ones.
"""
import io
import math
import random
import struct
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import tidalite

COLUMNS = ["run", "metric", "labels", "step", "time", "value"]


def rows(table):
    """Rows as tuples of plain values, the value by its bits, sorted."""
    t = table.select(COLUMNS)
    columns = [c.cast(pa.string()).to_pylist() for c in t.columns[:3]]
    columns += [t["step"].to_pylist(), t["time"].cast(pa.int64()).to_pylist()]
    columns.append([struct.pack("<d", v) for v in t["value"].to_pylist()])
    return sorted(zip(*columns))


def canonical(table):
    """Labels in their canonical order, as the store writes them."""
    labels = ["gpu=0,host=a\\,b" if l == "host=a\\,b,gpu=0" else l for l in table["labels"].to_pylist()]
    return table.set_column(table.schema.get_field_index("labels"), "labels", pa.array(labels))


def with_duckdb(files):
    names = [str(f) for f in files]
    db = duckdb.connect()
    db.execute("set timezone='UTC'")
    return db.sql("from read_parquet(?)", params=[names]).to_arrow_table()


def with_polars(files):
    return pl.scan_parquet([str(f) for f in files]).collect().to_arrow()


def with_pyarrow(files):
    return pa.concat_tables([pq.read_table(f) for f in files])


def with_pandas(files):
    frame = pd.concat([pd.read_parquet(f) for f in files])
    # Column by column: the conversion of a whole frame would turn NaN into null.
    columns = {c: pa.array(frame[c].astype(object).tolist(), pa.string()) for c in COLUMNS[:3]}
    columns["step"] = pa.array(frame["step"].to_numpy())
    columns["time"] = pa.array(frame["time"].dt.tz_convert(None).to_numpy()).cast(pa.timestamp("us", "UTC"))
    columns["value"] = pa.array(frame["value"].to_numpy(), from_pandas=False)
    return pa.table(columns)


READERS = {"duckdb": with_duckdb, "polars": with_polars, "pyarrow": with_pyarrow, "pandas": with_pandas}


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_gets_every_point_bit_for_bit(reader, files, table):
    got = READERS[reader](files)
    got = got.set_column(got.schema.get_field_index("time"), "time", got["time"].cast(pa.timestamp("us", "UTC")))
    assert rows(got) == rows(canonical(table))


def test_our_own_answer_is_the_same(store, table):
    out = tidalite("query", store, "--format", "arrow").stdout
    ours = pa.ipc.open_stream(io.BytesIO(out)).read_all()
    assert rows(ours) == rows(canonical(table))


def test_rows_come_ordered_by_series_and_step(files):
    for file in files:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            t = parquet.read_row_group(group, columns=["run", "metric", "labels", "step"])
            key = list(zip(*[[v.encode() if isinstance(v, str) else v for v in c.to_pylist()] for c in t.columns]))
            assert key == sorted(key)


def test_filters_find_nan_and_ranges_in_every_reader(files, table):
    values = table["value"].to_pylist()
    nans = sum(math.isnan(v) for v in values)
    above = sum(v >= 1.0 for v in values if not math.isnan(v))
    names = [str(f) for f in files]
    db = duckdb.connect()
    assert nans > 0
    assert db.execute("select count(*) from read_parquet(?) where isnan(value)", [names]).fetchall()[0][0] == nans
    # DuckDB orders NaN above all numbers.
    assert db.execute("select count(*) from read_parquet(?) where value >= 1.0 and not isnan(value)", [names]).fetchall()[0][0] == above
    lazy = pl.scan_parquet(names)
    assert lazy.filter(pl.col("value").is_nan()).collect().height == nans
    assert lazy.filter((pl.col("value") >= 1.0) & pl.col("value").is_not_nan()).collect().height == above
    for file_count in [sum(pq.read_table(f, filters=[("metric", "==", "extreme")]).num_rows for f in files)]:
        assert file_count == 2


@pytest.mark.parametrize("run", ["run-a", "ärün/🌊", "only-one"])
def test_a_filter_on_a_run_gives_the_same_count_everywhere(run, store, files, table):
    expected = table["run"].to_pylist().count(run)
    names = [str(f) for f in files]
    assert duckdb.connect().execute("select count(*) from read_parquet(?) where run = ?", [names, run]).fetchall()[0][0] == expected
    assert pl.scan_parquet(names).filter(pl.col("run") == run).collect().height == expected
    out = tidalite("query", store, "-r", run, "--format", "arrow").stdout
    assert pa.ipc.open_stream(io.BytesIO(out)).read_all().num_rows == expected


@pytest.mark.parametrize("aggregate", ["count", "sum", "min", "max", "mean"])
def test_aggregates_agree_with_duckdb(aggregate, store, files):
    out = tidalite("query", store, "-m", "acc", "--aggregate", aggregate, "--by", "run,metric,labels", "--format", "arrow").stdout
    ours = pa.ipc.open_stream(io.BytesIO(out)).read_all()
    sql = f"select run, {'avg' if aggregate == 'mean' else aggregate}(value) from read_parquet(?) where metric = 'acc' group by 1 order by 1"
    theirs = duckdb.connect().execute(sql, [[str(f) for f in files]]).fetchall()
    mine = dict(zip(ours["run"].cast(pa.string()).to_pylist(), ours[aggregate].to_pylist()))
    assert mine.keys() == {run for run, _ in theirs}
    for run, value in theirs:
        assert mine[run] == pytest.approx(value, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_takes_a_flipped_bit_for_data(reader, files, tmp_path):
    file = files[0]
    sound = file.read_bytes()
    expected = rows(READERS[reader]([file]))
    footer = int.from_bytes(sound[-8:-4], "little") + 8
    rng = random.Random(11)
    refused = 0
    for _ in range(40):
        at = rng.randrange(4, len(sound) - footer)
        damaged = bytearray(sound)
        damaged[at] ^= 1 << rng.randrange(8)
        copy = tmp_path / "damaged.parquet"
        copy.write_bytes(damaged)
        try:
            got = rows(READERS[reader]([copy]))
        except Exception:
            refused += 1
        else:
            assert got == expected, f"a flipped bit in byte {at} went unnoticed"
    assert refused >= 30, f"only {refused} of 40 flips were refused"


def test_verify_names_the_damaged_part(store, files, tmp_path):
    import shutil

    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    part = copy / "parts" / files[0].name
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 16
    part.write_bytes(data)
    done = tidalite("verify", copy, check=False)
    assert done.returncode == 4
    assert files[0].name in done.stdout.decode() + done.stderr.decode()


def test_the_remaining_points_of_a_thinned_run_are_plain_parquet(tmp_path):
    steps = np.arange(50_000)
    values = np.sin(steps / 300.0)
    values[[7, 31_000]] = float("nan")
    times = pa.array(steps * 1000 + 1_780_000_000_000_000, pa.timestamp("us", "UTC"))
    table = pa.table({"run": ["old"] * len(steps), "metric": ["loss"] * len(steps), "step": steps, "time": times, "value": values})
    pq.write_table(table, tmp_path / "in.parquet")
    tidalite("import", tmp_path / "store", tmp_path / "in.parquet")
    tidalite("thin", tmp_path / "store", "old", "--buckets", "100", "--yes")
    files = sorted(Path(tmp_path, "store", "parts").glob("*.parquet"))
    found = {name: rows(read(files)) for name, read in READERS.items()}
    left = found["pyarrow"]
    assert all(other == left for other in found.values())
    assert 200 < len(left) < 500 and left[0][3] == 0 and left[-1][3] == 49_999
    # Each row was written.
    assert {(r[3], r[5]) for r in left} <= {(s, struct.pack("<d", v)) for s, v in zip(steps.tolist(), values.tolist())}
    side = {kind: [str(f) for f in Path(tmp_path, "store", kind).glob("*.parquet")] for kind in ("series", "rollups")}
    counted = duckdb.sql("select sum(count)::int, sum(rows)::int, sum(nan)::int from read_parquet($1)", params=[side["series"]]).fetchall()[0]
    assert counted == (50_000, len(left), 2)
    sums = duckdb.sql("select sum(count)::int, sum(sum), max(max) from read_parquet($1) where width = (select min(width) from read_parquet($1))", params=[side["rollups"]]).fetchall()[0]
    assert sums[0] == 50_000 and math.isclose(sums[1], np.nansum(values), rel_tol=1e-9) and sums[2] == np.nanmax(values)


def test_the_sql_of_the_readme_gives_what_a_query_gives(tmp_path):
    """Repeats by later imports, points without steps, and one compaction after the other."""
    import csv

    text = (Path(__file__).parents[2] / "README.md").read_text()
    sql = text.split("```sql\n", 1)[1].split("```", 1)[0]
    assert "metrics/parts/*.parquet" in sql
    store = tmp_path / "store"
    sql = sql.replace("metrics/parts/*.parquet", str(store / "parts" / "*.parquet"))
    files = {
        "a.csv": "step,loss\n" + "".join(f"{s},1\n" for s in range(100)),
        # Times in the past, and within one file a step twice.
        "b.csv": "step,time,loss\n" + "".join(f"{s},{s},{s % 7}\n" for s in [*range(50, 150), 60]),
        "c.csv": "loss\n" + "".join(f"{v}\n" for v in range(100, 130)),
        "d.csv": "step,loss\n" + "".join(f"{s},3\n" for s in range(0, 200, 3)),
    }
    for round, names in enumerate([["a.csv", "c.csv", "b.csv"], ["d.csv", "c.csv"], ["b.csv"]]):
        for name in names:
            (tmp_path / name).write_text(files[name])
            tidalite("import", store, tmp_path / name, "--run", "r", "--time-unit", "us", "-q")
        tidalite("flush", store)
        if round != 1:
            tidalite("compact", store)
        printed = tidalite("query", store, "-m", "loss", "--format", "csv").stdout.decode()
        ours = sorted((r["run"], int(r["step"]), float(r["value"])) for r in csv.DictReader(io.StringIO(printed)))
        as_written = sorted(duckdb.sql(sql).fetchall())
        assert (as_written == ours) == (round != 1), "before a compaction, replaced points are there too"
        listed = tidalite("files", store, "--format", "json").stdout.decode()
        asked = f"select run, step, value from read_parquet({listed}) where metric = 'loss'"
        assert sorted(duckdb.sql(asked).fetchall()) == ours
    assert sum(value >= 100 for _, _, value in ours) == 60, "points without steps are all there"
