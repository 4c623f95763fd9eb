"""Selections and their answers equal what DuckDB computes from the same points, in every conversion."""
import datetime as dt
import math
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tidalite

T0 = 1_764_063_000_000_000


@pytest.fixture
def data():
    """Three runs of three metrics, with NaN and infinities; one metric has only every seventh step."""
    rng = np.random.default_rng(3)
    rows = []
    for r, run in enumerate(["run-a", "run-b", "other"]):
        for metric in ["loss", "acc", "sparse"]:
            steps = np.arange(0, 1000, 7 if metric == "sparse" else 1)
            values = rng.normal(size=len(steps)) + r
            if metric == "loss":
                values[50], values[60], values[70] = math.nan, math.inf, -math.inf
            rows.append(pd.DataFrame({"run": run, "metric": metric, "step": steps, "time": pd.to_datetime(T0 + r * 5_000_000 + steps * 10_000, unit="us", utc=True), "value": values}))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture
def filled(store, data):
    """A store with half of the points in a part, and half in the log."""
    half = len(data) // 2
    store.append(data.iloc[:half])
    store.compact()
    store.append(data.iloc[half:])
    return store


def sql(data, text):
    # Column by column: converting the whole frame turns NaN into null.
    columns = {"run": data["run"].tolist(), "metric": data["metric"].tolist(), "step": data["step"].to_numpy()}
    times = pa.array(data["time"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))
    points = pa.table({**columns, "time": times, "value": pa.array(data["value"].to_numpy(), from_pandas=False)})  # noqa: F841 - DuckDB finds it by its name
    return duckdb.sql(text).fetchall()


def rows(table):
    return list(zip(*[column.to_pylist() for column in table.to_arrow().columns]))


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert [x for x in a if isinstance(x, str)] == [y for y in b if isinstance(y, str)]
        numbers = [[x for x in row if not isinstance(x, str)] for row in (a, b)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-12, abs=1e-12, nan_ok=True)


def test_points_are_ordered_by_run_metric_and_step(filled, data):
    table = filled.select().to_arrow()
    expected = data.sort_values(["run", "metric", "step"])
    assert table.column_names == ["run", "metric", "labels", "step", "time", "value"]
    assert table["run"].to_pylist() == expected["run"].tolist()
    assert table["metric"].to_pylist() == expected["metric"].tolist()
    assert table["step"].to_pylist() == expected["step"].tolist()
    assert np.array_equal(table["value"].to_numpy(), expected["value"].to_numpy(), equal_nan=True)
    assert table["time"].to_pylist() == [t.to_pydatetime() for t in expected["time"]]


@pytest.mark.parametrize(
    ("select", "where"),
    [
        (dict(metrics="loss"), "metric = 'loss'"),
        (dict(metrics=["loss", "sp*"]), "metric in ('loss', 'sparse')"),
        (dict(runs="run-*"), "run like 'run-%'"),
        (dict(runs=["run-a", "other"]), "run in ('run-a', 'other')"),
        (dict(steps=(10, 20)), "step >= 10 and step < 20"),
        (dict(steps=slice(None, 20)), "step < 20"),
        (dict(steps=range(990, 2000)), "step >= 990"),
        (dict(steps=[None, None]), "true"),
        (dict(values=(0.5, None)), "value >= 0.5 and not isnan(value)"),
        (dict(values=(None, 0)), "value < 0"),
        (dict(time=(T0 + 1_000_000, T0 + 2_000_000)), f"epoch_us(time) >= {T0 + 1_000_000} and epoch_us(time) < {T0 + 2_000_000}"),
        (
            dict(time=(dt.datetime.fromtimestamp(T0 // 10**6 + 1, dt.timezone.utc), pd.Timestamp(T0 + 2_000_000, unit="us", tz="UTC"))),
            f"epoch_us(time) >= {T0 + 1_000_000} and epoch_us(time) < {T0 + 2_000_000}",
        ),
        (dict(metrics="acc", runs="other", steps=(100, 500), values=(1, 2)), "metric = 'acc' and run = 'other' and step >= 100 and step < 500 and value >= 1 and value < 2"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_a_selection_equals_its_sql(filled, data, select, where):
    got = filled.select(**select).aggregate("count", "sum", "min", "max")
    finite = "filter (where isfinite(value))"
    expected = sql(data, f"select count(*), sum(value) {finite}, min(value) {finite}, max(value) {finite} from points where {where}")
    same(rows(got), expected)


@pytest.mark.parametrize("by", ["run", "metric", ["run", "metric"], ["metric", "bucket"]], ids=str)
def test_aggregates_by_groups_equal_their_sql(filled, data, by):
    names = [by] if isinstance(by, str) else by
    ours = [tidalite.step_bucket(128) if n == "bucket" else n for n in names]
    theirs = ", ".join("step // 128 * 128" if n == "bucket" else n for n in names)
    got = filled.select().aggregate("count", "finite", "nan", "inf", "mean", "std", "var", "min", "max", "p50", "p95", by=ours)
    f = "filter (where isfinite(value))"
    expected = sql(
        data,
        f"""select {theirs}, count(*), count(*) {f}, count(*) filter (where isnan(value)), count(*) filter (where isinf(value)),
            avg(value) {f}, stddev_pop(value) {f}, var_pop(value) {f}, min(value) {f}, max(value) {f},
            quantile_cont(value, 0.5) {f}, quantile_cont(value, 0.95) {f}
            from points group by {theirs} order by {theirs}""",
    )
    got = [r for r in rows(got)]
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a[: len(names) + 4] == b[: len(names) + 4]
        assert a[len(names) + 4 :] == pytest.approx(b[len(names) + 4 :], rel=1e-9, abs=1e-12)


def test_time_buckets_equal_their_sql(filled, data):
    got = filled.select("acc").aggregate("count", by=["run", tidalite.time_bucket("1s")])
    expected = sql(data, "select run, epoch_us(time_bucket(interval '1 second', time)), count(*) from points where metric = 'acc' group by 1, 2 order by 1, 2")
    table = got.to_arrow()
    ours = list(zip(table["run"].to_pylist(), table["time_bucket"].cast("int64").to_pylist(), table["count"].to_pylist()))
    assert ours == expected


@pytest.mark.parametrize(("width", "us"), [("250us", 250), ("5m", 300_000_000), ("2h", 7_200_000_000), ("1d", 86_400_000_000), (dt.timedelta(seconds=2), 2_000_000), (7, 7)], ids=str)
def test_widths_of_time_buckets_are_parsed(width, us):
    assert tidalite.time_bucket(width) == tidalite.time_bucket(us)


@pytest.mark.parametrize("width", ["", "1", "s", "1 s", "-1s", "0s", "1q", "0mo", 0, -5, None, 1.5])
def test_an_invalid_width_is_refused(width):
    with pytest.raises((tidalite.Invalid, TypeError)):
        tidalite.time_bucket(width)


@pytest.mark.parametrize(("width", "rule"), [("1d", "D"), ("1w", "W-MON"), ("1mo", "MS"), ("1y", "YS"), ("3mo", "QS")])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_calendar_buckets_equal_those_of_pandas(store, width, rule, zone):
    hours = pd.date_range("2023-11-28T13:20:00Z", "2026-02-03T00:00:00Z", freq="1h40min")
    store.append({"run": "a", "metric": "x", "step": range(len(hours)), "time": hours.tz_localize(None).to_numpy("datetime64[us]"), "value": np.ones(len(hours))})
    counts = pd.Series(1, index=hours.tz_convert(zone)).resample(rule, label="left", closed="left").sum()
    got = store.select("x").aggregate("count", by=tidalite.time_bucket(width, tz=zone)).to_pandas()
    counts = counts[counts > 0]
    assert got["count"].tolist() == counts.tolist()
    assert got["time_bucket"].dt.tz_convert(zone).tolist() == counts.index.normalize().tolist()
    word = f"time:{width}@{zone}"
    assert store.select("x").aggregate("count", by=word).to_pandas().equals(got)


def test_a_wrong_calendar_is_refused_with_what_to_give():
    assert repr(tidalite.time_bucket("1w")) == 'time_bucket("1w")'
    for width, zone, words in [("1d", "Europe/Berlim", "Europe/Berlin"), ("7h", "UTC", "12 h"), ("1.5d", "UTC", "3mo"), (86_400_000_000, "UTC", "'1d'")]:
        with pytest.raises(tidalite.Invalid, match=words):
            tidalite.time_bucket(width, tz=zone)


def test_sorting_puts_nan_and_null_last_in_both_orders(filled):
    last = filled.select("loss", steps=(0, 51)).aggregate("last", by="run")
    assert all(math.isnan(r[1]) for r in rows(last))
    tops = filled.select("acc").aggregate("max", by="run").sort("max", descending=True).to_numpy()["max"]
    assert tops.tolist() == sorted(tops.tolist(), reverse=True)
    table = filled.select("loss", runs="run-a", steps=(48, 53)).points()
    for descending in (False, True):
        values = table.sort("value", descending=descending).to_numpy()["value"]
        assert math.isnan(values[-1]) and not np.isnan(values[:-1]).any()
        assert values[:-1].tolist() == sorted(values[:-1].tolist(), reverse=descending)


def test_head_is_the_beginning_of_the_answer(filled):
    points = filled.select().points()
    assert rows(points.head(7)) == rows(points)[:7]
    assert len(points.head(0)) == 0 and len(points.head(10**9)) == len(points)
    best = filled.select("acc").aggregate("max", by="run").sort("max", descending=True)
    assert rows(best.head(1)) == rows(best)[:1]
    with pytest.raises(tidalite.Invalid, match="no column \"nope\"; name any of run, max"):
        best.sort("nope")


def test_every_conversion_gives_the_same_points(filled):
    table = filled.select().points()
    arrow = table.to_arrow()
    pandas, polars, numpy = table.to_pandas(), table.to_polars(), table.to_numpy()
    assert pandas["run"].astype(str).tolist() == arrow["run"].to_pylist() == polars["run"].cast(pl.String).to_list() == numpy["run"].tolist()
    assert pandas["step"].tolist() == arrow["step"].to_pylist() == polars["step"].to_list() == numpy["step"].tolist()
    for values in (pandas["value"].to_numpy(), polars["value"].to_numpy(), numpy["value"]):
        assert np.array_equal(values.view(np.uint64), arrow["value"].to_numpy().view(np.uint64))
    us = arrow["time"].cast("int64").to_numpy()
    assert (pandas["time"].astype("datetime64[us, UTC]").astype("int64").to_numpy() == us).all()
    assert (polars["time"].dt.timestamp("us").to_numpy() == us).all()
    assert (numpy["time"].astype("int64") == us).all()


def test_sql_and_frames_take_a_selection_directly(filled, data):
    sel = filled.select("acc")
    got = duckdb.sql("select run, count(*), avg(value) from sel group by run order by run").fetchall()
    same(got, sql(data, "select run, count(*), avg(value) from points where metric = 'acc' group by run order by run"))
    assert pl.DataFrame(sel).height == pa.table(sel).num_rows == len(sel.points()) == 3000
    chart = filled.select("acc").chart(10)
    assert duckdb.sql("select count(*) from chart").fetchall() == [(len(chart),)]
    wide = filled.select(["acc", "sparse"], runs="run-a").align()
    assert duckdb.sql("select count(acc), count(sparse) from wide").fetchall() == [(1000, 143)]


def test_a_second_stream_sees_new_points(store):
    run = store.run("a")
    run.log({"x": 1.0})
    points = store.select("x").points()
    assert pa.table(points).num_rows == pa.table(points).num_rows == 1
    run.log({"x": 2.0})
    assert pa.table(points).num_rows == 2


def test_the_schema_is_known_without_reading(filled):
    for table in [filled.select().points(), filled.select().chart(5), filled.select().band(5), filled.select().aggregate("mean", by="run"), filled.select("acc").align(), filled.select().latest(), filled.select().lttb(10)]:
        assert pa.schema(table) == pa.table(table).schema
        assert table.columns == pa.table(table).column_names


def test_a_chart_has_the_extremes_of_each_bucket(filled, data):
    table = filled.select("acc", runs="run-a").chart(100).to_arrow()
    width = table["width"][0].as_py()
    assert width & (width - 1) == 0 and 50 < table.num_rows <= 100
    expected = sql(
        data,
        f"select step // {width} * {width}, count(*), min(value), max(value), avg(value), arg_min(value, step), arg_max(value, step) from points where metric = 'acc' and run = 'run-a' group by 1 order by 1",
    )
    same(rows(filled.select("acc", runs="run-a").chart(100)), [("run-a", "acc", "", s, width, n, 0, lo, hi, mean, first, last) for s, n, lo, hi, mean, first, last in expected])


def test_a_band_is_over_runs(filled, data):
    table = filled.select("acc").band(20).to_arrow()
    width = table["width"][0].as_py()
    expected = sql(
        data,
        f"""with means as (select run, step // {width} * {width} as s, avg(value) as m from points where metric = 'acc' group by 1, 2)
            select s, count(*), avg(m), stddev_pop(m), min(m), max(m) from means group by s order by s""",
    )
    ours = list(zip(*[table[c].to_pylist() for c in ["step", "runs", "mean", "std", "min", "max"]]))
    same(ours, expected)


def test_aligned_series_have_a_column_each(filled, data):
    table = filled.select(["acc", "sparse"], runs="other").align().to_arrow()
    expected = sql(
        data,
        """select a.step, a.value, b.value from (select * from points where run = 'other' and metric = 'acc') a
           full join (select * from points where run = 'other' and metric = 'sparse') b using (step) order by 1""",
    )
    assert list(zip(*[table[c].to_pylist() for c in ["step", "acc", "sparse"]])) == expected
    filled_in = filled.select(["acc", "sparse"], runs="other").align(fill="previous").to_pandas()
    assert filled_in["sparse"].notna().all()
    by_time = filled.select("acc").align(on="time").to_arrow()
    assert by_time.num_columns == 4 and by_time["time"].to_pylist() == sorted(by_time["time"].to_pylist())


def test_lttb_keeps_the_ends_and_only_real_points(filled):
    whole = rows(filled.select("acc", runs="run-a").points())
    few = rows(filled.select("acc", runs="run-a").lttb(50))
    assert len(few) == 50 and few[0] == whole[0] and few[-1] == whole[-1]
    assert set(few) <= set(whole)


def test_the_latest_point_of_each_series(filled, data):
    got = rows(filled.select().latest())
    expected = sql(data, "select run, metric, max(step), arg_max(value, step) from points group by 1, 2 order by 1, 2")
    assert [(r, m, s, v) for r, m, _, s, _, v in got] == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.select(metrics=[]),
        lambda s: s.select(metrics="[a"),
        lambda s: s.select(repeats="newest"),
        lambda s: s.select(steps=(1, 2, 3)),
        lambda s: s.select(steps=5),
        lambda s: s.select(steps=range(0, 10, 2)),
        lambda s: s.select(steps=(0, 2**70)),
        lambda s: s.select(values=("a", "b")),
        lambda s: s.select(time=(1.5, None)),
        lambda s: s.select(labels="rank=3"),
        lambda s: s.select(metrics=3),
        lambda s: s.select().aggregate(),
        lambda s: s.select().aggregate("average"),
        lambda s: s.select().aggregate("mean", by="step"),
        lambda s: s.select().aggregate("mean", by=[3]),
        lambda s: s.select().aggregate("mean", by=["run", "run"]),
        lambda s: s.select().chart(0),
        lambda s: s.select().chart(-1),
        lambda s: s.select().band(10, by="run"),
        lambda s: s.select().align(on="value"),
        lambda s: s.select().align(fill="zero"),
        lambda s: s.select().lttb(0),
        lambda s: s.select().points().sort(),
        lambda s: s.select().points().head(-1),
        lambda s: s.select().follow(cursor="nonsense"),
        lambda s: tidalite.step_bucket(0),
    ],
)
def test_invalid_arguments_are_refused_with_a_remedy(store, call):
    store.run("a").log({"x": 1.0})
    with pytest.raises((tidalite.Invalid, TypeError, OverflowError)) as refused:
        len(call(store).points() if isinstance(call(store), tidalite.Selection) else call(store))
    assert len(str(refused.value)) > 20


def test_a_selection_that_matches_nothing_is_empty_not_an_error(store):
    store.run("a").log({"x": 1.0})
    nothing = store.select("absent")
    assert len(nothing.points()) == len(nothing.chart()) == len(nothing.band()) == len(nothing.latest()) == len(nothing.lttb(5)) == 0
    assert nothing.align().columns == ["step"] and len(nothing.align()) == 0
    assert nothing.aggregate("count").to_numpy()["count"].tolist() == [0]
    assert nothing.to_pandas().empty


def test_the_greatest_day_of_each_month_and_a_zone_object(store):
    days = pd.date_range("2026-01-01", "2026-03-31", tz="Europe/Berlin")
    calls = np.arange(len(days), dtype=float)
    store.append({"run": "a", "metric": "calls", "step": range(len(days)), "time": days.tz_convert("UTC").tz_localize(None).to_numpy("M8[us]"), "value": calls})
    daily = store.select("calls").aggregate("sum", by=tidalite.time_bucket("1d", tz=ZoneInfo("Europe/Berlin")))
    assert daily.to_numpy()["sum"].tolist() == calls.tolist()
    monthly = daily.then("max", "count", by="time:1mo@Europe/Berlin").to_numpy()
    assert monthly["max(sum)"].tolist() == [30, 58, 89] and monthly["count(sum)"].tolist() == [31, 28, 31]
    with pytest.raises(tidalite.Invalid, match="buckets that lie within"):
        daily.then("max", by="time:1mo")
    with pytest.raises(tidalite.Invalid, match="`argmin` needs steps"):
        daily.then("count", "argmin")


def test_a_band_over_ranks_and_aggregates_of_aggregates(store):
    for rank, loss in (("0", 1.0), ("1", 3.0)):
        with store.run("a", labels={"rank": rank}) as run:
            for step in range(10):
                run.log({"loss": loss}, step=step)
    band = store.select("loss").band(5, over="label:rank").to_numpy()
    assert set(band["members"]) == {2} and set(band["std"]) == {1.0} and "runs" not in band
    assert set(store.select("loss").band(5).to_numpy()["std"]) == {0.0}
    over_time = store.select("loss").band(5, x="elapsed", over=["run", "label:rank"]).to_numpy()
    assert "members" in over_time
    with pytest.raises(tidalite.Invalid, match="not a name"):
        store.select("loss").band(over="step:10")
    sums = store.select("loss").aggregate("mean", by=["label:rank", "step:5"]).then("sum", by="step:5").to_dict()
    assert sums == {"step_bucket": [0, 5], "sum(mean)": [4.0, 4.0]}
    with pytest.raises(tidalite.Invalid, match="before sort"):
        store.select("loss").aggregate("mean", by="run").sort("mean").then("max")
