"""Arguments of the compiled methods: lists in place of several words, and the right word for the argument of another library.

A method that is wrapped here costs a fraction of a microsecond more. `Run.log` is not wrapped, since loops call it most.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from typing import Any

from ._tidalite import Run, Selection, Snapshot, Store, Table

_VARIADIC: dict[type, tuple[str, ...]] = {
    Selection: ("aggregate", "bottom", "top", "transform"),
    Table: ("sort", "then"),
    Run: ("add_tags", "remove_tags"),
    Store: ("diff",),
    Snapshot: ("diff",),
}
# `append` warns with the line of its caller, and names the right words itself.
_UNWRAPPED: dict[type, tuple[str, ...]] = {Run: ("log",), Store: ("append",)}
_CLASSES = (Store, Snapshot, Selection, Table, Run)
_FUNCTIONS = ("open", "salvage", "step_bucket", "time_bucket")

# Words of pandas, matplotlib, TensorBoard, Weights & Biases and MLflow, each with ours. The first one that a method has is meant.
_OTHER_WORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("run_id", "run_ids", "run_uuid", "ids", "experiment", "experiments"), ("runs", "run", "id")),
    "run": ("runs", "id"),
    "runs": ("run", "id"),
    "run_name": ("name", "id", "run", "runs"),
    **dict.fromkeys(("display_name", "title"), ("name",)),
    **dict.fromkeys(("job_type", "experiment_name", "project", "sweep"), ("group",)),
    **dict.fromkeys(("config", "hparams", "hyperparameters", "param", "parameters", "configuration"), ("params",)),
    **dict.fromkeys(("description", "comment", "note"), ("notes",)),
    "tag": ("tags", "add_tags"),
    "resume": ("exist",),
    **dict.fromkeys(("metric", "key", "keys", "scalar", "scalars", "field", "fields"), ("metrics", "columns")),
    **dict.fromkeys(("name", "names"), ("metrics", "runs")),
    "metrics": ("metric",),
    **dict.fromkeys(("filter", "filters", "query"), ("where",)),
    "label": ("labels",),
    **dict.fromkeys(("step", "step_range"), ("steps",)),
    **dict.fromkeys(("times", "time_range", "timestamp"), ("time",)),
    "value": ("values",),
    **dict.fromkeys(("groupby", "group_by", "group", "groups", "per"), ("by",)),
    **dict.fromkeys(("bins", "points", "samples", "resolution", "n", "width"), ("buckets", "columns", "points", "rows", "k")),
    **dict.fromkeys(("limit", "count"), ("k", "rows")),
    **dict.fromkeys(("x_axis", "xaxis", "x_key", "axis", "index"), ("x", "on")),
    **dict.fromkeys(("how", "method", "fillna"), ("fill",)),
    **dict.fromkeys(("ascending", "reverse"), ("descending",)),
    **dict.fromkeys(("timezone", "tzinfo", "zone", "time_zone"), ("tz",)),
    **dict.fromkeys(("freq", "rule", "interval", "size"), ("width",)),
    **dict.fromkeys(("read_only", "readonly"), ("mode",)),
    **dict.fromkeys(("dir", "directory", "folder", "logdir", "log_dir", "root"), ("path",)),
    **dict.fromkeys(("start", "start_time", "begin"), ("started",)),
    **dict.fromkeys(("end", "end_time"), ("ended",)),
    **dict.fromkeys(("older_than", "until"), ("before",)),
    **dict.fromkeys(("dry", "simulate"), ("dry_run",)),
    **dict.fromkeys(("global_step", "epoch", "iteration"), ("step",)),
    "exit_code": ("status",),
    **dict.fromkeys(("error", "exception", "message"), ("reason",)),
    "rename": ("suffix",),
}
_POSITIONAL = ("aggregates", "aggregate", "agg", "aggs", "func", "funcs", "columns", "by", "words", "tags")
_USES = {"mode": 'mode="r"', "exist": 'exist="must"', "descending": "descending=True"}


def attach() -> None:
    """Wraps the methods of the compiled classes and its functions, in the compiled module itself: pickles and stubs see the same ones."""
    for owner in _CLASSES:
        variadic = _VARIADIC.get(owner, ())
        for name, method in list(vars(owner).items()):
            if callable(method) and not name.startswith("_") and name not in _UNWRAPPED.get(owner, ()):
                if inspect.signature(method).parameters.keys() != {"self"}:
                    setattr(owner, name, _listed(method) if name in variadic else named(method))
    compiled = import_module("._tidalite", __package__)
    for name in _FUNCTIONS:
        setattr(compiled, name, named(getattr(compiled, name)))


def named(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with an error for an unknown keyword that names the right one."""

    @wraps(method)
    def call(*args: Any, **keywords: Any) -> Any:
        if not keywords:
            return method(*args)
        try:
            return method(*args, **keywords)
        except TypeError:
            better = _better(method, keywords)
            if better is None:
                raise
        raise TypeError(better)

    return call


def _listed(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which takes its words one by one or as a list."""
    call = named(method)

    @wraps(method)
    def with_lists(*args: Any, **keywords: Any) -> Any:
        return call(*(word for arg in args for word in (arg if isinstance(arg, (list, tuple)) else (arg,))), **keywords)

    return with_lists


def _better(method: Callable[..., Any], keywords: dict[str, Any]) -> str | None:
    """The message for the first keyword that the method lacks. `None` if it has them all: the error is about something else."""
    parameters = inspect.signature(method).parameters
    wrong = next((word for word in keywords if word not in parameters), None)
    if wrong is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    words = [p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL]
    options = [p.name for p in parameters.values() if p.name != "self" and p.kind is not p.VAR_POSITIONAL]
    said = f"{method.__qualname__}() has no argument `{wrong}`"
    near = [right for right in _OTHER_WORDS.get(wrong, ()) if right in options]
    near = near or get_close_matches(wrong, options, 1)
    if near:
        return f"{said}; did you mean `{_USES.get(near[0], near[0] + '=')}`?"
    if words and wrong in _POSITIONAL:
        return f"{said}; give {words[0]} without a name, one by one or as a list"
    return f"{said}; it has {', '.join([f'*{word}' for word in words] + options)}"
