"""Words may come as a list, and the argument of another library is refused with the right word."""
import inspect
import pickle

import pytest
import tidalite


@pytest.fixture
def filled(store):
    for seed in (0, 1):
        with store.run(f"seed-{seed}", params={"seed": seed}) as run:
            for step in range(10):
                run.log({"loss": step + seed}, step=step)
    return store


def test_words_are_given_one_by_one_or_as_a_list(filled):
    loss = filled.select("loss")
    by_run = loss.aggregate("min", "max", by="run")
    assert loss.aggregate(["min", "max"], by="run").to_dicts() == loss.aggregate(["min"], ("max",), by="run").to_dicts() == by_run.to_dicts()
    assert by_run.then(["mean", "std"]).to_dicts() == by_run.then("mean", "std").to_dicts()
    assert loss.top(1, ["max", "mean"]).to_dicts() == [{"run": "seed-1", "max": 10, "mean": 5.5}]
    assert loss.bottom(1, ["min"]).to_dicts() == [{"run": "seed-0", "min": 0}]
    assert loss.transform(["mean:2", "derivative:step"]).to_numpy()["value"].tolist() == loss.transform("mean:2", "derivative:step").to_numpy()["value"].tolist()
    assert by_run.sort(["min"], descending=True)[0]["run"] == "seed-1"
    assert pickle.loads(pickle.dumps(loss.transform(["mean:2"]))).to_numpy()["value"][0] == 0


def test_tags_are_given_one_by_one_or_as_a_list(store):
    run = store.run("a", tags=["a"])
    run.add_tags(["b", "c"])
    run.add_tags("d", ("e",))
    run.remove_tags(["a", "c"])
    assert run.tags == ["b", "d", "e"]
    with pytest.raises(TypeError, match="a tag is of type dict, not text"):
        run.add_tags({"a": 1})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.select(metric="loss"), "Store.select() has no argument `metric`; did you mean `metrics=`?"),
        (lambda s: s.select(run="a"), "Store.select() has no argument `run`; did you mean `runs=`?"),
        (lambda s: s.select(step=(0, 5)), "did you mean `steps=`?"),
        (lambda s: s.select(label={"a": 1}), "did you mean `labels=`?"),
        (lambda s: s.select(filter="params.lr > 1"), "did you mean `where=`?"),
        (lambda s: s.snapshot().select(run="a"), "Snapshot.select() has no argument `run`; did you mean `runs=`?"),
        (lambda s: s.run("b", config={}), "Store.run() has no argument `config`; did you mean `params=`?"),
        (lambda s: s.run(run_id="b"), "did you mean `id=`?"),
        (lambda s: s.run(run_name="b"), "did you mean `name=`?"),
        (lambda s: s.run("b", tag="x"), "did you mean `tags=`?"),
        (lambda s: s.run("b", job_type="x"), "did you mean `group=`?"),
        (lambda s: s.run("b", resume=True), 'did you mean `exist="must"`?'),
        (lambda s: s.run("b", parms={}), "did you mean `params=`?"),
        (lambda s: s.edit("a", tag="x"), "Store.edit() has no argument `tag`; did you mean `add_tags=`?"),
        (lambda s: s.append({"loss": [1.0]}, run_id="a"), 'there is no keyword "run_id"; there are run, labels'),
        (lambda s: s.delete_runs(older_than=0), "did you mean `before=`?"),
        (lambda s: s.runs(query="x"), "did you mean `where=`?"),
        (lambda s: s.importance("loss", values="min"), "Store.importance() has no argument `values`; did you mean `value=`?"),
        (lambda s: s.select().aggregate("mean", groupby="run"), "Selection.aggregate() has no argument `groupby`; did you mean `by=`?"),
        (lambda s: s.select().aggregate("mean", group_by="run"), "did you mean `by=`?"),
        (lambda s: s.select().aggregate(agg="mean"), "give aggregates without a name, one by one or as a list"),
        (lambda s: s.select().top(3, "last", group="run"), "did you mean `by=`?"),
        (lambda s: s.select().top("last", n=3), "did you mean `k=`?"),
        (lambda s: s.select().chart(bins=9), "did you mean `buckets=`?"),
        (lambda s: s.select().chart(x_axis="time"), "did you mean `x=`?"),
        (lambda s: s.select().band(samples=9), "did you mean `buckets=`?"),
        (lambda s: s.select().m4(width=9), "did you mean `columns=`?"),
        (lambda s: s.select().align(method="ffill"), "did you mean `fill=`?"),
        (lambda s: s.select().latest().sort("value", ascending=False), "Table.sort() has no argument `ascending`; did you mean `descending=True`?"),
        (lambda s: s.select().latest().head(n=3), "did you mean `rows=`?"),
        (lambda s: s.run("a").finish(exit_code=1), "did you mean `status=`?"),
        (lambda s: s.run("a").fail(error="x"), "did you mean `reason=`?"),
        (lambda s: tidalite.open(s.path, read_only=True), 'open() has no argument `read_only`; did you mean `mode="r"`?'),
        (lambda s: tidalite.time_bucket("1d", timezone="UTC"), "time_bucket() has no argument `timezone`; did you mean `tz=`?"),
        (lambda s: s.select(zzz=1), "Store.select() has no argument `zzz`; it has metrics, runs, where, labels, exclude_metrics"),
        (lambda s: s.select().aggregate("mean", zzz=1), "Selection.aggregate() has no argument `zzz`; it has *aggregates, by"),
    ],
)
def test_an_argument_of_another_library_is_refused_with_the_right_word(filled, call, message):
    with pytest.raises(TypeError) as refused:
        call(filled)
    assert message in str(refused.value)
    assert refused.value.__cause__ is None and refused.value.__suppress_context__ is False and refused.value.__context__ is None


def test_other_type_errors_stay(filled):
    with pytest.raises(TypeError, match="select: steps is 5; give a pair"):
        filled.select(steps=5)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        filled.plot_scatter("lr")

    def progress(done):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        filled.flush(progress=progress)


def test_methods_keep_their_signatures_and_documents():
    assert list(inspect.signature(tidalite.Selection.band).parameters) == ["self", "buckets", "by", "x", "over"]
    assert tidalite.Store.select.__qualname__ == "Store.select" and ">>>" in tidalite.Store.select.__doc__
    assert list(inspect.signature(tidalite.open).parameters)[:3] == ["path", "mode", "durability"]
