"""Names: a text selects what bears it as its name, and is a glob only where nothing does; wrong types are refused."""
import enum
import re

import numpy as np
import pytest

import tidalite


@pytest.fixture
def named(store):
    with store.run("sweep{1}") as run:
        run.log({"layers[0]/grad": 1.0, "layers0/grad": 2.0}, step=0, labels={"host": "node[1]"})
    with store.run("sweep1") as run:
        run.log({"layers0/grad": 3.0}, step=0, labels={"host": "node1"})
    return store


def values(selection):
    return sorted(selection.to_numpy()["value"].tolist())


@pytest.mark.parametrize("flushed", [False, True])
def test_a_text_is_the_name_that_exists_and_otherwise_a_glob(named, flushed):
    if flushed:
        named.flush()
    assert values(named.select("layers[0]/grad")) == [1.0]
    assert values(named.select(["layers[0]/grad", "layers0/grad"], runs="sweep{1}")) == [1.0, 2.0]
    assert values(named.select(runs="sweep{1}")) == [1.0, 2.0]
    assert values(named.select(labels={"host": "node[1]"})) == [1.0, 2.0]
    assert values(named.select("layers?/grad")) == [2.0, 3.0]
    assert values(named.select(labels={"host": "node*"})) == [1.0, 2.0, 3.0]


def test_the_explicit_forms_do_not_depend_on_what_exists(named):
    assert values(named.select(tidalite.glob("layers[0]/grad"))) == [2.0, 3.0]
    assert values(named.select(runs=tidalite.glob("sweep{1}"))) == [3.0]
    assert values(named.select(labels={"host": tidalite.glob("node[1]")})) == [3.0]
    assert values(named.select(tidalite.exact("layers*"))) == []
    assert values(named.select(runs=[tidalite.exact("sweep{1}"), re.compile("p1$")])) == [1.0, 2.0, 3.0]
    assert values(named.select(labels={"host": re.compile(r"\d$")})) == [3.0]
    assert repr(tidalite.glob("a*")) == 'tidalite.glob("a*")' and repr(tidalite.exact("a")) == 'tidalite.exact("a")'
    assert tidalite.glob("a") == tidalite.glob("a") != tidalite.exact("a") and len({tidalite.glob("a"), tidalite.glob("a")}) == 1
    assert 'tidalite.glob("a*")' in repr(named.select(tidalite.glob("a*")))


def test_runs_are_given_as_objects_too(named):
    info = named.runs()["sweep{1}"]
    assert values(named.select(runs=info)) == values(named.select(runs=[info])) == [1.0, 2.0]
    assert values(named.select(runs=named.runs())) == [1.0, 2.0, 3.0]
    run = named.run("sweep1")
    assert values(named.select(runs=[run, info])) == [1.0, 2.0, 3.0]


class Color(enum.Enum):
    RED = 1


class Word(str, enum.Enum):
    ONE = "one"


@pytest.mark.parametrize("value", ["a*", 3, -1, True, 0.5, np.int64(7), np.float32(0.1), np.bool_(True), np.array(5), Color.RED, Word.ONE])
def test_a_label_is_selected_by_the_value_that_was_logged(store, value):
    with store.run("a", labels={"x": value}) as run:
        run.log({"m": 1.0})
        run.log({"m": 2.0}, step=9, labels={"x": "another"})
    assert values(store.select(labels={"x": value})) == [1.0]
    assert values(store.select(labels={"x": [value]})) == [1.0]
    assert values(store.select(labels={"x": ["another", value]})) == [1.0, 2.0]


def test_labels_take_lists_and_each_key_must_match(store):
    for rank in range(4):
        with store.run("a", labels={"rank": rank, "host": f"n{rank % 2}"}) as run:
            run.log({"m": rank}, step=0)
    assert values(store.select(labels={"rank": [0, 2, 3]})) == [0.0, 2.0, 3.0]
    assert values(store.select(labels={"rank": np.arange(2)})) == [0.0, 1.0]
    assert values(store.select(labels={"rank": range(1, 4), "host": "n1"})) == [1.0, 3.0]
    assert values(store.select(labels={"rank": (re.compile("[01]"), "3"), "host": ["n1", "n9"]})) == [1.0, 3.0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics": 123},
        {"metrics": b"loss"},
        {"metrics": {"loss": 1}},
        {"metrics": ["loss", 1]},
        {"metrics": re.compile(b"loss")},
        {"runs": [1]},
        {"runs": 1.5},
        {"runs": [["a"]]},
        {"labels": {"rank": object()}},
        {"labels": {"rank": None}},
        {"labels": {"rank": [None]}},
        {"labels": {"rank": b"0"}},
        {"labels": {"rank": {"a": 1}}},
        {"labels": {"rank": [[0]]}},
        {"labels": {1: "a"}},
        {"labels": [("rank", 0)]},
    ],
)
def test_a_selector_of_a_wrong_type_is_a_type_error(named, arguments):
    with pytest.raises(TypeError):
        named.select(**arguments)


@pytest.mark.parametrize("arguments", [{"metrics": []}, {"runs": ()}, {"labels": {"rank": []}}, {"metrics": "[", "runs": "a"}])
def test_an_empty_list_and_a_malformed_glob_are_invalid(named, arguments):
    with pytest.raises(tidalite.Invalid):
        named.select(**arguments).to_numpy()


@pytest.mark.parametrize("value", [object(), [1], {"a": 1}, b"x", None, np.arange(2)])
def test_a_label_of_an_odd_type_is_refused_where_it_is_logged(store, value):
    with pytest.raises(TypeError, match="label 'x'|label \"x\""):
        store.run("a", labels={"x": value})
    run = store.run("b")
    with pytest.raises(TypeError, match="label"):
        run.log({"m": 1.0}, labels={"x": value})


def test_several_runs_are_deleted_by_exact_id_and_only_if_all_exist(named):
    named.run("*").finish()
    with pytest.raises(tidalite.NotFound, match='no run "swep1"; similar: "sweep1"'):
        named.delete_runs(["sweep1", "swep1"])
    with pytest.raises(tidalite.NotFound):
        named.delete_runs("sweep*")
    with pytest.raises(tidalite.NotFound):
        named.delete_run("sweep*")
    for nothing in (lambda: named.delete_runs(), lambda: named.delete_runs([])):
        with pytest.raises(tidalite.Invalid):
            nothing()
    for wrong in (3, [3], {"sweep1": 1}):
        with pytest.raises(TypeError):
            named.delete_runs(wrong)
        with pytest.raises(TypeError):
            named.thin(wrong)
    assert len(named.runs()) == 3
    assert named.delete_runs("*") == ["*"]
    assert named.delete_runs(tidalite.glob("sweep*"), dry_run=True) == ["sweep1", "sweep{1}"]
    assert named.delete_runs(re.compile("^sweep"), where="id = 'sweep1'", before="2999-01-01") == ["sweep1"]
    assert named.delete_runs(before="1999-01-01") == []
    assert named.runs().ids == ["sweep{1}"]
    assert named.delete_runs(named.runs()) == ["sweep{1}"]
