"""Stores, runs and selections that are copied, or pickled to other processes."""
import copy
import multiprocessing
import os
import pickle
import re
import shutil

import pytest

import tidalite

# A spawned process imports this module anew and has nothing open.
spawned = multiprocessing.get_context("spawn")


def log_twice(run, step):
    run.log({"x": float(os.getpid())}, step=step)
    copied = pickle.loads(pickle.dumps(run))
    copied.log({"x": float(os.getpid())}, step=step + 1)
    copied.finish()
    return run.labels, run.id


def read(selection):
    return selection.to_numpy()["value"].tolist()


def writers(store):
    return len(os.listdir(store.path / "log"))


def test_a_copy_is_the_same_handle(store):
    run = store.run("a")
    config = copy.deepcopy({"store": store, "nested": [run], "x": store.select("x")})
    assert config["store"] is store and config["nested"][0] is run
    assert copy.copy(run) is run and copy.copy(store) is store
    config["nested"][0].log({"x": 1.0})
    assert read(config["x"]) == [1.0]


def test_workers_log_to_a_pickled_run_with_its_labels_and_do_not_end_it(store):
    run = store.run("a", labels={"rank": 3}, params={"lr": 0.1})
    with spawned.Pool(2) as pool:
        for labels, id in pool.starmap(log_twice, [(run, 10 * i) for i in range(6)]):
            assert labels == {"rank": "3"} and id == "a"
        pool.close()
        pool.join()
    found = store.select("x", labels={"rank": 3}).to_numpy()
    assert sorted(found["step"].tolist()) == sorted(10 * i + j for i in range(6) for j in (0, 1))
    assert float(os.getpid()) not in found["value"].tolist()
    info = store.runs()["a"]
    assert (info.status, len(info.participants), info.params) == ("running", 1, {"lr": 0.1})
    # Each process opened the store once, however many pickles it got.
    assert writers(store) <= 3
    run.finish()
    assert store.runs()["a"].status == "finished"


def test_a_worker_that_dies_does_not_end_the_run(store):
    run = store.run("a")
    process = spawned.Process(target=die, args=(run,))
    process.start()
    process.join()
    assert read(store.select("x")) == [1.0] and run.status == "running"
    run.finish()
    assert run.status == "finished"


def die(run):
    run.log({"x": 1.0})
    os._exit(1)


def test_selections_are_pickled_with_all_that_they_select(store):
    run = store.run("a")
    for step in range(20):
        run.log({"x": float(step), "y": -1.0}, step=step)
    ids = ["a"]
    selection = store.select(re.compile("x|y"), runs=ids, steps=(5, 15), values=(0, None), where="id = 'a'")
    selection = selection.having("max", ">", 3, steps=(0, 19)).transform("mean:2")
    ids[0] = "changed later"
    expected = read(selection)
    assert len(expected) == 10
    with spawned.Pool(1) as pool:
        assert pool.apply(read, (selection,)) == expected
    assert repr(pickle.loads(pickle.dumps(selection))) == repr(selection)
    assert read(pickle.loads(pickle.dumps(store.select(runs=run, repeats="all", history="own")))) == read(store.select(runs=run))


def test_patterns_are_pickled_alone_and_in_selections(store):
    store.run("a").log({"x[0]": 1.0, "x0": 2.0})
    for pattern, value in ((tidalite.exact("x[0]"), 1.0), (tidalite.glob("x[0]"), 2.0)):
        assert pickle.loads(pickle.dumps(pattern)) == pattern == copy.deepcopy(pattern)
        assert read(pickle.loads(pickle.dumps(store.select([pattern])))) == [value]


def test_a_selection_that_another_process_cannot_make_says_so(store):
    store.run("a").log({"x": 1.0})
    snapshot = store.snapshot().select("x")
    iterated = store.select(name for name in ["x"])
    for selection in (snapshot, iterated, snapshot.having("max", ">", 0).transform("mean:2")):
        assert read(selection) == [1.0]
        assert copy.copy(selection) is selection and copy.deepcopy(selection) is selection
        with pytest.raises(TypeError, match="cannot be pickled: it is of a snapshot"):
            pickle.dumps(selection)


def test_lists_within_labels_are_copied(store):
    store.run("a", labels={"rank": 0}).log({"x": 1.0})
    ranks = [0]
    selection = store.select("x", labels={"rank": ranks})
    ranks[0] = 1
    assert read(pickle.loads(pickle.dumps(selection))) == read(selection) == [1.0]


def test_an_unpickled_run_rewinds_what_it_logged(store):
    run = store.run("a")
    helper = pickle.loads(pickle.dumps(run))
    for step in range(4):
        helper.log({"x": float(step)}, step=step)
    helper.rewind(1)
    helper.log({"x": 9.0}, step=2)
    assert read(store.select("x")) == [0.0, 1.0, 9.0]
    helper.fail("not its part")
    with pytest.raises(tidalite.Invalid, match="has ended"):
        helper.log({"x": 1.0})
    assert store.runs()["a"].status == "running"


def test_a_store_is_reopened_as_it_was_opened(path):
    with tidalite.open(path, durability=2.5, memory_bytes=1 << 26, background=False) as store:
        store.run("a").log({"x": 1.0})
        same = pickle.loads(pickle.dumps(store))
        assert same.id == store.id and read(same.select("x")) == [1.0]
        same.run("b").log({"x": 2.0})
        assert writers(store) == 1, "this process has it open"
        kept = pickle.dumps(store)
    again = pickle.loads(kept)
    assert again.__reduce__()[1][0][2] == (False, 2.5, 1 << 26, None, False, None, True)
    assert sorted(read(again.select("x"))) == [1.0, 2.0]
    again.close()
    reader = pickle.loads(pickle.dumps(tidalite.open(path, "r")))
    with pytest.raises(tidalite.Invalid, match="read-only"):
        reader.run("c")


def test_another_store_at_the_path_is_an_error_and_none_is_made(path):
    with tidalite.open(path) as store:
        kept = pickle.dumps((store, store.run("a"), store.select()))
    shutil.rmtree(path)
    with pytest.raises(tidalite.NotFound):
        pickle.loads(kept)
    assert not path.exists()
    tidalite.open(path).close()
    with pytest.raises(tidalite.NotFound, match="now holds the store"):
        pickle.loads(kept)


def test_a_run_that_is_not_there_any_more_is_not_found(store):
    run = store.run("a")
    kept = pickle.dumps(run)
    store.delete_run("a")
    with pytest.raises(tidalite.NotFound):
        pickle.loads(kept)
