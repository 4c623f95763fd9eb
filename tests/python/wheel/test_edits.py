"""Edits of runs, and what is said when a run starts."""
import copy
import datetime as dt
import pickle

import pytest

import tidalite

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone.utc)


def test_an_edit_changes_what_it_names_and_takes_no_part(store):
    with store.run("a", params={"lr": 0.1, "old": 1}, tags=["one"], labels={"rank": 0}) as run:
        run.log({"x": 1.0}, step=4)
    before = store.runs()["a"]
    store.edit(
        "a", params={"lr": 0.2}, remove_params=["old"], add_tags=["star"], remove_tags="one", name="n", notes="long", group="g"
    )
    after = store.runs()["a"]
    assert (after.params, after.tags, after.name, after.notes, after.group) == ({"lr": 0.2}, ("star",), "n", "long", "g")
    for field in ("status", "started", "ended", "labels", "participants"):
        assert getattr(after, field) == getattr(before, field)
    store.edit("a", notes=None, name=None)
    after = store.runs()["a"]
    assert (after.name, after.notes, after.group) == (None, None, "g"), "None removes; what is not given stays"


def test_a_run_may_be_edited_while_it_runs(store):
    run = store.run("a")
    store.edit(run, params={"seen": True})
    assert run.status == "running" and run.params == {"seen": True} and len(store.runs()["a"].participants) == 1


def test_a_param_is_removed_by_a_marker(store):
    run = store.run("a", params={"lr": 0.1, "old": 1, "older": 2})
    run.set_params({"lr": 0.2, "old": tidalite.REMOVE, "absent": tidalite.REMOVE})
    assert run.params == {"lr": 0.2, "older": 2}
    store.edit("a", params={"older": tidalite.REMOVE, "n": 3})
    assert run.params == {"lr": 0.2, "n": 3}
    run.set_params({"lr": None})
    assert run.params == {"lr": None, "n": 3}, "None is a value"
    with pytest.raises(tidalite.Invalid, match='param "n" is tidalite.REMOVE; give a value'):
        store.run("b", params={"n": tidalite.REMOVE})
    with pytest.raises(TypeError):
        run.set_params({"n": [tidalite.REMOVE]})
    assert store.runs().ids == ["a"] and run.params == {"lr": None, "n": 3}
    assert repr(tidalite.REMOVE) == "tidalite.REMOVE"
    assert pickle.loads(pickle.dumps(tidalite.REMOVE)) is copy.deepcopy(tidalite.REMOVE) is tidalite.REMOVE


def test_status_and_times_are_set_and_follow_by_themselves_again(store):
    store.run("a").finish()
    before = store.runs()["a"]
    store.edit("a", status="failed", started=NOON, ended="2026-01-31T13:00:00Z")
    edited = store.runs()["a"]
    assert (edited.status, edited.started, edited.duration) == ("failed", NOON, dt.timedelta(hours=1))
    store.edit("a", status=None, started=None, ended=None)
    assert store.runs()["a"] == before


def test_bulk_data_is_given_its_facts_by_an_edit(store):
    store.append({"run": "sim", "metric": "x", "step": [1], "value": [1.0]})
    store.edit("sim", params={"n": 3}, started=NOON, ended=NOON + dt.timedelta(minutes=1), status="lost", name="Simulation")
    run = store.runs()["sim"]
    assert (run.params, run.duration, run.status, run.name) == ({"n": 3}, dt.timedelta(minutes=1), "lost", "Simulation")
    assert run.participants == ()


def test_a_wrong_edit_is_refused_and_changes_nothing(store):
    store.run("a").finish()
    before = store.runs()
    with pytest.raises(tidalite.NotFound, match="there is no run"):
        store.edit("b", name="a typo")
    store.run("train-1").finish()
    with pytest.raises(tidalite.NotFound, match='there is no run "train_1"; similar: "train-1"'):
        store.edit("train_1", name="a typo")
    with pytest.raises(tidalite.NotFound, match='similar: "train-1"'):
        store.run("trian-1", exist="must")
    before = store.runs()
    with pytest.raises(tidalite.Invalid, match="give one of running, finished, failed, lost"):
        store.edit("a", name="x", status="done")
    with pytest.raises(TypeError, match="no argument `nam`; did you mean `name=`"):
        store.edit("a", nam="x")
    for wrong in ({"name": 3}, {"params": 3}, {"add_tags": 3}, {"started": "noon"}, {"name": ""}):
        with pytest.raises((TypeError, tidalite.Invalid)):
            store.edit("a", **wrong)
    assert store.runs() == before


def test_a_start_says_whether_the_run_is_new(store):
    store.run("a", exist="new").finish()
    with pytest.raises(tidalite.Invalid, match='already a run "a"'):
        store.run("a", exist="new")
    with pytest.raises(tidalite.NotFound):
        store.run("b", exist="must")
    with pytest.raises(tidalite.Invalid, match="`any`, `new` or `must`"):
        store.run("a", exist="maybe")
    store.run("a", exist="must").finish()
    assert store.runs().ids == ["a"]


def test_a_start_sets_name_notes_group_and_time(store):
    store.run("a", name="n", notes="long", group="g", started=NOON)
    run = store.runs("group = 'g' and name like 'n*'")["a"]
    assert (run.name, run.notes, run.group, run.started) == ("n", "long", "g", NOON)


def test_a_rewind_may_name_its_metrics(store):
    run = store.run("a")
    for step in range(100):
        run.log({"train/loss": 1.0}, step=step)
    for epoch in range(4):
        run.log({"val/loss": 1.0}, step=epoch)
    run.rewind(49, "train/*")
    run.rewind(1, ["val/loss"])
    last = store.select().latest().to_arrow().to_pydict()
    assert dict(zip(last["metric"], last["step"])) == {"train/loss": 49, "val/loss": 1}
    with pytest.raises(tidalite.Invalid, match="list of metrics is empty"):
        run.rewind(0, [])
    with pytest.raises(TypeError):
        run.rewind(0, 3)


def test_groups_by_a_param_have_its_type(store):
    values = {"ints": [10, 9, None], "mixed": [10, 9.5, 2], "flags": [True, False, True], "texts": ["b", "a", "b"], "any": ["x", 10, 9]}
    for i in range(3):
        with store.run(str(i), params={name: of[i] for name, of in values.items()}) as run:
            run.log({"loss": float(i)})
    def groups(name):
        table = store.select("loss").aggregate("count", by=f"param:{name}").to_arrow()
        return str(table.schema.types[0]), table.column(0).to_pylist()
    assert groups("ints") == ("int64", [None, 9, 10])
    assert groups("mixed") == ("double", [2.0, 9.5, 10.0])
    assert groups("flags") == ("bool", [False, True])
    assert groups("texts") == ("string", ["a", "b"])
    assert groups("any") == ("string", ["9", "10", "x"])
    assert str(store.select("loss").band(4, by="param:ints").to_arrow().schema.types[0]) == "int64"
    assert store.select("loss").aggregate("p50", by="param:ints").to_arrow().column(0).to_pylist() == [None, 9, 10]
    # Only the runs that are selected decide.
    some = store.select("loss", runs=["1", "2"]).aggregate("count", by="param:mixed").to_arrow()
    assert str(some.schema.types[0]) == "double"
    assert str(store.select("loss", runs=["1"]).aggregate("count", by="param:any").to_arrow().schema.types[0]) == "int64"
