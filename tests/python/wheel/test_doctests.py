"""Every example in a docstring runs and gives the output that it shows."""
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import tidalite

# Modules of loggers need libraries that only their own tests install.
MODULES = ["tidalite", *(f"tidalite.{m.name}" for m in pkgutil.iter_modules(tidalite.__path__) if m.name not in ("_tidalite", "loggers"))]


def documented():
    """(name, docstring) of everything public, members of the compiled classes included."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        found[name] = module.__doc__
        for member, value in vars(module).items():
            ours = (getattr(value, "__module__", None) or "").startswith("tidalite")
            if ours and (inspect.isclass(value) or inspect.isroutine(value)):
                found[f"{value.__module__}.{member}"] = value.__doc__
            if ours and inspect.isclass(value):
                found.update({f"{member}.{m}": inspect.getdoc(v) for m, v in vars(value).items() if not m.startswith("__")})
    return [(name, doc) for name, doc in found.items() if doc and ">>>" in doc]


@pytest.mark.parametrize(("name", "doc"), documented(), ids=lambda v: v if len(v) < 60 else "")
def test_an_example_gives_what_it_shows(name, doc, store, path):
    import numpy as np

    np.random.seed(0)
    examples = doctest.DocTestParser().get_doctest(doc, {"tidalite": tidalite, "store": store, "path": str(path), "np": np}, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    output = []
    runner.run(examples, out=output.append)
    assert runner.failures == 0, "".join(output)


def test_there_are_examples_to_run():
    assert len(documented()) >= 12


def test_everything_public_is_documented():
    for name in tidalite.__all__:
        value = getattr(tidalite, name)
        if name != "__version__":
            assert value.__doc__, name
        if inspect.isclass(value) and not issubclass(value, Exception):
            for member, item in vars(value).items():
                if not member.startswith("_") and (callable(item) or inspect.isgetsetdescriptor(item)):
                    assert item.__doc__, f"{name}.{member}"


def test_the_examples_of_the_guide_run(store, path):
    guide = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    store.close()
    failed = []
    examples = doctest.DocTestParser().get_doctest(guide, {"path": str(path)}, "python.md", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=failed.append)
    assert runner.failures == 0 and runner.tries >= 10, "".join(failed)
