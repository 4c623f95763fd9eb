"""Notebooks get well-formed HTML in which every name from the user is escaped.

Method: names that look like markup and numbers of every kind are shown; the HTML is parsed, and its cells and shapes are counted.
"""
import math
import re
import sys
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from tidalite import Finding, Report, RunInfo, Runs, step_bucket
from tidalite._sparkline import HEIGHT, WIDTH, SparkBucket, sparkline
from tidalite._text import short

EVIL = '<script>alert("1")</script>&amp;'


class Page(HTMLParser):
    """Collects cells by row, and elements; fails if tags do not nest."""

    VOID = {"br"}

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.elements, self.attributes = [], [], [], []
        self.feed(html)
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes.append(dict(attrs))
        if tag in self.VOID:
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if {"td", "th"} & set(self.open) and "title" not in self.open:
            self.rows[-1][-1] += data


def fill(store, id, count=200, metric="loss", spoil=(), labels=None):
    with store.run(id, labels=labels) as run:
        for step in range(count):
            run.log({metric: math.nan if step in spoil else 1 / (step + 1)}, step=step)


def test_a_table_shows_its_first_rows_its_types_and_its_row_count(store):
    fill(store, "a", 1234)
    page = Page(store.select().points()._repr_html_())
    assert page.rows[0] == ["runtext", "metrictext", "labelstext", "stepint64", "timeUTC", "valuefloat64"]
    assert len(page.rows) == 21 and page.rows[2][0] == "a" and page.rows[2][3] == "1" and page.rows[2][5] == "0.5"
    assert "first 20 of 1,234 rows" in store.select().points()._repr_html_()
    assert "3 rows" in store.select(steps=(0, 3)).points()._repr_html_()


def test_a_page_needs_no_other_library(store, monkeypatch):
    fill(store, "a")
    for name in ("pyarrow", "numpy", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    for thing in (store.select(), store.select().points(), store.select().latest()):
        assert "<td>a</td>" in thing._repr_html_()
    assert "<td>a</td>" in store.runs()._repr_html_()


def test_tables_of_every_kind_are_shown(store):
    fill(store, "a")
    fill(store, "b")
    s = store.select()
    tables = [s.points(), s.chart(10), s.band(10), s.align(), s.latest(), s.lttb(10), s.aggregate("mean", by="run"), s.points().sort("value")]
    for table in tables:
        assert len(Page(table._repr_html_()).rows[0]) == len(table.columns)
    assert "0 rows" in store.select("none").points()._repr_html_()


def test_nan_infinity_and_null_are_shown(store):
    with store.run("a") as run:
        for step, value in enumerate([math.nan, math.inf, -math.inf, -0.0]):
            run.log({"x": value}, step=step)
    html = store.select().points()._repr_html_()
    assert [row[-1] for row in Page(html).rows[1:]] == ["NaN", "Inf", "-Inf", "-0"]
    assert html.count('class="bad"') == 3
    assert "null" in store.select().aggregate("mean", by=step_bucket(1))._repr_html_()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (3e-4, "0.0003"),
        (1.23456789e-9, "1.2346e-9"),
        (6.02214e23, "6.0221e23"),
        (1e-300, "1e-300"),
        (2**62, str(2**62)),
        (True, "True"),
        (datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=timezone.utc), "2026-01-31 12:00:00.25"),
        (datetime(2026, 1, 31, tzinfo=timezone.utc), "2026-01-31 00:00:00"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_values_are_shortened_correctly(value, text):
    assert short(value) == text


def test_a_selection_shows_one_row_per_series_with_aggregates_and_curve(store):
    fill(store, "a", 1000, labels={"rank": 1})
    fill(store, "b", 500)
    html = store.select()._repr_html_()
    page = Page(html)
    assert page.rows[0] == ["run", "metric", "labels", "count", "last", "min", "max", "mean", "curve"]
    assert page.rows[1][:5] == ["a", "loss", "rank=1", "1000", "0.001"]
    assert page.rows[2][:5] == ["b", "loss", "", "500", "0.002"]
    assert page.elements.count("svg") == 2 and page.elements.count("polyline") == 2 and page.elements.count("polygon") == 2
    assert page.elements.count("rect") == 0
    assert "no series" in store.select("none")._repr_html_()


def test_a_curve_that_stops_early_is_shown_shorter(store):
    fill(store, "a", 1000)
    fill(store, "b", 500)
    lines = re.findall(r'<polyline points="([^"]*)"', store.select()._repr_html_())
    ends = [float(line.split()[-1].split(",")[0]) for line in lines]
    assert ends[0] > WIDTH - 5 and WIDTH * 0.4 < ends[1] < WIDTH * 0.6


def test_nan_is_marked_red_and_breaks_the_line(store):
    fill(store, "a", 60, spoil=range(20, 30))
    page = Page(store.select()._repr_html_())
    assert page.elements.count("polyline") == 2
    marks = [a for e, a in zip(page.elements, page.attributes) if e == "rect"]
    assert len(marks) == 10 and all(mark["fill"] == "#e5484d" for mark in marks)


def test_series_after_the_fiftieth_are_counted_not_shown(store):
    with store.run("a") as run:
        run.log({f"m{i:02}": float(i) for i in range(53)}, step=0)
    html = store.select()._repr_html_()
    assert len(Page(html).rows) == 51 and "and 3 more series" in html and "53 series" in html
    assert html.count("<svg") == 50


def test_names_are_escaped(store):
    with store.run(EVIL, params={EVIL: EVIL, "n": 1}, tags=[EVIL], labels={EVIL: EVIL}) as run:
        run.log({EVIL: 1.0}, step=0)
    with store.run("other", params={EVIL: 2, "n": 2}) as run:
        run.log({EVIL: 1.0}, step=0)
    finding = Finding(kind="damage", path=EVIL, offset=0, bytes=0, message=EVIL)
    shown = [store.select(), store.select().points(), store.select().align(), store.runs(), Report(findings=(finding,))]
    for html in [thing._repr_html_() for thing in shown]:
        page = Page(html)
        assert "script" not in page.elements
        assert any(EVIL in cell for row in page.rows for cell in row), html


def test_runs_show_differing_params_as_columns_and_shared_ones_below():
    start = datetime(2026, 1, 31, tzinfo=timezone.utc)

    def info(id, status="finished", seconds=1.5, **params):
        end = None if seconds is None else start + timedelta(seconds=seconds)
        return RunInfo(id, status, start, end, params, {}, (), {}, None, None, ())

    html = Runs([info("a", lr=0.1, batch=64), info("b", "failed", 3725, lr=0.2, batch=64), info("c", "running", None, batch=64)])._repr_html_()
    page = Page(html)
    assert page.rows[0] == ["run", "status", "startedUTC", "took", "lrparam"]
    assert page.rows[1] == ["a", "finished", "2026-01-31 00:00:00", "1.5 s", "0.1"]
    assert page.rows[2] == ["b", "failed", "2026-01-31 00:00:00", "1 h 02 min", "0.2"]
    assert page.rows[3][3:] == ["", ""]
    assert "the same in all: batch=64" in html and html.count('class="bad"') == 1
    many = Runs([info(str(i), **{f"p{j}": i for j in range(12)}) for i in range(60)])._repr_html_()
    assert len(Page(many).rows) == 51 and "and 10 more runs" in many and "more params that differ: p6" in many
    assert "no runs" in Runs()._repr_html_()


def test_a_report_shows_its_verdict_and_each_finding():
    assert "sound" in Report(points=5)._repr_html_()
    torn = Finding(kind="torn tail", path="log/1.seg", offset=99, bytes=1, message="cut off")
    page = Page(Report(findings=(torn,))._repr_html_())
    assert page.rows[1] == ["torn tail", "log/1.seg", "99", "cut off"]


def test_a_sparkline_stays_inside_its_box_for_extreme_numbers():
    top = 1.7976931348623157e308
    cases = [
        [SparkBucket(0, 1, 1, 1, 0)],
        [SparkBucket(i, -top, top, 0, 0) for i in range(3)],
        [SparkBucket(-(2**63), 0, 0, 0, 0), SparkBucket(2**63, 1, 1, 1, 1)],
        [SparkBucket(i, math.nan, math.nan, math.nan, 1) for i in range(3)],
        [],
    ]
    for buckets in cases:
        x_range = (buckets[0].x, buckets[-1].x) if buckets else (0, 0)
        svg = sparkline(buckets, x_range)
        Page(svg)
        assert "nan" not in svg.replace("NaN", "") and "inf" not in svg
        pairs = re.findall(r"(-?[\d.]+),(-?[\d.]+)", svg.partition(">")[2])
        assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in pairs)


def test_colours_follow_the_page(store):
    fill(store, "a", spoil=[3])
    html = store.select()._repr_html_()
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', html)) - {"none"}
    assert colours == {"currentColor", "#e5484d"}
