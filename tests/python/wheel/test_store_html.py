"""A store and a selection show what is in them, and never raise: a broken one shows its error.

Method: as in `test_html`.
"""
import time

import pytest
import tidalite
from test_damage import damaged  # noqa: F401
from test_html import EVIL, Page, fill


def text_of(html):
    return html.partition("</style>")[2]


def test_a_store_shows_its_path_its_contents_and_its_newest_runs(store, path):
    for i in range(12):
        with store.run(f"r{i}", params={"lr": i}, started=f"2026-01-{i + 1:02}") as run:
            run.log({"loss": 1.0, "acc": 2.0}, step=0)
    store.run("failed", started="2026-02-01").fail("boom")
    store.edit("r0", add_tags=["base"])
    html = store._repr_html_()
    page = Page(html)
    assert f"store {path}" in html and "13 runs, 24 series, 24 points, " in html and "12 finished, 1 failed" in html
    assert "the newest 10 runs:" in html
    assert [row[0] for row in page.rows] == ["run", "failed", *(f"r{i}" for i in range(11, 2, -1))]
    assert page.rows[1][1] == "failed" and 'class="bad">failed' in html and page.rows[2][-1] == "11"


def test_an_empty_store_is_shown(store):
    html = store._repr_html_()
    Page(html)
    assert "0 runs, 0 series, 0 points" in html and "<table" not in html


def test_a_store_escapes_what_users_named(tmp_path):
    # A slash would make folders.
    with tidalite.open(tmp_path / EVIL.replace("/", "")) as store:
        with store.run(EVIL, params={EVIL: EVIL}) as run:
            run.log({EVIL: 1.0}, step=0)
        page = Page(store._repr_html_())
        assert "script" not in page.elements and page.rows[1][0] == EVIL
        assert "script" not in Page(store.select(EVIL)._repr_html_()).elements


def test_a_selection_says_what_it_selects(store):
    fill(store, "a")
    fill(store, "b")
    html = store.select("loss", runs="*", steps=(0, 50)).transform("ema:0.5")._repr_html_()
    assert "Selection &#x27;loss&#x27;, runs=&#x27;*&#x27;" in html and "transform ema:0.5" in html
    assert "2 runs, 2 series" in html
    assert "Selection &#x27;none&#x27;" in store.select("none")._repr_html_()


def test_a_closed_store_shows_its_error(store, path):
    fill(store, "a")
    selection, table = store.select("loss"), store.select("loss").points()
    store.close()
    for thing in (store, selection, table):
        page = Page(thing._repr_html_())
        assert page.elements.count("table") == 0 and 'class="bad"' in thing._repr_html_()
        assert "closed" in text_of(thing._repr_html_())


def test_a_damaged_store_shows_what_it_has_and_says_so(store, path):
    fill(store, "a", 2000)
    store.flush()
    store.close()
    (part,) = (path / "parts").glob("*.parquet")
    raw = bytearray(part.read_bytes())
    raw[4:-8] = bytes(len(raw) - 12)
    part.write_bytes(raw)
    with tidalite.open(path) as damaged:
        selection = damaged.select("loss").points()
        html = selection._repr_html_()
        Page(html)
        assert "Corrupt: " in html
        Page(damaged._repr_html_())
        assert "1 run, " in damaged._repr_html_()
        Page(damaged.select("loss")._repr_html_())
    (table,) = (path / "series").glob("*.parquet")
    table.write_bytes(b"PAR1" * 10)
    with tidalite.open(path) as damaged:
        html = damaged._repr_html_()
        Page(html)
        assert "1 damaged place: store.verify() names what is damaged" in html
        html = damaged.select("loss")._repr_html_()
        Page(html)
        assert 'class="bad"' in html and "Corrupt: " in html


def test_a_store_with_a_damaged_log_lists_its_runs(damaged):  # noqa: F811
    path, _ = damaged
    with tidalite.open(path, "r") as store:
        html = store._repr_html_()
        assert "1 damaged place" in html and [row[0] for row in Page(html).rows][1:] != []


@pytest.mark.parametrize("kind", ["store", "selection", "table"])
def test_no_error_reaches_the_notebook(store, monkeypatch, kind):
    def broken(*_):
        raise RuntimeError("<b>broken</b>")

    fill(store, "a")
    monkeypatch.setattr(f"tidalite._html._{kind}_page", broken)
    thing = {"store": store, "selection": store.select("loss"), "table": store.select("loss").points()}[kind]
    html = thing._repr_html_()
    assert "RuntimeError: &lt;b&gt;broken&lt;/b&gt;" in html and "b" not in Page(html).elements


def test_a_page_of_many_runs_is_small_and_fast(store):
    count = 2000
    runs = [f"r{i}" for i in range(count)]
    for run in runs:
        store.run(run, params={"lr": 0.1}).finish()
    store.append({"run": runs, "metric": ["loss"] * count, "step": [0] * count, "value": [1.0] * count})
    for thing in (store, store.select("loss")):
        begin = time.monotonic()
        html = thing._repr_html_()
        assert time.monotonic() - begin < 5 and len(html) < 40_000
    assert "2,000 runs" in store._repr_html_() and "and 1,950 more series" in store.select("loss")._repr_html_()
