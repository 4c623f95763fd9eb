"""Random queries of random stores, compared with DuckDB, which runs them in SQL over a plain list of the writes.

A store gets rows and batches, repeated steps in any order, NaN and infinities, overlapping parts, rows still in the log, a fork of a
fork, a rewind, a deleted run that is begun again, and a series long enough for rollups. DuckDB does not read the store.
"""
import math
import os
import random

import duckdb
import pyarrow as pa
import pytest

import tidalite

# More in the long tests.
SEEDS = range(150 if os.environ.get("TIDALITE_LONG") else 8)
QUERIES = 60

START_US = 1_780_000_000_000_000
# Steps of the long series: enough for rollups in its parts.
LONG = 40_000
METRICS = ["loss", "acc", "grad/norm", "system/cpu"]
LABELS = [{}, {"rank": "1"}, {"rank": "2", "host": "a"}]

# The points of each run: its own and the inherited ones. `age` is the order of writing.
SEEN = """
create table seen as
select l.run, r.metric, r.labels, r.rank, r.step, r.time, r.value, r.hidden, l.generation, p.lr,
       row_number() over (order by l.generation desc, r.seq) as age
from written r join lineage l on r.run = l.source and (l.until is null or r.step <= l.until) left join params p on p.run = l.run
"""
HISTORY = {
    "own": "generation = 0",
    "inherited": "(generation = 0 or not starts_with(metric, 'system/'))",
    "all": "true",
}
REPEATS = {
    "last": "qualify row_number() over (partition by run, metric, labels, step order by age desc) = 1",
    "first": "qualify row_number() over (partition by run, metric, labels, step order by age) = 1",
    "all": "",
}
AGGREGATES = {
    "count": "count(*)",
    "finite": "count(*) filter (finite)",
    "nan": "count(*) filter (isnan(value))",
    "inf": "count(*) filter (isinf(value))",
    "sum": "sum(value) filter (finite)",
    "mean": "avg(value) filter (finite)",
    "var": "var_pop(value) filter (finite)",
    "std": "stddev_pop(value) filter (finite)",
    "min": "min(value) filter (finite)",
    "max": "max(value) filter (finite)",
    "median": "quantile_cont(value, 0.5) filter (finite)",
    "p95": "quantile_cont(value, 0.95) filter (finite)",
    "p12.5": "quantile_cont(value, 0.125) filter (finite)",
    "argnan": "min(step) filter (isnan(value))",
    "step_first": "min(step)",
    "step_last": "max(step)",
    "time_min": "min(time)",
    "time_max": "max(time)",
}
# For one series only: points of several series at one step have no order.
OF_A_SERIES = {
    "first": "arg_min(value, turn)",
    "last": "arg_max(value, turn)",
    "time_first": "arg_min(time, turn)",
    "time_last": "arg_max(time, turn)",
    "argmin": "min(step) filter (finite and value = least)",
    "argmax": "min(step) filter (finite and value = greatest)",
}


class World:
    """A store, and the list of all writes to it."""

    def __init__(self, path, seed):
        self.rng = random.Random(seed)
        self.path = path
        self.rows = []
        self.parents = {}
        self.rates = {}

    def begin(self, store, run, **how):
        """Begins a run with a learning rate; `rates` holds its text."""
        self.rates[run] = self.rng.choice(["0.1", "0.01", "0.001"])
        return store.run(run, params={"lr": float(self.rates[run])}, **how)

    def value(self):
        if self.rng.random() < 0.04:
            return self.rng.choice([math.nan, math.inf, -math.inf])
        return self.rng.choice([self.rng.gauss(0, 1), float(self.rng.randint(-3, 3)), self.rng.gauss(0, 1) * 1e6])

    def note(self, run, metric, labels, step, time, value):
        text = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        self.rows.append([run, metric, text, labels.get("rank"), step, time, value, len(self.rows), False])

    def log(self, run, step):
        """Logs a row."""
        labels = self.rng.choice(LABELS)
        values = {m: self.value() for m in self.rng.sample(METRICS, self.rng.randint(1, len(METRICS)))}
        time = START_US + step * 250_000 + self.rng.randint(0, 400_000)
        run.log(values, step=step, time=time, labels=labels)
        for metric, value in values.items():
            self.note(run.id, metric, labels, step, time, value)

    def append(self, store, run, steps, metric=None, labels=None):
        """Appends a batch of one metric and one set of labels."""
        labels = self.rng.choice(LABELS) if labels is None else labels
        metric = metric or self.rng.choice(METRICS)
        text = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        times = [START_US + step * 250_000 + self.rng.randint(0, 400_000) for step in steps]
        values = [self.value() for _ in steps]
        store.append(
            pa.table(
                {
                    "run": pa.array([run] * len(steps)),
                    "metric": pa.array([metric] * len(steps)),
                    "labels": pa.array([text] * len(steps)),
                    "step": pa.array(steps, pa.int64()),
                    "time": pa.array(times, pa.timestamp("us", "UTC")),
                    "value": pa.array(values, pa.float64()),
                }
            )
        )
        for step, time, value in zip(steps, times, values):
            self.note(run, metric, labels, step, time, value)

    def rewind(self, run, step):
        run.rewind(step)
        for row in self.rows:
            # Telemetry counts other steps.
            if row[0] == run.id and row[4] > step and not row[1].startswith("system/"):
                row[8] = True

    def delete(self, store, run):
        store.delete_run(run)
        self.rows = [row for row in self.rows if row[0] != run]
        self.parents.pop(run, None)
        self.rates.pop(run, None)

    def write(self, store, run):
        for _ in range(self.rng.randint(1, 5)):
            low = self.rng.randint(-20, 300)
            if self.rng.random() < 0.5:
                steps = list(range(low, low + self.rng.randint(1, 150)))
                if self.rng.random() < 0.5:
                    steps = [self.rng.choice(steps) for _ in steps]
                self.append(store, run.id, steps)
            else:
                for step in range(low, low + self.rng.randint(1, 25)):
                    self.log(run, step if self.rng.random() < 0.9 else low)

    def build(self, store):
        first = self.begin(store, "first")
        self.write(store, first)
        store.flush()
        self.write(store, first)
        gone = self.begin(store, "gone")
        self.write(store, gone)
        gone.finish()
        fork_at, again_at = self.rng.randint(0, 250), self.rng.randint(0, 250)
        fork = self.begin(store, "fork", parent=("first", fork_at))
        self.parents["fork"] = ("first", fork_at)
        self.write(store, fork)
        store.flush()
        again = self.begin(store, "fork-again", parent=("fork", again_at))
        self.parents["fork-again"] = ("fork", again_at)
        self.write(store, again)
        plain = self.begin(store, "plain")
        for low in range(0, 600, 200):
            self.append(store, plain.id, list(range(low, low + 200)))
            store.flush()
        long = self.begin(store, "long")
        for low in range(0, LONG, LONG // 2):
            self.append(store, long.id, list(range(low, low + LONG // 2)), "loss", {})
            store.flush()
        if self.rng.random() < 0.5:
            store.compact()
        self.rewind(first, self.rng.randint(0, 300))
        self.delete(store, "gone")
        if self.rng.random() < 0.5:
            self.write(store, self.begin(store, "gone"))
        if self.rng.random() < 0.5:
            store.compact()
        self.write(store, again)
        self.write(store, first)

    def lineage(self):
        for run in sorted({row[0] for row in self.rows} | set(self.parents)):
            yield run, run, 0, None
            source, until, generation = run, None, 0
            while source in self.parents:
                source, step = self.parents[source]
                until, generation = step if until is None else min(until, step), generation + 1
                yield run, source, generation, until

    def database(self):
        columns = list(zip(*self.rows))
        names = ["run", "metric", "labels", "rank", "step", "time", "value", "seq", "hidden"]
        types = [pa.string()] * 4 + [pa.int64(), pa.int64(), pa.float64(), pa.int64(), pa.bool_()]
        written = pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types)})
        kinds = [pa.string(), pa.string(), pa.int64(), pa.int64()]
        lines = list(zip(*self.lineage()))
        lineage = pa.table({n: pa.array(c, t) for n, c, t in zip(["run", "source", "generation", "until"], lines, kinds)})
        con = duckdb.connect()
        con.register("written", written)
        con.register("lineage", lineage)
        con.register("params", pa.table({"run": list(self.rates), "lr": list(self.rates.values())}))
        con.execute(SEEN)
        return con


class RandomSelection:
    """A random selection, as arguments and as SQL."""

    def __init__(self, rng, made=None):
        self.repeats = rng.choice(["last", "last", "first"] if made else ["last", "last", "first", "all"])
        self.arguments = {"repeats": self.repeats}
        settled, kept = [], []
        history = rng.choice(["inherited", "inherited", "inherited", "own", "all"])
        settled.append(HISTORY[history])
        self.arguments["history"] = history
        if rng.random() < 0.2:
            self.arguments["include_rewound"] = True
        else:
            settled.append("not hidden")
        if rng.random() < 0.5:
            metrics = rng.sample(METRICS, rng.randint(1, 2))
            self.arguments["metrics"] = metrics
            settled.append(f"metric in ({', '.join(map(repr, metrics))})")
        if made or rng.random() < 0.5:
            known = [("fork*", "run like 'fork%'"), ("f*", "run like 'f%'"), ("plain", "run = 'plain'"), ("long", "run = 'long'")]
            runs, sql = rng.choice(known[:3] if made else known)
            self.arguments["runs"] = runs
            settled.append(sql)
        if rng.random() < 0.3:
            rate = rng.choice(["0.1", "0.01"])
            self.arguments["where"] = f"params.lr >= {rate}"
            settled.append(f"cast(lr as double) >= {rate}")
        if rng.random() < 0.3:
            self.arguments["labels"] = {"rank": "1"}
            settled.append("rank = '1'")
        if rng.random() < 0.5:
            low = rng.choice([rng.randint(-30, 400), rng.randint(0, LONG)])
            high = low + rng.choice([1, 64, 300, LONG // 3])
            self.arguments["steps"] = (low, high)
            kept.append(f"step >= {low} and step < {high}")
        if rng.random() < 0.3:
            low = START_US + rng.choice([rng.randint(0, 80_000_000), rng.randint(0, LONG * 250_000)])
            high = low + rng.choice([rng.randint(1, 60_000_000), LONG * 80_000])
            self.arguments["time"] = (low, high)
            kept.append(f"time >= {low} and time < {high}")
        if rng.random() < 0.3:
            low = rng.gauss(0, 1)
            self.arguments["values"] = (low, None)
            kept.append(f"(value >= {low!r} and not isnan(value))")
        where, then = " and ".join(settled), " and ".join(kept) or "true"
        settled_points = f"(select * from seen where {where} {REPEATS[self.repeats]})"
        self.made, transformed = made or (None, settled_points)
        if made:
            transformed = f"({transformed.format(points=settled_points)})"
        self.points = f"""(
            select *, isfinite(value) as finite, row_number() over (order by step, age) as turn from {transformed} where {then})"""

    def select(self, store):
        selection = store.select(**self.arguments)
        return selection.transform(self.made) if self.made else selection


def same(ours, theirs, what):
    """Asserts equality, with NaN equal to NaN. Sums may differ in the last digits, since neither side fixes the order of addition."""
    if isinstance(ours, float) and isinstance(theirs, (float, int)):
        both_nan = math.isnan(ours) and math.isnan(theirs)
        assert both_nan or ours == theirs or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-6), what
    else:
        assert ours == theirs, what


def compare(ours, theirs, context):
    assert len(ours) == len(theirs), f"{context}: {len(ours)} rows, and {len(theirs)}"
    for mine, yours in zip(ours, theirs):
        for a, b in zip(mine, yours, strict=True):
            same(a, b, f"{context}: {mine} and {yours}")


def rows(table):
    """The rows of an Arrow table, with times in µs."""
    columns = []
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        columns.append(column.to_pylist())
    return list(zip(*columns)) if columns else []


def ask_points(store, con, question, rng):
    sql = f"select run, metric, labels, step, time, value from {question.points} order by run, metric, labels, step, age"
    return rows(question.select(store).points().to_arrow()), con.sql(sql).fetchall()


def ask_latest(store, con, question, rng):
    sql = f"""select run, metric, labels, step, time, value from {question.points}
        qualify row_number() over (partition by run, metric, labels order by turn desc) = 1 order by run, metric, labels"""
    return rows(question.select(store).latest().to_arrow()), con.sql(sql).fetchall()


def ask_aggregate(store, con, question, rng):
    step, seconds = rng.choice([1, 7, 64, 256]), rng.choice([1, 10, 60])
    kinds = {
        "run": ("run", "run"),
        "metric": ("metric", "metric"),
        "labels": ("labels", "labels"),
        "label:rank": ("label:rank", "rank"),
        "step": (tidalite.step_bucket(step), f"cast(floor(step / {step}) as bigint) * {step}"),
        "param:lr": ("param:lr", "cast(lr as double)"),
        "time": (tidalite.time_bucket(f"{seconds}s"), f"time // {seconds * 10**6} * {seconds * 10**6}"),
    }
    wanted = rng.sample(list(kinds), rng.randint(0, 4))
    if rng.random() < 0.4:
        wanted = ["run", "metric", "labels"] + [w for w in wanted if w in ("step", "time")]
    whole_series = {"run", "metric", "labels"} <= set(wanted)
    choice = {**AGGREGATES, **OF_A_SERIES} if whole_series else AGGREGATES
    aggregates = rng.sample(list(choice), rng.randint(1, 4))
    groups = [f"{kinds[w][1]} as g{i}" for i, w in enumerate(wanted)]
    names = [f"g{i}" for i in range(len(wanted))]
    over = f"over ({'partition by ' + ', '.join(names) if names else ''})"
    inner = f"""select *, min(value) filter (finite) {over} as least, max(value) filter (finite) {over} as greatest
        from (select *{''.join(', ' + g for g in groups)} from {question.points})"""
    sql = f"select {', '.join(names + [choice[a] for a in aggregates])} from ({inner})"
    if names:
        sql += f" group by {', '.join(names)} order by {', '.join(n + ' nulls first' for n in names)}"
    answer = question.select(store).aggregate(*aggregates, by=[kinds[w][0] for w in wanted])
    return rows(answer.to_arrow()), con.sql(sql).fetchall()


def ask_chart(store, con, question, rng):
    buckets = rng.choice([1, 10, 100])
    answer = question.select(store).chart(buckets).to_arrow()
    # The width is the lowest power of two at which the given number of buckets covers the steps of a series.
    widths = con.sql(f"""select run, metric, labels, min(w) as width from (
            select run, metric, labels, min(step) as low, max(step) as high from {question.points} group by all
        ), (select 2 ** unnest(range(0, 20)) as w)
        where floor(high / w) - floor(low / w) < greatest({buckets}, if(low < 0 and high >= 0, 2, 1)) group by all""")
    con.register("widths", widths.to_arrow_table())
    sql = f"""select run, metric, labels, cast(floor(step / width) * width as bigint) as start, cast(width as bigint),
            count(*), count(*) filter (not finite), min(value) filter (finite), max(value) filter (finite),
            avg(value) filter (finite), arg_min(value, turn), arg_max(value, turn)
        from {question.points} join widths using (run, metric, labels)
        group by run, metric, labels, width, start order by run, metric, labels, start"""
    return rows(answer), con.sql(sql).fetchall()


def ask_band(store, con, question, rng):
    buckets = rng.choice([1, 10, 100])
    answer = question.select(store).band(buckets).to_arrow()
    if answer.num_rows == 0:
        return [], con.sql(f"select * from {question.points} limit 1").fetchall()
    (width,) = set(answer["width"].to_pylist())
    sql = f"""with means as (
            select metric, run, cast(floor(step / {width}) * {width} as bigint) as start, avg(value) filter (finite) as mean,
                count(*) filter (not finite) as nonfinite
            from {question.points} group by metric, run, start)
        select metric, start, {width}, count(mean), avg(mean), stddev_pop(mean), min(mean), max(mean), cast(sum(nonfinite) as bigint)
        from means group by metric, start order by metric, start"""
    return rows(answer), con.sql(sql).fetchall()


def ask_align(store, con, question, rng):
    """Series side by side at equal steps; skipped with repeats, which have no place in columns."""
    if question.repeats == "all":
        return [], []
    answer = question.select(store).align(on="step", fill="none").to_arrow()
    series = [tuple(answer.schema.field(i).metadata[k].decode() for k in (b"run", b"metric", b"labels"))
              for i in range(1, answer.num_columns)]
    ours = [
        (run, metric, labels, step, value)
        for (run, metric, labels), column in zip(series, answer.columns[1:])
        for step, value in zip(answer.column(0).to_pylist(), column.to_pylist())
        if value is not None
    ]
    sql = f"select run, metric, labels, step, value from {question.points} order by run, metric, labels, step"
    return ours, con.sql(sql).fetchall()


def ask_best(store, con, question, rng):
    count, aggregate, most = rng.randint(1, 5), rng.choice(["min", "max", "mean"]), rng.random() < 0.5
    selection = question.select(store)
    best = selection.top if most else selection.bottom
    sql = f"""select run, metric, {AGGREGATES[aggregate]} as best, count(*) from {question.points}
        group by run, metric having best is not null order by best {'desc' if most else 'asc'}, run, metric limit {count}"""
    return rows(best(count, aggregate, "count", by=["run", "metric"]).to_arrow()), con.sql(sql).fetchall()


SERIES = "partition by run, metric, labels, isfinite(value) order by step, age"
# NaN and infinities are unchanged and not part of any window: the windows are over the finite points.
TRANSFORMS = list({
    "mean:5": f"""select * replace (if(isfinite(value), avg(value) over (
        {SERIES} rows between 4 preceding and current row), value) as value) from {{points}}""",
    "derivative:step": f"""select * from (select * replace (if(isfinite(value), (value - lag(value) over ({SERIES})) / (
        step - lag(step) over ({SERIES})), value) as value) from {{points}}) where value is not null""",
    "ema:0.75": f"""with turns as (select *, row_number() over ({SERIES}) as n from {{points}})
        select * exclude (n) replace (if(isfinite(value), (
            select sum(0.75 ** (a.n - b.n) * b.value) / sum(0.75 ** (a.n - b.n)) from turns b
            where (b.run, b.metric, b.labels) = (a.run, a.metric, a.labels) and isfinite(b.value) and b.n <= a.n
        ), value) as value) from turns a""",
}.items())


TRANSFORMED = [ask_points, ask_aggregate, ask_chart, ask_band]
ASK = [ask_points, ask_latest, ask_aggregate, ask_aggregate, ask_aggregate, ask_chart, ask_band, ask_align, ask_best]


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_equal_those_of_sql_over_the_writes(path, seed):
    world = World(path, seed)
    with tidalite.open(path, background=False) as store:
        world.build(store)
        con = world.database()
        rng = random.Random(1000 + seed)
        answered = 0
        with tidalite.open(path, "r") as reader:
            for number in range(QUERIES):
                ask = rng.choice(ASK)
                question = RandomSelection(rng, rng.choice(TRANSFORMS) if ask in TRANSFORMED and rng.random() < 0.25 else None)
                ours, theirs = ask(reader, con, question, rng)
                compare(ours, theirs, f"{ask.__name__} {number}, {question.made or 'points'} of {question.arguments}")
                answered += len(ours)
        assert answered > 100, "the queries found almost nothing"
