"""`store.diff`: in what runs differ."""
import pytest
import tidalite


@pytest.fixture
def swept(store):
    for lr in (0.1, 0.01):
        with store.run(f"lr-{lr}", params={"net": {"lr": lr, "depth": 3}}, tags=["sweep"], capture=False) as run:
            for step in range(10):
                run.log({"val/loss": lr / (step + 1), "acc": step / 10}, step=step)
    return store


def test_a_row_for_each_fact_that_differs(swept):
    table = swept.diff("lr-0.1", "lr-0.01")
    assert table.columns == ["kind", "name", "lr-0.1", "lr-0.01"] and table.kind == "diff"
    rows = {(row["kind"], row["name"]): (row["lr-0.1"], row["lr-0.01"]) for row in table}
    assert rows.keys() == {("field", "seconds"), ("param", "net.lr"), ("last", "val/loss")}
    assert rows["param", "net.lr"] == ("0.1", "0.01")
    assert tuple(map(float, rows["last", "val/loss"])) == (0.1 / 10, 0.01 / 10)
    # With all, also what is the same; lists and runs are taken too.
    everything = swept.snapshot().diff([swept.runs()["lr-0.1"].id, "lr-0.01"], all=True)
    names = set(everything["name"])
    assert {"net.depth", "sweep", "status", "points", "last_step", "acc"} <= names
    assert len(everything) > len(table)


def test_a_run_lacks_what_another_has(swept):
    with swept.run("other", capture=["os"]) as run:
        run.log({"loss": 1.0}, step=0)
    rows = {(row["kind"], row["name"]): row for row in swept.diff("lr-0.1", "other", "lr-0.01")}
    assert rows["tag", "sweep"] == {"kind": "tag", "name": "sweep", "lr-0.1": "true", "other": None, "lr-0.01": "true"}
    assert any(kind == "environment" and row["other"] for (kind, _), row in rows.items())


def test_what_cannot_be_compared_is_refused(swept):
    with pytest.raises(tidalite.NotFound, match="lr-0.1"):
        swept.diff("lr-0.1", "lr-0.2")
    for runs in ((), ("lr-0.1",), ("lr-0.1", "lr-0.1")):
        with pytest.raises(tidalite.Invalid):
            swept.diff(*runs)
