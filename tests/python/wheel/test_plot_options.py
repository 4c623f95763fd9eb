"""The tables of plot options in the guide have every option with its default, and their examples draw."""
import ast
import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import tidalite
from pages import DOCS
from plotted import fill, picture  # noqa: F401
from tidalite._plot import plot_parallel, plot_scatter, plot_selection, plot_table

GUIDE = (DOCS / "python.md").read_text()
TABLES = {
    "The options of `Selection.plot`": plot_selection,
    "The options of `Table.plot`": plot_table,
    "| option of `plot_parallel`": plot_parallel,
    "| option of `plot_scatter`": plot_scatter,
    "| option of `importance`": tidalite.Store.importance,
}


def rows(start):
    """The cells of the table after a text, each row as option, default, example."""
    lines = GUIDE[GUIDE.index(start) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    found = []
    for line in lines[first + 1 :]:
        if not line.startswith("|"):
            return found
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        found += [(name, cells[2].strip("`"), cells[-1].strip("` |")) for name in re.findall(r"`(\w+)`", cells[0])]
    return found


@pytest.mark.parametrize("start", TABLES)
def test_a_table_has_every_option_with_its_default(start):
    parameters = inspect.signature(TABLES[start]).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}
    for data in ("self", "selection", "store", "table"):
        options.pop(data, None)
    shown = {name: default for name, default, _ in rows(start)}
    assert shown == {name: "required" if default is inspect.Parameter.empty else repr(default).replace("'", '"') for name, default in options.items()}


@pytest.mark.parametrize(
    ("owner", "name", "function"),
    [("Selection", "plot", plot_selection), ("Table", "plot", plot_table), ("Store", "plot_parallel", plot_parallel), ("Store", "plot_scatter", plot_scatter)],
)
def test_the_types_list_every_option_with_its_default(owner, name, function):
    text = Path(tidalite.__file__).with_name("_tidalite.pyi").read_text()
    # Python 3.11 does not know statements that name a type.
    stubs = ast.parse(re.sub(r"^type .*$", "", text, flags=re.MULTILINE))
    members = next(node for node in stubs.body if isinstance(node, ast.ClassDef) and node.name == owner).body
    arguments = next(node for node in members if isinstance(node, ast.FunctionDef) and node.name == name).args
    listed = {arg.arg: ast.literal_eval(default) for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    taken = {p.name: p.default for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert listed == taken


@pytest.mark.parametrize("start", TABLES)
def test_the_examples_draw(start, store):
    for run in ("lm", "sweep-1", "sweep-2"):
        fill(store, run, 200, metrics=("loss", "val/loss"), params={"lr": 0.1 if run == "lm" else 0.01})
        store.edit(run, add_tags=["sweep"])
    buckets = store.select("loss").aggregate("count", "mean", "max", by="step:20")
    for name, _, example in rows(start):
        assert name in example or name in ("params", "param", "metric", "log_x"), example
        assert eval(example, {"store": store, "selection": store.select("loss"), "buckets": buckets, "plt": plt}) is not None
        plt.close("all")
