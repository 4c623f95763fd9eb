"""An embedded columnar store for streams of metrics.

Log a run, and read it back:

>>> import tidalite
>>> store = tidalite.open(path)
>>> with store.run("resnet-42", params={"lr": 3e-4}) as run:
...     for step in range(3):
...         run.log({"loss": 1 / (step + 1), "acc": step / 10}, step=step)
>>> store.select("loss").points()["value"].to_list()
[1.0, 0.5, 0.3333333333333333]

Steps are 64-bit whole numbers. Times are microseconds since 1970 UTC, or datetimes. Values are 64-bit floats, kept bit for bit,
NaN and infinities included. Every error of a store is a `tidalite.Error`; each subclass calls for a different reaction.
"""
from . import _arguments, _store_methods

# Before the functions below are taken from the compiled module.
_arguments.attach()

from ._tidalite import (  # noqa: E402
    REMOVE,
    Bucket,
    Busy,
    Cancelled,
    Column,
    Corrupt,
    Error,
    Follow,
    Full,
    Invalid,
    Io,
    NotFound,
    Pattern,
    Poisoned,
    Run,
    Selection,
    Snapshot,
    Store,
    SystemWatch,
    Table,
    Unsupported,
    __version__,
    escape,
    exact,
    glob,
    open,
    salvage,
    step_bucket,
    time_bucket,
)
from .records import (  # noqa: E402
    CompactStats,
    Explain,
    Finding,
    FlushStats,
    Importance,
    Imported,
    MergeStats,
    ParamImportance,
    PartFiles,
    Participant,
    Reopened,
    Report,
    RunInfo,
    Runs,
    Salvaged,
    Stats,
    ThinStats,
    Unread,
)

__all__ = [
    "REMOVE",
    "Bucket",
    "Busy",
    "Cancelled",
    "Column",
    "CompactStats",
    "Corrupt",
    "Error",
    "Finding",
    "Explain",
    "FlushStats",
    "Follow",
    "Full",
    "Importance",
    "Imported",
    "Invalid",
    "Io",
    "MergeStats",
    "NotFound",
    "ParamImportance",
    "PartFiles",
    "Participant",
    "Pattern",
    "Poisoned",
    "Reopened",
    "Report",
    "Run",
    "RunInfo",
    "Runs",
    "Salvaged",
    "Selection",
    "Snapshot",
    "Stats",
    "Store",
    "SystemWatch",
    "Table",
    "ThinStats",
    "Unread",
    "Unsupported",
    "__version__",
    "escape",
    "exact",
    "glob",
    "open",
    "salvage",
    "step_bucket",
    "time_bucket",
]

_store_methods.attach()
