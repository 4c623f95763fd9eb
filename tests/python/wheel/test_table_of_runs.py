"""`store.table`: the runs with values of metrics and fields."""
import math

import pytest
import tidalite


@pytest.fixture
def swept(store):
    for i, lr in enumerate((0.1, 0.01, 0.001)):
        with store.run(f"lr-{lr}", params={"lr": lr, "opt": "adam"}, tags=["sweep"]) as run:
            for step in range(10):
                run.log({"val/loss": lr + 1 / (step + 1), "acc": step / 10 if i else math.nan}, step=step)
    store.run("empty").finish()
    return store


def test_columns_are_given_as_a_dict_or_as_texts(swept):
    table = swept.table({"val/loss": ["last", "min"], "params.lr": None, "acc": "max"})
    assert table.columns == ["run", "val/loss:last", "val/loss:min", "params.lr", "acc:max"]
    same = swept.table(["val/loss:last", "val/loss:min", "params.lr", "acc:max"])
    assert table.to_dicts() == same.to_dicts() and table.kind == "runs" and len(table) == table.total == 4
    for row in table:
        points = swept.select("val/loss", runs=row["run"]).aggregate("last", "min")[0]
        assert (row["val/loss:last"], row["val/loss:min"]) == (points["last"], points["min"])
    assert table[0] == {"run": "empty", "val/loss:last": None, "val/loss:min": None, "params.lr": None, "acc:max": None}
    assert swept.table("status").to_dict()["status"] == ["finished"] * 4
    assert swept.snapshot().table("val/loss:min").to_dicts() == swept.table("val/loss:min").to_dicts()


def test_runs_are_sorted_filtered_and_paged(swept):
    ids = lambda *args, **how: swept.table(*args, **how).to_dict()["run"]
    assert ids("val/loss:min", sort="val/loss:min") == ["lr-0.001", "lr-0.01", "lr-0.1", "empty"]
    assert ids("val/loss.min", sort="-val/loss.min") == ["lr-0.1", "lr-0.01", "lr-0.001", "empty"]
    assert ids("name", sort=["params.opt", "-params.lr"], limit=2) == ["lr-0.1", "lr-0.01"]
    page = swept.table("name", sort="-params.lr", offset=1, limit=2)
    assert page.to_dict()["run"] == ["lr-0.01", "lr-0.001"] and page.total == 4
    assert ids("name", where="params.lr < 0.05") == ["lr-0.001", "lr-0.01"]
    assert ids("name", runs="lr-*", limit=0) == []
    assert page[0:1].total is None and swept.select().latest().total is None


def test_a_metric_that_no_run_has_is_a_warning(swept):
    with pytest.warns(UserWarning, match="no selected run has the metric .*val/los.*similar: val/loss"):
        table = swept.table({"val/los": "min"})
    assert table.to_dict()["val/los:min"] == [None] * 4


@pytest.mark.parametrize(
    ("columns", "how", "error", "says"),
    [
        ("val/loss", {}, tidalite.Invalid, "METRIC:AGGREGATE"),
        ({"val/loss": "p99"}, {}, tidalite.Invalid, "needs points"),
        ({"val/loss": "avg"}, {}, tidalite.Invalid, "not an aggregate"),
        (["name", "name"], {}, tidalite.Invalid, "twice"),
        (7, {}, TypeError, "val/loss:min"),
        ("name", {"limit": -1}, tidalite.Invalid, "limit is -1"),
        ("name", {"sort": "x"}, tidalite.Invalid, "METRIC:AGGREGATE"),
    ],
)
def test_what_is_wrong_is_named(swept, columns, how, error, says):
    with pytest.raises(error, match=says):
        swept.table(columns, **how)


def test_it_is_a_frame(swept):
    frame = swept.table({"val/loss": "min", "started": None}, sort="val/loss:min").to_pandas()
    assert list(frame["run"])[0] == "lr-0.001" and str(frame["started"].dtype).startswith("datetime64")


def test_an_empty_table_says_why(swept):
    assert swept.select("val/loss").points().why is None
    empty = swept.select("val/los").points()
    assert empty.why == "no metric matches val/los; similar: val/loss"
    assert repr(empty).endswith("nothing matches: no metric matches val/los; similar: val/loss")
    assert "steps 0 to 9" in swept.select("val/loss", steps=(50, None)).aggregate("mean").why


def test_warnings_point_at_the_line_of_the_caller(swept):
    with pytest.warns(UserWarning) as told:
        swept.table("val/los:min")
        swept.select(runs="lr-0.1").aggregate(["mean"])
        swept.select(runs="lr-0.1").aggregate("mean", by="run")
    assert {warning.filename for warning in told} == {__file__} and len(told) == 3
