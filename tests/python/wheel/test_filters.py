"""Filters of runs, groups by params, `having`, forks, rewinds, deletions and sizes."""
import math

import pytest

import tidalite


@pytest.fixture
def sweep(store):
    """Six runs with different learning rates; all but the last have an optimizer, and every second one has a tag."""
    for i in range(6):
        params = {"lr": i / 10, "deep": {"depth": i // 3}} | ({"optimizer": "adam" if i < 3 else "sgd"} if i < 5 else {})
        with store.run(f"r{i}", params=params, tags=["even"] if i % 2 == 0 else [], labels={"host": f"h{i % 2}"}) as run:
            for step in range(20):
                run.log({"loss": (i + 1) / (step + 1), "acc": math.nan if i == 4 else i}, step=step)
    return store


def ids(selection):
    return sorted(set(selection.to_numpy()["run"]))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("params.lr > 0.25", ["r3", "r4", "r5"]),
        ("params.lr > 0.25 and tags has 'even'", ["r4"]),
        ("not has params.optimizer", ["r5"]),
        ("params.deep.depth = 1 and id like 'r[35]'", ["r3", "r5"]),
        (["params.optimizer = 'adam'", "labels.host = 'h1'"], ["r1"]),
        ("status = 'finished' and started > '2020-01-01'", ["r0", "r1", "r2", "r3", "r4", "r5"]),
        ("status = 'lost'", []),
    ],
    ids=str,
)
def test_a_filter_selects_the_matching_runs(sweep, where, expected):
    assert ids(sweep.select("loss", where=where)) == expected
    assert sweep.runs(where).ids == expected
    assert sweep.runs(where=where).ids == expected


def test_an_invalid_filter_is_refused_with_its_column(sweep):
    for call in (sweep.runs, lambda where: sweep.select(where=where)):
        with pytest.raises(tidalite.Invalid, match="column 12"):
            call("params.lr >")
        with pytest.raises(TypeError):
            call(3)


def test_groups_by_a_param_hold_the_runs_of_each_value(sweep):
    table = sweep.select("loss", steps=(0, 1)).aggregate("count", "sum", by="param:optimizer").to_arrow()
    assert table.to_pydict() == {"param:optimizer": [None, "adam", "sgd"], "count": [1, 3, 2], "sum": [6.0, 6.0, 9.0]}
    lr = sweep.select("loss").aggregate("count", by="param:lr").to_arrow()
    assert lr.schema.types[0] == "double" and lr["param:lr"].to_pylist() == sorted(lr["param:lr"].to_pylist())
    assert sweep.select("loss").band(10, by=["param:deep.depth"]).columns[0] == "param:deep.depth"
    with pytest.raises(tidalite.Invalid, match="param:NAME"):
        sweep.select().aggregate("count", by="param:")


def test_having_keeps_series_by_an_aggregate(sweep):
    assert ids(sweep.select("loss").having("max", ">=", 5)) == ["r4", "r5"]
    assert ids(sweep.select("loss").having("max", "<", 1.5, steps=(2, None)).having("max", ">", 0.7, steps=slice(2, 3))) == ["r2", "r3"]
    assert ids(sweep.select("acc").having("nan", "=", 20)) == ids(sweep.select("acc").having("finite", "==", 0)) == ["r4"]
    # The ranges of the selection do not affect which series `having` keeps.
    assert len(sweep.select("loss", steps=(19, None)).having("max", ">", 5.5).points()) == 1
    assert "having max > 5.5" in repr(sweep.select("loss").having("max", ">", 5.5))
    for wrong in [("most", ">", 1), ("max", "~", 1)]:
        with pytest.raises(tidalite.Invalid):
            sweep.select().having(*wrong)


def test_history_selects_which_inherited_points_a_fork_reads(store):
    with store.run("base") as base:
        for step in range(10):
            base.log({"loss": 1.0, "system/load": 0.5}, step=step)
    with store.run("fork", parent=(base, 4)) as fork:
        fork.log({"loss": 0.5}, step=5)
    count = lambda metric, **how: len(store.select(metric, runs="fork", **how).points())
    assert [count("loss", history=h) for h in ("own", "inherited", "all")] == [1, 6, 6]
    assert [count("system/load", history=h) for h in ("own", "inherited", "all")] == [0, 0, 5]
    assert count("loss") == 6
    with pytest.raises(tidalite.Invalid, match='"none" is not a history; use `own`, `inherited` or `all`'):
        store.select(history="none")
    assert "history=\"own\"" in repr(store.select(history="own"))


def test_a_rewound_run_continues_from_the_step_and_keeps_the_hidden_points(store):
    run = store.run("a")
    for step in range(10):
        run.log({"loss": 1.0}, step=step)
    run.rewind(4)
    run.log({"loss": 0.5})
    values = store.select("loss").to_numpy()
    assert values["step"].tolist() == list(range(6)) and values["value"][-1] == 0.5
    assert len(store.select("loss", include_rewound=True, repeats="all").points()) == 11
    run.rewind(1)
    assert store.runs()["a"].rewinds == (4, 1)
    frame = store.runs().to_polars()
    assert frame["rewinds"].to_list() == [[4, 1]] and store.runs().to_pandas()["rewinds"][0] == [4, 1]
    with pytest.raises(TypeError, match="rewind: step is of type float"):
        run.rewind(1.5)


def test_a_deleted_run_disappears_and_compaction_frees_its_space(store):
    for id in "ab":
        with store.run(id) as run:
            for step in range(1000):
                run.log({"loss": math.sin(step)}, step=step)
    assert store.bytes_by_run() == {} == store.bytes_by_metric()
    store.compact()
    assert set(store.bytes_by_run()) == {"a", "b"} and store.bytes_by_metric()["loss"] > 1000
    store.delete_run("a")
    store.delete_run(run)
    assert store.runs() == [] and store.metrics() == []
    assert sum(store.bytes_by_run().values()) > 1000
    store.compact()
    assert store.bytes_by_run() == {}
    with pytest.raises(tidalite.NotFound):
        store.delete_run("a")
