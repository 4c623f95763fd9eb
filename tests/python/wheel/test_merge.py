"""Merging stores: runs, fields and points of both, each once."""

import pytest
import tidalite


def log(store, run, steps, **fields):
    with store.run(run, **fields) as started:
        for step in steps:
            started.log({"loss": float(step)}, step=step)


def test_diverged_copies_become_one_store(store, tmp_path):
    log(store, "old", range(3), params={"lr": 0.1})
    store.backup(tmp_path / "copy")
    with tidalite.open(tmp_path / "copy") as copy:
        log(copy, "there", range(5), tags=["x"])
        copy.edit("old", params={"lr": 0.3}, notes="there")
    store.edit("old", name="here")
    seen = []
    stats = store.merge(tmp_path / "copy", progress=lambda done, total: seen.append((done, total)))
    assert (stats.runs_new, stats.runs_changed, stats.points) == (1, 1, 5)
    assert stats.renamed == {} and stats.damage == () and seen[-1] == (5, 5)
    old = store.runs()["old"]
    assert (old.params, old.name, old.notes) == ({"lr": 0.3}, "here", "there")
    assert store.select("loss").aggregate("count").to_numpy()["count"].tolist() == [8]
    again = store.merge(str(tmp_path / "copy"))
    assert (again.runs_new, again.runs_changed, again.points) == (0, 0, 0)


def test_runs_of_one_id_are_refused_renamed_or_joined(store, tmp_path):
    log(store, "run1", range(3))
    with tidalite.open(tmp_path / "other") as other:
        log(other, "run1", range(3, 6))
    with pytest.raises(tidalite.Invalid, match="run1"):
        store.merge(tmp_path / "other")
    for wrong in [{"on_conflict": "odd"}, {"on_conflict": "join", "suffix": "-b"}, {"suffix": ""}]:
        with pytest.raises(tidalite.Invalid):
            store.merge(tmp_path / "other", **wrong)
    assert store.merge(tmp_path / "other", suffix="-b").renamed == {"run1": "run1-b"}
    assert sorted(run.id for run in store.runs()) == ["run1", "run1-b"]
    with tidalite.open(tmp_path / "joined") as joined:
        log(joined, "run1", range(3))
        joined.merge(tmp_path / "other", on_conflict="join")
        assert len(joined.runs()["run1"].participants) == 2


def test_a_store_is_not_merged_with_itself_or_with_nothing(store, tmp_path):
    log(store, "a", range(2))
    with pytest.raises(tidalite.Invalid, match="the same store"):
        store.merge(store.path)
    with pytest.raises(tidalite.NotFound):
        store.merge(tmp_path / "none")
